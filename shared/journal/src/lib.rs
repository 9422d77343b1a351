//! The journal: what makes a deployment survive the loss of its hot store.
//!
//! Every commit and every append from outside goes to SQL first, and to the hot store then. What the hot store has lost is
//! found by comparing the two, and written again; nothing is ever decided a second time. It does not know what states and
//! records mean.

mod log;

pub use self::log::{
    CommitRow, EntryRow, Journaled, Log, LogError, LogHead, SharedLog, SnapshotHead,
};
