//! Finds the customer that an unmerge is about, and plans it.

use identity_core::{UnmergePlan, plan_unmerge};
use kernel::CustomerId;
use uuid::Uuid;

use super::{EVENT_EVIDENCE, Unmerge, UnmergeBy, UnmergeError};
use crate::kind::Kind;
use crate::store::{CustomerGraph, EvidenceRecord, IdentityStore};

/// Finds the customer that a request is about.
pub(super) async fn whose(
    store: &IdentityStore,
    request: &Unmerge,
) -> Result<CustomerGraph, UnmergeError> {
    let fragment = match (&request.customer, &request.by) {
        (Some(customer), _) => Some(customer.fragment()),
        (None, UnmergeBy::Fragment(fragment)) => Some(*fragment),
        (None, UnmergeBy::Identifier(identifier)) => {
            let state = store.identifier_state(identifier).await?;
            state.map(|(_, fragment)| fragment)
        }
        (None, UnmergeBy::Operation(id)) => {
            let operation = store.operation(*id).await?;
            let mut from = operation.into_iter().flat_map(|it| it.from);
            from.next_back().map(CustomerId::fragment)
        }
        (None, UnmergeBy::Event(id)) => {
            let fragments = store.joined_by_event(id, EVENT_EVIDENCE).await?;
            fragments.first().copied()
        }
    };
    let missing = match (&request.customer, &request.by) {
        (Some(_), _) => "such customer",
        (None, UnmergeBy::Fragment(_)) => "such fragment",
        (None, UnmergeBy::Identifier(_)) => "customer with this identifier",
        (None, UnmergeBy::Operation(_)) => "such operation",
        (None, UnmergeBy::Event(_)) => "event of this id that joined anybody",
    };
    let fragment = fragment.ok_or(UnmergeError::NotFound(missing))?;
    let graph = store.graph(fragment).await?;
    let graph = graph.ok_or(UnmergeError::NotFound(missing))?;
    let found = Kind::of(graph.view.id);
    if found != request.kind() {
        return Err(UnmergeError::OtherKind(graph.view.id));
    }
    Ok(graph)
}

/// Plans what comes apart.
pub(super) fn plan(
    graph: &CustomerGraph,
    by: &UnmergeBy,
) -> Result<UnmergePlan<Uuid>, UnmergeError> {
    let of = |holds: &dyn Fn(&EvidenceRecord) -> bool| -> Vec<Uuid> {
        let joins = graph.joins.iter().filter(|it| holds(it));
        joins.map(|it| it.id).collect()
    };
    let keys = match by {
        UnmergeBy::Fragment(fragment) => {
            let mut own = graph.graph.fragments.iter();
            if !own.any(|it| it.id == *fragment) {
                return Err(UnmergeError::NotFound("such fragment of the customer"));
            }
            return Ok(plan_unmerge(
                &graph.graph,
                &identity_core::UnmergeBy::Fragment(*fragment),
            ));
        }
        UnmergeBy::Identifier(identifier) => {
            if !graph.graph.held.iter().any(|(it, _)| it == identifier) {
                let missing = "such identifier of the customer";
                return Err(UnmergeError::NotFound(missing));
            }
            return Ok(plan_unmerge(
                &graph.graph,
                &identity_core::UnmergeBy::Identifier(identifier.clone()),
            ));
        }
        UnmergeBy::Operation(id) => {
            let mut keys = of(&|it| it.operation == Some(*id));
            let edges = graph.graph.edges.iter();
            keys.extend(edges.filter(|it| it.key == *id).map(|it| it.key));
            if keys.is_empty() {
                let missing = "merge of this name that still holds the customer together";
                return Err(UnmergeError::NotFound(missing));
            }
            keys
        }
        UnmergeBy::Event(id) => {
            let keys = of(&|it| it.event_id == *id);
            if keys.is_empty() {
                let missing = "event of this id that holds the customer together";
                return Err(UnmergeError::NotFound(missing));
            }
            keys
        }
    };
    let by = identity_core::UnmergeBy::Evidence(keys);
    Ok(plan_unmerge(&graph.graph, &by))
}
