//! Random alarms, some of which cannot be processed for a time, or ever: each rings when it should,
//! whatever becomes of the others.

use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::{NEVER, alarms, at, event, feed, open, rang, tries};
use crate::tests::driver::Bench;
use crate::worker::aside::retry_delay;

/// The last instant of a case.
const END: i64 = 60_000;

/// Something that happens between the alarms.
#[derive(Debug, Clone, Copy)]
enum Happening {
    /// Something else happens to the customer.
    Event(i64),
    /// Another worker takes over.
    Reopen(i64),
}

impl Happening {
    const fn time(self) -> i64 {
        match self {
            Self::Event(time) | Self::Reopen(time) => time,
        }
    }
}

/// Due times, and times from which they can be processed: mostly at once, sometimes never.
fn set() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let due = prop_oneof![1..50_i64, 1..40_000_i64];
    let good_from = prop_oneof![2 => Just(0), 1 => 1..END, 1 => Just(NEVER)];
    prop::collection::vec((due, good_from), 1..8)
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let time = || prop_oneof![1..100_i64, 1..END];
    let happening = prop_oneof![
        time().prop_map(Happening::Event),
        time().prop_map(Happening::Reopen)
    ];
    prop::collection::vec(happening, 0..6)
}

/// When an alarm rings; `None` for not before the end. And how often it was tried in vain.
fn model(due: i64, good_from: i64) -> (Option<i64>, u32) {
    let (mut time, mut tries) = (due, 0);
    while time <= END {
        if time >= good_from {
            return (Some(time), tries);
        }
        tries += 1;
        time += retry_delay(tries).as_millis();
    }
    (None, tries)
}

async fn check(set: Vec<(i64, i64)>, mut happenings: Vec<Happening>) -> Result<(), TestCaseError> {
    let bench = Bench::new().await;
    let mut worker = open(&bench, 1).await;
    let named = (0_u64..).zip(set);
    let named: Vec<_> = named.map(|(name, (due, good))| (name, due, good)).collect();
    feed(&bench, &mut worker, alarms(&named)).await;
    happenings.sort_unstable_by_key(|happening| happening.time());
    for (epoch, happening) in (2..).zip(happenings) {
        match happening {
            Happening::Event(time) => {
                feed(&bench, &mut worker, vec![event(1, "e", "nothing", time)]).await;
            }
            Happening::Reopen(time) => {
                at(&bench, &mut worker, time).await;
                worker = open(&bench, epoch).await;
            }
        }
    }
    at(&bench, &mut worker, END).await;

    let (mut ringing, mut waiting) = (Vec::new(), Vec::new());
    for (name, due, good_from) in named {
        match model(due, good_from) {
            (Some(time), _) => ringing.push((name, time)),
            (None, tries) => waiting.push((Some(name), tries)),
        }
    }
    let mut found = rang(&bench).await;
    found.sort_unstable();
    prop_assert_eq!(found, ringing);
    let mut aside = tries(&bench).await;
    aside.sort_unstable();
    prop_assert_eq!(aside, waiting);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_wait_is_processed_as_if_it_were_alone(set in set(), happenings in happenings()) {
        let runtime = Runtime::new().expect("a runtime");
        runtime.block_on(check(set, happenings))?;
    }
}
