//! Sightings of the identifiers of a customer, counted in the events of the log.
//!
//! An identifier that is seen again costs no row in SQL, so that only the events tell.

use std::collections::{BTreeSet, HashMap, HashSet};

use ::rpc::Failure;
use identity_core::{Identifier, Rules};
use journal::{EventQuery, EventsBy, LogError, LoggedEvent};
use kernel::{CustomerId, FragmentId, Timestamp};

use super::ResolutionRpc;
use crate::limits::{SIGHTINGS_PER_PAGE, SIGHTINGS_READ};
use crate::store::CustomerRecord;

/// An identifier under a fragment.
pub(super) type Place = (Identifier, FragmentId);

/// When an identifier was seen under a fragment, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// The number of events.
    pub(super) count: u64,
    /// When first, by the time of acceptance.
    pub(super) first: Timestamp,
    /// When last.
    pub(super) last: Timestamp,
}

/// The sightings of the identifiers of a customer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sightings {
    /// Each identifier under each fragment.
    pub(super) seen: HashMap<Place, Seen>,
    /// Those that came in one event with a value that names people, or are such a value.
    pub(super) with_person: HashSet<Identifier>,
    /// True where all events were read.
    pub(super) is_whole: bool,
}

impl ResolutionRpc {
    /// Reads the events of a customer, as far as one explanation may; `None` where there is no log.
    ///
    /// # Errors
    /// The log fails.
    pub(super) async fn sightings(
        &self,
        rules: &Rules,
        customer: &CustomerRecord,
    ) -> Result<Option<Sightings>, Failure> {
        let Some(log) = &self.rpc.events else {
            return Ok(None);
        };
        let own: HashSet<FragmentId> = customer.fragments.iter().copied().collect();
        // While fragments were part of others, their events were logged under the ids of these.
        let store = &self.rpc.intake.store;
        let from = store.split_off_from(&customer.fragments).await;
        let from = from.map_err(Failure::store_unavailable)?;
        let ids = own.iter().map(|it| CustomerId::from(*it));
        let ids: BTreeSet<CustomerId> = ids.chain(from.into_iter().flatten()).collect();
        let query = EventQuery {
            by: EventsBy::Customers(ids.into_iter().collect()),
            from: Timestamp::MIN,
            to: Timestamp::MAX,
            is_on_stream_time: self.rpc.intake.clock.is_virtual(),
        };
        let mut sightings = Sightings::default();
        let mut after = None;
        // Pages may be empty, so that they are counted as well as their events.
        for _ in 0..SIGHTINGS_READ / SIGHTINGS_PER_PAGE {
            let page = log.read(&query, after, SIGHTINGS_PER_PAGE).await;
            let page = page.map_err(|error| match error {
                LogError::Damaged(_) => Failure::internal(error),
                _ => Failure::store_unavailable(error),
            })?;
            for logged in &page.events {
                sightings.count(rules, &own, logged);
            }
            after = page.next;
            if after.is_none() {
                sightings.is_whole = true;
                break;
            }
        }
        Ok(Some(sightings))
    }
}

impl Sightings {
    /// Counts the identifiers of an event that were under any of some fragments.
    fn count(&mut self, rules: &Rules, own: &HashSet<FragmentId>, logged: &LoggedEvent) {
        let event = &logged.event;
        let acted = fragment(&event.fragment_id).unwrap_or_else(|| logged.customer.fragment());
        let mut all = Vec::with_capacity(event.identifiers.len());
        for sent in &event.identifiers {
            let identifier = Identifier {
                namespace: sent.namespace.clone(),
                value: sent.value.clone(),
            };
            let at = logged.accept_time;
            let under = fragment(&sent.fragment_id).unwrap_or(acted);
            if !own.contains(&under) {
                continue;
            }
            let place = (identifier.clone(), under);
            let seen = self.seen.entry(place).or_insert(Seen {
                count: 0,
                first: at,
                last: at,
            });
            seen.count += 1;
            seen.first = seen.first.min(at);
            seen.last = seen.last.max(at);
            all.push(identifier);
        }
        let names_people = |own: &Identifier| {
            let named = rules.find(&own.namespace);
            named.is_some_and(|(_, namespace)| namespace.names_people())
        };
        if all.iter().any(names_people) {
            self.with_person.extend(all);
        }
    }
}

/// Reads the id of a fragment; absent for what is none.
fn fragment(bytes: &[u8]) -> Option<FragmentId> {
    let id = CustomerId::try_from_bytes(bytes).ok()?;
    Some(id.fragment())
}
