//! The waits of a customer's activations, told apart, so that one that fails holds up no other.

use decision::WaitKey;
use kernel::{ActivationId, StableHash, Timestamp};

use crate::state::State;

/// The wait of a pending activation for its next attempt, or for the end of its lease.
pub(crate) fn of(id: ActivationId, due: Timestamp) -> WaitKey {
    let hash = StableHash::new()
        .with(id.run.as_bytes())
        .with(&id.visit.to_le_bytes())
        .with(&due.as_millis().to_le_bytes());
    WaitKey(hash.finish())
}

/// Lists all waits, with when each is due.
pub(crate) fn list(state: &State, waits: &mut Vec<(WaitKey, Timestamp)>) {
    let pending = state.pending().iter();
    waits.extend(pending.map(|it| (of(it.id, it.due), it.due)));
}
