//! Resolves a batch of events: cache, one look-up for the rest, a plan in memory, one transaction, cache.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use identity_core::{
    Changes, Evidence, Identifier, Namespaces, Overlay, Resolution, Screened, plan_merge,
};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::DbErr;
use tokio::sync::Semaphore;

use crate::cache::{Holder, IdentityCache};
use crate::chance::{Chance, MachineChance};
use crate::evidence;
use crate::limits::{RESOLVE_ATTEMPTS, RESOLVE_PAUSE, WRITERS};
use crate::store::{
    Cause, CommitError, Found, FoundIdentifier, MergeRecord, SentAs, SentBy, Tables,
};

/// Resolves events to customers.
#[derive(Debug)]
pub struct Resolver {
    tables: Arc<dyn Tables>,
    cache: IdentityCache,
    writers: Semaphore,
    chance: Arc<dyn Chance>,
}

/// An event, as far as its resolution needs it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its identifiers; at least one was kept.
    pub screened: Screened,
    /// When somebody who is new was first seen.
    pub time: Timestamp,
    /// Its name, which is the same when it is sent again; absent where it has none.
    pub sent: Option<SentAs>,
}

/// Why a batch was not resolved. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Concurrent changes won every attempt: send it again.
    #[error("concurrent changes to the same customers won every attempt")]
    Contended,
    /// Customers to be joined are not there: correct their ids.
    #[error("there is no customer {0}")]
    NotFound(CustomerId),
    /// Customers cannot be joined: choose fewer.
    #[error(transparent)]
    TooLarge(#[from] identity_core::TooLarge),
    /// The database did not answer: retry.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// The changes could not be put on record: retry.
    #[error(transparent)]
    Audit(#[from] audit::AuditError),
}

/// What became of the events of a batch.
#[derive(Debug, Default)]
pub struct Resolved {
    /// In the order of the events.
    pub resolutions: Vec<Resolution>,
    /// The merges, to be announced.
    pub merges: Vec<MergeRecord>,
}

impl Resolver {
    /// Resolves by these tables, with an empty cache.
    pub fn new(tables: impl Tables) -> Self {
        Self::with_chance(Arc::new(tables), Arc::new(MachineChance::default()))
    }

    /// As [`Self::new`], with ids and pauses drawn so.
    pub fn with_chance(tables: Arc<dyn Tables>, chance: Arc<dyn Chance>) -> Self {
        let writers = if tables.has_single_writer() {
            1
        } else {
            WRITERS
        };
        Self {
            tables,
            cache: IdentityCache::new(),
            writers: Semaphore::new(writers),
            chance,
        }
    }

    /// The tables.
    pub fn tables(&self) -> &dyn Tables {
        self.tables.as_ref()
    }

    /// Draws an id for something that is written down.
    pub(crate) fn draw_id(&self) -> uuid::Uuid {
        self.chance.merge()
    }

    /// Resolves events in order, each seeing what those before it changed.
    ///
    /// # Errors
    /// [`ResolveError::Contended`] and [`ResolveError::Database`].
    pub async fn resolve(
        &self,
        namespaces: &Namespaces,
        subjects: Vec<Subject>,
        cause: Cause<'_>,
    ) -> Result<Resolved, ResolveError> {
        let second = self.cache.second();
        let known: Vec<Option<Holder>> = subjects
            .iter()
            .map(|subject| self.cache.only_holder(&subject.screened.kept, second))
            .collect();
        let sent: Vec<_> = subjects.iter().map(|subject| subject.sent).collect();
        if known.iter().all(Option::is_some) {
            let resolutions = subjects
                .into_iter()
                .zip(known)
                .filter_map(|(subject, holder)| Some(known_customer(subject, &holder?)))
                .collect();
            let mut resolved = Resolved {
                resolutions,
                merges: Vec::new(),
            };
            if cause.looks_back {
                self.restore_joined(&sent, &mut resolved).await?;
            }
            return Ok(resolved);
        }
        for attempt in 0..RESOLVE_ATTEMPTS {
            match self.attempt(namespaces, &subjects, &known, cause).await? {
                Some(mut resolved) => {
                    self.restore_joined(&sent, &mut resolved).await?;
                    return Ok(resolved);
                }
                None => self.pause(attempt).await,
            }
        }
        Err(ResolveError::Contended)
    }

    /// Says of the merges that earlier tries of events made that these events did, and that they
    /// are to be announced.
    async fn restore_joined(
        &self,
        sent: &[Option<SentAs>],
        resolved: &mut Resolved,
    ) -> Result<(), ResolveError> {
        let places = evidence::may_have_joined(&resolved.resolutions, sent);
        if places.is_empty() {
            return Ok(());
        }
        let own = |place: usize| resolved.resolutions[place].fragment;
        let sent: Vec<_> = places.iter().map(|(sent, it)| (*sent, own(*it))).collect();
        let made = self.tables.merges_sent_as(&sent).await?;
        evidence::restore_joined(&mut resolved.resolutions, &places, &made);
        let made = made.into_iter().map(|(_, merge)| merge);
        resolved.merges.extend(made);
        Ok(())
    }

    /// Joins customers, named by any of their fragments, into the oldest of them.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn merge(
        &self,
        namespaces: &Namespaces,
        customers: &[CustomerId],
        cause: Cause<'_>,
    ) -> Result<(CustomerId, Vec<MergeRecord>), ResolveError> {
        let fragments: Vec<FragmentId> = customers.iter().map(|id| id.fragment()).collect();
        for attempt in 0..RESOLVE_ATTEMPTS {
            let (roots, found) = self.tables.find_roots(&fragments).await?;
            if let Some(missing) = roots.iter().position(Option::is_none) {
                return Err(ResolveError::NotFound(customers[missing]));
            }
            let views: Vec<_> = found.customers.values().map(|(view, _)| view).collect();
            let (into, others) = plan_merge(&views)?;
            let mut overlay = Overlay::new(namespaces);
            for (view, epoch) in found.customers.values() {
                overlay.know(view.clone(), *epoch);
            }
            overlay.merge(into, &others);
            let changes = overlay.into_changes();
            let sent = SentBy::request(SentAs::merge(cause.request_id), &changes);
            if let Some(merges) = self.write(&changes, cause, &sent).await? {
                return Ok((into, merges));
            }
            self.pause(attempt).await;
        }
        Err(ResolveError::Contended)
    }

    /// One attempt; none where it raced.
    async fn attempt(
        &self,
        namespaces: &Namespaces,
        subjects: &[Subject],
        known: &[Option<Holder>],
        cause: Cause<'_>,
    ) -> Result<Option<Resolved>, ResolveError> {
        // Whatever is not answered by the cache alone is decided by what SQL says now, its cached part too.
        let unknown: HashSet<&Identifier> = subjects
            .iter()
            .zip(known)
            .filter(|(_, holder)| holder.is_none())
            .flat_map(|(subject, _)| {
                subject
                    .screened
                    .kept
                    .iter()
                    .map(|(_, identifier)| identifier)
            })
            .collect();
        let found = self.tables.find(&unknown).await?;
        let mut overlay = lay_over(namespaces, &found);
        let attached = found.identifiers.iter();
        let attached: HashMap<_, _> = attached.map(|it| (&it.identifier, it.sent)).collect();
        let mut resolutions = Vec::with_capacity(subjects.len());
        let mut sent = SentBy::default();
        for (subject, holder) in subjects.iter().zip(known) {
            if let Some(holder) = holder {
                let mut known = known_customer(subject.clone(), holder);
                known.customer = overlay.root(known.customer);
                resolutions.push(known);
                continue;
            }
            let fragment = || self.chance.fragment(subject.time);
            let resolved = overlay.resolve(&subject.screened, fragment, subject.time);
            let Ok(mut resolution) = resolved else {
                return Ok(None);
            };
            sent.add(subject.sent, &resolution);
            let named = resolution.evidence.iter();
            let by: Vec<Option<SentAs>> = named
                .map(|own| attached.get(&own.identifier).copied().flatten())
                .collect();
            evidence::restore_attached(&mut resolution, subject.sent, by);
            resolutions.push(resolution);
        }
        let changes = overlay.into_changes();
        let Some(merges) = self.write(&changes, cause, &sent).await? else {
            for identifier in unknown {
                self.cache.forget(identifier);
            }
            return Ok(None);
        };
        self.remember(found, changes, &sent);
        Ok(Some(Resolved {
            resolutions,
            merges,
        }))
    }

    /// Writes changes; none where they raced.
    async fn write(
        &self,
        changes: &Changes,
        cause: Cause<'_>,
        sent: &SentBy,
    ) -> Result<Option<Vec<MergeRecord>>, ResolveError> {
        if changes.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let _turn = self.writers.acquire().await.expect("never closed");
        match self.tables.commit(changes, cause, sent).await {
            Ok(committed) => {
                for (from, into) in &changes.redirects {
                    self.cache.redirect(*from, *into);
                }
                Ok(Some(committed.merges))
            }
            Err(CommitError::Raced) => Ok(None),
            Err(CommitError::Database(error)) => Err(error.into()),
            Err(CommitError::Audit(error)) => Err(error.into()),
        }
    }

    fn remember(&self, found: Found, changes: Changes, sent: &SentBy) {
        let roots: HashMap<_, _> = changes.redirects.into_iter().collect();
        let root = |customer| roots.get(&customer).copied().unwrap_or(customer);
        for mut known in found.identifiers {
            known.customer = root(known.customer);
            self.cache.hold(known);
        }
        for (identifier, fragment) in changes.identifiers {
            self.cache.hold(FoundIdentifier {
                sent: sent.identifier(&identifier),
                identifier,
                fragment,
                customer: root(fragment.into()),
            });
        }
    }

    /// Waits longer from attempt to attempt, by chance up to twice as long, so that rivals do not
    /// meet again.
    async fn pause(&self, attempt: u32) {
        let longest = RESOLVE_PAUSE.min(Duration::from_millis(1 << attempt.min(10)));
        let share = f64::from(self.chance.permille()) / 1_000.0;
        tokio::time::sleep(longest.mul_f64(share)).await;
    }
}

fn lay_over<'a>(namespaces: &'a Namespaces, found: &Found) -> Overlay<'a> {
    let mut overlay = Overlay::new(namespaces);
    for known in &found.identifiers {
        overlay.hold(known.identifier.clone(), known.fragment, known.customer);
    }
    for (view, epoch) in found.customers.values() {
        overlay.know(view.clone(), *epoch);
    }
    overlay
}

fn known_customer(subject: Subject, holder: &Holder) -> Resolution {
    let (customer, screened) = (holder.customer, subject.screened);
    let kept = screened.kept.into_iter().zip(&holder.fragments);
    let mut resolution = Resolution {
        customer,
        fragment: holder
            .fragments
            .first()
            .map_or(customer.fragment(), |(first, _)| *first),
        is_new: false,
        merged: Vec::new(),
        evidence: kept
            .map(|((_, identifier), (fragment, _))| Evidence {
                identifier,
                fragment: *fragment,
                is_attached: false,
            })
            .collect(),
        dropped: screened.dropped,
    };
    let attached_by = holder.fragments.iter().map(|(_, sent)| *sent);
    evidence::restore_attached(&mut resolution, subject.sent, attached_by);
    resolution
}
