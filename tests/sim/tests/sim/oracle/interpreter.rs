//! A naive interpreter of random journeys and segments: it keeps no state of a customer, and reads
//! all that they come to off the list of what was accepted.
//!
//! An event has two times. Windows go by when it happened, waits by when it was accepted.

use kernel::{Duration, Timestamp};

use crate::simulator::rng::Rng;

/// The names of what happens: the first two are those that the segments read.
const NAMES: [&str; 3] = ["x", "y", "go"];
/// The segments, as [`Lengths::windows`] has them.
const SEGMENTS: [&str; 2] = ["a", "b"];

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Happened {
    /// When it came.
    pub(crate) accepted: Timestamp,
    /// When it happened, which is not after it came.
    pub(crate) time: Timestamp,
    pub(crate) who: u64,
    pub(crate) what: &'static str,
}

impl Happened {
    /// An event that comes when it happens.
    pub(crate) const fn at(time: Timestamp, who: u64, what: &'static str) -> Self {
        Self {
            accepted: time,
            time,
            who,
            what,
        }
    }
}

/// The measure of a random history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) begin: Timestamp,
    /// The unit of all times.
    pub(crate) minute: Duration,
    pub(crate) events: u64,
    pub(crate) customers: u64,
    /// The most tens of minutes from one event to the next.
    pub(crate) apart: u64,
    /// The most hours of the windows and the waits.
    pub(crate) hours: [u64; 4],
    /// Late events in a thousand.
    pub(crate) late: u64,
    /// The most tens of minutes by which they are.
    pub(crate) late_by: u64,
}

impl Scale {
    fn minutes(&self, count: u64) -> Duration {
        let count = i64::try_from(count).expect("few minutes");
        Duration::from_millis(self.minute.as_millis() * count)
    }

    /// Draws what happens, in the order in which it is accepted.
    pub(crate) fn draw(&self, rng: &mut Rng) -> Vec<Happened> {
        let mut now = self.begin;
        let events = (0..self.events).map(|_| {
            now = now + self.minutes(10 * rng.below(self.apart + 1));
            let what = *rng.pick(&NAMES);
            let mut event = Happened::at(now, rng.below(self.customers), what);
            if rng.hits(self.late) {
                event.time = now - self.minutes(10 * rng.between(1, self.late_by));
            }
            event
        });
        events.collect()
    }
}

/// The lengths of windows and waits.
///
/// Events are a multiple of ten minutes apart, and the last digits of all else differ: nothing
/// happens at the same minute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    /// The windows of both segments.
    pub(crate) windows: [Duration; 2],
    pub(crate) first_wait: Duration,
    pub(crate) second_wait: Duration,
}

impl Lengths {
    pub(crate) fn draw(scale: &Scale, rng: &mut Rng) -> Self {
        let [a, b, first, second] = scale.hours;
        let mut minutes = |hours, more| scale.minutes(60 * rng.between(1, hours) + more);
        Self {
            windows: [minutes(a, 3), minutes(b, 3)],
            first_wait: minutes(first, 5),
            second_wait: minutes(second, 2),
        }
    }

    /// The definitions that [`interpret`] knows.
    pub(crate) fn definitions(self) -> String {
        let Self {
            windows: [a, b],
            first_wait,
            second_wait,
        } = self;
        format!(
            r#"segment: {{name: a, expression: 'events("x").within("{a}").exists()'}}
---
segment: {{name: b, expression: 'events("y").within("{b}").exists()'}}
---
journey:
  name: walk
  entry: {{triggers: [{{event: go}}], reentry: REENTRY_AFTER_EXIT}}
  steps:
    - {{id: rest, wait: {{duration: {first_wait}}}}}
    - {{id: sort, branch: {{arms: [{{when: segments.has("a"), next: more}}], otherwise: lost}}}}
    - {{id: more, wait: {{duration: {second_wait}}}}}
    - {{id: look, branch: {{arms: [{{when: segments.has("b"), next: won}}], otherwise: lost}}}}
    - {{id: won, exit: {{outcome: RUN_OUTCOME_SUCCESS}}}}
    - {{id: lost, exit: {{outcome: RUN_OUTCOME_FAILURE}}}}
---
journey:
  name: lapse
  entry: {{triggers: [{{segment_left: a}}], reentry: REENTRY_AFTER_EXIT}}
  steps:
    - {{id: rest, wait: {{duration: {second_wait}}}}}
    - {{id: sort, branch: {{arms: [{{when: segments.has("b"), next: won}}], otherwise: lost}}}}
    - {{id: won, exit: {{outcome: RUN_OUTCOME_SUCCESS}}}}
    - {{id: lost, exit: {{outcome: RUN_OUTCOME_FAILURE}}}}
"#
        )
    }
}

/// A run that ended: its journey, its first and its last instant, and whether it went well.
pub(crate) type Ended = (String, Timestamp, Timestamp, bool);

/// A change of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    segment: usize,
    is_entry: bool,
    /// The time of its cause: of the event, or when the window ended.
    since: Timestamp,
    /// When it was told: once the event was accepted, at the earliest.
    now: Timestamp,
}

/// The runs of one customer, as the definitions say.
pub(crate) fn interpret(lengths: Lengths, events: &[Happened], who: u64) -> Vec<Ended> {
    let changes = changes(lengths, events, who);
    let is_in = |segment: usize, at: Timestamp| {
        let told = changes.iter().rev();
        let mut told = told.filter(|change| change.segment == segment && change.now <= at);
        told.next().is_some_and(|change| change.is_entry)
    };
    let walk = |now: Timestamp| {
        let sorted = now + lengths.first_wait;
        if !is_in(0, sorted) {
            return (sorted, false);
        }
        let looked = sorted + lengths.second_wait;
        (looked, is_in(1, looked))
    };
    let lapse = |now: Timestamp| {
        let sorted = now + lengths.second_wait;
        (sorted, is_in(1, sorted))
    };
    let gone = events
        .iter()
        .filter(|event| event.who == who && event.what == "go");
    let mut ended = runs("walk", gone.map(|event| (event.time, event.accepted)), walk);
    let left = changes
        .iter()
        .filter(|change| change.segment == 0 && !change.is_entry);
    ended.extend(runs(
        "lapse",
        left.map(|change| (change.since, change.now)),
        lapse,
    ));
    ended.sort();
    ended
}

/// Journeys of which each run is a change of a segment, for those who want to see them all.
pub(crate) fn journeys_of_changes() -> String {
    let all = SEGMENTS.iter().flat_map(|segment| {
        ["entered", "left"].map(|change| {
            format!(
                r"---
journey:
  name: {change}_{segment}
  entry: {{triggers: [{{segment_{change}: {segment}}}], reentry: REENTRY_AFTER_EXIT}}
  steps: [{{id: done, exit: {{outcome: RUN_OUTCOME_SUCCESS}}}}]
"
            )
        })
    });
    all.collect()
}

/// The runs of [`journeys_of_changes`].
pub(crate) fn interpret_changes(lengths: Lengths, events: &[Happened], who: u64) -> Vec<Ended> {
    let changes = changes(lengths, events, who).into_iter();
    let mut ended: Vec<Ended> = changes
        .map(|change| {
            let word = if change.is_entry { "entered" } else { "left" };
            let name = format!("{word}_{}", SEGMENTS[change.segment]);
            (name, change.since, change.now, true)
        })
        .collect();
    ended.sort();
    ended
}

/// Runs by their triggers, each with the time of its cause and when it was told: none begins before
/// the one before it has ended.
fn runs(
    journey: &str,
    triggers: impl Iterator<Item = (Timestamp, Timestamp)>,
    walk: impl Fn(Timestamp) -> (Timestamp, bool),
) -> Vec<Ended> {
    let (mut ended, mut free) = (Vec::new(), Timestamp::MIN);
    for (since, now) in triggers {
        if now >= free {
            let (end, is_success) = walk(now);
            ended.push((journey.to_owned(), since, end, is_success));
            free = end;
        }
    }
    ended
}

/// The changes of the segments of one customer, in the order in which they are told.
///
/// A late event counts from when it happened, but changes nothing before the last change or event
/// that was decided: what was told stays true.
fn changes(lengths: Lengths, events: &[Happened], who: u64) -> Vec<Change> {
    let mut windows = Windows::default();
    for event in events.iter().filter(|event| event.who == who) {
        windows.end_until(event.accepted, Timestamp::MIN);
        windows.decided = windows.decided.max(event.time);
        if let Some(segment) = NAMES[..2].iter().position(|name| *name == event.what) {
            windows.open(segment, event, lengths.windows[segment]);
        }
        windows.end_until(event.accepted, event.accepted);
    }
    windows.end_until(Timestamp::MAX, Timestamp::MIN);
    windows.changes
}

/// The windows of one customer while they are read off.
#[derive(Debug)]
struct Windows {
    /// When each ends that is open.
    ends: [Option<Timestamp>; 2],
    decided: Timestamp,
    changes: Vec<Change>,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            ends: [None; 2],
            decided: Timestamp::MIN,
            changes: Vec::new(),
        }
    }
}

impl Windows {
    fn open(&mut self, segment: usize, event: &Happened, window: Duration) {
        let end = event.time + window;
        if end <= self.decided {
            return;
        }
        let open = &mut self.ends[segment];
        if open.is_none() {
            self.changes.push(Change {
                segment,
                is_entry: true,
                since: event.time,
                now: event.accepted,
            });
        }
        *open = (*open).max(Some(end));
    }

    /// Ends what is open no longer, oldest first, and tells of it no earlier than `now`.
    fn end_until(&mut self, until: Timestamp, now: Timestamp) {
        loop {
            let open = self.ends.iter().enumerate();
            let next = open
                .filter_map(|(segment, end)| Some(((*end)?, segment)))
                .min();
            let Some((end, segment)) = next.filter(|(end, _)| *end <= until) else {
                return;
            };
            self.ends[segment] = None;
            self.decided = self.decided.max(end);
            self.changes.push(Change {
                segment,
                is_entry: false,
                since: end,
                now: end.max(now),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    fn lengths() -> Lengths {
        let minutes = |count: i64| Duration::from_millis(count * 60_000);
        Lengths {
            windows: [minutes(63), minutes(123)],
            first_wait: minutes(65),
            second_wait: minutes(122),
        }
    }

    #[test]
    fn windows_and_waits_end_where_they_should() {
        let events = [
            Happened::at(at(0), 0, "go"),
            Happened::at(at(10), 0, "x"),
            Happened::at(at(20), 0, "go"),
            Happened::at(at(150), 0, "y"),
        ];
        let expected = [
            ("lapse".to_owned(), at(73), at(195), true),
            ("walk".to_owned(), at(0), at(187), true),
        ];
        assert_eq!(interpret(lengths(), &events, 0), expected);
        assert_eq!(interpret(lengths(), &events, 1), []);
    }

    #[test]
    fn a_late_event_counts_from_when_it_happened_and_is_told_when_it_comes() {
        let late = |accepted: i64, time: i64, what| Happened {
            accepted: at(accepted),
            ..Happened::at(at(time), 0, what)
        };
        let events = [
            Happened::at(at(20), 0, "y"),
            late(100, 10, "x"),
            // Its window ended before the last change, which was that of the one before.
            late(110, 0, "x"),
            late(110, 50, "go"),
        ];
        let expected = [
            ("entered_a".to_owned(), at(10), at(100), true),
            ("entered_b".to_owned(), at(20), at(20), true),
            ("left_a".to_owned(), at(73), at(100), true),
            ("left_b".to_owned(), at(143), at(143), true),
        ];
        assert_eq!(interpret_changes(lengths(), &events, 0), expected);
        let expected = [
            ("lapse".to_owned(), at(73), at(222), false),
            ("walk".to_owned(), at(50), at(175), false),
        ];
        assert_eq!(interpret(lengths(), &events, 0), expected);
    }
}
