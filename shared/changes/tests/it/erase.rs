//! Erasure: nothing is left of customers, and positions mean what they meant.

use std::collections::BTreeSet;

use changes::{ChangeSink as _, Scribe};
use kernel::Timestamp;
use messages::stream::v1::ChangeRecord;
use messages::stream::v1::change_record::Kind;

use crate::world::{Chance, SLOT, World, change, id, push};

/// A change that joins a customer into another.
fn merge(customer: u8, into: u8, time: i64) -> ChangeRecord {
    ChangeRecord {
        kind: Some(Kind::MergedIntoId(id(into).to_vec().into())),
        ..change(customer, time)
    }
}

/// Writes changes in rows of a random size, and returns them.
async fn write(world: &World, chance: &mut Chance, rows: u64) -> Vec<ChangeRecord> {
    let scribe = Scribe::new(world.log.clone());
    scribe.open(SLOT.0, SLOT.1, 1, Vec::new());
    let mut all = Vec::new();
    for seq in 1..=rows {
        let changes: Vec<ChangeRecord> = (0..=chance.below(30))
            .map(|_| {
                let time = i64::try_from(chance.below(1_000)).expect("small");
                let customer = u8::try_from(chance.below(9)).expect("small");
                match chance.below(4) {
                    0 => merge(
                        customer,
                        u8::try_from(chance.below(9)).expect("small"),
                        time,
                    ),
                    _ => change(customer, time),
                }
            })
            .collect();
        all.extend(changes.clone());
        push(&scribe, SLOT, (1, seq), changes);
        scribe.flush().await.expect("it is written");
    }
    all
}

fn is_of(change: &ChangeRecord, customers: &BTreeSet<[u8; 16]>) -> bool {
    let into = match &change.kind {
        Some(Kind::MergedIntoId(into)) => into.to_vec(),
        _ => Vec::new(),
    };
    customers.contains(&*change.customer_id) || customers.contains(&*into)
}

#[tokio::test]
async fn what_is_erased_is_gone_and_everything_else_is_where_it_was() {
    let mut chance = Chance::new(7);
    for world in World::all().await {
        let mut expected = write(&world, &mut chance, 40).await;
        let before = world.read_all().await;
        for _ in 0..4 {
            let number = chance.below(3);
            let customers: BTreeSet<[u8; 16]> = (0..number)
                .map(|_| id(u8::try_from(chance.below(9)).expect("small")))
                .collect();
            let mut count = 0;
            for change in &mut expected {
                if is_of(change, &customers) {
                    *change = ChangeRecord::default();
                    count += 1;
                }
            }
            let erased = world.log.erase(&customers).await;
            assert_eq!(erased.expect("it erases"), count);
            let read = world.read_all().await;
            assert!(read.iter().map(|(_, change)| change).eq(&expected));
            let positions = before.iter().map(|(position, _)| position);
            assert!(read.iter().map(|(position, _)| position).eq(positions));
            let again = world.log.erase(&customers).await;
            assert_eq!(again.expect("it erases"), 0, "nothing is left");
        }
    }
}

#[tokio::test]
async fn large_rows_are_erased_some_at_a_time() {
    for world in World::all().await {
        world.write_rows(&[4_000; 30]).await;
        let erased = world.log.erase(&BTreeSet::from([id(1)])).await;
        assert_eq!(erased.expect("it erases"), 120_000);
        let all = world.read_all().await;
        assert!(
            all.iter()
                .all(|(_, change)| *change == ChangeRecord::default())
        );
    }
}

#[tokio::test]
async fn erasures_at_once_do_not_undo_each_other_and_hold_up_nobody() {
    for world in World::all().await {
        write(&world, &mut Chance::new(3), 30).await;
        world
            .execute(
                "UPDATE change_log SET append_time = 0 WHERE row_number < 4",
                [],
            )
            .await;
        let erase = |customer: u8| {
            let log = world.log.clone();
            tokio::spawn(async move { log.erase(&BTreeSet::from([id(customer)])).await })
        };
        let tasks = [erase(1), erase(2), erase(3), erase(4)];
        let more = async {
            let scribe = Scribe::new(world.log.clone());
            scribe.open(SLOT.0, SLOT.1, 2, Vec::new());
            for seq in 1..=20 {
                push(&scribe, SLOT, (2, seq), vec![change(5, 1)]);
                scribe.flush().await.expect("it is written");
            }
        };
        let (pruned, ()) = tokio::join!(world.log.prune(Timestamp::from_millis(1)), more);
        assert_eq!(pruned.expect("it prunes"), 3);
        for task in tasks {
            task.await.expect("it ends").expect("it erases");
        }
        let all = world.read_all().await;
        let customers = [1, 2, 3, 4].map(id).into();
        assert!(all.iter().all(|(_, change)| !is_of(change, &customers)));
        assert!(all.iter().any(|(_, change)| is_of(change, &[id(5)].into())));
        assert_eq!(world.log.newest_row().await.expect("an answer"), 50);
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_loses_everything_in_an_erasure() {
    for world in World::all().await {
        world.write_rows(&[2, 3]).await;
        let damage = "UPDATE change_log SET body = $1 WHERE row_number = 2";
        world.execute(damage, [vec![0_u8, 0x0a, 9].into()]).await;
        let erased = world.log.erase(&BTreeSet::from([id(9)])).await;
        assert_eq!(erased.expect("it erases"), 3);
        let all = world.read_all().await;
        let blank = |from: usize| {
            all[from..]
                .iter()
                .filter(|it| it.1 == ChangeRecord::default())
        };
        assert_eq!((all.len(), blank(0).count(), blank(2).count()), (5, 3, 3));
        let none = world.log.erase(&BTreeSet::new()).await;
        assert_eq!(none.expect("it erases"), 0);
    }
}
