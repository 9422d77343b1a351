//! Logs calls that are not let in: each once, and of a flood only a few a second.

use std::time::Instant;

use access::{Flood, Peer, Refused};

use crate::limits::REFUSALS_LOGGED;

/// The refusals of a process.
#[derive(Debug)]
pub(super) struct RefusalLog(Flood);

impl Default for RefusalLog {
    fn default() -> Self {
        Self(Flood::new(REFUSALS_LOGGED))
    }
}

impl RefusalLog {
    /// Logs a refusal. The credential is in no field of it.
    pub(super) fn tell(&self, refused: &Refused, peer: Option<&Peer>) {
        let (is_told, omitted) = self.0.admit(Instant::now());
        if omitted > 0 {
            tracing::warn!(omitted, "more calls were refused than are logged");
        }
        if !is_told {
            return;
        }
        let caller = refused.caller.as_ref().map(tracing::field::display);
        let address = peer.and_then(Peer::address);
        tracing::warn!(
            reason = refused.refusal.word(),
            cause = %refused.refusal,
            caller,
            address = address.map(tracing::field::display),
            "call refused"
        );
    }
}
