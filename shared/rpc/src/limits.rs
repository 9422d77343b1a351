//! Limits of the calls, each with its reason.

use std::time::Duration;

pub use kernel::limits::MESSAGE_BYTES;

/// Bytes of the items of one answer: clients take 4 MiB by default, and one more item, the size of
/// the largest, may be looked at before the answer is found full.
pub const ANSWER_BYTES: usize = 3 * 1024 * 1024;
/// Violations reported at once: a person fixes a screenful, and a hostile request costs no more.
pub const VIOLATIONS: usize = 100;
/// Levels of nesting of messages, in validation: deeper than any contract, far from the end of a
/// stack.
pub const MESSAGE_DEPTH: usize = 32;
/// Characters of a wrong value that an error shows.
pub const SHOWN_VALUE_CHARS: usize = 60;
/// Fields that an error about unreadable bytes names, from the outside: enough to find the place,
/// however deep it is.
pub const SHOWN_FIELDS: usize = 4;
/// Bytes of a page token: what the contracts accept.
pub const PAGE_TOKEN_BYTES: usize = 500;
/// The number of times that a duplicate of a request that another process is running looks for its
/// answer.
pub const DUPLICATE_POLLS: u32 = 50;
/// The number of looks where doing it again does no harm: long enough for the other process, where
/// that is alive.
pub const REPEATABLE_POLLS: u32 = 10;
/// The pause between two looks.
pub const DUPLICATE_POLL: Duration = Duration::from_millis(100);
/// The time that connecting to another service may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time between two probes of an idle connection, so that a dead peer is noticed.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// The time that a probe may go unanswered.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The part of the caller's time that is left for the answer that what is waited for has not come;
/// where the caller waits for less than four times as much, a quarter of it.
pub const ANSWER_TIME: Duration = Duration::from_millis(100);
