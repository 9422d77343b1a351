//! What must hold once everything is quiet, whatever went wrong before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use activation_core::state::Activation;
use engine::Head;
use hot::{QuarantineSize, Slot, StateKey, StreamId, StreamName};
use kernel::{CustomerId, Reason, Timestamp};
use proto::activation::v1::ActivationStatus;

use super::changes;
use super::destination::Arrived;
use super::installation::{Installation, SERVICES};
use super::picture::{Picture, shown};
use super::seeds::forgets_activations;

/// Checks everything that can be told from the end, but for how many events there are.
///
/// A state that moves to a survivor may outlive, on its way, the word that it moves: `doubled` are
/// the customers whose states may be at both then, with runs that go on at both.
pub(crate) async fn check(
    installation: &Installation,
    picture: &Picture,
    now: Timestamp,
    doubled: &BTreeSet<CustomerId>,
) {
    nothing_waits(installation).await;
    changes::check(installation, picture);
    merges(installation, picture);
    timers(installation, picture, now);
    runs(installation, picture);
    maps(installation, picture);
    segments(installation, picture);
    decided_once(installation, doubled);
    activations(installation, picture, doubled);
}

fn violate(installation: &Installation, what: impl Display) {
    installation.world().violate(what);
}

/// Every record took effect, every message arrived, and nothing was set aside.
pub(crate) async fn nothing_waits(installation: &Installation) {
    let store = &installation.shared.store;
    for partition in installation.partitions().iter() {
        for owner in SERVICES {
            let slot = Slot { owner, partition };
            let set_aside = store.quarantine_size(slot).await;
            if !matches!(set_aside, Ok(size) if size == QuarantineSize::default()) {
                violate(
                    installation,
                    format!("{slot:?} set records aside: {set_aside:?}"),
                );
            }
            let waiting = store.outbox(slot, 0, 9).await.unwrap_or_default();
            if !waiting.is_empty() {
                violate(installation, format!("{slot:?} has not sent {waiting:?}"));
            }
            let head = store.head(slot).await.unwrap_or_default();
            for (name, cursor) in head.cursors {
                let stream = StreamId { name, partition };
                let lag = store.lag(stream, cursor).await.unwrap_or(u64::MAX);
                if lag > 0 {
                    violate(
                        installation,
                        format!("{slot:?} has not read {lag} entries of {stream:?}"),
                    );
                }
            }
        }
        // A stream of which nothing was ever read has no cursor.
        for name in StreamName::ALL {
            let stream = StreamId { name, partition };
            let entries = store
                .poll(stream, hot::Cursor::START, 1)
                .await
                .unwrap_or_default();
            let heads = SERVICES.map(|owner| Slot { owner, partition });
            let mut is_read = entries.is_empty();
            for slot in heads {
                let head = store.head(slot).await.unwrap_or_default();
                is_read |= head.cursors.iter().any(|(of, _)| *of == name);
            }
            if !is_read {
                violate(installation, format!("nobody reads {stream:?}"));
            }
        }
    }
}

/// Nobody waits for the state of another, and none is on its way.
fn merges(installation: &Installation, picture: &Picture) {
    fn unquiet<S>(
        customers: &BTreeMap<StateKey, (Head, S)>,
    ) -> impl Iterator<Item = (&StateKey, &Head)> {
        let heads = customers.iter().map(|(key, (head, _))| (key, head));
        heads.filter(|(_, head)| !head.is_settled(&[]) || head.lacks_state())
    }
    let unquiet = unquiet(&picture.profiles)
        .chain(unquiet(&picture.journeys))
        .chain(unquiet(&picture.activations));
    for (key, head) in unquiet {
        violate(installation, format!("{key:?} is on the way: {head:?}"));
    }
}

/// No timer is lost: each state that wants to be looked at is led to by an entry in time, and
/// nothing is overdue.
fn timers(installation: &Installation, picture: &Picture, now: Timestamp) {
    let mut entries: BTreeMap<Slot, BTreeSet<_>> = BTreeMap::new();
    for (slot, key, stored) in &picture.stored {
        let Some(due) = stored.timer.due else {
            continue;
        };
        let entries = entries
            .entry(*slot)
            .or_insert_with(|| installation.shared.backing.timers(*slot));
        let is_led_to = stored
            .timer
            .entry
            .is_some_and(|entry| entry <= due && entries.contains(&(entry, key.clone())));
        if !is_led_to {
            violate(
                installation,
                format!("the timer of {slot:?} {key:?} is lost: {:?}", stored.timer),
            );
        }
        if due <= now {
            violate(
                installation,
                format!("{slot:?} {key:?} was due at {due}, and it is {now}"),
            );
        }
    }
}

/// The counters under a prefix, by the rest of their names.
fn under<'a>(picture: &'a Picture, prefix: &'a str) -> impl Iterator<Item = (&'a str, i64)> {
    let all = picture.counters.iter();
    all.filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, *value)))
}

fn sum(picture: &Picture, prefix: &str) -> i64 {
    under(picture, prefix).map(|(_, value)| value).sum()
}

/// Counters balance, and say what the states say.
fn runs(installation: &Installation, picture: &Picture) {
    let mut present: BTreeMap<String, i64> = BTreeMap::new();
    let journeys = picture.journeys.values();
    for run in journeys.flat_map(|(_, state)| state.open().runs.clone()) {
        let name = format!("journey/{}/{}/", run.journey, run.version);
        *present.entry(format!("{name}active")).or_default() += 1;
        *present
            .entry(format!("{name}present/{}", run.step))
            .or_default() += 1;
    }
    let mut journeys = BTreeSet::new();
    for name in picture
        .counters
        .keys()
        .filter(|name| name.starts_with("journey/"))
    {
        let parts: Vec<&str> = name.splitn(4, '/').collect();
        journeys.insert(format!("journey/{}/{}/", parts[1], parts[2]));
    }
    for journey in journeys {
        let count = |what: &str| sum_of(picture, &format!("{journey}{what}"));
        let (entered, active) = (count("entered"), count("active"));
        let ended = sum(picture, &format!("{journey}ended/"));
        if entered != active + ended {
            violate(
                installation,
                format!("{journey} has {entered} entered, {active} active, {ended} ended"),
            );
        }
        balance(installation, picture, &journey);
    }
    compare(installation, picture, &present, |name| {
        name.starts_with("journey/") && (name.ends_with("/active") || name.contains("/present/"))
    });
}

/// The counters of a kind say what states say.
fn compare(
    installation: &Installation,
    picture: &Picture,
    of_states: &BTreeMap<String, i64>,
    is_of_kind: impl Fn(&str) -> bool,
) {
    let counted = picture.counters.iter();
    let counted: BTreeMap<String, i64> = counted
        .filter(|(name, _)| is_of_kind(name))
        .map(|(name, value)| (name.clone(), *value))
        .collect();
    if counted != *of_states {
        violate(
            installation,
            format!("counters say {counted:?}, states {of_states:?}"),
        );
    }
}

fn sum_of(picture: &Picture, name: &str) -> i64 {
    picture.counters.get(name).copied().unwrap_or(0)
}

/// In = out + present.
fn balance(installation: &Installation, picture: &Picture, of: &str) {
    let places: BTreeSet<&str> = ["in/", "out/", "present/"]
        .into_iter()
        .flat_map(|what| under(picture, of).filter_map(move |(name, _)| name.strip_prefix(what)))
        .collect();
    for place in places {
        let count = |what: &str| sum_of(picture, &format!("{of}{what}/{place}"));
        let (came, left, present) = (count("in"), count("out"), count("present"));
        if came != left + present {
            violate(
                installation,
                format!("{of} {place}: {came} came, {left} left, {present} are there"),
            );
        }
    }
}

fn maps(installation: &Installation, picture: &Picture) {
    let mut present: BTreeMap<String, i64> = BTreeMap::new();
    for position in picture
        .journeys
        .values()
        .flat_map(|(_, state)| state.open().positions.clone())
    {
        let name = format!("map/{}/present/{}", position.map, position.stage);
        *present.entry(name).or_default() += 1;
        balance(installation, picture, &format!("map/{}/", position.map));
    }
    compare(installation, picture, &present, |name| {
        name.starts_with("map/") && name.contains("/present/")
    });
}

fn segments(installation: &Installation, picture: &Picture) {
    let mut members: BTreeMap<String, i64> = BTreeMap::new();
    for membership in picture
        .profiles
        .values()
        .flat_map(|(_, state)| state.memberships())
    {
        *members
            .entry(format!("segment/{}/members", membership.segment))
            .or_default() += 1;
    }
    compare(installation, picture, &members, |name| {
        name.starts_with("segment/")
    });
}

/// Every effect was decided once, and told of once.
fn decided_once(installation: &Installation, doubled: &BTreeSet<CustomerId>) {
    for (wrong, customer) in installation.shared.watch.decided_again() {
        if !doubled.contains(&customer) {
            violate(installation, wrong);
        }
    }
}

/// Every effect was told once, and delivered where it says so.
fn activations(installation: &Installation, picture: &Picture, doubled: &BTreeSet<CustomerId>) {
    let (mut by_status, surplus) = picture.counted_activations();
    let asked_again = installation.shared.watch.surplus_requests();
    if surplus > asked_again {
        let what = format!("{surplus} surplus requests are counted, and {asked_again} were made");
        violate(installation, what);
    }
    let mut told: BTreeMap<ActivationStatus, i64> = BTreeMap::new();
    let mut effects = installation.shared.watch.effects();
    let mut of_states: BTreeMap<ActivationStatus, i64> = BTreeMap::new();
    let mut arrived = installation.shared.destination.arrived();
    let mut known = BTreeSet::new();
    // How many counters and receipts may tell of once where states do twice.
    let mut twice: BTreeMap<ActivationStatus, i64> = BTreeMap::new();
    let states = picture.activations.iter();
    let all = states.flat_map(|(key, (_, state))| {
        let own = shown(state).into_iter();
        own.map(move |own| (key, own))
    });
    for (key, own) in all {
        *of_states.entry(own.status).or_default() += 1;
        let id = (
            bytes::Bytes::copy_from_slice(own.id.run.as_bytes()),
            own.id.visit,
        );
        effects.remove(&id);
        let is_doubled = doubled
            .iter()
            .any(|it| key.as_ref() == it.as_bytes().as_slice());
        if !known.insert(id.clone()) && is_doubled {
            *twice.entry(own.status).or_default() += 1;
        }
        deliveries(installation, &own, arrived.get(&id));
    }
    // The oldest of very many are forgotten.
    let forgets = forgets_activations(picture);
    effects.retain(|_, _| !forgets);
    if !forgets && !installation.shared.watch.has_lost() {
        arrived.retain(|id, _| !known.contains(id));
        for id in arrived.keys() {
            violate(
                installation,
                format!("{id:?} arrived, and nobody knows of it"),
            );
        }
    }
    for (id, decided) in effects {
        let id = format!("{:02x?} {}", id.0, id.1);
        violate(
            installation,
            format!("nobody knows of effect {id}, decided by {decided}"),
        );
    }
    by_status.retain(|_, count| *count != 0);
    let is_counted = |(status, count): (&ActivationStatus, &i64)| {
        by_status
            .get(status)
            .is_some_and(|counted| counted >= count)
    };
    let agrees = agree(&by_status, &of_states, &twice);
    if !(agrees || forgets && of_states.iter().all(is_counted)) {
        violate(
            installation,
            format!("counters say {by_status:?}, states {of_states:?}"),
        );
    }
    for (status, word) in [
        (ActivationStatus::Delivered, "delivered"),
        (ActivationStatus::Failed, "failed"),
        (ActivationStatus::Suppressed, "suppressed"),
    ] {
        let receipts = sum_of(picture, &format!("event/seen/activation_{word}"));
        told.extend((receipts != 0).then_some((status, receipts)));
    }
    by_status.remove(&ActivationStatus::Pending);
    if !agree(&by_status, &told, &twice) {
        violate(
            installation,
            format!("activations ended as {by_status:?}, and receipts tell of {told:?}"),
        );
    }
    let pending = of_states
        .get(&ActivationStatus::Pending)
        .copied()
        .unwrap_or(0);
    if pending != 0 {
        violate(installation, format!("{pending} activations are pending"));
    }
}

/// The destination did what is said of an activation.
fn deliveries(installation: &Installation, own: &Activation, arrived: Option<&Arrived>) {
    let is_taken = arrived.is_some_and(|it| it.is_taken);
    let is_refused = arrived.is_some_and(Arrived::is_refused);
    if own.status == ActivationStatus::Delivered && (!is_taken || is_refused) {
        violate(
            installation,
            format!("{:?} is delivered, and not taken: {arrived:?}", own.id),
        );
    }
    let says_refused = own.reason == Reason::ProviderRejected;
    if says_refused && !is_refused {
        violate(
            installation,
            format!("{:?} is refused by nobody: {arrived:?}", own.id),
        );
    }
}

/// Returns whether two counts by status are the same, but for so many of each.
fn agree(
    one: &BTreeMap<ActivationStatus, i64>,
    other: &BTreeMap<ActivationStatus, i64>,
    but_for: &BTreeMap<ActivationStatus, i64>,
) -> bool {
    let of = |counts: &BTreeMap<ActivationStatus, i64>, status| {
        counts.get(status).copied().unwrap_or_default()
    };
    let mut statuses = one.keys().chain(other.keys());
    statuses.all(|it| (of(one, it) - of(other, it)).abs() <= of(but_for, it))
}
