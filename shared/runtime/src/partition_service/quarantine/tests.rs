//! The way of requests about quarantined records: checked, paged, taken once.

mod installation;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use engine::{EngineError, FindError, PlannedSplit, QuarantinePage, Standing};
use hot::Owner;
use prost::Message as _;
use proto::engine::v1::Partition;
use proto::engine::v1::partition_service_server::PartitionService as _;
use proto::stream::v1::{Event, Record, record::Body};
use storage::Member;
use tempfile::TempDir;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::*;
use crate::config::{Config, ConfigFlags, Defaults, Environment};
use crate::context::Context;

/// An engine with five quarantined records, which remembers what it is asked for. The database
/// hangs where the flag says so.
#[derive(Debug, Default)]
struct Fake(
    Mutex<Vec<(QuarantineSelection, QuarantineOrder)>>,
    AtomicBool,
);

fn record(index: u32) -> QuarantineEntry {
    let record = Record {
        time_ms: 7,
        body: Some(Body::Event(Event {
            name: format!("e{index}"),
            ..Event::default()
        })),
        ..Record::default()
    };
    let place = QuarantinePlace::parse(&format!("0-3-{index}")).expect("a place");
    let kind = match index {
        4 => QuarantinedKind::DamagedEntry,
        _ => QuarantinedKind::Record,
    };
    QuarantineEntry {
        place,
        record: QuarantinedRecord {
            id: place.to_string(),
            kind: kind.into(),
            record: record.encode_to_vec().into(),
            ..QuarantinedRecord::default()
        },
    }
}

#[async_trait]
impl EngineStatus for Fake {
    fn service(&self) -> Owner {
        Owner::Journey
    }

    fn standing(&self) -> Standing {
        Standing::TakesPart
    }

    async fn refused(&self) -> EngineError {
        std::future::pending().await
    }

    async fn list_members(&self) -> Result<Vec<Member>, EngineError> {
        if self.1.load(Ordering::Relaxed) {
            // As a database that went without a word.
            std::future::pending::<()>().await;
        }
        let member = |worker: &str, clock_skew_ms| Member {
            worker: worker.to_owned(),
            takes_part: clock_skew_ms == Some(0),
            clock_skew_ms,
            expire_time: kernel::Timestamp::default(),
        };
        Ok(vec![
            member("new", None),
            member("right", Some(0)),
            member("wrong", Some(-5_001)),
        ])
    }

    async fn list_partitions(&self) -> Result<Vec<Partition>, EngineError> {
        Ok(Vec::new())
    }

    async fn list_quarantined(
        &self,
        _: &QuarantineFilter,
        after: Option<QuarantinePlace>,
        max: usize,
    ) -> Result<QuarantinePage, EngineError> {
        let mut entries: Vec<_> = (0..5).map(record).collect();
        entries.retain(|entry| after.is_none_or(|after| entry.place > after));
        let has_more = entries.len() > max;
        entries.truncate(max);
        Ok(QuarantinePage { entries, has_more })
    }

    async fn order_quarantined(
        &self,
        selection: &QuarantineSelection,
        order: &QuarantineOrder,
    ) -> Result<QuarantineTaken, EngineError> {
        let mut orders = self.0.lock().expect("nobody failed");
        orders.push((selection.clone(), order.clone()));
        if order.request_id == "busy" {
            return Err(EngineError::CommandsFull);
        }
        Ok(QuarantineTaken {
            taken: 2,
            missing: vec![QuarantinePlace::parse("9-9-9").expect("a place")],
            has_more: true,
        })
    }

    async fn what_stays(&self, _: &PlannedSplit) -> Result<Vec<String>, FindError> {
        Ok(Vec::new())
    }

    async fn await_idle(&self) -> Result<u64, EngineError> {
        Ok(0)
    }

    async fn await_all_idle(&self) -> Result<u64, EngineError> {
        Ok(0)
    }

    fn next_dues(&self) -> Option<Vec<(PartitionId, kernel::Timestamp)>> {
        Some(Vec::new())
    }
}

async fn serve() -> (Partitions, Arc<Fake>, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let flags = ConfigFlags::default().with("partitions", "4");
    let config = Config::load(
        &Defaults::of_dev(folder.path()),
        &flags,
        &Environment::default(),
    );
    let context = Context::open(config.expect("valid")).await.expect("opened");
    let fake = Arc::new(Fake::default());
    let engine: Arc<dyn EngineStatus> = Arc::clone(&fake) as _;
    let partitions = Partitions::new(vec![engine], vec!["journey"], context);
    (partitions, fake, folder)
}

fn list(change: impl FnOnce(&mut ListQuarantinedRecordsRequest)) -> ListQuarantinedRecordsRequest {
    let mut request = ListQuarantinedRecordsRequest {
        service: "journey".to_owned(),
        ..ListQuarantinedRecordsRequest::default()
    };
    change(&mut request);
    request
}

fn ids(ids: &[&str]) -> QuarantinedRecordIds {
    QuarantinedRecordIds {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    }
}

fn to_retry(request_id: &str, named: &[&str]) -> RetryQuarantinedRecordsRequest {
    RetryQuarantinedRecordsRequest {
        request_id: request_id.to_owned(),
        service: "journey".to_owned(),
        selection: Some(retry::Selection::Records(ids(named))),
    }
}

fn to_discard(request_id: &str, reason: &str) -> DiscardQuarantinedRecordsRequest {
    DiscardQuarantinedRecordsRequest {
        request_id: request_id.to_owned(),
        service: "journey".to_owned(),
        selection: Some(discard::Selection::Filter(v1::QuarantineFilter {
            partition: Some(3),
            ..v1::QuarantineFilter::default()
        })),
        reason: reason.to_owned(),
    }
}

/// The code, and the fields that are wrong.
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, Vec<String>) {
    let status = answer.expect_err("refused");
    let bad = status.get_error_details().bad_request().cloned();
    let fields = bad.map(|bad| bad.field_violations).unwrap_or_default();
    let fields = fields.into_iter().map(|violation| violation.field);
    (status.code(), fields.collect())
}

#[tokio::test]
async fn records_are_listed_page_by_page_as_json_and_bytes_only_where_they_are_asked_for() {
    let (partitions, _, _folder) = serve().await;
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = list(|request| {
            request.page_size = 2;
            request.page_token.clone_from(&page_token);
            request.with_bytes = names.len() >= 2;
        });
        let with_bytes = request.with_bytes;
        let page = partitions.list_quarantined_records(Request::new(request));
        let page = page.await.expect("a page").into_inner();
        for record in page.records {
            assert_eq!(record.record.is_empty(), !with_bytes);
            if record.kind() == QuarantinedKind::Record {
                let json: serde_json::Value =
                    serde_json::from_str(&record.record_json).expect("JSON");
                assert_eq!(json["time_ms"], 7);
                names.push(json["event"]["name"].as_str().expect("a name").to_owned());
            } else {
                assert_eq!(record.record_json, "");
                names.push(record.id);
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["e0", "e1", "e2", "e3", "0-3-4"]);
}

#[tokio::test]
async fn a_list_that_breaks_a_rule_is_refused() {
    let (partitions, _, _folder) = serve().await;
    let first = list(|request| request.page_size = 2);
    let first = partitions.list_quarantined_records(Request::new(first));
    let token = first.await.expect("a page").into_inner().next_page_token;
    let by = |change: fn(&mut v1::QuarantineFilter)| {
        let mut filter = v1::QuarantineFilter::default();
        change(&mut filter);
        Some(filter)
    };
    for (request, code, field) in [
        (
            list(|request| request.service = "Journey".to_owned()),
            Code::InvalidArgument,
            Some("service"),
        ),
        (
            list(|request| request.service = "activation".to_owned()),
            Code::NotFound,
            None,
        ),
        (
            list(|request| request.page_size = 1_001),
            Code::InvalidArgument,
            Some("page_size"),
        ),
        (
            list(|request| request.filter = by(|it| it.partition = Some(1_024))),
            Code::InvalidArgument,
            Some("filter.partition"),
        ),
        (
            list(|request| request.filter = by(|it| it.customer_id = "me".to_owned())),
            Code::InvalidArgument,
            Some("filter.customer_id"),
        ),
        (
            // The token of another request.
            list(|request| {
                request.page_token = token.clone();
                request.filter = by(|it| it.reason = "x".to_owned());
            }),
            Code::InvalidArgument,
            Some("page_token"),
        ),
    ] {
        let text = format!("{request:?}");
        let answer = partitions.list_quarantined_records(Request::new(request));
        let fields = field.map(str::to_owned).into_iter().collect();
        assert_eq!(refused(answer.await), (code, fields), "{text}");
    }
}

#[tokio::test]
async fn a_retry_is_passed_on_once_and_a_replay_gives_the_first_answer() {
    let (partitions, fake, _folder) = serve().await;
    let request = to_retry("one", &["0-3-1", "9-9-9"]);
    for _ in 0..2 {
        let answer = partitions.retry_quarantined_records(Request::new(request.clone()));
        let expected = RetryQuarantinedRecordsResponse {
            taken_count: 2,
            missing_ids: vec!["9-9-9".to_owned()],
            has_more: true,
        };
        assert_eq!(answer.await.expect("taken").into_inner(), expected);
    }
    let orders = std::mem::take(&mut *fake.0.lock().expect("nobody failed"));
    let places = ["0-3-1", "9-9-9"].map(|id| QuarantinePlace::parse(id).expect("a place"));
    let order = QuarantineOrder {
        verb: QuarantineVerb::Retry,
        reason: String::new(),
        request_id: "one".to_owned(),
    };
    assert_eq!(
        orders,
        [(QuarantineSelection::Places(places.into()), order)]
    );
    let other = to_retry("one", &["0-3-2"]);
    let answer = partitions.retry_quarantined_records(Request::new(other));
    let (code, _) = refused(answer.await);
    assert_eq!(
        code,
        Code::FailedPrecondition,
        "another body by the same id"
    );
    for _ in 0..2 {
        let answer =
            partitions.retry_quarantined_records(Request::new(to_retry("busy", &["0-3-1"])));
        assert_eq!(refused(answer.await).0, Code::ResourceExhausted);
    }
    assert_eq!(
        fake.0.lock().expect("nobody failed").len(),
        2,
        "it may be tried again"
    );
}

#[tokio::test]
async fn a_discard_needs_a_reason_and_gives_it_back_for_the_record() {
    let (partitions, fake, _folder) = serve().await;
    for _ in 0..2 {
        let answer = partitions
            .discard_quarantined_records(Request::new(to_discard("one", "a test account")))
            .await
            .expect("taken")
            .into_inner();
        assert_eq!((answer.taken_count, answer.has_more), (2, true));
        assert_eq!(
            answer.audit_line,
            "2 quarantined records of journey are to be discarded, by request one: a test account"
        );
    }
    let orders = std::mem::take(&mut *fake.0.lock().expect("nobody failed"));
    let filter = QuarantineFilter {
        partition: Some(PartitionId::new(3)),
        ..QuarantineFilter::default()
    };
    let order = QuarantineOrder {
        verb: QuarantineVerb::Discard,
        reason: "a test account".to_owned(),
        request_id: "one".to_owned(),
    };
    assert_eq!(orders, [(QuarantineSelection::Filter(filter), order)]);
    for (request, field) in [
        (to_discard("two", ""), "reason"),
        (to_discard("two", &"x".repeat(201)), "reason"),
        (to_discard("", "x"), "request_id"),
        (
            DiscardQuarantinedRecordsRequest {
                selection: None,
                ..to_discard("two", "x")
            },
            // A rule of the request as a whole.
            "",
        ),
    ] {
        let answer = partitions.discard_quarantined_records(Request::new(request.clone()));
        let expected = (Code::InvalidArgument, vec![field.to_owned()]);
        assert_eq!(refused(answer.await), expected, "{request:?}");
    }
}

#[tokio::test]
async fn ids_that_are_none_are_refused() {
    let (partitions, fake, _folder) = serve().await;
    let many: Vec<String> = (0..501).map(|n| format!("0-3-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (named, field) in [
        (&[][..], "records.ids"),
        (&many, "records.ids"),
        (&["0-3-1", "0-3-1"], "records.ids"),
        (&["0-3-1", "3-1"], "records.ids[1]"),
        (&["0-3-99999999999"], "records.ids[0]"),
        (&["0-3-9999999999"], "records.ids[0]"),
    ] {
        let answer = partitions.retry_quarantined_records(Request::new(to_retry("one", named)));
        let (code, fields) = refused(answer.await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(fields[0].starts_with(field), "{fields:?} {field}");
    }
    assert!(fake.0.lock().expect("nobody failed").is_empty());
}
