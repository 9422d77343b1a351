//! The name of a wait, so that one that fails holds up no other of its customer.

/// Names one wait of a customer.
///
/// A core makes it from what lasts as long as the wait: another wait of the same thing has another
/// name. The engine stores it, so it never changes with the version of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitKey(pub u64);
