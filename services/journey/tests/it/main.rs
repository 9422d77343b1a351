//! The RPCs of the journey service over an embedded store that holds what the core left there: success, bad input, and
//! what is not there.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use definitions::{Catalog as _, References, Versioned};
use engine::{Core as _, Effects, Input};
use hot::{Commit, EmbeddedStore, HotStore as _, Owner, Slot, StateWrite, Timer};
use journey::{JourneyCatalog, JourneyRpc};
use journey_core::state::State;
use journey_core::{Definitions, JourneyCore};
use kernel::{CustomerId, PartitionCount, Timestamp};
use proto::definition::v1::Definition;
use proto::journey::v1::journey_service_server::JourneyService as _;
use proto::journey::v1::{
    DeviationKind, GetCustomerJourneysRequest, GetFlowRequest, GetMapFlowRequest,
    MeasureHappyPathRequest, RunOutcome,
};
use proto::stream::v1::{CustomerMerged, Event, Fact, Record, record::Body};
use tokio::sync::watch;
use tonic::{Code, Request, Status};
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
  entry: {trigger: {event: visit}, reentry: REENTRY_NEVER}
  goals: [{name: bought, trigger: {event: purchase}}]
  steps:
    - {id: wait_a_while, wait: {duration: 2d}}
    - {id: remind, send: {channel: mail, template: hello, purpose: marketing}}
";

const DAY_MS: i64 = 86_400_000;

fn compiled() -> Arc<Definitions> {
    let located = definitions::parse("test.yaml", YAML).expect("definitions without mistake");
    let mut all: Vec<Versioned<Definition>> = located
        .into_iter()
        .map(|located| Versioned {
            value: located.value,
            version: 1,
            is_superseded: false,
            etag: String::new(),
            update_time: Timestamp::from_millis(0),
        })
        .collect();
    all.sort_by_key(|it| definitions::key_of(&it.value));
    let catalog = JourneyCatalog;
    let compiled = catalog.compile(&all, &References::unknown());
    Arc::new(compiled.expect("definitions without flaw"))
}

fn customer(number: u8) -> CustomerId {
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

/// A store as the engine would leave it, and the RPCs over it.
async fn rpc(folder: &tempfile::TempDir) -> JourneyRpc {
    let definitions = compiled();
    let store = EmbeddedStore::open(folder.path(), PartitionCount::DEFAULT)
        .await
        .expect("a folder to write to");
    let merged = Body::Merged(CustomerMerged {
        into_customer_id: Bytes::copy_from_slice(customer(1).as_bytes()),
    });
    let records = [
        event(1, 0, "visit"),
        event(1, 1, "purchase"),
        event(2, 0, "visit"),
        event(2, 3, "purchase"),
        event(3, 0, "visit"),
        (4, 1, merged),
    ];
    let mut states: BTreeMap<CustomerId, State> = BTreeMap::new();
    let mut counters: BTreeMap<CustomerId, BTreeMap<Box<str>, i64>> = BTreeMap::new();
    for (who, day, body) in records {
        let who = customer(who);
        let key = Bytes::copy_from_slice(who.as_bytes());
        let record = Record {
            customer_id: key.clone(),
            time_ms: day * DAY_MS,
            trace_parent: String::new(),
            body: Some(body),
        };
        let mut effects = Effects::default();
        let input = Input::Record {
            key: &key,
            record: &record,
        };
        let now = Timestamp::from_millis(record.time_ms);
        let state = states.entry(who).or_default();
        JourneyCore::step(&definitions, state, input, now, &mut effects).expect("a good record");
        for (name, change) in effects.counted() {
            *counters
                .entry(who)
                .or_default()
                .entry(name.clone())
                .or_default() += change;
        }
    }
    let mut seqs: BTreeMap<u16, (u64, BTreeMap<Box<str>, i64>)> = BTreeMap::new();
    for (who, state) in states {
        let partition = PartitionCount::DEFAULT.partition_of(who.fragment());
        let slot = Slot {
            owner: Owner::Journey,
            partition,
        };
        let (seq, sums) = seqs.entry(partition.number()).or_default();
        if *seq == 0 {
            store.open(slot, 1).await.expect("a new partition");
        }
        *seq += 1;
        for (name, change) in counters.remove(&who).unwrap_or_default() {
            *sums.entry(name).or_default() += change;
        }
        let commit = Commit {
            epoch: 1,
            seq: *seq,
            batch_id: *seq,
            states: vec![StateWrite {
                key: Bytes::copy_from_slice(who.as_bytes()),
                value: Some(JourneyCore::encode(&state)),
                timer: Timer::NONE,
                adds_entry: false,
            }],
            counters: sums.clone().into_iter().collect(),
            ..Commit::default()
        };
        store
            .commit(slot, &commit)
            .await
            .expect("an open partition");
    }
    let (_, receiver) = watch::channel(definitions);
    JourneyRpc::new(Arc::new(store), receiver)
}

fn refused(status: &Status, code: Code, reason: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(info.reason, reason);
}

#[tokio::test]
async fn flow_tells_every_step_in_order_and_balances() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    for version in [0, 1] {
        let request = GetFlowRequest {
            journey: "nudge".to_owned(),
            version,
        };
        let flow = rpc.get_flow(Request::new(request)).await.expect("a flow");
        let flow = flow.into_inner();
        assert_eq!((flow.entered_count, flow.active_count), (3, 1));
        let reasons: Vec<_> = flow
            .reasons
            .iter()
            .map(|it| (it.reason.as_str(), it.count))
            .collect();
        assert_eq!(reasons, [("COMPLETED", 1), ("GOAL_REACHED", 1)]);
        let steps: Vec<_> = flow
            .steps
            .iter()
            .map(|it| {
                (
                    it.step.as_str(),
                    it.kind.as_str(),
                    it.in_count,
                    it.out_count,
                    it.present_count,
                )
            })
            .collect();
        assert_eq!(
            steps,
            [
                ("wait_a_while", "wait", 3, 2, 1),
                ("remind", "send", 1, 1, 0)
            ]
        );
        let exits: Vec<_> = flow.steps[0]
            .exits
            .iter()
            .map(|it| (it.next.as_str(), it.reason.as_str(), it.count))
            .collect();
        assert_eq!(exits, [("", "GOAL_REACHED", 1), ("remind", "WAIT_DUE", 1)]);
    }
}

#[tokio::test]
async fn map_flow_tells_stages_and_moves() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let request = GetMapFlowRequest {
        map: "shop".to_owned(),
    };
    let flow = rpc
        .get_map_flow(Request::new(request))
        .await
        .expect("a flow");
    let flow = flow.into_inner();
    let stages: Vec<_> = flow
        .stages
        .iter()
        .map(|it| {
            (
                it.stage.as_str(),
                it.in_count,
                it.out_count,
                it.present_count,
            )
        })
        .collect();
    assert_eq!(stages, [("looking", 3, 2, 1), ("buying", 2, 0, 2)]);
    let moves: Vec<_> = flow
        .moves
        .iter()
        .map(|it| (it.from.as_str(), it.to.as_str(), it.count))
        .collect();
    assert_eq!(moves, [("", "looking", 3), ("looking", "buying", 2)]);
}

#[tokio::test]
async fn a_happy_path_tells_who_follows_it_and_how_the_others_leave() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let request = MeasureHappyPathRequest {
        happy_path: "first_purchase".to_owned(),
    };
    let measure = rpc
        .measure_happy_path(Request::new(request))
        .await
        .expect("a measure");
    let measure = measure.into_inner();
    assert_eq!(
        (
            measure.started_count,
            measure.followed_count,
            measure.under_way_count
        ),
        (3, 1, 1)
    );
    let reached: Vec<_> = measure
        .milestones
        .iter()
        .map(|it| it.reached_count)
        .collect();
    assert_eq!(reached, [3, 1]);
    let deviations: Vec<_> = measure
        .deviations
        .iter()
        .map(|it| (it.kind(), it.milestone.as_str(), it.count))
        .collect();
    assert_eq!(
        deviations,
        [
            (DeviationKind::Stalled, "bought", 1),
            (DeviationKind::Late, "bought", 1)
        ]
    );
}

#[tokio::test]
async fn a_customer_is_told_with_runs_positions_progress_and_history() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    // The fourth was joined into the first.
    for who in [1, 4] {
        let request = GetCustomerJourneysRequest {
            customer_id: customer(who).to_string(),
        };
        let told = rpc
            .get_customer_journeys(Request::new(request))
            .await
            .expect("a customer");
        let told = told.into_inner();
        assert_eq!(told.customer_id, customer(1).to_string());
        assert_eq!(told.runs.len(), 1);
        assert_eq!(told.runs[0].end_reason, "GOAL_REACHED");
        assert_eq!(told.runs[0].outcome(), RunOutcome::Success);
        assert_eq!(told.positions[0].stage, "buying");
        assert!(told.happy_paths[0].followed);
        assert!(told.history.iter().any(|entry| entry.reason == "ENTERED"));
    }
    let request = GetCustomerJourneysRequest {
        customer_id: customer(3).to_string(),
    };
    let told = rpc
        .get_customer_journeys(Request::new(request))
        .await
        .expect("a customer");
    let run = &told.get_ref().runs[0];
    assert_eq!(run.step, "wait_a_while");
    assert_eq!(run.due_time.map(|due| due.seconds), Some(2 * DAY_MS / 1000));
}

#[tokio::test]
async fn bad_names_are_refused_by_field() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let bad = "No Name".to_owned();
    let answers = [
        rpc.get_flow(Request::new(GetFlowRequest {
            journey: bad.clone(),
            version: 0,
        }))
        .await
        .map(|_| ()),
        rpc.get_map_flow(Request::new(GetMapFlowRequest { map: bad.clone() }))
            .await
            .map(|_| ()),
        rpc.measure_happy_path(Request::new(MeasureHappyPathRequest {
            happy_path: bad.clone(),
        }))
        .await
        .map(|_| ()),
        rpc.get_customer_journeys(Request::new(GetCustomerJourneysRequest {
            customer_id: bad,
        }))
        .await
        .map(|_| ()),
    ];
    for (answer, field) in answers
        .iter()
        .zip(["journey", "map", "happy_path", "customer_id"])
    {
        let status = answer.as_ref().expect_err("a bad request");
        refused(status, Code::InvalidArgument, "INVALID_REQUEST");
        let details = status.get_error_details();
        let violations = &details
            .bad_request()
            .expect("a BadRequest")
            .field_violations;
        assert_eq!(violations[0].field, field);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    for (journey, version) in [("nobody", 0), ("nudge", 2)] {
        let request = GetFlowRequest {
            journey: journey.to_owned(),
            version,
        };
        let status = rpc
            .get_flow(Request::new(request))
            .await
            .expect_err("not defined");
        refused(&status, Code::NotFound, "JOURNEY_NOT_FOUND");
    }
    let status = rpc
        .get_map_flow(Request::new(GetMapFlowRequest {
            map: "nobody".to_owned(),
        }))
        .await
        .expect_err("not defined");
    refused(&status, Code::NotFound, "MAP_NOT_FOUND");
    let status = rpc
        .measure_happy_path(Request::new(MeasureHappyPathRequest {
            happy_path: "nobody".to_owned(),
        }))
        .await
        .expect_err("not defined");
    refused(&status, Code::NotFound, "HAPPY_PATH_NOT_FOUND");
    let status = rpc
        .get_customer_journeys(Request::new(GetCustomerJourneysRequest {
            customer_id: customer(9).to_string(),
        }))
        .await
        .expect_err("nothing was processed");
    refused(&status, Code::NotFound, "PROFILE_NOT_FOUND");
}
