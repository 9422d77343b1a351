//! The whole service on embedded stores: from an action to its receipt.

use activation_core::template::text_template;
use bytes::Bytes;
use definitions::{Change, Owner as _, References};
use engine::Status as _;
use hot::{Append, Cursor, StreamId, StreamName};
use kernel::{CustomerId, PartitionId};
use prost::Message as _;
use proto::activation::v1 as api;
use proto::activation::v1::activation_service_server::ActivationService as _;
use proto::definition::v1::{Definition, definition::Kind};
use proto::stream::v1::{Action, Batch, Record, record::Body};
use runtime::{Config, ConfigFlags, Defaults, Environment};
use tonic::Request;

use super::*;

async fn context(folder: &tempfile::TempDir) -> Context {
    let mut defaults = Defaults::of_dev(folder.path());
    defaults.set("clock", "stream".to_owned());
    let config = Config::load(&defaults, &ConfigFlags::default(), &Environment::default());
    Context::open(config.expect("a configuration"))
        .await
        .expect("embedded stores")
}

fn definition(kind: Kind) -> Definition {
    Definition { kind: Some(kind) }
}

fn template(name: &str, body: &str) -> Kind {
    Kind::Template(text_template(name, "", body))
}

async fn apply(parts: &Parts, kinds: Vec<Kind>) -> Result<(), rpc::Failure> {
    let change = Change::apply(kinds.into_iter().map(definition));
    let references = References::unknown();
    parts
        .store
        .change(&change, &references, false)
        .await
        .map(drop)
}

fn log() -> Kind {
    Kind::Channel(api::Channel {
        name: "log".to_owned(),
        kind: Some(api::channel::Kind::Log(api::LogChannel {})),
        ..api::Channel::default()
    })
}

/// A policy that admits one message a day to whoever did not refuse.
fn one_a_day() -> Kind {
    Kind::Policy(api::Policy {
        name: "default".to_owned(),
        consent_by_default: true,
        frequency_caps: vec![api::FrequencyCap {
            limit: 1,
            window: "1d".to_owned(),
        }],
        ..api::Policy::default()
    })
}

/// The action of a visit of one run.
fn action(customer: CustomerId, visit: u32) -> Record {
    Record {
        customer_id: Bytes::copy_from_slice(customer.as_bytes()),
        time_ms: 1_000 + i64::from(visit),
        trace_parent: String::new(),
        body: Some(Body::Action(Action {
            run_id: Bytes::from_static(&[5; 16]),
            visit,
            journey: "welcome".to_owned(),
            step: "greet".to_owned(),
            channel: "log".to_owned(),
            template: "hello".to_owned(),
            purpose: "marketing".to_owned(),
            ..Action::default()
        })),
        ..Record::default()
    }
}

/// Appends actions of a partition, and returns the ids of the events there once all is idle.
async fn receipts_of(
    context: &Context,
    parts: &Parts,
    partition: PartitionId,
    records: Vec<Record>,
) -> Vec<String> {
    let stream = |name| StreamId { name, partition };
    let append = Append {
        to: stream(StreamName::Actions),
        payload: Bytes::from(
            Batch {
                records,
                ..Batch::default()
            }
            .encode_to_vec(),
        ),
        source: None,
        origin: None,
    };
    let hot = context.hot_store().expect("a hot store");
    hot.append(&append).await.expect("appended");
    parts.engine.await_idle().await.expect("idle");
    let entries = hot
        .poll(stream(StreamName::Events), Cursor::START, 10)
        .await
        .expect("a poll");
    let mut receipts: Vec<String> = entries
        .into_iter()
        .flat_map(|entry| Batch::decode(entry.payload).expect("a batch").records)
        .filter_map(|record| match record.body {
            Some(Body::Event(event)) => Some(event.event_id),
            _ => None,
        })
        .collect();
    receipts.sort();
    receipts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_becomes_a_delivery_and_a_receipt() {
    let folder = tempfile::tempdir().expect("a folder");
    let context = context(&folder).await;
    let parts = start_parts(&context).await.expect("a service");
    let definitions = vec![log(), template("hello", "Hello"), one_a_day()];
    apply(&parts, definitions).await.expect("applied");

    let customer: CustomerId = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23"
        .parse()
        .expect("an id");
    let partition = context.partitions.partition_of(customer.fragment());
    let actions = vec![action(customer, 1), action(customer, 2)];
    let receipts = receipts_of(&context, &parts, partition, actions).await;
    let run = "05050505-0505-0505-0505-050505050505";
    assert_eq!(
        receipts,
        [
            format!("activation_delivered:{run}-1"),
            format!("activation_suppressed:{run}-2"),
        ]
    );
    let request = api::GetStatisticsRequest::default();
    let answer = parts.handlers.get_statistics(Request::new(request)).await;
    let counts: Vec<_> = answer
        .expect("statistics")
        .into_inner()
        .counts
        .into_iter()
        .map(|count| (count.reason, count.count))
        .collect();
    assert_eq!(
        counts,
        [("DELIVERED".to_owned(), 1), ("FREQUENCY_CAP".to_owned(), 1)]
    );
    parts.engine.shutdown().await;
    parts.deliverer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_with_mistakes_is_refused_whole_with_their_places() {
    let folder = tempfile::tempdir().expect("a folder");
    let context = context(&folder).await;
    let parts = start_parts(&context).await.expect("a service");
    let kinds = vec![
        log(),
        template("hello", "a\n{% macro m() %}"),
        template("bye", "{{ x"),
    ];
    let failure = apply(&parts, kinds).await.expect_err("mistakes");
    let fields: Vec<_> = failure
        .violations()
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert!(
        fields.contains(&"definitions[1].template.text.body"),
        "{fields:?}"
    );
    assert!(
        fields.contains(&"definitions[2].template.text.body"),
        "{fields:?}"
    );
    assert!(parts.store.watch().borrow().channel("log").is_none());
    parts.engine.shutdown().await;
    parts.deliverer.shutdown().await;
}
