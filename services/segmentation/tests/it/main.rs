//! The RPCs of the segmentation service over an embedded store that holds what the core left.

mod accounts;
mod explain;
mod lanes;

use std::sync::Arc;

use bytes::Bytes;
use decision::{Core as _, Effects, Input, Names, PartKey, PartWrites, Source, step_once};
use engine::{Clock, Head, TimeSource, VirtualClock, head};
use hot::{Commit, EmbeddedStore, HotStore as _, Owner, Slot, StateWrite, Timer};
use kernel::{CounterKey, CustomerId, PartitionCount, Timestamp, Value};
use proto::convert;
use proto::definition::v1::definition::Kind;
use proto::segmentation::v1 as api;
use proto::segmentation::v1::segmentation_service_server::SegmentationService as _;
use proto::stream::v1::{Event, NamedValue, Record, record::Body};
use segmentation::SegmentationRpc;
use segmentation_core::{Counter, Definitions, SegmentationCore, State};
use tokio::sync::watch;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

const DAY: i64 = 86_400_000;

const SEGMENTS: [(&str, &str); 3] = [
    (
        "buyers",
        "events(\"purchase\").within(\"30d\").count() >= 1",
    ),
    ("pro", "profile.plan == \"pro\""),
    (
        "pro_buyers",
        "segments.has(\"pro\") && segments.has(\"buyers\")",
    ),
];

fn compiled() -> Arc<Definitions> {
    let kinds = SEGMENTS.map(|(name, expression)| {
        Kind::Segment(api::Segment {
            name: name.to_owned(),
            expression: expression.to_owned(),
            ..api::Segment::default()
        })
    });
    let sources = kinds.each_ref().map(|kind| Source {
        kind,
        version: 3,
        is_current: true,
    });
    let compiled = Definitions::compile(&sources, &Names::default());
    Arc::new(compiled.expect("valid segments"))
}

fn customer(number: u8) -> CustomerId {
    let text = format!("00000000-0000-7000-8000-0000000000{number:02}");
    text.parse().expect("an id")
}

fn named(name: &str, value: &Value) -> Vec<NamedValue> {
    vec![NamedValue {
        name: name.to_owned(),
        value: Some(convert::stream_value(value)),
    }]
}

fn purchase() -> Body {
    Body::Event(Event {
        event_id: "e-1".to_owned(),
        name: "purchase".to_owned(),
        properties: named("value", &Value::from(9.5)),
        traits: named("plan", &"pro".into()),
        ..Event::default()
    })
}

/// Runs the core over one record of a new customer, and keeps what it leaves as the engine would.
async fn take(store: &EmbeddedStore, definitions: &Definitions, who: CustomerId, body: Body) {
    let record = Record {
        customer_id: Bytes::copy_from_slice(who.as_bytes()),
        time_ms: DAY,
        body: Some(body),
        ..Record::default()
    };
    let (mut state, mut effects) = (State::default(), Effects::default());
    let now = Timestamp::from_millis(DAY);
    let input = Input::Record(&record);
    step_once::<SegmentationCore>(definitions, &mut state, who, input, now, &mut effects)
        .expect("a step");
    keep(store, who, state, effects.counts).await;
}

/// Commits a state: its head, and its parts beside it.
async fn keep(
    store: &EmbeddedStore,
    who: CustomerId,
    mut state: State,
    counters: Vec<(CounterKey, i64)>,
) {
    let mut writes = PartWrites::default();
    SegmentationCore::drain_parts(&mut state, &mut writes);
    let parts = writes.into_iter();
    let parts = parts.map(|(part, value)| (PartKey::of_customer(part, who), value));
    let head = head::write::<SegmentationCore>(&Head::plain(), &state);
    let own = (Bytes::copy_from_slice(who.as_bytes()), Some(head));
    commit(store, who, parts.chain([own]).collect(), counters).await;
}

async fn commit(
    store: &EmbeddedStore,
    who: CustomerId,
    values: Vec<(Bytes, Option<Bytes>)>,
    counters: Vec<(CounterKey, i64)>,
) {
    let slot = Slot {
        owner: Owner::Segmentation,
        partition: PartitionCount::DEFAULT.partition_of(who.fragment()),
    };
    let head = store.open(slot, 1).await.expect("an open slot");
    let commit = Commit {
        epoch: 1,
        seq: head.commit_seq + 1,
        batch_id: u64::from(slot.partition.number()) + 1,
        states: values
            .into_iter()
            .map(|(key, value)| StateWrite {
                key,
                value,
                timer: Timer::NONE,
                adds_entry: false,
            })
            .collect(),
        counters,
        ..Commit::default()
    };
    store.commit(slot, &commit).await.expect("a commit");
}

/// Customer 1 bought on day 1; customer 2 was merged into customer 1. It is day 2.
async fn rpc(folder: &tempfile::TempDir) -> SegmentationRpc {
    let store = EmbeddedStore::open(folder.path(), PartitionCount::DEFAULT)
        .await
        .expect("a store");
    let definitions = compiled();
    take(&store, &definitions, customer(1), purchase()).await;
    let redirect = Head::redirected_to(customer(1));
    let value = head::write::<SegmentationCore>(&redirect, &State::default());
    let key = Bytes::copy_from_slice(customer(2).as_bytes());
    let counters = vec![
        (Counter::Seen { event: "late/one" }.key(), 2),
        (Counter::OtherSeen.key(), 7),
    ];
    commit(&store, customer(2), vec![(key, Some(value))], counters).await;
    answering(store, definitions)
}

/// The service over a store, on day 2.
fn answering(store: EmbeddedStore, definitions: Arc<Definitions>) -> SegmentationRpc {
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new(Timestamp::from_millis(2 * DAY)));
    let (_, receiver) = watch::channel(definitions);
    SegmentationRpc::new(Arc::new(store), receiver, TimeSource::Wall(clock))
}

fn check_refused(status: &Status, code: Code, reason: &str, field: Option<&str>) {
    assert_eq!(status.code(), code, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(info.reason, reason);
    let fields = details.bad_request().map(|bad| &bad.field_violations);
    let first = fields.and_then(|fields| fields.first());
    assert_eq!(first.map(|violation| violation.field.as_str()), field);
}

#[tokio::test]
async fn a_profile_is_found_by_every_id_of_the_customer() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    for who in [customer(1), customer(2)] {
        let request = api::GetProfileRequest {
            customer_id: who.to_string(),
            after: String::new(),
        };
        let answer = rpc
            .get_profile(Request::new(request))
            .await
            .expect("a profile");
        let profile = answer.into_inner().profile.expect("a profile");
        assert_eq!(profile.customer_id, customer(1).to_string());
        let segments: Vec<_> = profile.memberships.iter().map(|it| &it.segment).collect();
        assert_eq!(segments, ["buyers", "pro", "pro_buyers"]);
        assert_eq!(profile.events[0].count, 1);
        assert_eq!(profile.recent_events[0].name, "purchase");
        assert!(profile.traits.expect("traits").fields.contains_key("plan"));
        assert_eq!(profile.first_seen_time, profile.last_seen_time);
    }
}

#[tokio::test]
async fn what_is_no_customer_or_not_known_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    for (id, code, reason, field) in [
        (
            "x".to_owned(),
            Code::InvalidArgument,
            "INVALID_REQUEST",
            Some("customer_id"),
        ),
        (
            customer(9).to_string(),
            Code::NotFound,
            "PROFILE_NOT_FOUND",
            None,
        ),
    ] {
        let request = api::GetProfileRequest {
            customer_id: id.clone(),
            after: String::new(),
        };
        let status = rpc
            .get_profile(Request::new(request))
            .await
            .expect_err("no profile");
        check_refused(&status, code, reason, field);
        let request = api::ExplainMembershipRequest {
            customer_id: id,
            ..api::ExplainMembershipRequest::default()
        };
        let status = rpc
            .explain_membership(Request::new(request))
            .await
            .expect_err("no profile");
        check_refused(&status, code, reason, field);
    }
}

#[tokio::test]
async fn segments_are_listed_by_page_with_their_sizes() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let mut request = api::ListSegmentsRequest {
        page_size: 2,
        page_token: String::new(),
    };
    let first = rpc.list_segments(Request::new(request.clone())).await;
    let first = first.expect("a page").into_inner();
    let names: Vec<_> = first.segments.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["buyers", "pro"]);
    assert_eq!(first.segments[0].member_count, 1);
    assert_eq!(first.segments[0].version, 3);
    request.page_token = first.next_page_token;
    let last = rpc.list_segments(Request::new(request.clone())).await;
    let last = last.expect("a page").into_inner();
    assert_eq!(last.segments[0].name, "pro_buyers");
    assert_eq!(last.next_page_token, "");
    request.page_token = "!".to_owned();
    let status = rpc.list_segments(Request::new(request.clone())).await;
    let status = status.expect_err("an altered token");
    let field = Some("page_token");
    check_refused(&status, Code::InvalidArgument, "PAGE_TOKEN_INVALID", field);
    request.page_size = 1_001;
    let status = rpc.list_segments(Request::new(request)).await;
    let status = status.expect_err("too large a page");
    let field = Some("page_size");
    check_refused(&status, Code::InvalidArgument, "INVALID_REQUEST", field);
}

#[tokio::test]
async fn names_of_events_are_listed_with_their_counts_and_that_of_all_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let mut request = api::ListEventNamesRequest {
        page_size: 1,
        page_token: String::new(),
    };
    for (name, count, is_last) in [("late/one", 2, false), ("purchase", 1, true)] {
        let page = rpc.list_event_names(Request::new(request)).await;
        let page = page.expect("a page").into_inner();
        let events: Vec<_> = page
            .events
            .iter()
            .map(|it| (it.name.as_str(), it.count))
            .collect();
        assert_eq!(events, [(name, count)]);
        assert_eq!(page.other_count, 7);
        assert_eq!(page.next_page_token.is_empty(), is_last);
        request = api::ListEventNamesRequest {
            page_size: 1,
            page_token: page.next_page_token,
        };
    }
}

#[tokio::test]
async fn memberships_are_explained_term_by_term() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let mut request = api::ExplainMembershipRequest {
        customer_id: customer(1).to_string(),
        ..api::ExplainMembershipRequest::default()
    };
    let all = rpc.explain_membership(Request::new(request.clone())).await;
    let all = all.expect("an answer").into_inner().explanations;
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|explanation| explanation.holds));
    let change = all[0].next_change_time.as_ref().map(convert::instant);
    assert_eq!(change, Some(Timestamp::from_millis(31 * DAY)));
    assert_eq!(all[0].terms[1].value, "1");

    request.expression = "events(\"purchase\").since_last() > duration(\"2d\")".to_owned();
    let one = rpc.explain_membership(Request::new(request.clone())).await;
    let one = one.expect("an answer").into_inner().explanations;
    assert!(!one[0].holds);
    assert_eq!(one[0].terms[1].value, "1d");

    request.expression = "profile.plan = 1".to_owned();
    let status = rpc.explain_membership(Request::new(request)).await;
    let status = status.expect_err("a mistake");
    let field = Some("expression");
    check_refused(&status, Code::InvalidArgument, "EXPRESSION_INVALID", field);
}

#[tokio::test]
async fn an_explanation_reads_the_parts_that_it_looks_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = EmbeddedStore::open(folder.path(), PartitionCount::DEFAULT)
        .await
        .expect("a store");
    let definitions = compiled();
    let who = customer(3);
    let (mut state, mut effects) = (State::default(), Effects::default());
    for number in 1..=3_000 {
        let time_ms = number * 50_000;
        let body = Body::Event(Event {
            name: "purchase".to_owned(),
            ..Event::default()
        });
        let record = Record {
            customer_id: Bytes::copy_from_slice(who.as_bytes()),
            time_ms,
            trace_parent: String::new(),
            body: Some(body),
            ..Record::default()
        };
        let (input, now) = (Input::Record(&record), Timestamp::from_millis(time_ms));
        step_once::<SegmentationCore>(&definitions, &mut state, who, input, now, &mut effects)
            .expect("a step");
        effects.clear();
    }
    keep(&store, who, state, Vec::new()).await;
    let rpc = answering(store, definitions);
    for (expression, expected) in [
        ("events(\"purchase\").within(\"12h\").count() > 0", "408"),
        ("events(\"purchase\").within(\"30d\").count() > 0", "3000"),
    ] {
        let request = api::ExplainMembershipRequest {
            customer_id: who.to_string(),
            expression: expression.to_owned(),
            ..api::ExplainMembershipRequest::default()
        };
        let answer = rpc.explain_membership(Request::new(request)).await;
        let explanations = answer.expect("an answer").into_inner().explanations;
        assert_eq!(explanations[0].terms[1].value, expected, "{expression}");
    }
}

#[tokio::test]
async fn expressions_are_checked_without_being_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let check = async |expression: &str| {
        let request = api::CheckExpressionRequest {
            expression: expression.to_owned(),
        };
        let answer = rpc.check_expression(Request::new(request)).await;
        answer.map(tonic::Response::into_inner)
    };
    let right = check("profile.a > events(\"e\").count() && segments.has(\"pro\")").await;
    let right = right.expect("an answer");
    assert_eq!(right.r#type, "bool");
    assert_eq!(
        (right.traits, right.events, right.segments),
        (
            vec!["a".to_owned()],
            vec!["e".to_owned()],
            vec!["pro".to_owned()]
        )
    );
    let wrong = check("segments.has(\"por\")").await.expect("an answer");
    assert_eq!(wrong.r#type, "");
    assert_eq!((wrong.errors[0].line, wrong.errors[0].column), (1, 14));
    assert_eq!(
        wrong.errors[0].message,
        "there is no segment `por`: did you mean `pro`?"
    );
    let status = check("").await.expect_err("an empty expression");
    let field = Some("expression");
    check_refused(&status, Code::InvalidArgument, "INVALID_REQUEST", field);
}
