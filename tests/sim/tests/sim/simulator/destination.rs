//! The world outside: a destination that takes its time, refuses, fails, and answers too late.
//!
//! The deliverers of all processes lead here, each over a network of its own ([`network`]).

pub(crate) mod network;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use kernel::RunId;
use proto::activation::v1::{Channel, WebhookChannel, channel};
use proto::definition::v1::{Definition, definition};

use super::watch::Watch;
use super::world::World;

/// The host of the destination.
const HOST: &str = "destination.example";
/// An address of the public internet, as deliverers demand.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(93, 184, 216, 34)), 80);
/// The secret of every channel.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// The longest that a request is on its way, in milliseconds.
const SLOWEST_MS: u64 = 400;
/// The longest that a slow answer takes, in milliseconds: a little less than a deliverer waits.
const SLOW_MS: u64 = 19_000;
/// The time of an answer that comes too late, in milliseconds.
const LATE_MS: (u64, u64) = (21_000, 40_000);
/// The most that an activation meets something wrong.
const FAILURES: u64 = 3;
/// Activations that are taken without more ado by a destination that has moods, in a thousand.
const TAKEN_PERMILLE: u64 = 500;

/// An activation, as a destination sees it: its run and visit.
pub(crate) type EffectId = (Bytes, u32);

/// The journey, step, channel and template that an activation names.
pub(crate) type Asked = [String; 4];

/// A request, by what is the same in every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    asked: Asked,
    is_named_by_key: bool,
}

/// The way in which the destination takes an activation, the same however often that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Temper {
    /// Takes it.
    Takes,
    /// Takes it, and is slow to say so.
    TakesSlowly,
    /// Refuses it.
    Refuses,
    /// Asks so many times to be tried again later, and then takes it.
    Fails(u32),
    /// Takes it, and answers only once nobody waits any more, so many times.
    AnswersLate(u32),
    /// Takes it, and ends the connection without an answer, so many times.
    HangsUp(u32),
}

/// An activation that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    temper: Temper,
    requests: u32,
    told: Told,
    /// True where the destination took it.
    pub(crate) is_taken: bool,
}

impl Arrived {
    /// Returns whether the destination takes it under no circumstances.
    pub(crate) fn is_refused(&self) -> bool {
        self.temper == Temper::Refuses
    }
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answer {
    /// Absent where the connection ends instead.
    status: Option<StatusCode>,
    after: Duration,
    /// Seconds after which the destination wants to be asked again.
    retry_after: Option<u64>,
}

/// The destination of everything that is delivered.
#[derive(Debug, Default)]
pub(crate) struct Destination {
    has_moods: AtomicBool,
    arrived: Mutex<BTreeMap<EffectId, Arrived>>,
}

impl Destination {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<EffectId, Arrived>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is new no longer as it comes.
    pub(crate) fn have_moods(&self) {
        self.has_moods.store(true, Ordering::Relaxed);
    }

    /// Everything that arrived.
    pub(crate) fn arrived(&self) -> BTreeMap<EffectId, Arrived> {
        self.lock().clone()
    }

    /// Everything that it took.
    pub(crate) fn taken(&self) -> impl Iterator<Item = EffectId> {
        let arrived = self.arrived().into_iter();
        arrived.filter_map(|(id, arrived)| arrived.is_taken.then_some(id))
    }

    /// Takes in a request. Under one idempotency key always the same is asked for, unless the store
    /// lost what was decided: then also what was decided anew, by the definitions of that time.
    fn take(&self, world: &World, watch: &Watch, key: &str, told: &Told) -> Answer {
        let Some(id) = parse_key(key) else {
            world.violate(format!("`{key}` is no idempotency key"));
            return answer(StatusCode::BAD_REQUEST, Duration::ZERO);
        };
        let mut arrived = self.lock();
        let it = arrived.entry(id.clone()).or_insert_with(|| Arrived {
            temper: self.meet(world),
            requests: 0,
            told: told.clone(),
            is_taken: false,
        });
        it.requests += 1;
        if it.told != *told {
            let is_named_alike = it.told.is_named_by_key == told.is_named_by_key;
            if !(is_named_alike && watch.may_ask_for(&id, &told.asked)) {
                world.violate(format!("{key} was {:?}, and is {told:?}", it.told));
            }
            it.told = told.clone();
        }
        let given = it.answer(world);
        world.tell(format!(
            "request {} of {key} is answered with {given:?}",
            it.requests
        ));
        given
    }

    /// Draws what becomes of an activation that it has not seen before.
    fn meet(&self, world: &World) -> Temper {
        if !self.has_moods.load(Ordering::Relaxed) {
            return Temper::Takes;
        }
        world.draw(|rng| {
            if rng.hits(TAKEN_PERMILLE) {
                return Temper::Takes;
            }
            let times = u32::try_from(rng.between(1, FAILURES)).unwrap_or(1);
            *rng.pick(&[
                Temper::TakesSlowly,
                Temper::Refuses,
                Temper::Fails(times),
                Temper::AnswersLate(times),
                Temper::HangsUp(times),
            ])
        })
    }
}

impl Arrived {
    fn answer(&mut self, world: &World) -> Answer {
        let wait =
            |(least, most)| Duration::from_millis(world.draw(|rng| rng.between(least, most)));
        let soon = Duration::ZERO;
        match self.temper {
            Temper::Refuses => return answer(StatusCode::GONE, soon),
            Temper::Fails(times) if self.requests <= times => {
                return Answer {
                    retry_after: Some(world.draw(|rng| rng.between(1, 30))),
                    ..answer(StatusCode::SERVICE_UNAVAILABLE, soon)
                };
            }
            _ => {}
        }
        self.is_taken = true;
        match self.temper {
            Temper::TakesSlowly => answer(StatusCode::OK, wait((1, SLOW_MS))),
            Temper::AnswersLate(times) if self.requests <= times => {
                answer(StatusCode::OK, wait(LATE_MS))
            }
            Temper::HangsUp(times) if self.requests <= times => Answer {
                status: None,
                ..answer(StatusCode::OK, soon)
            },
            _ => answer(StatusCode::OK, soon),
        }
    }
}

const fn answer(status: StatusCode, after: Duration) -> Answer {
    Answer {
        status: Some(status),
        after,
        retry_after: None,
    }
}

/// Reads the run and the visit from an idempotency key.
fn parse_key(key: &str) -> Option<EffectId> {
    let (run, visit) = key.rsplit_once('-')?;
    let run: RunId = run.parse().ok()?;
    Some((Bytes::copy_from_slice(run.as_bytes()), visit.parse().ok()?))
}

/// Leads channels that write to a log to the destination instead: nobody can look into a log.
pub(crate) fn lead_here(definition: &mut Definition) {
    if let Some(definition::Kind::Channel(Channel { kind, .. })) = &mut definition.kind
        && matches!(kind, Some(channel::Kind::Log(_)))
    {
        *kind = Some(channel::Kind::Webhook(WebhookChannel {
            url: format!("http://{HOST}/"),
            secret: SECRET.to_owned(),
            allow_private_network: false,
        }));
    }
}
