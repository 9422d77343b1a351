//! Customers are named by keyed hashes, and forgotten with their keys.

use audit::{Act, Outcome};
use proto::audit::v1::EntryFilter;
use tonic::Code;

use crate::fixture::{World, ann, customer};

#[tokio::test]
async fn entries_are_found_by_customer_until_the_customer_is_forgotten() {
    let world = World::new().await;
    let read = |number| Act::done("read", "").of(customer(number));
    world.record(vec![read(1), read(2), read(1)]).await;
    let before = world.about(customer(1)).await;
    assert_eq!(before.len(), 2);
    assert_eq!(before[0].subject, before[1].subject);
    assert_ne!(before[0].subject, world.about(customer(2)).await[0].subject);

    let transaction = world.database.begin_write().await.expect("begun");
    let forgotten = world.log.forget(&transaction, &[customer(1)]).await;
    transaction.commit().await.expect("committed");
    assert_eq!(forgotten.expect("done"), 1);
    assert_eq!(world.about(customer(1)).await, []);
    // The entries stay as they are, and so do those of others.
    assert_eq!(world.all().await.len(), 3);
    assert_eq!(world.about(customer(2)).await.len(), 1);
    assert!(world.verify().await.is_clean());

    // Whoever asks for the same id later has another name for it.
    world.record(vec![read(1)]).await;
    let after = world.about(customer(1)).await;
    assert_eq!(after.len(), 1);
    assert_ne!(after[0].subject, before[0].subject);
}

#[tokio::test]
async fn nothing_that_is_stored_leads_from_an_entry_to_a_forgotten_customer() {
    let world = World::new().await;
    world
        .record(vec![Act::done("read", "").of(customer(0xabcdef))])
        .await;
    let transaction = world.database.begin_write().await.expect("begun");
    let forgotten = world.log.forget(&transaction, &[customer(0xabcdef)]).await;
    forgotten.expect("done");
    transaction.commit().await.expect("committed");
    for column in [
        "caller_id",
        "object",
        "action",
        "hex(subject)",
        "trace_parent",
    ] {
        let rows = sea_orm::ConnectionTrait::query_all_raw(
            world.database.orm(),
            sea_orm::Statement::from_string(
                sea_orm::DbBackend::Sqlite,
                format!("SELECT {column} FROM audit_entry WHERE lower({column}) LIKE '%abcdef%'"),
            ),
        );
        assert!(rows.await.expect("rows").is_empty(), "{column}");
    }
}

#[tokio::test]
async fn an_id_that_is_nobodys_makes_no_key() {
    let world = World::new().await;
    let outcome = Outcome::Ended(Code::NotFound);
    let act = Act::done("read", "").of(customer(1)).with_outcome(outcome);
    world.log.note(&ann(), vec![act]).await.expect("room");
    world.log.close().await;
    assert_eq!(world.all().await.len(), 1);
    assert_eq!(world.about(customer(1)).await, []);
    assert!(world.all().await[0].subject.is_empty());
}

#[tokio::test]
async fn entries_are_chosen_by_caller_action_and_time() {
    let world = World::new().await;
    world
        .record(vec![Act::done("one", ""), Act::done("two", "")])
        .await;
    let with = |caller: &str, action: &str| EntryFilter {
        caller_id: caller.to_owned(),
        action: action.to_owned(),
        ..EntryFilter::default()
    };
    assert_eq!(world.list(with("ann", "")).await.len(), 2);
    assert_eq!(world.list(with("ann", "two")).await.len(), 1);
    assert_eq!(world.list(with("ben", "")).await.len(), 0);
    let early = EntryFilter {
        end_time: Some(prost_types::Timestamp {
            seconds: 1_000_000_000,
            nanos: 0,
        }),
        ..EntryFilter::default()
    };
    assert_eq!(world.list(early).await.len(), 0);
}
