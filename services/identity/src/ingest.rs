//! Takes events in: screened, resolved, grouped by partition, ready to append.

mod accepted;
mod account;
mod batch;
mod claims;
mod memberships;

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

pub use self::accepted::{Accepted, AcceptedEvent, AcceptedGroup, Outbound};
pub(crate) use self::claims::ResolvedGroup;
use crate::announce::UnderWay;
use crate::append::{AppendError, Appender, Group, Took};
use crate::catalog::NamespaceCatalog;
use crate::clock::IngestClock;
use crate::erasure::Tombstones;
use crate::event::{Prepared, prepare};
use crate::follow::Follower;
use crate::ledger::Ledgers;
use crate::limits::DEFINITIONS_PATIENCE;
use crate::metrics::IngestMetrics;
use crate::pace::Pace;
use crate::pairs::KnownPairs;
use crate::rejected::Rejected;
use crate::resolve::{ResolveError, Resolver};
use crate::sources::{Replays, Source};
use crate::store::{IdentityStore, News};

/// The way in.
#[derive(Debug)]
pub struct Intake {
    pub(crate) resolver: Resolver,
    /// Resolves accounts.
    pub(crate) accounts: Resolver,
    /// The memberships by event that are known.
    pub(crate) pairs: KnownPairs,
    /// The tables, for whoever only reads.
    pub(crate) store: IdentityStore,
    pub(crate) tombstones: Tombstones,
    pub(crate) follower: Follower,
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
            members,
            joining: _until_told,
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
        self.members_told(&members).await;
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
}

/// The fault of an event of an import that has no id.
fn nameless() -> Violation {
    let description = "must be set where `import` is: it tells whether the event was taken before";
    Violation::new("event_id", description)
}

/// Returns whether all namespaces of an event are known; of an event of accounts alone, whether any
/// type of a group is one, since it is refused otherwise. Groups beside customers may be of any
/// type.
fn names_known(event: &v1::Event, known: &Rules) -> bool {
    if event.identifiers.is_empty() && event.other_identifiers.is_empty() {
        let mut types = event.groups.keys();
        return event.groups.is_empty() || types.any(|it| known.accounts().has_type(it));
    }
    let others = event.other_identifiers.iter();
    let others = others.map(|other| &other.namespace);
    let mut all = event.identifiers.keys().chain(others);
    all.all(|it| known.find(it).is_some() || known.accounts().has_type(it))
}
