//! The metrics of the audit log, in a process of their own: meters are those of a process.

use std::time::Duration;

use audit::{Act, AuditError, AuditLog, Class, Operation, Origin, limits};
use kernel::CustomerId;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use sea_orm::ConnectionTrait as _;
use storage::{Database, DatabaseUrl};
use tokio::time::sleep;
use uuid::Uuid;

/// The customer and the caller that no metric names.
const CUSTOMER: Uuid = Uuid::from_u128(0xabcdef);
const CALLER: &str = "ann";

fn read() -> Act {
    Act::done("identity.get_customer", "").of(CustomerId::new(CUSTOMER))
}

fn ann() -> Origin {
    Origin {
        caller: CALLER.into(),
        kind: "key".into(),
        address: None,
    }
}

/// Returns the value of a line, by its name and one of its labels.
fn value(registry: &Registry, name: &str, label: &str) -> f64 {
    let text = TextEncoder::new().encode_to_string(&registry.gather());
    let text = text.expect("a text");
    let lines = text.lines().filter(|line| line.starts_with(name));
    let mut values = lines
        .filter(|line| line.contains(label))
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok());
    values.next().unwrap_or(0.0)
}

/// Waits for a value that only grows, or only falls, to what is expected.
async fn until(registry: &Registry, (name, label): (&str, &str), is_it: fn(f64) -> bool) {
    for _ in 0..500 {
        if is_it(value(registry, name, label)) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} {label} is {}", value(registry, name, label));
}

#[tokio::test]
async fn entries_waits_failures_and_refusals_are_measured_without_anybodys_data() {
    let registry = Registry::new();
    let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone());
    let reader = reader.build().expect("an exporter");
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    opentelemetry::global::set_meter_provider(meters);
    let folder = tempfile::tempdir().expect("a folder");
    let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let database = Database::connect(&url).await.expect("it opens");
    let log = AuditLog::open(database.clone(), "worker")
        .await
        .expect("a log");

    let class = (Class::Change, "definition.apply");
    let operation = Operation::new(log.clone(), ann(), class, None);
    let transaction = database.begin_write().await.expect("begun");
    let act = Act::done("definition.create", "segment `loyal` version 1");
    operation
        .record(&transaction, vec![act])
        .await
        .expect("recorded");
    transaction.commit().await.expect("committed");
    log.note(&ann(), vec![read()]).await.expect("room");
    let entries = "happypath_audit_entries_total";
    until(&registry, (entries, "class=\"read\""), |it| it == 1.0).await;
    until(&registry, (entries, "class=\"change\""), |it| it == 1.0).await;
    until(&registry, (entries, "class=\"process\""), |it| it == 1.0).await;
    until(&registry, (entries, "outcome=\"OK\""), |it| it > 0.0).await;
    until(
        &registry,
        ("happypath_audit_wait_duration_seconds_count", ""),
        |it| it == 1.0,
    )
    .await;
    assert_eq!(value(&registry, "happypath_audit_waiting_entries", ""), 0.0);

    // Somebody has taken the head away, so that nothing is written any more.
    let gone = database
        .orm()
        .execute_unprepared("DELETE FROM audit_chain")
        .await;
    gone.expect("gone");
    log.note(&ann(), vec![read()]).await.expect("room");
    until(
        &registry,
        ("happypath_audit_write_failures_total", ""),
        |it| it >= 1.0,
    )
    .await;
    until(&registry, ("happypath_audit_waiting_entries", ""), |it| {
        it == 1.0
    })
    .await;
    until(
        &registry,
        ("happypath_audit_waiting_age_seconds", ""),
        |it| it > 0.2,
    )
    .await;
    let full = loop {
        if let Err(error) = log.note(&ann(), vec![read(); limits::ACTS_PER_WRITE]).await {
            break error;
        }
    };
    assert!(matches!(full, AuditError::Full), "{full}");
    until(
        &registry,
        ("happypath_audit_refusals_total", "reason=\"full\""),
        |it| it == 1.0,
    )
    .await;

    let text = TextEncoder::new().encode_to_string(&registry.gather());
    let text = text.expect("a text");
    for word in [CALLER, "abcdef", "loyal", "definition", "customer"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}
