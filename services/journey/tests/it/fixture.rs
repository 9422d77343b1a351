//! A store with what the core left there, and the RPCs over it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use decision::{Core as _, Effects, Input, PartWrites, step_once};
use definitions::{Catalog as _, References, Versioned};
use engine::{Head, head};
use hot::{Commit, EmbeddedStore, HotStore as _, Owner, Slot, StateWrite, Timer};
use journey::{JourneyCatalog, JourneyRpc};
use journey_core::state::State;
use journey_core::{Definitions, JourneyCore};
use kernel::{CounterKey, CustomerId, PartitionCount, Timestamp};
use proto::definition::v1::Definition;
use proto::stream::v1::{Event, Fact, NamedValue, Record, Value, record::Body, value};
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const YAML: &str = "
journey_map:
  name: shop
  stages:
    - {name: looking, enter: [{event: visit}]}
    - {name: buying, enter: [{event: purchase}]}
---
happy_path:
  name: first_purchase
  map: shop
  milestones:
    - {name: came, trigger: {event: visit}}
    - {name: bought, trigger: {event: purchase}, within: 1d}
---
journey:
  name: nudge
  entry: {triggers: [{event: visit}], reentry: REENTRY_NEVER}
  goals: [{name: bought, trigger: {event: purchase}}]
  steps:
    - {id: wait_a_while, wait: {duration: 2d}}
    - {id: remind, send: {channel: mail, template: hello, purpose: marketing}}
---
journey:
  name: order
  entry: {triggers: [{event: order}], key: k, reentry: REENTRY_AFTER_EXIT}
  steps:
    - {id: rest, wait: {duration: 9d}}
";

/// Runs of the fifth customer, so large that most are parts of their own.
pub(crate) const KEYED_RUNS: usize = 6;

pub(crate) const DAY_MS: i64 = 86_400_000;

fn compiled() -> Arc<Definitions> {
    let located = definitions::parse("test.yaml", YAML).expect("definitions without mistake");
    let mut all: Vec<Arc<Versioned<Definition>>> = located
        .into_iter()
        .map(|located| {
            Arc::new(Versioned {
                value: located.value,
                version: 1,
                is_superseded: false,
                etag: String::new(),
                update_time: Timestamp::from_millis(0),
            })
        })
        .collect();
    all.sort_by_key(|it| definitions::key_of(&it.value));
    let catalog = JourneyCatalog;
    let compiled = catalog.compile(&all, &References::unknown(), None);
    Arc::new(compiled.expect("definitions without flaw"))
}

pub(crate) fn customer(number: u8) -> CustomerId {
    let text = format!("00000000-0000-7000-8000-0000000000{number:02}");
    text.parse().expect("an id")
}

fn event(who: u8, day: i64, name: &str) -> (u8, i64, Body) {
    let event = Event {
        event_id: format!("{who}-{day}"),
        name: name.to_owned(),
        ..Event::default()
    };
    let fact = Fact {
        event: Some(event),
        ..Fact::default()
    };
    (who, day, Body::Fact(fact))
}

/// An order whose run keeps two kilobytes of it.
fn order(number: usize) -> (u8, i64, Body) {
    let (who, day, mut body) = event(5, 1, "order");
    if let Body::Fact(Fact {
        event: Some(event), ..
    }) = &mut body
    {
        event.properties = [("k", number.to_string()), ("text", "x".repeat(2_000))]
            .map(|(name, text)| NamedValue {
                name: name.to_owned(),
                value: Some(Value {
                    kind: Some(value::Kind::Text(text)),
                }),
            })
            .into();
    }
    (who, day, body)
}

/// A store as the engine would leave it, and the RPCs over it.
pub(crate) async fn rpc(folder: &tempfile::TempDir) -> JourneyRpc {
    let definitions = compiled();
    let store = EmbeddedStore::open(folder.path(), PartitionCount::DEFAULT)
        .await
        .expect("a folder to write to");
    let records = [
        event(1, 0, "visit"),
        event(1, 1, "purchase"),
        event(2, 0, "visit"),
        event(2, 3, "purchase"),
        event(3, 0, "visit"),
    ];
    let records = records.into_iter().chain((0..KEYED_RUNS).map(order));
    let mut states: BTreeMap<CustomerId, State> = BTreeMap::new();
    let mut counters: BTreeMap<CustomerId, BTreeMap<CounterKey, i64>> = BTreeMap::new();
    for (who, day, body) in records {
        let who = customer(who);
        let key = Bytes::copy_from_slice(who.as_bytes());
        let record = Record {
            customer_id: key.clone(),
            time_ms: day * DAY_MS,
            trace_parent: String::new(),
            body: Some(body),
            ..Record::default()
        };
        let mut effects = Effects::default();
        let input = Input::Record(&record);
        let now = Timestamp::from_millis(record.time_ms);
        let state = states.entry(who).or_default();
        step_once::<JourneyCore>(&definitions, state, who, input, now, &mut effects)
            .expect("a good record");
        for (key, change) in effects.counts {
            *counters.entry(who).or_default().entry(key).or_default() += change;
        }
    }
    let mut seqs: BTreeMap<u16, u64> = BTreeMap::new();
    let known = states
        .into_iter()
        .map(|(who, state)| (who, Head::plain(), state));
    // The fourth customer was joined into the first.
    let redirect = Head::redirected_to(customer(1));
    let merged = (customer(4), redirect, State::default());
    let mut parts_stored = 0;
    for (who, head, mut state) in known.chain([merged]) {
        let partition = PartitionCount::DEFAULT.partition_of(who.fragment());
        let slot = Slot {
            owner: Owner::Journey,
            partition,
        };
        let seq = seqs.entry(partition.number()).or_default();
        if *seq == 0 {
            store.open(slot, 1).await.expect("a new partition");
        }
        *seq += 1;
        let counters = counters.remove(&who).unwrap_or_default().into_iter();
        let mut writes = PartWrites::default();
        JourneyCore::drain_parts(&mut state, &mut writes);
        let write = |key, value| StateWrite {
            key,
            value,
            timer: Timer::NONE,
            adds_entry: false,
        };
        let parts = writes.into_iter();
        let parts = parts.map(|(part, value)| write(part.of_customer(who), value));
        let mut states: Vec<StateWrite> = parts.collect();
        parts_stored += states.len();
        let value = head::write::<JourneyCore>(&head, &state);
        states.push(write(Bytes::copy_from_slice(who.as_bytes()), Some(value)));
        let commit = Commit {
            epoch: 1,
            seq: *seq,
            batch_id: *seq,
            states,
            counters: counters.collect(),
            ..Commit::default()
        };
        store
            .commit(slot, &commit)
            .await
            .expect("an open partition");
    }
    assert!(parts_stored >= KEYED_RUNS, "{parts_stored}");
    let (_, receiver) = watch::channel(definitions);
    JourneyRpc::new(Arc::new(store), receiver)
}

pub(crate) fn refused(status: &Status, code: Code, reason: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(info.reason, reason);
}
