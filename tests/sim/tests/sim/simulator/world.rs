//! What all simulated processes share: chance, the faults of the network between them and the
//! stores, and the transcript.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Duration as Span, StableHash, Timestamp};
use tokio::time::Instant;

use super::clock::BEGIN;
use super::rng::Rng;

/// Lines of the transcript that are kept for the report of a failure.
const KEPT_LINES: usize = 400;

/// What the network does, each so many times in a thousand calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Weather {
    /// Calls that never arrive, and whose caller is told so.
    pub(crate) refused: u64,
    /// Calls whose answer is lost.
    pub(crate) unanswered: u64,
    /// Calls that arrive twice.
    pub(crate) repeated: u64,
    /// Calls that take long, before or after the store sees them.
    pub(crate) delayed: u64,
    /// How long at most, in milliseconds.
    pub(crate) delay_ms: u64,
}

/// Where the next crash is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CrashPoint {
    /// At which effect, counted from 1 since the simulation started.
    pub(crate) effect: u64,
    /// Before the store sees it, or after.
    pub(crate) side: Side,
}

/// Before or after an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The store never sees it.
    Before,
    /// The store has done it, and its caller never learns.
    After,
}

/// What all processes share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) started: Instant,
    /// Milliseconds by which time was set forward for everybody.
    forward_ms: AtomicI64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rng: Rng,
    weather: Weather,
    crash: Option<CrashPoint>,
    effects: u64,
    last_effect: Instant,
    /// The stores that are away, until when.
    away: [Option<Instant>; Place::ALL.len()],
    hash: StableHash,
    lines: VecDeque<String>,
    violations: Vec<String>,
    is_told: bool,
}

/// Where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The hot store.
    Hot,
    /// The journal, in SQL.
    Log,
    /// Leases and members, in SQL.
    Leases,
    /// The definitions, in SQL.
    Definitions,
    /// The tables of identity, in SQL.
    Identity,
    /// Where messages are delivered to.
    Destination,
}

impl Place {
    const ALL: [Self; 6] = [
        Self::Hot,
        Self::Log,
        Self::Leases,
        Self::Definitions,
        Self::Identity,
        Self::Destination,
    ];
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let started = Instant::now();
        Self {
            started,
            forward_ms: AtomicI64::new(0),
            state: Mutex::new(State {
                rng: Rng::new(seed),
                weather: Weather::default(),
                crash: None,
                effects: 0,
                last_effect: started,
                away: [None; Place::ALL.len()],
                hash: StableHash::new(),
                lines: VecDeque::new(),
                violations: Vec::new(),
                is_told: std::env::var_os("SIM_TRACE").is_some(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time by a clock that is right, as the database's is.
    pub(crate) fn now(&self) -> Timestamp {
        let elapsed_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        BEGIN + Span::from_millis(elapsed_ms + self.forward_ms.load(Ordering::Relaxed))
    }

    /// Sets time forward for everybody, so far from what has passed.
    pub(crate) fn set_forward(&self, forward_ms: i64) {
        self.forward_ms.store(forward_ms, Ordering::Relaxed);
    }

    /// Draws from chance.
    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.state().rng)
    }

    pub(crate) fn weather(&self) -> Weather {
        self.state().weather
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// Takes a store away for a while.
    pub(crate) fn take_away(&self, place: Place, until: Instant) {
        self.state().away[place as usize] = Some(until);
    }

    /// Brings every store back.
    pub(crate) fn bring_back(&self) {
        self.state().away = [None; Place::ALL.len()];
    }

    pub(crate) fn is_away(&self, place: Place) -> bool {
        self.state().away[place as usize].is_some_and(|until| Instant::now() < until)
    }

    pub(crate) fn crash_at(&self, point: Option<CrashPoint>) {
        self.state().crash = point;
    }

    /// Counts an effect. Tells on which side of it the process is to die, if it is.
    pub(crate) fn count_effect(&self) -> Option<Side> {
        let mut state = self.state();
        state.effects += 1;
        let effects = state.effects;
        state
            .crash
            .take_if(|point| point.effect <= effects)
            .map(|point| point.side)
    }

    /// How many effects there were.
    pub(crate) fn effects(&self) -> u64 {
        self.state().effects
    }

    /// Takes note that something changed.
    pub(crate) fn note_change(&self) {
        self.state().last_effect = Instant::now();
    }

    /// For how long nothing changed.
    pub(crate) fn quiet_for(&self) -> Duration {
        self.state().last_effect.elapsed()
    }

    /// Writes a line of the transcript.
    pub(crate) fn tell(&self, line: impl Display) {
        let at = self.started.elapsed().as_millis();
        let line = format!("{at:>9} {line}");
        let mut state = self.state();
        state.hash = state.hash.with(line.as_bytes());
        if state.is_told {
            use std::io::Write as _;
            writeln!(std::io::stderr(), "{line}").ok();
        }
        if state.lines.len() == KEPT_LINES {
            state.lines.pop_front();
        }
        state.lines.push_back(line);
    }

    /// Reports that an invariant does not hold.
    pub(crate) fn violate(&self, what: impl Display) {
        let what = what.to_string();
        self.tell(format!("VIOLATION: {what}"));
        self.state().violations.push(what);
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Names the whole transcript.
    pub(crate) fn hash(&self) -> u64 {
        self.state().hash.finish()
    }

    /// The end of the transcript.
    pub(crate) fn last_lines(&self) -> String {
        let state = self.state();
        let lines: Vec<&str> = state.lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}
