//! Fragments that hang together.

use std::collections::HashMap;

use kernel::FragmentId;

use crate::customer::NewFragment;

/// Returns the fragments that hang together by edges, each group oldest first, and the groups by
/// their oldest fragment. Edges to others are passed over.
pub fn components(
    fragments: &[NewFragment],
    edges: impl IntoIterator<Item = (FragmentId, FragmentId)>,
) -> Vec<Vec<FragmentId>> {
    let mut sorted = fragments.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let places: HashMap<FragmentId, usize> = sorted.iter().map(|it| it.id).zip(0..).collect();
    let mut parents: Vec<usize> = (0..sorted.len()).collect();
    for (a, b) in edges {
        if let (Some(a), Some(b)) = (places.get(&a), places.get(&b)) {
            let (a, b) = (root(&mut parents, *a), root(&mut parents, *b));
            // The older one, so that the groups come out in order.
            parents[a.max(b)] = a.min(b);
        }
    }
    let mut groups: Vec<Vec<FragmentId>> = vec![Vec::new(); sorted.len()];
    for (place, fragment) in sorted.iter().enumerate() {
        groups[root(&mut parents, place)].push(fragment.id);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

fn root(parents: &mut [usize], mut place: usize) -> usize {
    while parents[place] != place {
        parents[place] = parents[parents[place]];
        place = parents[place];
    }
    place
}
