//! One replica: its connection, its calls, and whether it answers them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::Choice;
use crate::limits::{DIAL_PAUSE_LEAST, DIAL_PAUSE_MOST, REPLICA_SILENCE, REPLICA_TRIAL_INTERVAL};

/// A connection, as far as choosing needs to know it.
pub(in crate::client) trait Link: Clone {
    /// Returns whether calls can begin on it.
    fn is_open(&self) -> bool;
}

/// One replica among all that a client ever had of a service: the same address has another one when
/// it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::client) struct ReplicaId(pub(super) u64);

/// One replica.
#[derive(Debug)]
pub(super) struct Replica<C> {
    pub(super) id: ReplicaId,
    pub(super) address: SocketAddr,
    pub(super) state: State<C>,
    /// Connections in a row that failed, or ended without an answer.
    pub(super) failures: u32,
    /// While others are connected, it is not dialled before.
    pub(super) retry_time: Instant,
    /// The reason why it could not be connected to, the last time.
    pub(super) error: Option<io::Error>,
    /// Calls whose last byte has not come.
    pub(super) under_way: usize,
    /// Those of them of which nothing has come.
    unheard: usize,
    /// Since when it owes an answer, and has said nothing to anybody.
    owed_since: Option<Instant>,
    /// When one that is silent gets a call again.
    trial_time: Instant,
}

/// The connection to a replica.
#[derive(Debug)]
pub(super) enum State<C> {
    /// None.
    Apart,
    /// It is being opened.
    Dialled,
    /// Calls can be made. True once one was answered.
    Connected(C, bool),
}

impl<C: Link> Replica<C> {
    /// One that was never connected to.
    pub(super) fn new(id: ReplicaId, address: SocketAddr, now: Instant) -> Self {
        Self {
            id,
            address,
            state: State::Apart,
            failures: 0,
            retry_time: now,
            error: None,
            under_way: 0,
            unheard: 0,
            owed_since: None,
            trial_time: now,
        }
    }

    /// Returns whether a call can begin.
    pub(super) fn is_open(&self) -> bool {
        matches!(&self.state, State::Connected(link, _) if link.is_open())
    }

    /// Returns whether it is being connected to.
    pub(super) fn is_dialled(&self) -> bool {
        matches!(self.state, State::Dialled)
    }

    /// Returns whether it has owed an answer for long without a word to anybody: it hangs, or
    /// nothing comes through, or its calls all take long.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        let owed = self.owed_since.map(|since| now.duration_since(since));
        owed.is_some_and(|owed| owed >= REPLICA_SILENCE)
    }

    /// Returns whether it is silent and gets a call all the same, from which it is told whether it
    /// is well again. The next such call comes later.
    pub(super) fn try_again(&mut self, now: Instant) -> bool {
        let is_tried = self.is_silent(now) && self.trial_time <= now;
        if is_tried {
            self.trial_time = now + REPLICA_TRIAL_INTERVAL;
        }
        is_tried
    }

    /// Gives it a call.
    pub(super) fn ask(&mut self, now: Instant) -> Choice<C> {
        let State::Connected(link, _) = &self.state else {
            return Choice::Wait;
        };
        let link = link.clone();
        self.under_way += 1;
        self.unheard += 1;
        if self.owed_since.is_none() {
            self.owes(now);
        }
        Choice::Ask(self.id, link)
    }

    fn owes(&mut self, since: Instant) {
        self.owed_since = Some(since);
        self.trial_time = since + REPLICA_SILENCE + REPLICA_TRIAL_INTERVAL;
    }

    /// A call was answered.
    pub(super) fn heard(&mut self, now: Instant) {
        self.unheard = self.unheard.saturating_sub(1);
        self.failures = 0;
        self.error = None;
        self.owed_since = None;
        if self.unheard > 0 {
            self.owes(now);
        }
        if let State::Connected(_, is_heard) = &mut self.state {
            *is_heard = true;
        }
    }

    /// A call has ended. One that was given up leaves the answer owed.
    pub(super) fn ended(&mut self, was_heard: bool) {
        self.under_way = self.under_way.saturating_sub(1);
        if !was_heard {
            self.unheard = self.unheard.saturating_sub(1);
        }
    }

    /// It is connected.
    pub(super) fn connected(&mut self, link: C) {
        self.state = State::Connected(link, false);
    }

    /// It could not be connected to. Returns how often in a row.
    pub(super) fn failed(&mut self, now: Instant, jitter: u64, error: io::Error) -> u32 {
        self.state = State::Apart;
        self.error = Some(error);
        self.failures = self.failures.saturating_add(1);
        self.retry_time = now + spread(dial_pause(self.failures), jitter);
        self.failures
    }

    /// Parts with a connection that has ended. Returns whether there was one.
    ///
    /// Whoever was silent stays so, since what hangs still takes connections; otherwise the end is
    /// a word, too: what was there ended or began anew, and owes nothing.
    pub(super) fn part_if_closed(&mut self, now: Instant) -> bool {
        let is_heard = match &self.state {
            State::Connected(link, is_heard) if !link.is_open() => *is_heard,
            _ => return false,
        };
        self.state = State::Apart;
        if !self.is_silent(now) {
            self.owed_since = None;
        }
        self.retry_time = now;
        if !is_heard {
            let closed = io::Error::other("it closes connections without an answer");
            self.error = Some(closed);
            self.failures = self.failures.saturating_add(1);
            self.retry_time = now + dial_pause(self.failures);
        }
        true
    }
}

/// The pause before the next attempt at a replica that has failed so often.
fn dial_pause(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    DIAL_PAUSE_LEAST
        .saturating_mul(doubled)
        .min(DIAL_PAUSE_MOST)
}

/// A duration that is drawn from four fifths of it to six fifths.
pub(super) fn spread(duration: Duration, jitter: u64) -> Duration {
    /// Parts of a duration; the draw is among two fifths of them.
    const PARTS: u32 = 1_000;
    let drawn = u32::try_from(jitter % u64::from(PARTS * 2 / 5 + 1)).unwrap_or(0);
    duration * (PARTS * 4 / 5 + drawn) / PARTS
}
