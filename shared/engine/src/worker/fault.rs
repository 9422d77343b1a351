//! Faults: inputs that cannot be processed, and waits that cannot. The batch is run again without
//! them.

use decision::WaitKey;

use super::quarantine::InputId;

/// The fault of an input that failed.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) reason: String,
    /// The wait that was being processed. `None` for the input itself.
    pub(crate) wait: Option<WaitKey>,
}

/// An input that can never be processed, found while running it: the batch is run again without it.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) origin: InputId,
    pub(crate) fault: Fault,
}

impl Failed {
    /// Blames an input itself.
    pub(super) fn new(origin: InputId, reason: impl Into<String>) -> Self {
        let fault = Fault {
            reason: reason.into(),
            wait: None,
        };
        Self { origin, fault }
    }
}
