//! A loss is one recovery of each partition, however many processes and services notice it.
//!
//! Nothing else goes wrong here; but calls take long, each as chance decides, so that all who
//! notice get in each other's way.

use std::collections::BTreeMap;

use hot::Owner;
use kernel::{Duration as Span, PartitionCount};

use super::{Kind, PARTITIONS, defined};
use crate::simulator::clock::BEGIN;
use crate::simulator::installation::{Installation, Options, SERVICES};
use crate::simulator::people::{People, Seen};
use crate::simulator::world::Weather;

/// Seeds of each case.
const SEEDS: u64 = 12;
/// Losses in a row.
const LOSSES: u64 = 3;
/// Customers: each partition has some.
const CUSTOMERS: u64 = 12;
/// The share of calls that take long, in a thousand, and how long in milliseconds.
const DELAYS: (u64, u64) = (400, 60);

/// The loss of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// All that it has, and those who are connected are told.
    Everything,
    /// Everything after a copy of it, and nobody is told.
    Newest,
}

struct Run {
    on: Installation,
    people: People,
    events: u64,
}

impl Run {
    async fn begin(seed: u64, services: Vec<Vec<Owner>>) -> Self {
        let mut on = Installation::start(Options {
            seed,
            partitions: PARTITIONS,
            is_wall: true,
            is_journaled: true,
            redis: None,
            retention: Span::from_millis(3_600_000),
            services,
            senders: 4,
            reads_late: false,
            has_identity: false,
            keeps_names: false,
        });
        on.shared
            .definitions()
            .define_yaml(&defined::definitions(Kind::Usual));
        on.settle().await;
        let (delayed, delay_ms) = DELAYS;
        on.world().set_weather(Weather {
            delayed,
            delay_ms,
            ..Weather::default()
        });
        let count = PartitionCount::try_new(PARTITIONS).expect("few");
        Self {
            on,
            people: People::nobody(count),
            events: 0,
        }
    }

    /// Every customer orders something.
    fn order(&mut self) {
        for customer in 0..CUSTOMERS {
            self.events += 1;
            let seen = Seen {
                identifiers: vec![("user_id".to_owned(), format!("customer-{customer}"))],
                name: "ordered".to_owned(),
                properties: vec![("order_id".to_owned(), self.events.to_string())],
                ..Seen::default()
            };
            let sender = usize::try_from(customer % 4).unwrap_or(0);
            for letter in self.people.take(seen, BEGIN, Some(self.events)) {
                self.on.post.send(sender, letter);
            }
        }
    }

    /// Loses something in the middle of much work, and works on.
    async fn lose(&mut self, loss: Loss) {
        self.order();
        self.on.settle().await;
        let store = self.on.shared.backing.memory().cloned().expect("memory");
        let copy = store.snapshot();
        self.order();
        self.on.settle().await;
        self.order();
        self.on.world().tell(format!("the store loses: {loss:?}"));
        match loss {
            Loss::Everything => self.on.shared.backing.forget(),
            Loss::Newest => {
                self.on.shared.watch.forget();
                store.roll_back_silently(copy);
            }
        }
        self.order();
        self.on.settle_for_good().await;
    }
}

fn check(services: &[Vec<Owner>], loss: Loss) {
    for seed in 0..SEEDS {
        super::super::on_virtual_time(async {
            let mut run = Run::begin(seed, services.to_vec()).await;
            for losses in 1..=LOSSES {
                run.lose(loss).await;
                let expected: BTreeMap<_, _> = run
                    .on
                    .partitions()
                    .iter()
                    .map(|partition| (partition, losses))
                    .collect();
                let world = run.on.world();
                assert_eq!(
                    run.on.shared.watch.recoveries(),
                    expected,
                    "seed {seed}, {services:?}, {loss:?}\n{}",
                    world.last_lines()
                );
                assert_eq!(world.violations(), [""; 0], "{}", world.last_lines());
            }
        });
    }
}

/// Several processes of all services, and several of each service alone.
fn check_processes(loss: Loss) {
    check(&vec![SERVICES.to_vec(); 3], loss);
    let apart = SERVICES.iter().chain(&SERVICES).map(|owner| vec![*owner]);
    check(&apart.collect::<Vec<_>>(), loss);
}

#[test]
fn an_emptied_store_is_recovered_once_whoever_notices() {
    check_processes(Loss::Everything);
}

#[test]
fn an_older_copy_is_recovered_once_whoever_notices() {
    check_processes(Loss::Newest);
}
