//! Plans of unmerges: evidence is taken back, and parts come apart.

use kernel::FragmentId;

use super::{Edge, Graph, UnmergeBy, UnmergePlan, components};

/// Plans an unmerge: takes evidence back, and looks at what still hangs together. Nothing comes
/// apart where other evidence holds it together; then that is told.
pub fn plan_unmerge<K: Clone + PartialEq>(graph: &Graph<K>, by: &UnmergeBy<K>) -> UnmergePlan<K> {
    match by {
        UnmergeBy::Evidence(keys) => take_back(graph, None, |edge| keys.contains(&edge.key)),
        UnmergeBy::Fragment(fragment) => take_out(graph, *fragment),
        UnmergeBy::Identifier(identifier) => {
            let mut held = graph.held.iter();
            let Some((_, fragment)) = held.find(|(own, _)| own == identifier) else {
                return nothing(graph, Vec::new());
            };
            let beside = graph.held.iter().filter(|(_, own)| own == fragment).count();
            if beside < 2 {
                return take_out(graph, *fragment);
            }
            let is_by = |edge: &Edge<K>| edge.identifier.as_ref() == Some(identifier);
            UnmergePlan {
                moved: Some(identifier.clone()),
                remaining: Vec::new(),
                ..take_back(graph, None, is_by)
            }
        }
    }
}

/// Takes a fragment from all others.
fn take_out<K: Clone + PartialEq>(graph: &Graph<K>, fragment: FragmentId) -> UnmergePlan<K> {
    let is_own = |edge: &Edge<K>| edge.a == fragment || edge.b == fragment;
    take_back(graph, Some(fragment), is_own)
}

/// Takes evidence back, and looks at what still hangs together; a fragment that is named leaves
/// whatever it hangs on.
fn take_back<K: Clone + PartialEq>(
    graph: &Graph<K>,
    leaving: Option<FragmentId>,
    is_taken: impl Fn(&Edge<K>) -> bool,
) -> UnmergePlan<K> {
    let before = components(&graph.fragments, graph.edges.iter().map(|it| (it.a, it.b)));
    // A group that nothing held before hangs on the oldest of those that stay.
    let stays = |fragment: &&FragmentId| Some(**fragment) != leaving;
    let anchor = before.iter().flatten().find(stays).copied();
    let groups = before.iter().filter_map(|group| group.iter().find(stays));
    let loose = groups.filter_map(|first| Some((anchor?, *first)));
    let left = graph.edges.iter().filter(|edge| !is_taken(edge));
    let ties = left.clone().map(|edge| (edge.a, edge.b)).chain(loose);
    let parts = components(&graph.fragments, ties);
    let taken: Vec<_> = graph.edges.iter().filter(|edge| is_taken(edge)).collect();
    if parts.len() < 2 {
        let is_end = |fragment| taken.iter().any(|it| it.a == fragment || it.b == fragment);
        let remaining = left.filter(|edge| is_end(edge.a) || is_end(edge.b));
        return nothing(graph, remaining.map(|edge| edge.key.clone()).collect());
    }
    apart(parts, leaving, &taken)
}

fn nothing<K>(graph: &Graph<K>, remaining: Vec<K>) -> UnmergePlan<K> {
    let mut all = graph.fragments.clone();
    all.sort_unstable();
    UnmergePlan {
        parts: vec![all.iter().map(|it| it.id).collect()],
        retracted: Vec::new(),
        moved: None,
        cannot_links: Vec::new(),
        remaining,
    }
}

fn apart<K: Clone>(
    parts: Vec<Vec<FragmentId>>,
    leaving: Option<FragmentId>,
    taken: &[&Edge<K>],
) -> UnmergePlan<K> {
    let is_in = |part: &[FragmentId], fragment| part.contains(&fragment);
    let part_of = |fragment| parts.iter().position(|part| is_in(part, fragment));
    let mut cannot_links = Vec::new();
    if let Some(leaving) = leaving {
        let others = parts.iter().filter(|part| !part.contains(&leaving));
        let oldest = others.filter_map(|part| part.first());
        cannot_links.extend(oldest.map(|oldest| (leaving.min(*oldest), leaving.max(*oldest))));
    }
    for edge in taken {
        let (a, b) = (part_of(edge.a), part_of(edge.b));
        if let (Some(first), Some(second)) = (a, b)
            && first != second
        {
            cannot_links.push((edge.a.min(edge.b), edge.a.max(edge.b)));
        }
    }
    cannot_links.sort_unstable();
    cannot_links.dedup();
    UnmergePlan {
        retracted: taken.iter().map(|edge| edge.key.clone()).collect(),
        parts,
        moved: None,
        cannot_links,
        remaining: Vec::new(),
    }
}
