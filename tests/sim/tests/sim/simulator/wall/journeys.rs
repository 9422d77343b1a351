//! Random journeys and segments on the wall clock, against a naive interpreter and against stream
//! time.
//!
//! In the live lane processes are away for up to minutes. The low-priority lane holds no timer up,
//! so there they are away only where no timer is due before they are back.

use std::collections::{BTreeMap, BTreeSet};

use hot::StateKey;
use journey_core::state::State;
use kernel::{Duration as Span, RunId, Timestamp};
use proto::journey::v1::RunOutcome;

use super::{Layout, Setting, Stage, low_priority, mishaps};
use crate::oracle::interpreter::{
    Ended, Happened, Lengths, Scale, interpret, interpret_changes, journeys_of_changes,
};
use crate::simulator::clock::BEGIN;
use crate::simulator::on_virtual_time;
use crate::simulator::people::{People, Seen};
use crate::simulator::picture::Picture;
use crate::simulator::rng::Rng;

/// Random histories of each kind.
const HISTORIES: u64 = 10;
/// Late lines in a thousand of a history, where some are.
const LATE: u64 = 300;
/// Lines in a thousand after which something goes wrong.
const MISHAPS: u64 = 250;
/// The most time that it takes until all is done after the shortest mishaps: leases lapse, and
/// partitions rest.
const BACK: Span = Span::from_millis(40_000);
/// Beyond the last wait of all histories.
const AFTER: Span = Span::from_millis(2 * 3_600_000);

/// Histories of half an hour, in which a minute takes a second.
const fn scale(late: u64) -> Scale {
    Scale {
        begin: Timestamp::from_millis(BEGIN.as_millis() + 60_000),
        minute: Span::from_millis(1_000),
        events: 40,
        customers: 3,
        apart: 12,
        hours: [4, 8, 5, 8],
        late,
        late_by: 30,
    }
}

/// The way in which events are sent on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Live,
    LowPriority,
}

/// The outcome of a history.
#[derive(Debug, Default, PartialEq)]
struct Ending {
    /// The runs of each customer.
    runs: BTreeMap<u64, Vec<Ended>>,
    /// The steps of each customer, with their times.
    history: BTreeMap<u64, Vec<String>>,
    /// All states and counters.
    lines: BTreeSet<String>,
}

/// A history under way.
struct Player {
    stage: Stage,
    people: People,
    /// The runs that ended by now, of which a state keeps the newest only.
    ended: BTreeMap<(StateKey, RunId), Ended>,
}

impl Player {
    async fn start(setting: Setting, lengths: Lengths) -> Self {
        let stage = Stage::start(setting).await;
        stage.define(&(lengths.definitions() + &journeys_of_changes()));
        Self {
            stage,
            people: People::nobody(Stage::partition_count()),
            ended: BTreeMap::new(),
        }
    }

    /// Sends a line. On the wall clock its time is now.
    async fn send(&mut self, event: &Happened, lane: Lane) {
        let seen = Seen {
            identifiers: vec![("user_id".to_owned(), format!("c{}", event.who))],
            name: event.what.to_owned(),
            ..Seen::default()
        };
        for mut letter in self.people.take(seen, event.time, None) {
            if !self.stage.is_wall() {
                self.stage.tick(letter.to.partition, event.accepted).await;
            }
            if lane == Lane::LowPriority {
                letter.to = low_priority(letter.to);
            }
            let accepted = self.stage.send(letter).await;
            if self.stage.is_wall() {
                assert_eq!(accepted, event.accepted, "the door is open");
            }
        }
    }

    /// Takes note of the runs that ended.
    async fn look(&mut self) -> Picture {
        let picture = Picture::take(&self.stage.on).await;
        for (key, (_, state)) in &picture.journeys {
            for run in state.open().ended.iter() {
                let ended = (
                    run.journey.to_string(),
                    run.start_time,
                    run.end_time,
                    run.outcome == RunOutcome::Success,
                );
                self.ended.insert((key.clone(), run.id), ended);
            }
        }
        picture
    }

    async fn play(mut self, events: &[Happened], lane: Lane) -> Ending {
        let next = events.iter().skip(1).map(|event| event.accepted);
        for (event, next) in events.iter().zip(next.chain([Timestamp::MAX])) {
            if self.stage.is_wall() {
                self.stage.sleep_until(event.accepted).await;
            }
            self.send(event, lane).await;
            if self.stage.is_wall() {
                self.go_wrong(lane, next);
            } else if self.stage.rng.hits(MISHAPS) {
                self.stage.settle().await;
            }
            self.look().await;
        }
        let end = events.last().map_or(BEGIN, |event| event.accepted) + AFTER;
        if self.stage.is_wall() {
            self.stage.pass(end, true).await;
            self.stage.settle().await;
        } else {
            self.stage.settle().await;
            self.stage.tick_all(end).await;
        }
        self.finish().await
    }

    /// Something goes wrong now and then.
    fn go_wrong(&mut self, lane: Lane, next_line: Timestamp) {
        if !self.stage.rng.hits(MISHAPS) {
            return;
        }
        match lane {
            Lane::Live => self.stage.go_wrong(mishaps::LONG_SECS),
            Lane::LowPriority => {
                let next = self.stage.next_due().unwrap_or(next_line).min(next_line);
                if next.since(self.stage.now()) > BACK {
                    self.stage.go_wrong(mishaps::LEAST_SECS);
                }
            }
        }
    }

    async fn finish(mut self) -> Ending {
        let picture = self.look().await;
        self.stage.check("a random history");
        let mut ending = Ending {
            lines: picture.lines(),
            ..Ending::default()
        };
        for who in 0..scale(0).customers {
            let Some(customer) = self.people.find(&format!("c{who}")) else {
                continue;
            };
            let key = StateKey::from(customer.as_bytes().to_vec());
            let ended = self.ended.iter().filter(|((of, _), _)| *of == key);
            let mut runs: Vec<Ended> = ended.map(|(_, ended)| ended.clone()).collect();
            runs.sort();
            ending.runs.insert(who, runs);
            let state = picture.journeys.get(&key).map(|(_, state)| state);
            ending
                .history
                .insert(who, state.map(steps).unwrap_or_default());
        }
        ending
    }
}

/// The steps that a state remembers.
fn steps(state: &State) -> Vec<String> {
    let state = state.open();
    let entries = state.history.iter();
    entries
        .map(|it| {
            format!(
                "{} {}/{} {:?} {}",
                it.time, it.subject, it.step, it.reason, it.detail
            )
        })
        .collect()
}

/// The runs of all customers, as the interpreter has them.
fn expected(lengths: Lengths, events: &[Happened]) -> BTreeMap<u64, Vec<Ended>> {
    let known: BTreeSet<u64> = events.iter().map(|event| event.who).collect();
    let runs = known.into_iter().map(|who| {
        let mut runs = interpret(lengths, events, who);
        runs.extend(interpret_changes(lengths, events, who));
        runs.sort();
        (who, runs)
    });
    runs.collect()
}

/// Plays a random history on the wall clock and on stream time. Returns how many runs there were.
fn check(seed: u64, late: u64, lane: Lane) -> usize {
    let scale = scale(late);
    let mut rng = Rng::new(seed);
    let lengths = Lengths::draw(&scale, &mut rng);
    let events = scale.draw(&mut rng);
    let setting = Setting {
        seed,
        is_wall: true,
        is_journaled: rng.hits(500),
        layout: *rng.pick(&Layout::ALL),
    };
    let expected = expected(lengths, &events);
    let wall = on_virtual_time(async {
        let player = Player::start(setting, lengths).await;
        player.play(&events, lane).await
    });
    let what = format!("seed {seed}, {lane:?}, {late} late, {setting:?}, {lengths:?}");
    assert_eq!(wall.runs, expected, "wall clock, {what}: {events:#?}");
    let stream = on_virtual_time(async {
        let setting = Setting {
            is_wall: false,
            ..setting
        };
        let player = Player::start(setting, lengths).await;
        player.play(&events, Lane::Live).await
    });
    assert_eq!(stream.runs, expected, "stream time, {what}");
    assert_eq!(wall, stream, "{what}");
    expected.values().map(Vec::len).sum()
}

/// Plays histories of sorted lines, and as many with late ones.
fn check_all(lane: Lane) {
    let kinds = [0, LATE].into_iter();
    let counts = kinds.flat_map(|late| (0..HISTORIES).map(move |seed| check(seed, late, lane)));
    let count: usize = counts.sum();
    assert!(count > 250, "{count} runs are few");
}

#[test]
fn journeys_agree_on_both_clocks_whoever_is_late_or_dies() {
    check_all(Lane::Live);
}

#[test]
fn journeys_agree_on_both_clocks_in_the_low_priority_lane() {
    check_all(Lane::LowPriority);
}
