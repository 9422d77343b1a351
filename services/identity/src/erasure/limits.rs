//! Limits of erasures, each with its reason.

use std::time::Duration;

/// Tombstones read by one statement: some hundred kilobytes.
pub(crate) const TOMBSTONES_PAGE: u64 = 10_000;
/// The time between two looks for an erasure that is to go on.
pub(crate) const WORK_INTERVAL: Duration = Duration::from_millis(500);
/// The time for which a process that took an erasure is left alone with it, unless it says that it
/// goes on: longer than a step takes, since each is bounded.
pub(crate) const CLAIM: kernel::Duration = kernel::Duration::from_millis(60_000);
/// The time after which work on an erasure goes on where something is awaited.
pub(crate) const LOOK_AGAIN: kernel::Duration = kernel::Duration::from_millis(1_000);
/// The same of an erasure that is not urgent: it may take hours, and steps read whole logs.
pub(crate) const LOOK_AGAIN_LATER: kernel::Duration = kernel::Duration::from_millis(15_000);
/// The time after an erasure at which stores are looked through: every process knows the tombstones
/// by then, and calls that had resolved their events before have brought them to their streams.
pub(crate) const SETTLE: kernel::Duration = kernel::Duration::from_millis(3_000);
/// The time within which an erasure is done, unless set otherwise.
pub const DEADLINE: kernel::Duration = kernel::Duration::from_days(1);
/// Customers that one erasure names at most: all their fragments are in one row.
pub(crate) const CUSTOMERS: usize = 200;
/// Rows of other tables that are looked through by one statement.
pub(crate) const SCANNED_ROWS: u64 = 200;
/// Values shorter than this are found only where they stand alone: `7` is part of many texts.
pub(crate) const DISTINCT_CHARS: usize = 6;
/// Erasures of a page, where the request says nothing.
pub(crate) const PAGE_SIZE: usize = 100;
/// Erased customers whose ids are put into one statement.
pub(crate) const IDS_AT_ONCE: usize = 500;
/// Attempts to read the key that another process may be drawing.
pub(crate) const KEY_ATTEMPTS: u32 = 3;
/// Statements by which memberships of one erasure are deleted in a row: an account may have
/// 100,000.
pub(crate) const MEMBERSHIP_ROUNDS: usize = 100;
