//! A customer's records keep one order through all services, whatever lane they ride.

use std::sync::Arc;

use hot::{Append, Appended, Cursor, SharedHotStore, StreamName};
use kernel::Timestamp;
use messages::stream::v1::{Batch, Record};
use proptest::prelude::*;
use prost::Message as _;

use super::counting::Counting;
use super::driver::{event, settle, stream, trim_output};
use super::pair::{Pair, words};
use crate::limits;
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};

const EVENTS: StreamName = StreamName::Events;
const BULK: StreamName = StreamName::EventsBulk;

#[tokio::test]
async fn what_time_brings_goes_behind_what_came_by_the_low_priority_lane() {
    let mut pair = Pair::new().await;
    let bulk = vec![event(1, "a", "wait:10", 0)];
    pair.bench.append(0, BULK, bulk).await;
    pair.bench
        .append(0, EVENTS, vec![event(2, "b", "wait:10", 0)])
        .await;
    settle(&mut pair.first).await;
    pair.pass(10);
    settle(&mut pair.first).await;
    pair.bench
        .append(
            0,
            EVENTS,
            vec![event(1, "c", "add", 0), event(2, "d", "add", 0)],
        )
        .await;
    // The next process finds it out.
    pair.restart().await;
    settle(&mut pair.first).await;
    assert_eq!(pair.names(StreamName::FactsBulk).await, ["a", "fired", "c"]);
    assert_eq!(pair.names(StreamName::Facts).await, ["b", "fired", "d"]);
    // Only as long as it waits there.
    let low = stream(0, StreamName::FactsBulk);
    let upto = Cursor {
        major: u64::MAX,
        minor: u64::MAX,
    };
    trim_output(pair.bench.hot.as_ref(), low, upto).await;
    pair.bench
        .append(0, EVENTS, vec![event(1, "e", "add", 0)])
        .await;
    settle(&mut pair.first).await;
    assert_eq!(
        pair.names(StreamName::Facts).await,
        ["b", "fired", "d", "e"]
    );
}

/// Appends an entry as a commit of the service before writes it.
async fn commit(hot: &SharedHotStore, name: StreamName, commit_seq: u64, records: Vec<Record>) {
    let batch = Batch {
        records,
        commit_seq,
        ..Batch::default()
    };
    let append = Append {
        to: stream(0, name),
        payload: batch.encode_to_vec().into(),
        source: None,
        origin: None,
    };
    let appended = hot.append(&append).await.expect("it is appended");
    assert_eq!(appended, Appended::Applied);
}

#[tokio::test]
async fn the_low_priority_lane_does_not_overtake_what_was_written_before_it() {
    let mut pair = Pair::new().await;
    let fact = |customer, name: &str| {
        super::counting::fact(event(customer, name, "add", 0), name, Timestamp::default())
    };
    let hot = Arc::clone(&pair.bench.hot);
    let many = limits::RECORDS_PER_BATCH;
    let mut live = vec![fact(9, "x"); many];
    live.push(fact(1, "live"));
    commit(&hot, StreamName::Facts, 5, live).await;
    commit(&hot, StreamName::FactsBulk, 4, vec![fact(2, "before")]).await;
    commit(&hot, StreamName::FactsBulk, 6, vec![fact(1, "after")]).await;
    pair.second.hint(ALL_LANES);
    assert!(matches!(pair.second.tick().await, TickOutcome::Worked));
    assert_eq!(pair.logs(2).await[1], ["before"]);
    assert!(pair.logs(1).await[1].is_empty());
    settle(&mut pair.second).await;
    assert_eq!(pair.logs(1).await[1], ["live", "after"]);

    // Also where nobody told of the live records yet.
    commit(&hot, StreamName::Facts, 7, vec![fact(1, "quiet")]).await;
    commit(&hot, StreamName::FactsBulk, 8, vec![fact(1, "told")]).await;
    let low = Worker::<Counting<1>>::input_streams();
    let low = low.iter().position(|name| *name == StreamName::FactsBulk);
    pair.second.hint(1 << low.expect("it is read"));
    while !matches!(pair.second.tick().await, TickOutcome::Idle { .. }) {}
    assert_eq!(pair.logs(1).await[1], ["live", "after", "quiet", "told"]);
}

/// The next thing that happens.
#[derive(Debug, Clone)]
enum Then {
    Event {
        customer: u8,
        bulk: bool,
        wait: Option<i64>,
    },
    First,
    Second,
    Pass(i64),
    Restart,
}

fn then() -> impl Strategy<Value = Then> {
    let wait = prop::option::of(1..30_i64);
    prop_oneof![
        6 => (0..4_u8, any::<bool>(), wait)
            .prop_map(|(customer, bulk, wait)| Then::Event { customer, bulk, wait }),
        4 => Just(Then::First),
        2 => Just(Then::Second),
        2 => (1..20_i64).prop_map(Then::Pass),
        1 => Just(Then::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_service_sees_a_customer_in_the_order_of_the_first(
        steps in prop::collection::vec(then(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut pair = Pair::new().await;
            let mut events = 0;
            for step in steps {
                match step {
                    Then::Event { customer, bulk, wait } => {
                        events += 1;
                        let what = wait.map_or("add".to_owned(), |wait| format!("wait:{wait}"));
                        let record = event(customer, &events.to_string(), &what, 0);
                        let lane = if bulk { BULK } else { EVENTS };
                        pair.bench.append(0, lane, vec![record]).await;
                    }
                    Then::First => {
                        pair.first.hint(ALL_LANES);
                        pair.first.tick().await;
                    }
                    Then::Second => {
                        pair.second.hint(ALL_LANES);
                        pair.second.tick().await;
                    }
                    Then::Pass(millis) => pair.pass(millis),
                    Then::Restart => pair.restart().await,
                }
            }
            settle(&mut pair.first).await;
            settle(&mut pair.second).await;
            for customer in 0..4 {
                let [first, second] = pair.logs(customer).await;
                assert_eq!(words(&first), words(&second), "customer {customer}");
            }
        });
    }
}
