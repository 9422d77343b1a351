//! Takes events in: screened, resolved, grouped by partition, ready to append.

mod accepted;

use std::collections::HashMap;
use std::sync::Arc;

use ::rpc::Violation;
use definitions::DefinitionStore;
use engine::Clock;
use hot::StreamName;
use identity_core::Rules;
use kernel::PartitionCount;
use proto::identity::v1;
use runtime::PositionScope;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

pub use self::accepted::{Accepted, AcceptedEvent, Outbound};
use crate::announce::UnderWay;
use crate::append::{AppendError, Appender, Group, Took};
use crate::catalog::NamespaceCatalog;
use crate::clock::IngestClock;
use crate::erasure::Held;
use crate::erasure::Tombstones;
use crate::event::{Prepared, nobody, prepare};
use crate::groups::Groups;
use crate::ledger::{Ledgers, place_of};
use crate::limits::DEFINITIONS_PATIENCE;
use crate::metrics::IngestMetrics;
use crate::pace::Pace;
use crate::rejected::Rejected;
use crate::resolve::{ResolveError, Resolved, Resolver, Subject};
use crate::sources::{Replays, Source, Taking};
use crate::store::{Cause, IdentityStore, News, Origin, Origins, SentAs};

/// Why merges by events are on record.
const EVENT_REASON: &str = "event";

/// The way in.
#[derive(Debug)]
pub struct Intake {
    pub(crate) resolver: Resolver,
    /// The tables, for whoever only reads.
    pub(crate) store: IdentityStore,
    pub(crate) tombstones: Tombstones,
    pub(crate) appender: Appender,
    pub(crate) clock: IngestClock,
    /// The clock of this machine.
    pub(crate) own_clock: Arc<dyn Clock>,
    pub(crate) pace: Pace,
    pub(crate) under_way: UnderWay,
    pub(crate) ledgers: Ledgers,
    pub(crate) namespaces: watch::Receiver<Arc<Rules>>,
    pub(crate) definitions: Option<Arc<DefinitionStore<NamespaceCatalog>>>,
    pub(crate) partitions: PartitionCount,
    pub(crate) positions: PositionScope,
    pub(crate) metrics: IngestMetrics,
}

impl Intake {
    /// Reads and resolves events. One that is refused does not stop the others.
    ///
    /// # Errors
    /// As [`Resolver::resolve`].
    pub async fn accept(
        &self,
        events: Vec<v1::Event>,
        source: Source<'_>,
        stream: StreamName,
    ) -> Result<Accepted, ResolveError> {
        let stream = self.lane(stream);
        let namespaces = self.namespaces_for(&events).await;
        let (mut prepared, rejected) = self.prepare(events, source, &namespaces);
        let taken = source.taken();
        let before = prepared.len();
        prepared.retain(|event| event.sequence > taken.sequence);
        let replays = Replays {
            count: before - prepared.len(),
            accept_time: taken.accept_time,
        };
        let accepted = Accepted::none(stream, rejected, replays);
        self.resolve_prepared(prepared, source, &namespaces, accepted)
            .await
    }

    /// Resolves what was read, and groups it by partition.
    ///
    /// # Errors
    /// As [`Resolver::resolve`].
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
        let name = name.as_deref();
        let subjects = prepared.iter_mut().map(|event| {
            if event.event.event_id.is_empty() {
                event.event.event_id = event_id(digest.as_deref(), event.sequence);
            }
            self.subject(event, name, source)
        });
        let subjects = subjects.collect();
        let request_id = match source {
            Source::Request(id) => id,
            Source::None | Source::Named(..) | Source::Import(_) => "",
        };
        let ordered = source.if_ordered(name);
        let cause = Cause {
            reason: EVENT_REASON,
            request_id,
            time: self.own_clock.now(),
            // A request is remembered in the database anyway, and a source needs it only where it
            // was interrupted here.
            looks_back: !request_id.is_empty()
                || ordered.is_some_and(|name| self.under_way.was_interrupted(name)),
            origins: &Batch {
                events: &prepared,
                source: source.name(),
            },
            policy_version: namespaces.policy.version,
            // Told by the resolver.
            held: Held::ANY,
        };
        let resolved = self.resolver.resolve(namespaces, subjects, cause).await?;
        self.metrics.resolved(&resolved.news, resolved.outcome);
        let announcing = self.under_way.begin(&resolved.news, ordered);
        accepted.outbound.announcing = Some(announcing);
        self.group(prepared, resolved, &mut accepted);
        Ok(accepted)
    }

    /// Groups the records of events that were resolved by partition, with the news of those whom they
    /// joined and split off. Refuses those of which nothing is left that names anybody.
    fn group(&self, prepared: Vec<Prepared>, resolved: Resolved, accepted: &mut Accepted) {
        let mut by_event: HashMap<usize, Vec<News>> = HashMap::new();
        for (news, place) in resolved.news.iter().zip(resolved.places) {
            by_event.entry(place).or_default().push(news.clone());
        }
        accepted.outbound.news = resolved.news;
        let mut groups = Groups::new(self.partitions);
        let resolutions = resolved.resolutions.into_iter().zip(resolved.epochs);
        for (place, (event, (mut resolution, epoch))) in
            prepared.into_iter().zip(resolutions).enumerate()
        {
            let index = event.index;
            self.metrics.left_out(&resolution.dropped);
            if resolution.is_refused {
                accepted.rejected.insert(index, nobody(&resolution.dropped));
                continue;
            }
            let event_id = event.event.event_id.clone();
            let corrected_time = event.event.sender_time_ms.map(|_| event.time);
            let news = by_event.remove(&place).unwrap_or_default();
            groups.add(event, &mut resolution, (&news, epoch));
            accepted.events.push(AcceptedEvent {
                index,
                event_id,
                resolution,
                corrected_time,
            });
        }
        accepted.outbound.groups = groups.into_groups();
    }

    /// The stream that takes what was sent for one. On stream time there is one lane, because time
    /// is one: what came first is older for all customers of a partition, whoever sent it.
    pub(crate) fn lane(&self, stream: StreamName) -> StreamName {
        match stream {
            StreamName::EventsBulk if self.clock.is_virtual() => StreamName::Events,
            stream => stream,
        }
    }

    /// Returns the source that streams de-duplicate by: none on the wall clock.
    ///
    /// Of a message that was taken in part the ids of its events tell what is there, for the hours
    /// in which a sender tries again. On stream time these can pass within one message, so streams
    /// tell it as well, as far as nobody was joined meanwhile: see `stretch.rs`. That takes
    /// more appends, and marks of which a stream keeps so many.
    fn stream_source(&self, source: Source<'_>, digest: Option<&str>) -> Option<String> {
        // An import has a name for each of its batches.
        let is_virtual = self.clock.is_virtual() && !matches!(source, Source::Import(_));
        is_virtual.then(|| source.stream_name(digest)).flatten()
    }

    /// Appends what was accepted, and tells how many events the streams had before and when the
    /// newest was accepted.
    ///
    /// # Errors
    /// [`AppendError`]; see [`Appender::append`].
    pub async fn append(
        &self,
        outbound: Outbound,
        deadline: Option<Instant>,
    ) -> Result<Took, AppendError> {
        let Outbound {
            stream,
            groups,
            source,
            taking,
            ticket,
            news,
            announcing,
        } = outbound;
        let appended = self
            .append_groups(stream, groups, source.as_deref(), deadline)
            .await;
        if appended.as_ref().is_err_and(AppendError::is_full) {
            self.metrics.refused(stream);
        }
        let mut took = appended?;
        if let Some(ticket) = ticket {
            // The ledger told replays: another process may have brought this here.
            took.replayed = 0;
            ticket.arrived(took.newest);
        }
        self.announced(&news).await;
        if let Some(taking) = taking {
            taking.finish(self.resolver.tables(), took).await?;
        }
        if let Some(announcing) = announcing {
            announcing.done();
        }
        Ok(took)
    }

    /// Appends groups, each event once all that those before it caused has happened, where that is
    /// waited for.
    ///
    /// # Errors
    /// [`AppendError`]; see [`Appender::append`].
    pub(crate) async fn append_groups(
        &self,
        stream: StreamName,
        groups: Vec<Group>,
        source: Option<&str>,
        deadline: Option<Instant>,
    ) -> Result<Took, AppendError> {
        let begun = Instant::now();
        let appended = match self.pace.turn(&self.appender, deadline).await {
            Ok(Some(mut turn)) => turn.append(stream, groups, source).await,
            Ok(None) => self.appender.append(stream, groups, source, deadline).await,
            Err(error) => Err(error),
        };
        self.metrics.appended(begun.elapsed());
        appended
    }

    /// Notes that news are in the streams; where that fails, they are announced once more, which
    /// changes nothing.
    pub(crate) async fn announced(&self, news: &[News]) {
        if let Err(error) = self.resolver.tables().mark_announced(news).await {
            tracing::warn!(%error, count = news.len(), "merges not marked as announced");
        }
    }

    /// The namespaces; newer ones where an event names one that is not known here, since another
    /// process may have defined it before the event was sent, and what is left out of an event is
    /// lost.
    pub(crate) async fn namespaces_for(&self, events: &[v1::Event]) -> Arc<Rules> {
        let known = Arc::clone(&self.namespaces.borrow());
        let Some(definitions) = &self.definitions else {
            return known;
        };
        if events.iter().all(|event| names_known(event, &known)) {
            return known;
        }
        match tokio::time::timeout(DEFINITIONS_PATIENCE, definitions.refresh()).await {
            Ok(Ok(_)) => Arc::clone(&self.namespaces.borrow()),
            // Nobody defines anything now, so what is known has to do.
            Ok(Err(_)) | Err(_) => known,
        }
    }

    /// Reads events, and says what is wrong with those that are refused.
    pub(crate) fn prepare(
        &self,
        events: Vec<v1::Event>,
        source: Source<'_>,
        namespaces: &Rules,
    ) -> (Vec<Prepared>, Rejected) {
        let mut clock = self.clock.read();
        let mut prepared: Vec<Prepared> = Vec::with_capacity(events.len());
        let mut rejected = Rejected::default();
        let mut last = 0;
        for (index, event) in events.into_iter().enumerate() {
            let sequence = event.sequence;
            let is_nameless = matches!(source, Source::Import(_)) && event.event_id.is_empty();
            match prepare(event, index, namespaces, &clock) {
                Err(mut violations) if is_nameless => {
                    violations.insert(0, nameless());
                    rejected.push(index, violations);
                }
                Ok(_) if is_nameless => rejected.push(index, vec![nameless()]),
                Err(violations) => rejected.push(index, violations),
                Ok(_) if matches!(source, Source::Named(..)) && sequence <= last => {
                    let description = format!(
                        "is {sequence}: must be above {last}, the one before it in the batch"
                    );
                    rejected.push(index, vec![Violation::new("sequence", description)]);
                }
                Ok(mut event) => {
                    event.sequence = match source {
                        Source::Named(..) => sequence,
                        Source::Request(_) | Source::None | Source::Import(_) => index as u64 + 1,
                    };
                    last = event.sequence;
                    clock.pass(event.time);
                    prepared.push(event);
                }
            }
        }
        (prepared, rejected)
    }

    fn subject(&self, event: &mut Prepared, name: Option<&str>, source: Source<'_>) -> Subject {
        self.clock.observe(event.time);
        let place = match source {
            // It may be sent again in another batch.
            Source::Import(_) => place_of(&event.event.event_id),
            Source::None | Source::Request(_) | Source::Named(..) => event.sequence,
        };
        Subject {
            screened: std::mem::take(&mut event.screened),
            event_time: event.time,
            sent: name.map(|name| SentAs::event(name, place)),
            time: if self.clock.is_virtual() {
                event.time
            } else {
                self.clock.now()
            },
        }
    }
}

/// The events of a batch, for the record.
#[derive(Debug)]
struct Batch<'a> {
    events: &'a [Prepared],
    source: &'a str,
}

impl Origins for Batch<'_> {
    fn origin(&self, place: usize) -> Origin<'_> {
        self.events
            .get(place)
            .map_or_else(Origin::default, |event| Origin {
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

/// The fault of an event of an import that has no id.
fn nameless() -> Violation {
    let description = "must be set where `import` is: it tells whether the event was taken before";
    Violation::new("event_id", description)
}

/// The same event of the same source has the same id, however often it is sent.
fn event_id(digest: Option<&str>, sequence: u64) -> String {
    match digest {
        Some(digest) => format!("{digest}-{sequence}"),
        None => Uuid::now_v7().to_string(),
    }
}

/// Returns whether all namespaces of an event are known.
fn names_known(event: &v1::Event, known: &Rules) -> bool {
    let others = event.other_identifiers.iter();
    let others = others.map(|other| &other.namespace);
    let mut all = event.identifiers.keys().chain(others);
    all.all(|namespace| known.find(namespace).is_some())
}
