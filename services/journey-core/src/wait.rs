//! The waits of a customer, told apart, so that one that fails holds up no other.

use decision::WaitKey;
use kernel::{StableHash, Timestamp};

use crate::state::{Progress, Run, State, after_deadline};

/// The wait of a run at its step.
pub(crate) fn of_run(run: &Run) -> WaitKey {
    let hash = StableHash::new()
        .with(b"run")
        .with(run.id.as_bytes())
        .with(&run.visit.to_le_bytes());
    WaitKey(hash.finish())
}

/// The deadline of the next milestone of a happy path.
pub(crate) fn of_deadline(progress: &Progress, deadline: Timestamp) -> WaitKey {
    let hash = StableHash::new()
        .with(b"deadline")
        .with(progress.path.as_bytes())
        .with(&deadline.as_millis().to_le_bytes());
    WaitKey(hash.finish())
}

/// Lists all waits, with when each is due. Every step loads runs and progress, before which none
/// has begun with a wait, and whoever gives up a wait loads what a timer needs.
pub(crate) fn list(state: &State, waits: &mut Vec<(WaitKey, Timestamp)>) {
    let state = state.open();
    let runs = state.runs.iter();
    waits.extend(runs.filter_map(|run| Some((of_run(run), run.due?))));
    let paths = state.progress.iter();
    waits.extend(paths.filter_map(|progress| {
        let deadline = progress.measure.due?;
        Some((of_deadline(progress, deadline), after_deadline(deadline)))
    }));
}
