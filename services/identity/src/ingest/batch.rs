//! A batch of events that were read: resolved, with their accounts, and grouped by partition.

use identity_core::{Resolution, Rules};
use kernel::Timestamp;
use uuid::Uuid;

use super::Intake;
use super::accepted::{Accepted, AcceptedEvent, AcceptedGroup};
use super::claims::{Accounts, ResolvedGroup};
use crate::erasure::Held;
use crate::event::{Prepared, no_account, nobody};
use crate::groups::{Acted, Groups};
use crate::ledger::place_of;
use crate::resolve::{ResolveError, Resolved, Subject};
use crate::sender;
use crate::sources::{Source, Taking};
use crate::store::{Cause, Origin, Origins, SentAs};

/// The reason of merges by events, for the record.
const EVENT_REASON: &str = "event";

/// The origin of the events of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) source: Source<'a>,
    /// The digest of it; absent for none.
    pub(super) digest: Option<&'a str>,
    /// The name by which streams know it; absent for none.
    pub(super) name: Option<&'a str>,
    /// The name by which evidence knows it, or whoever calls; empty where nobody knows.
    pub(super) told: &'a str,
}

/// The customers of the events of a batch.
#[derive(Debug)]
pub(super) struct Customers {
    resolved: Resolved,
    /// The places of the events that have one; absent where all have.
    places: Option<Vec<usize>>,
}

impl Customers {
    /// Returns what became of the event at a place: absent of one of accounts alone.
    pub(super) fn of(&self, place: usize) -> Option<&Resolution> {
        let number = match &self.places {
            None => place,
            Some(places) => places.binary_search(&place).ok()?,
        };
        self.resolved.resolutions.get(number)
    }

    /// Returns all of them, each with the place of its event.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Resolution)> {
        let resolutions = self.resolved.resolutions.iter().enumerate();
        resolutions.map(|(number, own)| (self.place(number), own))
    }

    fn place(&self, number: usize) -> usize {
        let places = self.places.as_ref();
        places.map_or(number, |it| it.get(number).copied().unwrap_or(number))
    }
}

impl Intake {
    /// Resolves what was read, and groups it by partition.
    ///
    /// # Errors
    /// As [`crate::resolve::Resolver::resolve`].
    pub(crate) async fn resolve_prepared(
        &self,
        mut prepared: Vec<Prepared>,
        source: Source<'_>,
        namespaces: &Rules,
        mut accepted: Accepted,
    ) -> Result<Accepted, ResolveError> {
        let digest = source.digest();
        accepted.outbound.source = self.stream_source(source, digest.as_deref());
        accepted.outbound.taking = taking(source, digest.as_deref(), &prepared);
        if prepared.is_empty() {
            return Ok(accepted);
        }
        let name = source.stream_name(digest.as_deref());
        let caller = sender::Sender::current();
        let sender = Sender {
            source,
            digest: digest.as_deref(),
            name: name.as_deref(),
            told: match source.name() {
                "" => caller.name(),
                name => name,
            },
        };
        let (subjects, places) = self.subjects(&mut prepared, sender);
        let batch = Batch::of(&prepared, sender, places.as_deref());
        let cause = self.event_cause(sender, &batch);
        let resolved = self.resolver.resolve(namespaces, subjects, cause).await?;
        self.metrics.resolved(&resolved.news, resolved.outcome);
        let ordered = source.if_ordered(sender.name);
        let announcing = self.under_way.begin(&resolved.news, ordered);
        accepted.outbound.announcing = Some(announcing);
        let customers = Customers { resolved, places };
        let has_accounts = prepared.iter().any(|event| !event.groups.is_empty());
        let accounts = if has_accounts || attaches(&customers.resolved) {
            let lane = accepted.outbound.stream;
            let of = self.accounts_of(&mut prepared, &customers, namespaces, (sender, lane));
            of.await?
        } else {
            Accounts::default()
        };
        self.group(prepared, customers, accounts, &mut accepted);
        Ok(accepted)
    }

    /// Returns the subjects of the events that name customers, with the places of these events
    /// where others do not.
    fn subjects(
        &self,
        prepared: &mut [Prepared],
        sender: Sender<'_>,
    ) -> (Vec<Subject>, Option<Vec<usize>>) {
        let mut subjects = Vec::with_capacity(prepared.len());
        let mut places: Option<Vec<usize>> = None;
        for (place, event) in prepared.iter_mut().enumerate() {
            if event.event.event_id.is_empty() {
                event.event.event_id = event_id(sender.digest, event.sequence);
            }
            self.clock.observe(event.time);
            if event.is_of_accounts {
                places.get_or_insert_with(|| (0..place).collect());
                continue;
            }
            if let Some(places) = &mut places {
                places.push(place);
            }
            let screened = std::mem::take(&mut event.screened);
            let sent = sender.name.map(|name| event.sent_as(name, sender.source));
            subjects.push(self.subject(screened, event.time, sent));
        }
        (subjects, places)
    }

    /// Returns a claim of an event as a resolver takes it.
    pub(super) fn subject(
        &self,
        screened: identity_core::Screened,
        event_time: Timestamp,
        sent: Option<SentAs>,
    ) -> Subject {
        Subject {
            screened,
            event_time,
            sent,
            time: if self.clock.is_virtual() {
                event_time
            } else {
                self.clock.now()
            },
        }
    }

    /// The cause of what events change.
    pub(super) fn event_cause<'a>(
        &self,
        sender: Sender<'a>,
        origins: &'a dyn Origins,
    ) -> Cause<'a> {
        let request_id = match sender.source {
            Source::Request(id) => id,
            Source::None | Source::Named(..) | Source::Import(_) => "",
        };
        let ordered = sender.source.if_ordered(sender.name);
        Cause {
            reason: EVENT_REASON,
            request_id,
            time: self.own_clock.now(),
            // A request is remembered in the database anyway, and a source needs it only where it
            // was interrupted here.
            looks_back: !request_id.is_empty()
                || ordered.is_some_and(|name| self.under_way.was_interrupted(name)),
            origins,
            // Told by the resolver, as the tombstones are.
            policy_version: 0,
            held: Held::ANY,
        }
    }

    /// Groups the records of events that were resolved by partition, with the news of those whom
    /// they joined and split off, and of new members of accounts. Refuses those of which nothing is
    /// left that names anybody.
    fn group(
        &self,
        prepared: Vec<Prepared>,
        customers: Customers,
        mut accounts: Accounts,
        accepted: &mut Accepted,
    ) {
        let resolved = customers.resolved;
        let mut by_event = resolved.news_by_event();
        let mut told = resolved.news;
        told.extend(accounts.news.iter().cloned());
        accepted.outbound.news = told;
        let mut groups = Groups::new(self.partitions);
        let resolutions = resolved.resolutions.into_iter().zip(resolved.epochs);
        let mut resolutions = resolutions.enumerate();
        let mut of_accounts = accounts.groups.into_iter().peekable();
        for (place, event) in prepared.into_iter().enumerate() {
            let mut own: Vec<ResolvedGroup> = Vec::new();
            while let Some(group) = of_accounts.next_if(|group| group.event == place) {
                own.push(group);
            }
            let mut acted = None;
            if !event.is_of_accounts
                && let Some((number, (resolution, epoch))) = resolutions.next()
            {
                self.metrics.left_out(&resolution.dropped);
                acted = Some(Acted {
                    resolution,
                    epoch,
                    news: by_event.remove(&number).unwrap_or_default(),
                });
            }
            if let Some(fault) = fault(&event, acted.as_ref().map(|it| &it.resolution), &own) {
                accepted.rejected.insert(event.index, fault);
                continue;
            }
            let mut members = match &acted {
                Some(acted) if !accounts.members.is_empty() => {
                    let found = accounts.members.remove(&acted.resolution.customer);
                    found.unwrap_or_default()
                }
                _ => Vec::new(),
            };
            let mut taken = AcceptedEvent {
                index: event.index,
                event_id: event.event.event_id.clone(),
                resolution: None,
                groups: own.iter().map(|it| answer(it, &event)).collect(),
                corrected_time: event.event.sender_time_ms.map(|_| event.time),
            };
            groups.add(event, acted.as_mut(), own, &members);
            accepted.outbound.members.append(&mut members);
            taken.resolution = acted.map(|it| it.resolution);
            accepted.events.push(taken);
        }
        let members = &accepted.outbound.members;
        if !(members.is_empty() && accounts.news.is_empty()) {
            let joining = self.under_way.begin_members(members, &accounts.news);
            accepted.outbound.joining = Some(joining);
        }
        accepted.outbound.groups = groups.into_groups();
    }
}

/// Returns whether any event of a batch attached an identifier to a customer, as a first one with
/// an e-mail address does.
fn attaches(resolved: &Resolved) -> bool {
    let mut resolutions = resolved.resolutions.iter();
    resolutions.any(|own| own.evidence.iter().any(|it| it.is_attached))
}

/// Returns why an event is refused; absent where somebody is named.
fn fault(
    event: &Prepared,
    customer: Option<&Resolution>,
    groups: &[ResolvedGroup],
) -> Option<::rpc::Violation> {
    if let Some(customer) = customer {
        return customer.is_refused.then(|| nobody(&customer.dropped));
    }
    if groups.iter().any(|own| !own.resolution.is_refused) {
        return None;
    }
    match groups {
        [own] if own.group.place.is_none() => Some(nobody(&own.resolution.dropped)),
        _ => {
            let dropped = |place| {
                let own = groups.iter().find(|own| own.group.place == Some(place))?;
                own.resolution.dropped.first()
            };
            Some(no_account(&event.event.groups, dropped))
        }
    }
}

/// Returns what the answer tells of a group of an event.
fn answer(own: &ResolvedGroup, event: &Prepared) -> AcceptedGroup {
    let group = own.group.place.and_then(|it| event.event.groups.get(it));
    AcceptedGroup {
        r#type: group.map(|it| it.r#type.clone()).unwrap_or_default(),
        resolution: own.resolution.clone(),
    }
}

impl Prepared {
    /// Returns the name of the event in a source, which is the same when it is sent again.
    pub(super) fn sent_as(&self, name: &str, source: Source<'_>) -> SentAs {
        let place = match source {
            // It may be sent again in another batch.
            Source::Import(_) => place_of(&self.event.event_id),
            Source::None | Source::Request(_) | Source::Named(..) => self.sequence,
        };
        SentAs::event(name, place)
    }
}

/// The events of a batch, for the record.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    events: &'a [Prepared],
    /// The name of the source, the import or the sender; empty for none.
    source: &'a str,
    /// The places of the events that are asked for, by their numbers; absent where they are the
    /// same.
    places: Option<&'a [usize]>,
}

impl<'a> Batch<'a> {
    pub(super) fn of(
        events: &'a [Prepared],
        sender: Sender<'a>,
        places: Option<&'a [usize]>,
    ) -> Self {
        Self {
            events,
            source: sender.told,
            places,
        }
    }
}

impl Origins for Batch<'_> {
    fn origin(&self, number: usize) -> Origin<'_> {
        let place = match self.places {
            None => Some(number),
            Some(places) => places.get(number).copied(),
        };
        let event = place.and_then(|place| self.events.get(place));
        event.map_or_else(Origin::default, |event| Origin {
            event_id: &event.event.event_id,
            source: self.source,
            time: Some(event.time),
        })
    }
}

/// The mark of a source once the events of a message are taken; absent without an ordered one.
fn taking(source: Source<'_>, digest: Option<&str>, prepared: &[Prepared]) -> Option<Taking> {
    let (Source::Named(..), Some(digest), Some(last)) = (source, digest, prepared.last()) else {
        return None;
    };
    Some(Taking {
        source: digest.to_owned(),
        sequence: last.sequence,
    })
}

/// The same event of the same source has the same id, however often it is sent.
fn event_id(digest: Option<&str>, sequence: u64) -> String {
    match digest {
        Some(digest) => format!("{digest}-{sequence}"),
        None => Uuid::now_v7().to_string(),
    }
}
