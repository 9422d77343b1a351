//! Limits of delivery, each with its reason.

use std::time::Duration;

/// Deliveries to one destination at once, to begin with.
pub const WINDOW_FIRST: usize = 8;
/// Deliveries to one destination at once, at the most: as many as connections are kept to one.
pub const WINDOW_MOST: usize = outbound::limits::IDLE_CONNECTIONS;
/// Deliveries at once, to all destinations: each holds a connection and up to 300 kB.
pub const AT_ONCE: usize = 256;
/// Deliveries that wait for one destination. What is over it is left to its lease, which asks again.
pub const QUEUE_DELIVERIES: usize = 20_000;
/// Bytes of rendered text that wait for one destination.
pub const QUEUE_BYTES: usize = 32 * 1024 * 1024;
/// Final outcomes remembered, so that an attempt whose outcome is not read yet is not sent again.
pub const REMEMBERED: usize = 10_000;

/// Outcomes in one entry of a stream.
pub const OUTCOMES_PER_APPEND: usize = 500;
/// Outcomes that wait to be appended; deliveries wait where there are more.
pub const OUTCOMES_WAITING: usize = 10_000;
/// The first wait before an append is tried again.
pub const APPEND_RETRY_FIRST: Duration = Duration::from_millis(20);
/// The longest wait before an append is tried again.
pub const APPEND_RETRY_MOST: Duration = Duration::from_secs(1);
/// How long deliveries under way may take to end when the service stops.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Activations on one page, unless the request says.
pub const PAGE_SIZE: usize = 20;
/// Counts on one page of statistics, unless the request says: all that most installations have.
pub const COUNTS_PER_PAGE: usize = 1_000;
/// How long a caller is asked to wait where a stream is full.
pub const FULL_RETRY: Duration = Duration::from_millis(500);
/// The wait that a caller is asked for where a quarantine is full: an operator has to act.
pub const QUARANTINE_RETRY: Duration = Duration::from_secs(10);
