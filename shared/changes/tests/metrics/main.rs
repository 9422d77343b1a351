//! The metrics of the log of changes, in a process of their own: meters are those of a process.

use std::collections::BTreeSet;

use changes::{ChangeLog, ChangeSink as _, Pending, Place, Scribe};
use kernel::{Owner, PartitionId, Timestamp};
use messages::stream::v1::{ChangeBatch, ChangeRecord};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use prost::Message as _;
use sea_orm::ConnectionTrait as _;
use storage::{Database, DatabaseUrl};
use tokio_util::sync::CancellationToken;

const CUSTOMER: [u8; 16] = [0xab; 16];
const PARTITION: PartitionId = PartitionId::new(4);

/// Checks lines, each of a name with labels and its value.
#[track_caller]
fn check(registry: &Registry, expected: &[&str]) {
    let text = TextEncoder::new().encode_to_string(&registry.gather());
    let text = text.expect("a text");
    // The scope is the same in all of them.
    let text = text.replace(",otel_scope_name=\"happypath.changes\"", "");
    let text = text.replace("{otel_scope_name=\"happypath.changes\"}", "");
    for line in expected {
        assert!(text.lines().any(|it| it == *line), "{line}: {text}");
    }
}

fn pending(seq: u64, changes: usize) -> Pending {
    let change = ChangeRecord {
        customer_id: CUSTOMER.to_vec().into(),
        ..ChangeRecord::default()
    };
    let changes = vec![change; changes];
    Pending {
        place: Place { epoch: 1, seq },
        changes: ChangeBatch { changes }.encode_to_vec().into(),
    }
}

#[tokio::test]
async fn changes_rows_waits_failures_and_removals_are_measured() {
    let registry = Registry::new();
    let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone());
    let reader = reader.build().expect("an exporter");
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    opentelemetry::global::set_meter_provider(meters);
    let folder = tempfile::tempdir().expect("a folder");
    let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let database = Database::connect(&url).await.expect("it opens");
    let log = ChangeLog::open(database.clone()).await.expect("a log");
    let scribe = Scribe::new(log.clone());
    check(
        &registry,
        &[
            "happypath_changes_written_changes_total{service=\"journey\"} 0",
            "happypath_changes_written_rows_total 0",
            "happypath_changes_write_failures_total 0",
            "happypath_changes_pruned_changes_total 0",
            "happypath_changes_erased_changes_total 0",
            "happypath_changes_waiting_commits 0",
            "happypath_changes_waiting_age_seconds 0",
        ],
    );

    scribe.open(Owner::Journey, PARTITION, 1, Vec::new());
    scribe.push(Owner::Journey, PARTITION, pending(1, 3));
    scribe.push(Owner::Journey, PARTITION, pending(2, 1));
    check(
        &registry,
        &[
            "happypath_changes_waiting_commits 2",
            "happypath_changes_waiting_bytes 80",
        ],
    );
    scribe.flush().await.expect("it is written");
    let gone = "ALTER TABLE change_head RENAME TO gone";
    let orm = database.orm();
    orm.execute_unprepared(gone).await.expect("gone");
    scribe.push(Owner::Journey, PARTITION, pending(3, 1));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(scribe.clone().run(shutdown.clone()));
    let failed = "happypath_changes_write_failures_total";
    while !TextEncoder::new()
        .encode_to_string(&registry.gather())
        .expect("a text")
        .lines()
        .any(|line| line.starts_with(failed) && !line.ends_with(" 0"))
    {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let back = "ALTER TABLE gone RENAME TO change_head";
    orm.execute_unprepared(back).await.expect("back");
    shutdown.cancel();
    running.await.expect("it ends");
    let erased = log.erase(&BTreeSet::from([CUSTOMER])).await;
    assert_eq!(erased.expect("it erases"), 5);
    let pruned = log.prune(Timestamp::MAX).await;
    assert_eq!(pruned.expect("it prunes"), 2);
    check(
        &registry,
        &[
            "happypath_changes_written_changes_total{service=\"journey\"} 5",
            "happypath_changes_written_rows_total 2",
            "happypath_changes_write_duration_seconds_count 2",
            "happypath_changes_pruned_changes_total 5",
            "happypath_changes_erased_changes_total 5",
            "happypath_changes_waiting_commits 0",
        ],
    );
}
