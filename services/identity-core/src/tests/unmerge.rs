//! Unmerges: parts come apart as they were joined.

use proptest::prelude::*;

use super::*;
use crate::{Edge, EvidenceKind, Graph, UnmergeBy, components, plan_unmerge};

fn fragment(number: usize) -> FragmentId {
    FragmentId::new(uuid(number))
}

fn made(number: usize) -> NewFragment {
    NewFragment {
        create_time: Timestamp::from_millis(i64::try_from(number).expect("small")),
        id: fragment(number),
    }
}

/// Fragments 1 to `count`, and edges named by their places.
fn graph(count: usize, edges: &[(usize, usize)]) -> Graph<usize> {
    Graph {
        fragments: (1..=count).map(made).collect(),
        edges: edges
            .iter()
            .enumerate()
            .map(|(key, (a, b))| Edge {
                key,
                a: fragment(*a),
                b: fragment(*b),
                identifier: None,
            })
            .collect(),
        held: Vec::new(),
    }
}

fn numbers(parts: &[Vec<FragmentId>]) -> Vec<Vec<u128>> {
    let part = |part: &Vec<FragmentId>| part.iter().map(|it| it.uuid().as_u128()).collect();
    parts.iter().map(part).collect()
}

#[test]
fn what_nothing_else_holds_together_comes_apart() {
    for (edges, by, expected) in [
        (
            &[(1, 2)][..],
            UnmergeBy::Evidence(vec![0]),
            &[&[1][..], &[2]][..],
        ),
        (
            &[(1, 2), (2, 3)],
            UnmergeBy::Evidence(vec![0]),
            &[&[1], &[2, 3]],
        ),
        (
            &[(1, 2), (2, 3)],
            UnmergeBy::Fragment(fragment(2)),
            &[&[1], &[2], &[3]],
        ),
        (
            &[(1, 2), (1, 3), (2, 3)],
            UnmergeBy::Fragment(fragment(1)),
            &[&[1], &[2, 3]],
        ),
        (&[(1, 2), (1, 2)], UnmergeBy::Evidence(vec![0]), &[&[1, 2]]),
        // A fragment that nothing held stays where the oldest is.
        (&[(2, 3)], UnmergeBy::Evidence(vec![0]), &[&[1, 2], &[3]]),
        (
            &[(1, 2)],
            UnmergeBy::Fragment(fragment(3)),
            &[&[1, 2], &[3]],
        ),
    ] {
        let count = expected.iter().map(|part| part.len()).sum();
        let plan = plan_unmerge(&graph(count, edges), &by);
        assert_eq!(numbers(&plan.parts), expected, "{edges:?} {by:?}");
        assert_eq!(plan.is_apart(), expected.len() > 1);
    }
    let held = plan_unmerge(&graph(2, &[(1, 2), (1, 2)]), &UnmergeBy::Evidence(vec![0]));
    assert_eq!((held.remaining, held.retracted), (vec![1], vec![]));
    let parted = plan_unmerge(
        &graph(3, &[(1, 2), (2, 3)]),
        &UnmergeBy::Fragment(fragment(2)),
    );
    let pairs = [(1, 2), (2, 3)].map(|(a, b)| (fragment(a), fragment(b)));
    assert_eq!(parted.cannot_links, pairs);
}

#[test]
fn an_identifier_leaves_with_its_fragment_or_alone() {
    let value = |value: &str| Identifier {
        namespace: "email".to_owned(),
        value: value.to_owned(),
    };
    let mut own = graph(2, &[(1, 2)]);
    own.held = vec![(value("a"), fragment(1)), (value("b"), fragment(2))];
    let plan = plan_unmerge(&own, &UnmergeBy::Identifier(value("b")));
    assert_eq!(numbers(&plan.parts), [[1], [2]]);
    assert_eq!(plan.moved, None);
    own.held.push((value("c"), fragment(2)));
    own.edges[0].identifier = Some(value("c"));
    let plan = plan_unmerge(&own, &UnmergeBy::Identifier(value("b")));
    assert_eq!(numbers(&plan.parts), [[1, 2]]);
    assert_eq!(plan.moved, Some(value("b")));
    // The fragments that it had joined come apart with it.
    let plan = plan_unmerge(&own, &UnmergeBy::Identifier(value("c")));
    assert_eq!(numbers(&plan.parts), [[1], [2]]);
    assert_eq!(plan.moved, Some(value("c")));
    let nobody = plan_unmerge(&own, &UnmergeBy::Identifier(value("z")));
    assert!(!nobody.is_apart());
}

/// The graph of a customer, by the evidence that a world kept.
fn graph_of(world: &World, id: CustomerId) -> Graph<usize> {
    let own = |fragment: &FragmentId| world.roots[fragment] == id;
    let fragments = world.ages.iter().filter(|(fragment, _)| own(fragment));
    let edges = world.evidence.iter().enumerate().filter_map(|(key, row)| {
        let is_edge = matches!(row.kind, EvidenceKind::Joined | EvidenceKind::Forced);
        let other = row.joined.filter(|_| is_edge)?;
        (own(&row.fragment) && own(&other)).then(|| Edge {
            key,
            a: row.fragment,
            b: other,
            identifier: row.identifier.clone(),
        })
    });
    Graph {
        fragments: fragments
            .map(|(id, create_time)| NewFragment {
                create_time: *create_time,
                id: *id,
            })
            .collect(),
        edges: edges.collect(),
        held: Vec::new(),
    }
}

proptest! {
    #[test]
    fn evidence_holds_every_customer_together(events in prop::collection::vec(properties::event(), 1..40)) {
        // Under the others a bridge may go to somebody else.
        for rule in [ConflictRule::DropLowestPriority, ConflictRule::RefuseIfKnown, ConflictRule::SwitchSession, ConflictRule::UnionAll] {
            let mut world = World::new(under(rule, properties::tight()));
            for event in &events {
                world.event(event);
            }
            for id in world.customers.keys() {
                let graph = graph_of(&world, *id);
                let edges = graph.edges.iter().map(|it| (it.a, it.b));
                prop_assert_eq!(components(&graph.fragments, edges).len(), 1);
            }
        }
    }

    #[test]
    fn merge_then_unmerge_is_the_identity(
        events in prop::collection::vec(properties::event(), 2..40),
        picks in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let mut world = World::new(properties::tight());
        // A forced merge passes over limits, which are not looked at then.
        world.has_alias = true;
        for event in &events {
            world.event(event);
        }
        let before = (world.roots.clone(), world.picture());
        let ids: Vec<_> = world.customers.keys().copied().collect();
        let (a, b) = (ids[picks.0.index(ids.len())], ids[picks.1.index(ids.len())]);
        let first = world.evidence.len();
        let into = world.merge(&[a, b]);
        let graph = graph_of(&world, into);
        let forced: Vec<usize> = (first..world.evidence.len()).collect();
        let plan = plan_unmerge(&graph, &UnmergeBy::Evidence(forced.clone()));
        prop_assert_eq!(plan.is_apart(), a != b);
        if plan.is_apart() {
            prop_assert_eq!(&plan.retracted, &forced);
            for part in &plan.parts {
                for own in part {
                    world.roots.insert(*own, part[0].into());
                }
            }
            prop_assert_eq!(plan.cannot_links, vec![(a.min(b).fragment(), a.max(b).fragment())]);
        }
        prop_assert_eq!(&world.roots, &before.0);
    }
}
