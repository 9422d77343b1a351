//! Changes are recorded in their transaction, reads within a second, and nothing is lost silently.

use std::time::Duration;

use audit::{Act, AuditError, AuditLog, FaultKind, Outcome, limits};
use tokio::time::Instant;
use tonic::Code;

use crate::fixture::{World, ann, customer};

#[tokio::test]
async fn a_change_and_its_entry_take_effect_together() {
    let world = World::new().await;
    world
        .sql("CREATE TABLE thing (id INTEGER)")
        .await
        .expect("a table");
    for (commits, expected) in [(false, 0), (true, 1)] {
        let transaction = world.database.begin_write().await.expect("begun");
        sea_orm::ConnectionTrait::execute_unprepared(&transaction, "INSERT INTO thing VALUES (1)")
            .await
            .expect("written");
        let act = Act::done("thing.create", "thing 1");
        let operation = world.operation("test");
        operation
            .record(&transaction, vec![act])
            .await
            .expect("recorded");
        if commits {
            transaction.commit().await.expect("committed");
        } else {
            // As a process does that dies before its commit.
            drop(transaction);
        }
        assert_eq!(world.all().await.len(), expected);
        let things = sea_orm::ConnectionTrait::query_all_raw(
            world.database.orm(),
            sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, "SELECT id FROM thing"),
        );
        assert_eq!(things.await.expect("rows").len(), expected);
    }
    let entry = &world.all().await[0];
    assert_eq!(
        (entry.caller.as_str(), entry.caller_kind.as_str()),
        ("ann", "key")
    );
    assert_eq!(
        (entry.address.as_str(), entry.outcome.as_str()),
        ("10.0.0.1", "OK")
    );
    assert_eq!(
        (entry.action.as_str(), entry.object.as_str()),
        ("thing.create", "thing 1")
    );
    assert!(world.verify().await.is_clean());
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let world = World::new().await;
    world.sql("DELETE FROM audit_chain").await.expect("gone");
    let transaction = world.database.begin_write().await.expect("begun");
    let operation = world.operation("test");
    let recorded = operation
        .record(&transaction, vec![Act::done("a", "b")])
        .await;
    assert!(matches!(recorded, Err(AuditError::HeadGone)));
}

#[tokio::test]
async fn reads_are_on_record_within_a_second() {
    let world = World::new().await;
    let act = Act::done("read", "").of(customer(1));
    let began = Instant::now();
    world.log.note(&ann(), vec![act]).await.expect("room");
    while world.all().await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.about(customer(1)).await.len(), 1);
}

#[tokio::test]
async fn what_is_asked_first_is_written_before_it_is_done() {
    let world = World::new().await;
    let operation = world.operation("activation.set_consent");
    operation.ask("grant", customer(1)).await.expect("written");
    let entries = world.about(customer(1)).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].outcome.as_str(), entries[0].object.as_str()),
        ("ASKED", "grant")
    );
}

#[tokio::test]
async fn a_store_that_is_away_holds_up_reads_and_loses_none() {
    let world = World::new().await;
    // Another writer holds the file, so that nothing is written meanwhile.
    let holder = world.database.begin_write().await.expect("begun");
    let act = || Act::done("read", "").of(customer(1));
    let mut noted = 0;
    let full = loop {
        match world.log.note(&ann(), vec![act(); 1_000]).await {
            Ok(()) => noted += 1_000,
            Err(error) => break error,
        }
        assert!(noted <= limits::WAITING + limits::ACTS_PER_WRITE);
    };
    assert!(matches!(full, AuditError::Full), "{full}");
    holder.rollback().await.expect("free");
    world.log.close().await;
    let verdict = world.verify().await;
    assert!(verdict.is_clean(), "{:?}", verdict.faults);
    // With those of the beginning and the end of the chain.
    assert_eq!(verdict.entries, noted as u64 + 2);
    let closed = world.log.note(&ann(), vec![act()]).await;
    assert!(matches!(closed, Err(AuditError::Closed)));
}

#[tokio::test]
async fn each_process_has_a_chain_and_many_writers_share_it() {
    write_at_once(World::new().await).await;
}

#[tokio::test]
async fn many_writers_share_a_chain_on_postgres_too() {
    let world = World::on_postgres().await;
    for mistake in [
        "UPDATE audit_entry SET object = 'x'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
    ] {
        world.sql(mistake).await.expect_err(mistake);
    }
    write_at_once(world).await;
}

async fn write_at_once(world: World) {
    let other = AuditLog::open(world.database.clone(), "worker-2")
        .await
        .expect("a log");
    let tasks = (0..40_u32).map(|number| {
        let log = if number % 2 == 0 {
            world.log.clone()
        } else {
            other.clone()
        };
        let database = world.database.clone();
        tokio::spawn(async move {
            // The same few customers, so that all want the same keys at once.
            let customer = customer(u128::from(number % 5));
            if number % 4 < 2 {
                let act = Act::done("read", number.to_string()).of(customer);
                return log.note(&ann(), vec![act]).await.expect("room");
            }
            let transaction = database.begin_write().await.expect("begun");
            let act = Act::done("change", number.to_string()).of(customer);
            log.record(&transaction, vec![act]).await.expect("recorded");
            transaction.commit().await.expect("committed");
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
    other.close().await;
    world.log.close().await;
    let verdict = world.verify().await;
    assert!(verdict.is_clean(), "{:?}", verdict.faults);
    assert_eq!((verdict.chains, verdict.entries), (2, 44));
}

#[tokio::test]
async fn entries_are_not_changed_by_mistake_and_tampering_is_found() {
    let world = World::new().await;
    let act = |number: u32| Act::done("change", number.to_string());
    world.record((0..10).map(act).collect()).await;
    for mistake in [
        "UPDATE audit_entry SET object = 'x'",
        "DELETE FROM audit_entry",
    ] {
        world.sql(mistake).await.expect_err(mistake);
    }
    assert!(world.verify().await.is_clean());
    for trigger in ["audit_entry_kept", "audit_entry_not_removed"] {
        world
            .sql(&format!("DROP TRIGGER {trigger}"))
            .await
            .expect("who may, may");
    }
    for (tampering, undo, kind) in [
        (
            "UPDATE audit_entry SET object = 'x' WHERE sequence = 5",
            "UPDATE audit_entry SET object = '3' WHERE sequence = 5",
            FaultKind::Changed,
        ),
        (
            "UPDATE audit_entry SET sequence = -5 WHERE sequence = 5",
            "UPDATE audit_entry SET sequence = 5 WHERE sequence = -5",
            FaultKind::Missing,
        ),
        (
            "UPDATE audit_chain SET sequence = 12",
            "UPDATE audit_chain SET sequence = 11",
            FaultKind::Truncated,
        ),
        (
            "UPDATE audit_chain SET sequence = 10",
            "UPDATE audit_chain SET sequence = 11",
            FaultKind::BeyondHead,
        ),
    ] {
        world.sql(tampering).await.expect(tampering);
        let faults = world.verify().await.faults;
        assert!(
            faults.iter().any(|it| it.kind == kind),
            "{tampering}: {faults:?}"
        );
        world.sql(undo).await.expect(undo);
        assert!(world.verify().await.is_clean(), "{undo}");
    }
    world.sql("DELETE FROM audit_chain").await.expect("gone");
    let faults = world.verify().await.faults;
    assert!(
        faults.iter().any(|it| it.kind == FaultKind::NoHead),
        "{faults:?}"
    );
}

#[tokio::test]
async fn long_and_hostile_texts_are_cut() {
    let world = World::new().await;
    let text = format!("a\0{}", "é".repeat(1_000));
    let act = Act::done("change", text).with_outcome(Outcome::Ended(Code::NotFound));
    world.record(vec![act]).await;
    let entries = world.all().await;
    assert!(entries[0].object.len() <= limits::TEXT_BYTES + 3);
    assert!(!entries[0].object.contains('\0'));
    assert_eq!(entries[0].outcome, "NOT_FOUND");
    assert!(world.verify().await.is_clean());
}
