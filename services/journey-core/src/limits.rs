//! Limits of the journey core, each with its reason.

use kernel::Duration;

/// Runs under way of one customer: each is looked at with every fact of the customer.
pub const RUNS_ACTIVE: usize = 25;
/// Ended runs kept for display.
pub const RUNS_ENDED: usize = 20;
/// Ends of runs kept for re-entry, one for each journey and key; the oldest are forgotten first.
pub const ENDINGS: usize = 200;
/// History kept for display: a page of it.
pub const HISTORY: usize = 50;
/// Steps that a run takes at once: more means a loop without a wait, which only old versions can hold.
pub const STEPS_PER_PASS: u32 = 100;
/// Bytes of the triggering event's properties that a run keeps for conditions and templates.
pub const TRIGGER_BYTES: usize = 4 * 1024;
/// Bytes of a run's key: ids of orders and the like.
pub const KEY_BYTES: usize = 200;
/// The longest wait: beyond ten years it is a mistake.
pub const WAIT: Duration = Duration::from_days(3_650);
/// What the shares of a split sum to.
pub const SHARES: u32 = 10_000;
