//! A crash before and after every effect of every scenario: what comes of it is what comes of no
//! crash at all.

use std::collections::BTreeSet;
use std::time::Duration;

use hot::{Owner, Slot};
use kernel::{Duration as Span, Timestamp};
use tokio::time::sleep;

use super::checks;
use super::installation::{Installation, Options, SERVICES};
use super::people::People;
use super::picture::Picture;
use super::world::{CrashPoint, Side};
use crate::script::{Act, Line};
use crate::{golden, script};

/// How far time goes after the last line, in steps: so that what was lost on its way is asked for
/// again, and delivered.
const AFTER: [Span; 3] = [
    Span::from_millis(70_000),
    Span::from_millis(200_000),
    Span::from_millis(600_000),
];

/// How often a delivery may be lost.
const LOST_AGAIN: u32 = 4;

/// What came of a scenario.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    lines: BTreeSet<String>,
    violations: Vec<String>,
    effects: u64,
}

/// Plays a scenario with a crash, or without.
fn play(lines: &[Line], is_journaled: bool, crash: Option<CrashPoint>) -> (Ending, String) {
    super::on_virtual_time(async {
        let options = Options {
            seed: 1,
            partitions: 2,
            is_wall: false,
            is_journaled,
            redis: None,
            retention: Span::from_millis(3_600_000),
            services: vec![SERVICES.to_vec(), SERVICES.to_vec()],
            reads_late: false,
            has_identity: false,
            keeps_names: false,
            senders: 1,
        };
        let mut player = Player {
            people: People::nobody(kernel::PartitionCount::try_new(2).expect("two")),
            on: Installation::start(options),
            now: Timestamp::MIN,
        };
        player.on.settle().await;
        player.on.world().crash_at(crash);
        for line in lines {
            player.take(&line.act).await;
        }
        for span in AFTER {
            player.advance(player.now + span).await;
        }
        let picture = Picture::take(&player.on).await;
        checks::check(&player.on, &picture, player.now, &BTreeSet::new()).await;
        let world = player.on.world();
        let mut lines = picture.lines();
        let taken = player.on.shared.destination.taken();
        lines.extend(taken.map(|id| format!("delivered {id:?}")));
        let ending = Ending {
            lines,
            violations: world.violations(),
            effects: world.effects(),
        };
        (ending, world.last_lines())
    })
}

/// A scenario under way.
struct Player {
    on: Installation,
    people: People,
    now: Timestamp,
}

impl Player {
    async fn take(&mut self, act: &Act) {
        match act {
            Act::Define(definitions) => {
                self.on.shared.definitions().define(definitions.clone());
                // So that every process decides by it from here on.
                sleep(Duration::from_millis(10)).await;
            }
            Act::Happen { time, .. } | Act::Pick { time, .. } => {
                self.send(act).await;
                if *time > self.now {
                    self.advance(*time).await;
                }
            }
            Act::Advance(time) => self.advance(*time).await,
            Act::Merge(_) | Act::Consent { .. } => self.send(act).await,
            Act::Ask(_) => {}
        }
    }

    async fn send(&mut self, act: &Act) {
        for letter in self.people.letters(act, self.now) {
            self.on.post.send(0, letter);
        }
        self.settle().await;
    }

    /// Waits until everything is done. A delivery that was lost with its process is asked for again
    /// by time alone, so time goes on until it was made; without a crash there is none.
    async fn settle(&mut self) {
        self.on.settle().await;
        for _ in 0..LOST_AGAIN {
            let Some(due) = self.next_attempt() else {
                return;
            };
            self.now = self.now.max(due);
            self.on.tick(self.now);
            self.on.settle().await;
        }
    }

    /// When the next delivery is tried again that is not done.
    fn next_attempt(&self) -> Option<Timestamp> {
        let store = &self.on.shared.backing;
        let slots = self.on.partitions().iter().map(|partition| Slot {
            owner: Owner::Activation,
            partition,
        });
        slots
            .flat_map(|slot| store.states(slot))
            .filter_map(|(_, stored)| stored.timer.due)
            .min()
    }

    async fn advance(&mut self, time: Timestamp) {
        if time < self.now {
            return;
        }
        self.now = time;
        self.on.tick(time);
        self.settle().await;
    }
}

fn read(name: &str) -> Vec<Line> {
    script::read(&format!("{name}.txt"), &golden::scenario(name))
}

/// Crashes a scenario everywhere, one run for each place.
fn crash_everywhere(name: &str, is_journaled: bool) {
    let lines = read(name);
    let (undisturbed, transcript) = play(&lines, is_journaled, None);
    assert!(
        undisturbed.violations.is_empty(),
        "{name} without a crash: {:#?}\n{transcript}",
        undisturbed.violations
    );
    for effect in 1..=undisturbed.effects {
        // A crash before an effect is one after the effect before.
        let point = CrashPoint {
            effect,
            side: Side::After,
        };
        let (ending, transcript) = play(&lines, is_journaled, Some(point));
        let missing: Vec<_> = undisturbed.lines.difference(&ending.lines).collect();
        let added: Vec<_> = ending.lines.difference(&undisturbed.lines).collect();
        assert!(
            ending.violations.is_empty() && missing.is_empty() && added.is_empty(),
            "{name} with a crash after effect {effect}: {:#?}\nmissing {missing:#?}\nadded {added:#?}\n{transcript}",
            ending.violations,
        );
    }
}

/// Makes tests of every scenario: with a journal, and without.
macro_rules! crashes {
    ($($name:ident,)+) => {
        mod at_level_hot {
            $(
                #[test]
                fn $name() {
                    super::crash_everywhere(stringify!($name), false);
                }
            )+
        }

        mod at_level_journal {
            $(
                #[test]
                fn $name() {
                    super::crash_everywhere(stringify!($name), true);
                }
            )+
        }
    };
}

crate::scenarios::for_every_scenario!(crashes);
