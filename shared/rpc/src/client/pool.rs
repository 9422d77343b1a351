//! The replicas of a service as one client sees them, and which of them is asked next.
//!
//! It decides, and does nothing: whoever calls is told which replica to ask, which to connect to,
//! and whether to look for the addresses behind the name. All of it is driven by calls, so that a
//! client without any costs nothing. Time is handed in.

mod lookup;
mod replica;

use std::io;
use std::net::SocketAddr;

use kernel::split_mix;
use tokio::time::Instant;

use self::lookup::Lookup;
pub(super) use self::replica::{Link, ReplicaId};
use self::replica::{Replica, State};
use crate::limits::REPLICAS;

/// The replicas of a service.
#[derive(Debug)]
pub(super) struct Pool<C> {
    replicas: Vec<Replica<C>>,
    lookup: Lookup,
    next_id: u64,
    dice: u64,
}

/// The next steps of a call.
#[derive(Debug)]
pub(super) struct Plan<C> {
    pub(super) choice: Choice<C>,
    /// Replicas to connect to meanwhile.
    pub(super) dial: Vec<(ReplicaId, SocketAddr)>,
    /// True where the addresses behind the name are to be looked for meanwhile.
    pub(super) look_up: bool,
}

/// The decision about a call.
#[derive(Debug)]
pub(super) enum Choice<C> {
    /// This replica is asked; the call counts from now on, until [`Pool::ended`].
    Ask(ReplicaId, C),
    /// Nobody can be asked until something changes.
    Wait,
    /// Nobody can be asked, and nothing is under way that would change it.
    Fail,
}

/// The addresses that came and went with a look for them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) added: Vec<SocketAddr>,
    pub(super) removed: Vec<SocketAddr>,
}

impl<C: Link> Pool<C> {
    /// One replica at an address that never changes.
    pub(super) fn at(address: SocketAddr, now: Instant, seed: u64) -> Self {
        let mut pool = Self::new(Lookup::never(now), seed);
        pool.add(address, now);
        pool
    }

    /// Those behind a name, which nobody has looked for yet.
    pub(super) fn behind_name(now: Instant, seed: u64) -> Self {
        Self::new(Lookup::due(now), seed)
    }

    fn new(lookup: Lookup, seed: u64) -> Self {
        Self {
            replicas: Vec::new(),
            lookup,
            next_id: 0,
            dice: seed,
        }
    }

    /// Decides about a call. Where nobody is connected, a call's first plan tries all replicas at
    /// once, whenever they failed last; its later ones wait for these attempts and make none but
    /// for replicas that are new.
    pub(super) fn plan(&mut self, now: Instant, is_first: bool) -> Plan<C> {
        self.part_with_closed(now);
        if let Some(place) = self.choose(now) {
            let dial = self.dial(|replica| replica.retry_time <= now);
            let replica = &mut self.replicas[place];
            return Plan {
                choice: replica.ask(now),
                dial,
                look_up: self.lookup.begin_if_due(now),
            };
        }
        if is_first {
            self.lookup.want(now, self.replicas.is_empty());
        }
        let look_up = self.lookup.begin_if_due(now);
        let dial = self.dial(|replica| is_first || replica.failures == 0);
        let is_hopeful =
            self.lookup.is_under_way() || self.replicas.iter().any(Replica::is_dialled);
        let choice = if is_hopeful {
            Choice::Wait
        } else {
            Choice::Fail
        };
        Plan {
            choice,
            dial,
            look_up,
        }
    }

    /// The place of the replica to ask: of two that are drawn, the one with fewer calls under way
    /// (Mitzenmacher 2001, "The Power of Two Choices in Randomized Load Balancing").
    ///
    /// One that owes an answer for long is passed over while there are others, but for a call now
    /// and then that finds out whether it is well again.
    fn choose(&mut self, now: Instant) -> Option<usize> {
        let mut replicas = self.replicas.iter_mut();
        let tried = replicas.position(|replica| replica.is_open() && replica.try_again(now));
        if tried.is_some() {
            return tried;
        }
        let count = |is_one: &dyn Fn(&Replica<C>) -> bool| {
            let replicas = self.replicas.iter();
            replicas.filter(|replica| is_one(replica)).count()
        };
        let speaks = |replica: &Replica<C>| replica.is_open() && !replica.is_silent(now);
        let is_one: &dyn Fn(&Replica<C>) -> bool = match count(&speaks) {
            0 => &Replica::<C>::is_open,
            _ => &speaks,
        };
        let (first, second) = match count(is_one) {
            0 => return None,
            count => draw_two(&mut self.dice, count),
        };
        let place = |number: usize| {
            let replicas = self.replicas.iter().enumerate();
            let mut ones = replicas.filter(|(_, replica)| is_one(replica));
            ones.nth(number).map(|(place, _)| place)
        };
        let (first, second) = (place(first)?, place(second)?);
        let is_first = self.replicas[first].under_way <= self.replicas[second].under_way;
        Some(if is_first { first } else { second })
    }

    fn dial(&mut self, is_one: impl Fn(&Replica<C>) -> bool) -> Vec<(ReplicaId, SocketAddr)> {
        let apart = self.replicas.iter_mut();
        let apart =
            apart.filter(|replica| matches!(replica.state, State::Apart) && is_one(replica));
        apart
            .map(|replica| {
                replica.state = State::Dialled;
                (replica.id, replica.address)
            })
            .collect()
    }

    /// Takes the addresses that a name has now, which are some. Replicas that are known stay as
    /// they are; of more than [`REPLICAS`], those that are known are kept, and then as many others
    /// as there is room.
    pub(super) fn found(&mut self, now: Instant, addresses: &[SocketAddr]) -> Change {
        let jitter = self.draw();
        self.lookup.succeeded(now, jitter);
        let mut change = Change::default();
        self.replicas.retain(|replica| {
            let stays = addresses.contains(&replica.address);
            if !stays {
                change.removed.push(replica.address);
            }
            stays
        });
        for address in addresses {
            let is_known = self.replicas.iter().any(|own| own.address == *address);
            if !is_known && self.replicas.len() < REPLICAS {
                self.add(*address, now);
                change.added.push(*address);
            }
        }
        change
    }

    /// Takes note that no address of the name was found: the known ones stay. Returns whether the
    /// look before had found some.
    pub(super) fn not_found(&mut self, now: Instant, error: io::Error) -> bool {
        self.lookup.failed(now, error)
    }

    /// Takes a connection. It is refused where its replica has gone meanwhile.
    pub(super) fn connected(&mut self, id: ReplicaId, link: C) -> bool {
        self.with(id, |replica| replica.connected(link)).is_some()
    }

    /// Takes note that a replica could not be connected to. Returns how often in a row that is so.
    pub(super) fn not_connected(&mut self, id: ReplicaId, now: Instant, error: io::Error) -> u32 {
        let jitter = self.draw();
        let failures = self.with(id, |replica| replica.failed(now, jitter, error));
        if failures.is_some() {
            self.lookup.hasten(now);
        }
        failures.unwrap_or(0)
    }

    /// Takes note that connections have ended.
    pub(super) fn part_with_closed(&mut self, now: Instant) {
        for replica in &mut self.replicas {
            if replica.part_if_closed(now) {
                self.lookup.hasten(now);
            }
        }
    }

    /// Takes note that a call was answered.
    pub(super) fn heard(&mut self, id: ReplicaId, now: Instant) {
        self.with(id, |replica| replica.heard(now));
    }

    /// Takes note that a call has ended, which was answered before or never.
    pub(super) fn ended(&mut self, id: ReplicaId, was_heard: bool) {
        self.with(id, |replica| replica.ended(was_heard));
    }

    /// Says why nobody can be asked: of each replica, or of the name.
    pub(super) fn failure(&self) -> String {
        let replicas = self.replicas.iter();
        let failed = replicas.filter_map(|own| Some((own.address, own.error.as_ref()?)));
        let failed: Vec<_> = failed.collect();
        match failed.as_slice() {
            [] => self.lookup.failure(),
            [(_, error)] if self.lookup.is_never() => error.to_string(),
            several => {
                let told = several
                    .iter()
                    .map(|(address, error)| format!("{address}: {error}"));
                told.collect::<Vec<_>>().join("; ")
            }
        }
    }

    /// Replicas that are known, and those of them that are connected.
    pub(super) fn counts(&self) -> (usize, usize) {
        let connected = self.replicas.iter().filter(|own| own.is_open()).count();
        (self.replicas.len(), connected)
    }

    fn with<T>(&mut self, id: ReplicaId, work: impl FnOnce(&mut Replica<C>) -> T) -> Option<T> {
        let replica = self.replicas.iter_mut().find(|replica| replica.id == id)?;
        Some(work(replica))
    }

    fn add(&mut self, address: SocketAddr, now: Instant) {
        let id = ReplicaId(self.next_id);
        self.next_id += 1;
        self.replicas.push(Replica::new(id, address, now));
    }

    fn draw(&mut self) -> u64 {
        draw(&mut self.dice)
    }
}

fn draw(dice: &mut u64) -> u64 {
    *dice = split_mix(*dice);
    *dice
}

/// Draws two of so many, which differ where there are two.
fn draw_two(dice: &mut u64, count: usize) -> (usize, usize) {
    let mut below = |most: usize| {
        let drawn = draw(dice) % u64::try_from(most).unwrap_or(u64::MAX);
        usize::try_from(drawn).unwrap_or(0)
    };
    match count {
        1 => (0, 0),
        count => {
            let first = below(count);
            (first, (first + 1 + below(count - 1)) % count)
        }
    }
}

#[cfg(test)]
mod tests;
