//! Customers who are erased: a mark is left of them in every service and nothing else, whatever was
//! on its way, and nothing brings them back.

mod random;

use hot::StateKey;
use messages::stream::v1::{CustomerErased, Record, Tick, record::Body};

use super::super::driver::memory;
use super::records::{customer, event, joins, merged, record};
use super::waits::{elsewhere, work, workers_of_1};
use super::world::{SERVICES, World};
use crate::{ErasureProgress, erasure_progress, limits};

/// The word that a customer is erased.
pub(super) fn erased(who: u16, time_ms: i64) -> Record {
    Record {
        body: Some(Body::Erased(CustomerErased {
            operation_id: vec![7; 16].into(),
        })),
        ..event(who, "", "", time_ms)
    }
}

impl World {
    /// The keys of all that is kept of a customer, by service.
    async fn kept(&self, who: u16) -> Vec<(usize, StateKey)> {
        let of = *customer(who).as_bytes();
        let mut keys = Vec::new();
        for service in 0..SERVICES {
            let states = self.memory.states(self.slot_of(service, customer(who)));
            let own = states.into_iter().map(|(key, _)| key);
            let own = own.filter(|key| key.starts_with(&of));
            keys.extend(own.map(|key| (service, key)));
        }
        keys
    }

    /// Nothing but marks is left of customers.
    pub(super) async fn check_erased(&self, customers: &[u16]) {
        for who in customers {
            let marks = (0..SERVICES).map(|service| (service, customer(*who).as_bytes().to_vec()));
            let kept = self.kept(*who).await.into_iter();
            let kept: Vec<_> = kept.map(|(service, key)| (service, key.to_vec())).collect();
            assert_eq!(kept, marks.collect::<Vec<_>>(), "of {who}");
            for service in 0..SERVICES {
                let head = self.head(service, *who).await;
                assert_eq!(head.erased_by, Some([7; 16]), "{who} of {service}");
                assert!(!head.has_state && head.parts().next().is_none());
                assert_eq!(self.log(service, *who).await, Vec::<String>::new());
            }
        }
    }

    async fn progress(&self, service: usize, who: u16) -> ErasureProgress {
        let owner = self.slot_of(service, customer(who)).owner;
        let progress = erasure_progress(self.hot.as_ref(), owner, customer(who)).await;
        progress.expect("it is told")
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_customer_and_what_comes_later_is_dropped() {
    let world = World::new(memory());
    for number in 0..9 {
        world
            .tell(0, event(1, &format!("a{number}"), "add", number))
            .await;
        world
            .tell(0, event(2, &format!("b{number}"), "add", number))
            .await;
    }
    world.tell(0, event(1, "w", "wait:50", 9)).await;
    world.settle().await;
    assert!(!world.progress(0, 1).await.is_applied);
    world.tell(0, erased(1, 10)).await;
    world.settle().await;
    world.check_erased(&[1]).await;
    for service in 0..SERVICES {
        let progress = world.progress(service, 1).await;
        assert!(progress.is_applied && progress.is_clean && progress.commit_seq > 0);
        world.tell(service, record(service, 1, "later", 11)).await;
        assert!(!world.progress(service, 1).await.is_clean, "it waits");
    }
    for partition in 0..2 {
        let tick = Record {
            time_ms: 100,
            body: Some(Body::Tick(Tick {})),
            ..Record::default()
        };
        world.tell_partition(0, partition, tick).await;
    }
    world.settle().await;
    world.check_erased(&[1]).await;
    for service in 0..SERVICES {
        assert!(world.progress(service, 1).await.is_clean);
        assert_eq!(world.count(service, "seen").await, 9, "those of the other");
        assert_eq!(world.count(service, "fired").await, 0);
        assert_eq!(world.log(service, 2).await.len(), 9);
    }
    assert_eq!(world.quarantined().await, Vec::<String>::new());
}

#[tokio::test]
async fn another_word_gives_every_service_another_commit_and_changes_nothing() {
    let world = World::new(memory());
    world.tell(0, event(1, "a", "add", 1)).await;
    world.tell(0, erased(1, 2)).await;
    world.settle().await;
    let mut before = Vec::new();
    for service in 0..SERVICES {
        before.push(world.progress(service, 1).await.commit_seq);
    }
    world.tell(0, erased(1, 3)).await;
    world.settle().await;
    world.check_erased(&[1]).await;
    for (service, before) in before.into_iter().enumerate() {
        assert!(world.progress(service, 1).await.commit_seq > before);
    }
}

#[tokio::test]
async fn a_customer_of_whom_nothing_is_known_is_marked() {
    let world = World::new(memory());
    world.tell(0, erased(1, 2)).await;
    world.settle().await;
    world.check_erased(&[1]).await;
}

#[tokio::test]
async fn whoever_was_joined_is_erased_by_their_own_id() {
    for order in [[1, 2], [2, 1]] {
        let world = World::new(memory());
        for number in 0..5 {
            world
                .tell(0, event(1, &format!("a{number}"), "add", 1))
                .await;
            world
                .tell(0, event(2, &format!("b{number}"), "add", 1))
                .await;
        }
        world.tell(0, merged(2, 1, 3)).await;
        world.settle().await;
        for who in order {
            world.tell(0, erased(who, 4)).await;
            world.settle().await;
        }
        world.tell(0, event(2, "late", "add", 5)).await;
        world.tell(0, merged(2, 1, 6)).await;
        world.settle().await;
        world.check_erased(&[1, 2]).await;
        for service in 0..SERVICES {
            assert_eq!(world.count(service, "seen").await, 0);
        }
        assert_eq!(world.quarantined().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn records_that_wait_for_a_state_go_with_their_customer() {
    let world = World::new(memory());
    let younger = elsewhere(&world);
    world.tell(0, event(1, "a", "add", 1)).await;
    world.tell(0, event(younger, "b", "add", 1)).await;
    world.tell(0, joins(1, &[younger], "login", 2)).await;
    for number in 0..30 {
        world
            .tell(0, event(1, &format!("c{number}"), "add", 3))
            .await;
    }
    // The other one's partition stands still: all of them wait.
    let mut workers = workers_of_1(&world).await;
    work(&mut workers).await;
    assert!(world.head(0, 1).await.has_parked());
    world.tell(0, erased(1, 4)).await;
    work(&mut workers).await;
    drop(workers);
    world.check_erased(&[1]).await;
    world.tell(0, erased(younger, 4)).await;
    world.settle().await;
    world.check_erased(&[1, younger]).await;
    for service in 0..SERVICES {
        assert_eq!(world.count(service, "seen").await, 0);
    }
}

#[tokio::test]
async fn more_waiting_records_than_a_commit_removes_go_in_several() {
    let world = World::new(memory());
    let younger = elsewhere(&world);
    world.tell(0, joins(1, &[younger], "login", 2)).await;
    let most = limits::PARTS_ERASED * 2 + 10;
    let mut workers = workers_of_1(&world).await;
    for number in 0..most {
        world
            .tell(0, event(1, &format!("c{number}"), "add", 3))
            .await;
        if number % 500 == 0 {
            work(&mut workers).await;
        }
    }
    work(&mut workers).await;
    assert!(world.head(0, 1).await.parts().count() >= most);
    world.tell(0, erased(1, 4)).await;
    work(&mut workers).await;
    drop(workers);
    world.check_erased(&[1]).await;
}

#[tokio::test]
async fn what_is_in_quarantine_goes_as_well() {
    let world = World::new(memory());
    world.tell(0, event(1, "a", "add", 1)).await;
    for number in 0..70 {
        let what = format!("no such thing {number}");
        world.tell(0, event(1, "x", &what, 2)).await;
    }
    world.tell(0, event(2, "y", "no such thing", 2)).await;
    // A timer that fails.
    world.tell(0, event(1, "p", "poison", 3)).await;
    world.tell(0, event(1, "w", "wait:10", 3)).await;
    for partition in 0..2 {
        let tick = Record {
            time_ms: 50,
            body: Some(Body::Tick(Tick {})),
            ..Record::default()
        };
        world.tell_partition(0, partition, tick).await;
    }
    world.settle().await;
    assert_eq!(world.quarantined().await.len(), 72);
    world.tell(0, erased(1, 60)).await;
    world.settle().await;
    assert!(world.progress(0, 1).await.is_applied);
    // One commit releases 64.
    assert!(!world.progress(0, 1).await.is_clean);
    world.tell(0, erased(1, 61)).await;
    world.settle().await;
    assert!(world.progress(0, 1).await.is_clean);
    world.check_erased(&[1]).await;
    assert_eq!(world.quarantined().await.len(), 1, "that of the other");
}

#[tokio::test]
async fn a_state_that_fails_is_erased_all_the_same() {
    let world = World::new(memory());
    for number in 0..5 {
        world
            .tell(0, event(1, &format!("a{number}"), "add", 1))
            .await;
    }
    // Its core panics where it takes leave.
    world.tell(0, event(1, "s", "stay", 2)).await;
    world.tell(0, erased(1, 3)).await;
    world.settle().await;
    world.check_erased(&[1]).await;
    assert_eq!(world.quarantined().await, Vec::<String>::new());
}

#[tokio::test]
async fn changes_that_the_log_lacks_wait_still() {
    let mut world = World::new(memory());
    // No log takes anything here.
    world.has_changes = true;
    world.tell(0, merged(2, 1, 1)).await;
    world.settle().await;
    for who in [1, 2, 3] {
        world.tell(0, erased(who, 2)).await;
    }
    world.settle().await;
    world.check_erased(&[1, 2, 3]).await;
    for (who, is_clean) in [(1, false), (2, false), (3, true)] {
        assert_eq!(world.progress(0, who).await.is_clean, is_clean, "{who}");
        assert!(world.progress(1, who).await.is_clean, "it tells nothing");
    }
}
