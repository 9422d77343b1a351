//! Resolves a batch of events: cache, one look-up for the rest, a plan in memory, one transaction,
//! cache.

mod attempt;
mod link;
mod load;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use identity_core::{ConflictRule, Dropped, Evidence, MergeFault, Resolution, Rules, Screened};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::DbErr;
use tokio::sync::Semaphore;

use self::attempt::Attempt;
pub(crate) use self::attempt::Outcome;
pub(crate) use self::link::Given;
pub(crate) use self::load::{is_live, lay_over};
use crate::cache::{Holder, IdentityCache};
use crate::chance::{AccountChance, Chance, MachineChance};
use crate::erasure::{Held, KeyError, Tombstones};
use crate::evidence;
use crate::limits::{CACHE_TTL, RESOLVE_ATTEMPTS, RESOLVE_PAUSE, UNFOLLOWED_CACHE_TTL, WRITERS};
use crate::store::{Cause, News, SentAs, Tables};

/// Resolves events to customers.
#[derive(Debug)]
pub struct Resolver {
    pub(crate) tables: Arc<dyn Tables>,
    pub(crate) cache: Arc<IdentityCache>,
    writers: Arc<Semaphore>,
    chance: Arc<dyn Chance>,
    pub(crate) tombstones: Tombstones,
}

/// An event, as far as its resolution needs it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its identifiers; at least one was kept.
    pub screened: Screened,
    /// When somebody who is new was first seen.
    pub time: Timestamp,
    /// When it happened: whoever was erased since is not brought back by it.
    pub event_time: Timestamp,
    /// Its name, which is the same when it is sent again; absent where it has none.
    pub sent: Option<SentAs>,
}

/// The reason for which a batch was not resolved. Nothing was changed.
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
    /// One is an account and another a customer: join those of one kind.
    #[error(transparent)]
    OtherKind(#[from] identity_core::OtherKind),
    /// The database did not answer: retry.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// The changes could not be put on record: retry.
    #[error(transparent)]
    Audit(#[from] audit::AuditError),
}

impl From<MergeFault> for ResolveError {
    fn from(fault: MergeFault) -> Self {
        match fault {
            MergeFault::TooLarge(fault) => fault.into(),
            MergeFault::OtherKind(fault) => fault.into(),
        }
    }
}

/// The resolutions of the events of a batch.
#[derive(Debug, Default)]
pub struct Resolved {
    /// In the order of the events.
    pub resolutions: Vec<Resolution>,
    /// The merges and splits, to be announced.
    pub news: Vec<News>,
    /// The number of the event that each of them is of.
    pub(crate) places: Vec<usize>,
    /// The graph epochs of the customers of the events, in their order; 0 where nobody looked.
    pub(crate) epochs: Vec<u64>,
    /// The numbers of what changed, for metrics.
    pub(crate) outcome: Outcome,
}

impl Resolved {
    /// The news by the number of the event that each is of.
    pub(crate) fn news_by_event(&self) -> HashMap<usize, Vec<News>> {
        let mut by_event: HashMap<usize, Vec<News>> = HashMap::new();
        for (news, number) in self.news.iter().zip(&self.places) {
            by_event.entry(*number).or_default().push(news.clone());
        }
        by_event
    }
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
            cache: Arc::new(IdentityCache::new()),
            writers: Arc::new(Semaphore::new(writers)),
            chance,
            tombstones: Tombstones::none(),
        }
    }

    /// Holds events against these tombstones.
    #[must_use]
    pub fn with_tombstones(self, tombstones: Tombstones) -> Self {
        Self { tombstones, ..self }
    }

    /// Returns the one that resolves accounts by the same tables. What is known, and who may write,
    /// they have in common: no identifier is of both.
    #[must_use]
    pub fn of_accounts(&self) -> Self {
        Self {
            tables: Arc::clone(&self.tables),
            cache: Arc::clone(&self.cache),
            writers: Arc::clone(&self.writers),
            chance: Arc::new(AccountChance::new(Arc::clone(&self.chance))),
            tombstones: self.tombstones.clone(),
        }
    }

    /// The tables.
    pub fn tables(&self) -> &dyn Tables {
        self.tables.as_ref()
    }

    /// Forgets what is known of some fragments, which are gone, or somebody else's.
    pub(crate) fn part(&self, gone: &HashSet<FragmentId>) {
        if !gone.is_empty() {
            self.cache.part(gone);
        }
    }

    /// Draws an id for something that is written down.
    pub(crate) fn draw_id(&self) -> uuid::Uuid {
        self.chance.merge()
    }

    /// Draws the id of a fragment that is made at a time.
    pub(crate) fn draw_fragment(&self, time: Timestamp) -> FragmentId {
        self.chance.fragment(time)
    }

    /// Resolves events in order, each seeing what those before it changed.
    ///
    /// # Errors
    /// [`ResolveError::Contended`] and [`ResolveError::Database`].
    pub async fn resolve(
        &self,
        rules: &Rules,
        mut subjects: Vec<Subject>,
        cause: Cause<'_>,
    ) -> Result<Resolved, ResolveError> {
        let mut cause = Cause {
            held: self.screen(&mut subjects),
            policy_version: rules.policy.version,
            ..cause
        };
        let (ttl, is_movable) = (self.cache_ttl(rules), is_movable(rules));
        let mut known = self.known(rules, &subjects, ttl);
        let sent: Vec<_> = subjects.iter().map(|subject| subject.sent).collect();
        if known.iter().all(Option::is_some) {
            let resolutions: Vec<Resolution> = subjects
                .into_iter()
                .zip(known)
                .filter_map(|(subject, holder)| Some(known_customer(subject, &holder?)))
                .collect();
            let mut resolved = Resolved {
                epochs: vec![0; resolutions.len()],
                resolutions,
                ..Resolved::default()
            };
            if cause.looks_back {
                self.restore_joined(&sent, &mut resolved).await?;
            }
            return Ok(resolved);
        }
        keep_apart(&mut known, is_movable);
        for attempt in 0..RESOLVE_ATTEMPTS {
            match self.attempt(rules, &subjects, &known, cause).await? {
                Attempt::Done(mut resolved) => {
                    self.restore_joined(&sent, &mut resolved).await?;
                    return Ok(resolved);
                }
                Attempt::Raced => self.pause(attempt).await,
                Attempt::Erased => {
                    self.refresh().await?;
                    cause.held = self.screen(&mut subjects);
                    known = self.known(rules, &subjects, ttl);
                    keep_apart(&mut known, is_movable);
                }
            }
        }
        Err(ResolveError::Contended)
    }

    /// Takes identifiers of whoever was erased out of events, and of those whose processing is
    /// stopped. The one place where that is done for all events.
    fn screen(&self, subjects: &mut [Subject]) -> Held {
        let screened = subjects.iter_mut();
        self.tombstones
            .screen(screened.map(|subject| (&mut subject.screened, subject.event_time)))
    }

    /// Returns the holder of each event, where the cache knows one that holds all its identifiers.
    /// One of another kind, which had an identifier before its namespace named these, is none.
    fn known(&self, rules: &Rules, subjects: &[Subject], ttl: Duration) -> Vec<Option<Holder>> {
        let second = self.cache.second_within(ttl);
        let holders = subjects.iter().map(|subject| {
            let holder = self.cache.only_holder(&subject.screened.kept, second)?;
            Some(holder).filter(|it| rules.decide_of(it.customer.fragment()))
        });
        holders.collect()
    }

    /// Returns the time for which what the cache knows counts. Where identifiers go from one
    /// customer to another, nothing forwards an event that is resolved by what was before: then it
    /// counts for long only as long as this process hears of what others move.
    fn cache_ttl(&self, rules: &Rules) -> Duration {
        match is_movable(rules) && !self.cache.is_following(UNFOLLOWED_CACHE_TTL) {
            true => UNFOLLOWED_CACHE_TTL,
            false => CACHE_TTL,
        }
    }

    /// Reads tombstones that are newer, and forgets who was erased.
    async fn refresh(&self) -> Result<(), ResolveError> {
        match self.tombstones.refresh().await {
            Ok(gone) => self.part(&gone),
            Err(KeyError::Database(error)) => return Err(error.into()),
            Err(other) => return Err(DbErr::Custom(other.to_string()).into()),
        }
        Ok(())
    }

    /// Says of the merges and splits that earlier tries of events made that these events did, and
    /// that they are to be announced.
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
        if made.is_empty() {
            return Ok(());
        }
        evidence::restore_joined(&mut resolved.resolutions, &places, &made);
        let names: Vec<SentAs> = made.iter().map(|(sent, _)| *sent).collect();
        let splits = self.tables.splits_sent_as(&names).await?;
        let merges = made.into_iter();
        let merges = merges.map(|(sent, merge)| (News::Merge(merge), sent));
        let splits = splits.into_iter();
        let splits = splits.map(|(sent, split)| (News::Split(split), sent));
        let restored = merges
            .chain(splits)
            .filter_map(|(news, sent)| Some((news, *places.get(&sent)?)));
        let own = std::mem::take(&mut resolved.news).into_iter();
        let own = own.zip(std::mem::take(&mut resolved.places));
        let mut all: Vec<(News, usize)> = own.chain(restored).collect();
        all.sort_unstable_by_key(|(news, _)| news.id());
        all.iter()
            .for_each(|(_, place)| resolved.epochs[*place] = 0);
        for (news, place) in &all {
            let epoch = &mut resolved.epochs[*place];
            *epoch = news.graph_epoch().max(*epoch);
        }
        (resolved.news, resolved.places) = all.into_iter().unzip();
        Ok(())
    }

    /// Waits longer from attempt to attempt, by chance up to twice as long, so that rivals do not
    /// meet again.
    pub(crate) async fn pause(&self, attempt: u32) {
        let longest = RESOLVE_PAUSE.min(Duration::from_millis(1 << attempt.min(10)));
        let share = f64::from(self.chance.permille()) / 1_000.0;
        tokio::time::sleep(longest.mul_f64(share)).await;
    }
}

/// Leaves nothing to the cache of a batch that it does not know all of, where identifiers go from
/// one customer to another: an event of the batch may give away what a later one names.
fn keep_apart(known: &mut [Option<Holder>], is_movable: bool) {
    if is_movable {
        known.iter_mut().for_each(|it| *it = None);
    }
}

/// Returns whether identifiers go from one customer to another by events.
const fn is_movable(rules: &Rules) -> bool {
    match rules.policy.rule {
        ConflictRule::DropLowestPriority | ConflictRule::RefuseIfKnown | ConflictRule::UnionAll => {
            false
        }
        ConflictRule::ReassignNewest
        | ConflictRule::AmbiguousAnonymous
        | ConflictRule::SwitchSession => true,
    }
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
        moved: Vec::new(),
        is_refused: false,
    };
    let attached_by = holder.fragments.iter().map(|(_, sent)| *sent);
    evidence::restore_attached(&mut resolution, subject.sent, attached_by);
    resolution
}

/// An event of which nothing is left that names anybody.
fn refused(subject: &Subject) -> Resolution {
    left_out(subject.screened.dropped.clone())
}

/// The resolution of what names nobody, for these reasons.
pub(crate) fn left_out(dropped: Vec<Dropped>) -> Resolution {
    let nobody = FragmentId::new(uuid::Uuid::nil());
    Resolution {
        customer: nobody.into(),
        fragment: nobody,
        is_new: false,
        merged: Vec::new(),
        evidence: Vec::new(),
        dropped,
        moved: Vec::new(),
        is_refused: true,
    }
}
