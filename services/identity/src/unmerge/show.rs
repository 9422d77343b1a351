//! The customers that come out of an unmerge.

use identity_core::{CustomerView, Identifier};
use kernel::FragmentId;

use crate::store::{CustomerGraph, CustomerRecord, Parting};

/// The customer that fragments are, with the counts of what they have.
pub(super) fn view(
    graph: &CustomerGraph,
    part: &[FragmentId],
    moved: Option<&Identifier>,
) -> CustomerView {
    let mut own = graph.graph.fragments.iter();
    let first = part.first().copied().unwrap_or(graph.view.id.fragment());
    let is_kept = first == graph.view.id.fragment();
    let create_time = match own.find(|it| it.id == first) {
        Some(fragment) if !is_kept => fragment.create_time,
        _ => graph.view.create_time,
    };
    let mut view = CustomerView::new(first.into(), create_time);
    view.fragment_count = u32::try_from(part.len()).unwrap_or(u32::MAX);
    for identifier in named(graph, part, moved) {
        view.add_identifiers(&identifier.namespace, 1);
    }
    view
}

/// The identifiers of fragments, but for one that leaves.
fn named<'a>(
    graph: &'a CustomerGraph,
    part: &'a [FragmentId],
    moved: Option<&'a Identifier>,
) -> impl Iterator<Item = &'a Identifier> {
    let all = graph.graph.held.iter().chain(&graph.shared);
    let own = all.filter(|(_, fragment)| part.contains(fragment));
    own.map(|(identifier, _)| identifier)
        .filter(move |it| Some(*it) != moved)
}

/// The customers after it, as people are shown them.
pub(super) fn records(parting: &Parting, graph: &CustomerGraph) -> Vec<CustomerRecord> {
    let moved = parting.moved.as_ref();
    let leaving = moved.map(|(identifier, _, _)| identifier);
    let views = parting.customers.iter();
    let records = views.map(|view| {
        let is_own = |part: &&Vec<FragmentId>| part.first() == Some(&view.id.fragment());
        let part = parting.parts.iter().find(is_own);
        let mut identifiers: Vec<Identifier> = match part {
            Some(part) => named(graph, part, leaving).cloned().collect(),
            None => leaving.into_iter().cloned().collect(),
        };
        identifiers.sort();
        identifiers.dedup();
        CustomerRecord {
            id: view.id,
            create_time: view.create_time,
            fragments: part.map_or_else(|| vec![view.id.fragment()], Clone::clone),
            identifiers,
        }
    });
    records.collect()
}
