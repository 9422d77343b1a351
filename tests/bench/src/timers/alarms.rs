//! The core of the benchmark of timers. It decides nothing but when to wake up.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use decision::{Core, Home, Input, Moved, Outcome, Poison, Step};
use hot::{Owner, StreamName};
use kernel::Timestamp;

/// A core whose records set a timer each, for the record's own time.
pub(super) struct Alarms;

/// Milliseconds by which each timer was late.
pub(super) static LATE: Mutex<Vec<f64>> = Mutex::new(Vec::new());
/// Timers that were set.
pub(super) static SET: AtomicU32 = AtomicU32::new(0);

impl Core for Alarms {
    type Definitions = ();
    type State = ();

    const OWNER: Owner = Owner::Journey;
    const INPUTS: &'static [(StreamName, Option<StreamName>)] =
        &[(StreamName::Facts, Some(StreamName::FactsBulk))];
    const OUTPUT: Option<(StreamName, StreamName)> = None;
    const HOME: Home = Home::Journey;

    fn decode(_: &[u8]) -> Result<Self::State, Poison> {
        Ok(())
    }

    fn encode((): &Self::State) -> Bytes {
        Bytes::from_static(&[b's'; 300])
    }

    fn take_leave((): &Self::Definitions, (): &mut Self::State, _: &mut Step<'_>) -> Option<Bytes> {
        None
    }

    fn fold_in(
        (): &Self::Definitions,
        (): &mut Self::State,
        _: Moved<'_>,
        _: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        Ok(Outcome::Unchanged)
    }

    fn step(
        (): &Self::Definitions,
        (): &mut Self::State,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        match input {
            Input::Record(record) => {
                SET.fetch_add(1, Ordering::Relaxed);
                Ok(Outcome::Keep {
                    next_due: Some(Timestamp::from_millis(record.time_ms)),
                })
            }
            Input::Timer { due_time } => {
                #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
                let late = step.now.since(due_time).as_millis() as f64;
                LATE.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(late);
                Ok(Outcome::Keep { next_due: None })
            }
        }
    }
}
