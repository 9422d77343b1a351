//! Limits of stored keys, each with its reason.

use std::time::Duration;

/// Keys of an installation that have not ended. Each process has all of them in memory, at some 300
/// bytes.
pub const KEYS: u64 = 10_000;
/// The pause between two looks at the number of changes: with the time of a look, a change counts
/// everywhere within 5 seconds.
pub const POLL: Duration = Duration::from_secs(2);
/// The time that a look may take before the next one is tried.
pub const LOOK_TIME: Duration = Duration::from_secs(2);
/// The least pause between two looks that unknown keys ask for: a flood of wrong keys asks the
/// database five times a second.
pub const MISS_PAUSE: Duration = Duration::from_millis(200);
/// The age at which the keys at hand count no more, where the database does not answer: one that
/// was revoked meanwhile is not accepted for longer.
pub const STALE_AGE: Duration = Duration::from_secs(5 * 60);
/// Keys on one page unless the request says otherwise.
pub const PAGE_SIZE: usize = 100;
/// The time for which the secret before a new one is accepted unless the request says otherwise.
pub const OVERLAP_MS: i64 = 24 * 3_600_000;
/// The longest such time: a rotation that takes longer is none.
pub const MOST_OVERLAP_MS: i64 = 30 * 24 * 3_600_000;
/// The time for which keys and secrets are listed after their end.
pub const KEPT_MS: i64 = 90 * 24 * 3_600_000;
/// The life of the key of a service: it outlives a database that is away for a while.
pub const SERVICE_KEY_LIFE_MS: i64 = 60 * 60_000;
/// The pause between two renewals of the key of a service.
pub const SERVICE_KEY_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The pause after a renewal that failed.
pub const SERVICE_KEY_RETRY: Duration = Duration::from_secs(5);
/// The time for which the secret before is accepted of a service: calls under way, and processes
/// that have not looked yet.
pub const SERVICE_KEY_OVERLAP_MS: i64 = 60_000;
