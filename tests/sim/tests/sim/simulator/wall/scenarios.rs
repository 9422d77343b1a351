//! Every scenario on the wall clock: it comes to what it comes to on stream time, minute by minute,
//! and to the history of its golden transcript. Once nothing goes wrong meanwhile, and then
//! processes stand still, die and are shut down while lines are sent and timers are due.

use std::collections::BTreeSet;
use std::time::Duration;

use journey_core::state::State;
use kernel::{Duration as Span, RunId, Timestamp};
use tokio::time::sleep;

use super::{Layout, Setting, Stage};
use crate::script::{Act, Line};
use crate::simulator::clock::BEGIN;
use crate::simulator::on_virtual_time;
use crate::simulator::people::People;
use crate::simulator::picture::Picture;
use crate::simulator::rng::Rng;
use crate::{golden, script};

/// The number of times that each scenario is played with mishaps.
const DISTURBED: u64 = 3;
/// The time that goes on after the last line: so that a delivery that was lost with its process is
/// made.
const AFTER: Span = Span::from_millis(100_000);
/// The time by which scenarios are played later: simulations begin in 2026, scenarios in March
/// 2017.
const SHIFT: Span = Span::from_days(3_300);

/// Scenarios that come to something else where something goes wrong, by the rules.
const RECEIPTS_LEAD_ON: [(&str, &str); 2] = [
    (
        "a_receipt_sets_another_journey_in_motion",
        "a receipt is accepted when it is there: what it sets in motion begins later",
    ),
    (
        "what_comes_too_late_to_send_has_expired",
        "attempts are counted off in real time, and what their receipts set in motion begins later",
    ),
];

/// Scenarios that come to something else on the wall clock, by the rules.
const DECIDED_IN_REAL_TIME: [(&str, &str); 1] = [(
    "the_third_message_in_a_week_is_held_back",
    "a cap counts from when a message is admitted, and one comes exactly a week after another",
)];

/// The outcome of a scenario.
struct Ending {
    /// The deeds of journeys up to the last line, as a golden transcript tells it.
    told: BTreeSet<String>,
    /// Everything after that.
    lines: BTreeSet<String>,
}

/// A scenario under way.
struct Player {
    stage: Stage,
    people: People,
    is_calm: bool,
    /// The time of the newest line.
    newest: Timestamp,
    told: BTreeSet<String>,
}

impl Player {
    async fn play(setting: Setting, is_calm: bool, lines: &[Line]) -> Ending {
        let mut player = Self {
            stage: Stage::start(setting).await,
            people: People::nobody(Stage::partition_count()),
            is_calm,
            newest: BEGIN,
            told: BTreeSet::new(),
        };
        for line in lines {
            player.take(&line.act).await;
        }
        player.stage.settle().await;
        player.look().await;
        player.is_calm = true;
        player.go_to(player.newest + AFTER).await;
        let picture = Picture::take(&player.stage.on).await;
        player.stage.check(&format!("{setting:?}"));
        let mut lines = picture.lines();
        lines.extend(timed(&picture));
        Ending {
            told: player.told,
            lines,
        }
    }

    async fn take(&mut self, act: &Act) {
        match act {
            Act::Define(definitions) => {
                self.stage.settle().await;
                let definitions = definitions.clone();
                self.stage.on.shared.definitions().define(definitions);
                // So that every process decides by it from here on.
                sleep(Duration::from_millis(10)).await;
            }
            Act::Happen { time, .. } | Act::Pick { time, .. } => {
                if self.stage.is_wall() {
                    self.stage.pass(*time, self.is_calm).await;
                }
                self.send(act).await;
                if !self.stage.is_wall() {
                    self.stage.settle().await;
                    self.go_to(*time).await;
                }
                self.newest = self.newest.max(*time);
            }
            Act::Advance(time) => self.go_to(*time).await,
            Act::Merge(_) | Act::Consent { .. } => {
                self.stage.settle().await;
                self.send(act).await;
                self.stage.settle().await;
            }
            Act::Ask(_) => {}
        }
    }

    /// Takes note of what journeys did by now: of some refusals a state keeps the newest only.
    async fn look(&mut self) {
        let picture = Picture::take(&self.stage.on).await;
        let states = picture.journeys.values();
        self.told
            .extend(states.flat_map(|(_, state)| history(state)));
    }

    async fn send(&mut self, act: &Act) {
        self.look().await;
        let now = if self.stage.is_wall() {
            self.stage.now()
        } else {
            self.newest
        };
        for letter in self.people.letters(act, now) {
            self.stage.send(letter).await;
        }
    }

    /// Lets time come so far, unless it has.
    async fn go_to(&mut self, time: Timestamp) {
        if self.stage.is_wall() {
            self.stage.pass(time, self.is_calm).await;
            self.stage.settle().await;
        } else if time > self.newest {
            self.stage.tick_all(time).await;
        }
        self.newest = self.newest.max(time);
    }
}

/// The minute of an instant, as a transcript writes it.
fn minute(time: Timestamp) -> String {
    (time - SHIFT).to_string().chars().take(16).collect()
}

/// The memory that a state has of journeys, maps and happy paths.
fn history(state: &State) -> Vec<String> {
    let state = state.open();
    let key = |id: RunId| {
        let active = state.runs.iter().map(|run| (run.id, &run.key));
        let ended = state.ended.iter().map(|run| (run.id, &run.key));
        let mut keys = active.chain(ended).filter(|(own, _)| *own == id);
        let key = keys.next().filter(|(_, key)| !key.is_empty());
        key.map_or_else(String::new, |(_, key)| format!("[{key}]"))
    };
    let entries = state.history.iter();
    entries
        .map(|it| {
            let place = format!(
                "{}{}/{}",
                it.subject,
                it.run.map_or_else(String::new, key),
                it.step
            );
            let place = place.trim_end_matches('/');
            let line = format!(
                "{} {place} {} {}",
                minute(it.time),
                it.reason.code(),
                it.detail
            );
            line.trim_end().to_owned()
        })
        .collect()
}

/// The lines of a golden transcript that tell of journeys, maps and happy paths.
fn golden_history(name: &str) -> BTreeSet<String> {
    let text = golden::transcript(name);
    let news = text.lines().filter_map(|line| {
        let (_, news) = line.strip_prefix("  ")?.split_once(": ")?;
        let words: Vec<&str> = news.split(' ').collect();
        let is_dated = words[0].starts_with("2017-");
        let is_other = matches!(words[1..], ["in", "segment", ..] | [_, "by", _, "for", ..]);
        (is_dated && !is_other).then(|| news.to_owned())
    });
    news.collect()
}

/// Everything that must be the same to the minute.
fn timed(picture: &Picture) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, (_, state)) in &picture.profiles {
        let own = state.memberships().iter();
        lines.extend(own.map(|it| {
            format!(
                "{key:?} is in {} since {}",
                it.segment,
                minute(it.enter_time)
            )
        }));
    }
    for (key, (_, state)) in &picture.journeys {
        lines.extend(history(state).iter().map(|line| format!("{key:?} {line}")));
        let state = state.open();
        lines.extend(state.runs.iter().map(|it| {
            let times = [it.start_time, it.arrive_time, it.since].map(minute);
            format!("{key:?} {} {times:?} due {:?}", it.id, it.due.map(minute))
        }));
        lines.extend(state.ended.iter().map(|it| {
            let times = [it.start_time, it.end_time].map(minute);
            format!("{key:?} {} {times:?} {:?}", it.id, it.outcome)
        }));
        let positions = state.positions.iter();
        lines.extend(positions.map(|it| format!("{key:?} {} {}", it.stage, minute(it.enter_time))));
        for path in state.progress.iter() {
            let measure = &path.measure;
            let reached = measure
                .reached
                .iter()
                .map(|it| (&it.milestone, minute(it.time)));
            let deviated = measure.deviations.iter();
            let deviated = deviated.map(|it| (it.kind, &it.milestone, minute(it.time)));
            lines.push(format!(
                "{key:?} {} {:?} {:?} due {:?}",
                path.path,
                reached.collect::<Vec<_>>(),
                deviated.collect::<Vec<_>>(),
                measure.due.map(minute)
            ));
        }
    }
    lines
}

fn play(setting: Setting, is_calm: bool, lines: &[Line]) -> Ending {
    on_virtual_time(Player::play(setting, is_calm, lines))
}

/// Reads a scenario, for a later time.
fn read(name: &str) -> Vec<Line> {
    let mut lines = script::read(&format!("{name}.txt"), &golden::scenario(name));
    for line in &mut lines {
        if let Act::Happen { time, .. } | Act::Pick { time, .. } | Act::Advance(time) =
            &mut line.act
        {
            *time = *time + SHIFT;
        }
    }
    lines
}

fn check(name: &str) {
    let lines = read(name);
    let mut rng = Rng::new(name.len() as u64);
    let mut setting = |seed, is_wall| Setting {
        seed,
        is_wall,
        is_journaled: rng.hits(500),
        layout: *rng.pick(&Layout::ALL),
    };
    let stream = play(setting(0, false), true, &lines);
    assert_eq!(stream.told, golden_history(name), "{name} on stream time");
    let is_one_of = |list: &[(&str, &str)]| list.iter().any(|(other, _)| *other == name);
    let times = if is_one_of(&DECIDED_IN_REAL_TIME) {
        0
    } else if is_one_of(&RECEIPTS_LEAD_ON) {
        1
    } else {
        1 + DISTURBED
    };
    for seed in 0..times {
        let setting = setting(seed, true);
        let wall = play(setting, seed == 0, &lines);
        let missing: Vec<_> = stream.lines.difference(&wall.lines).collect();
        let added: Vec<_> = wall.lines.difference(&stream.lines).collect();
        assert!(
            missing.is_empty() && added.is_empty(),
            "{name} on the wall clock, {setting:?}:\nmissing {missing:#?}\nadded {added:#?}"
        );
        if seed == 0 {
            assert_eq!(wall.told, stream.told, "{name} on the wall clock");
        }
    }
}

/// Makes a test of every scenario.
macro_rules! on_the_wall_clock {
    ($($name:ident,)+) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )+
    };
}

crate::scenarios::for_every_scenario!(on_the_wall_clock);
