//! The history, which is told of the customer later: the newest things that happened, and decisions
//! not to act.

use std::sync::Arc;

use kernel::{Reason, RunId};

use crate::limits;
use crate::state::{HistoryEntry, Name, Run};

use super::Pass;

impl Pass<'_> {
    /// Adds to the history.
    pub(super) fn note(
        &mut self,
        subject: &Name,
        run: Option<RunId>,
        step: &Name,
        reason: Reason,
        detail: Name,
    ) {
        self.push_history(HistoryEntry {
            time: self.since,
            subject: Arc::clone(subject),
            run,
            step: Arc::clone(step),
            reason,
            detail,
            ordinal: self.ordinal,
        });
    }

    /// Adds a transition of a run.
    pub(super) fn note_run(&mut self, run: &Run, reason: Reason, detail: Name) {
        let ordinal = std::mem::replace(&mut self.ordinal, run.ordinal);
        self.note(&run.journey, Some(run.id), &run.step, reason, detail);
        self.ordinal = ordinal;
    }

    /// Adds a refusal in the place of the last one like it, so that a frequent event does not push
    /// out all else.
    pub(super) fn note_refusal(&mut self, journey: &Name, reason: Reason, detail: Name) {
        let is_like = |entry: &HistoryEntry| {
            entry.run.is_none() && entry.reason == reason && entry.subject == *journey
        };
        let place = self.state.history.iter().position(|own| is_like(own));
        if let Some(place) = place {
            self.state.history.remove(place);
        }
        self.note(journey, None, &Name::from(""), reason, detail);
    }

    fn push_history(&mut self, mut entry: HistoryEntry) {
        if entry.detail.len() > limits::DETAIL_BYTES {
            let end = entry.detail.floor_char_boundary(limits::DETAIL_BYTES);
            entry.detail = entry.detail[..end].into();
        }
        limits::HISTORY_PAGES.push(&mut self.state.history, entry);
        self.changed = true;
    }
}
