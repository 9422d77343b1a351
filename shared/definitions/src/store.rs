//! Keeps the definitions of one owner: every version in SQL, the compiled set in memory.

mod query;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use proto::definition::v1::{Definition, DefinitionKind};
use rpc::Failure;
use storage::Database;
use tokio::sync::watch;

use self::query::Rows;
use crate::plan::{Fault, faults_of, invalid};
use crate::{
    Catalog, Change, DefinitionKey, Flaw, Owner, Planned, References, Revision, Versioned, limits,
    stamp,
};

/// The definitions of one owner.
pub struct DefinitionStore<C: Catalog> {
    rows: Rows,
    catalog: C,
    compiled: watch::Sender<Arc<C::Compiled>>,
    /// How often it was asked for what is newest.
    asked: AtomicU64,
    /// Held while a newer revision takes the place of the last.
    seen: tokio::sync::Mutex<Seen>,
}

impl<C: Catalog> fmt::Debug for DefinitionStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefinitionStore")
            .field("owner", &self.owner())
            .finish_non_exhaustive()
    }
}

/// The newest revision that was read.
struct Seen {
    revision: i64,
    /// Whether it is in force; otherwise this program does not understand it.
    is_in_force: bool,
    /// How many had asked when it was looked for.
    answered: u64,
}

impl<C: Catalog> DefinitionStore<C> {
    /// Loads and compiles what is stored for this owner, such as `journey`.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`]; [`rpc::ErrorReason::DefinitionInvalid`] where this version of the program does
    /// not understand what an older one stored.
    pub async fn load(database: Database, owner: &str, catalog: C) -> Result<Arc<Self>, Failure> {
        let rows = Rows::new(database, owner);
        let revision = rows.revision().await?;
        let all = in_force(&rows, &catalog).await?;
        let compiled = catalog
            .compile(&all, &References::unknown())
            .map_err(|flaws| not_understood(&all, flaws))?;
        Ok(Arc::new(Self {
            rows,
            catalog,
            compiled: watch::Sender::new(Arc::new(compiled)),
            asked: AtomicU64::new(0),
            seen: tokio::sync::Mutex::new(Seen {
                revision,
                is_in_force: true,
                answered: 0,
            }),
        }))
    }

    /// The compiled set, now and after each change.
    pub fn watch(&self) -> watch::Receiver<Arc<C::Compiled>> {
        self.compiled.subscribe()
    }

    /// Whose definitions these are, such as `journey`.
    pub fn owner(&self) -> &str {
        self.rows.owner()
    }

    /// How often the definitions changed, as far as this process has seen.
    pub async fn revision(&self) -> i64 {
        self.seen.lock().await.revision
    }

    /// Whether the newest revision that was read is in force: false where another version of the program stored what this
    /// one does not understand.
    pub async fn is_in_force(&self) -> bool {
        self.seen.lock().await.is_in_force
    }

    /// Compiles the set again if another replica changed it. Says whether it did here: of many who ask at once one looks for
    /// all.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`], and [`rpc::ErrorReason::DefinitionInvalid`] where a newer program stored what
    /// this one does not understand: it keeps the set that it has.
    pub async fn refresh(&self) -> Result<bool, Failure> {
        let asked = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut seen = self.seen.lock().await;
        if seen.answered >= asked {
            return Ok(false);
        }
        // What they want to know was stored before they asked, and is read now.
        let answered = self.asked.load(Ordering::Acquire);
        let revision = self.rows.revision().await?;
        if revision == seen.revision {
            seen.answered = answered;
            return Ok(false);
        }
        let all = in_force(&self.rows, &self.catalog).await?;
        // Not tried again and again: the next change is the next chance.
        *seen = Seen {
            revision,
            is_in_force: false,
            answered,
        };
        let compiled = self
            .catalog
            .compile(&all, &References::unknown())
            .map_err(|flaws| not_understood(&all, flaws))?;
        self.compiled.send_replace(Arc::new(compiled));
        seen.is_in_force = true;
        Ok(true)
    }

    /// Refreshes twice a second, for as long as somebody uses the store.
    pub async fn poll(self: Arc<Self>) {
        let store = Arc::downgrade(&self);
        drop(self);
        let mut ticks = tokio::time::interval(limits::POLL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(store) = store.upgrade() else { return };
            store.bring_into_force().await;
        }
    }

    async fn all(&self) -> Result<Vec<Versioned<Definition>>, Failure> {
        self.rows
            .load(self.catalog.kinds(), self.catalog.wants_older_versions())
            .await
    }

    /// The faults of stored definitions that are no news: those that were there before the change.
    ///
    /// One that this program could not bring into force is never among them, unless something is deleted: what is
    /// applied must come into force.
    async fn old_faults(
        &self,
        planned: &Planned,
        before: &References,
    ) -> Result<Vec<Fault>, Failure> {
        // Read again, because it is rare: where it changed since, the commit is refused and all is tried again.
        let all = self.all().await?;
        let mut old = self.faults(&all, before);
        if planned.deleted.is_none() {
            let lasting = self.faults(&planned.all, &References::unknown());
            old.retain(|fault| !lasting.iter().any(|it| it.is_at_place_of(fault)));
        }
        Ok(old)
    }

    fn faults(&self, all: &[Versioned<Definition>], references: &References) -> Vec<Fault> {
        match self.catalog.compile(all, references) {
            Ok(_compiled) => Vec::new(),
            Err(flaws) => faults_of(all, flaws, &[]),
        }
    }
}

/// What is to come into force, and behind it what went lately, where the catalog wants that.
async fn in_force<C: Catalog>(
    rows: &Rows,
    catalog: &C,
) -> Result<Vec<Versioned<Definition>>, Failure> {
    let kinds = catalog.kinds();
    let mut all = rows.load(kinds, catalog.wants_older_versions()).await?;
    if let Some(kept) = catalog.keeps_gone_for() {
        all.extend(rows.gone(kinds, stamp::now() - kept).await?);
    }
    Ok(all)
}

/// A stored set that this program does not understand.
fn not_understood(all: &[Versioned<Definition>], flaws: Vec<Flaw>) -> Failure {
    let faults = faults_of(all, flaws, &[]);
    invalid(faults.into_iter().map(Fault::into_violation).collect())
}

#[async_trait]
impl<C: Catalog> Owner for DefinitionStore<C> {
    fn kinds(&self) -> &'static [DefinitionKind] {
        self.catalog.kinds()
    }

    fn needs(&self) -> &'static [DefinitionKind] {
        self.catalog.needs()
    }

    fn database(&self) -> &Database {
        self.rows.database()
    }

    async fn stored_revision(&self) -> Result<Revision, Failure> {
        Ok(Revision {
            owner: self.rows.owner().to_owned(),
            number: self.rows.revision().await?,
        })
    }

    async fn names(&self, kind: DefinitionKind) -> Result<Vec<String>, Failure> {
        self.rows.names(kind).await
    }

    async fn find(
        &self,
        key: &DefinitionKey,
        version: u32,
    ) -> Result<Option<Versioned<Definition>>, Failure> {
        self.rows.find(key, version).await
    }

    async fn list(
        &self,
        kind: DefinitionKind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Versioned<Definition>>, Failure> {
        self.rows.list(kind, after, limit).await
    }

    async fn plan(
        &self,
        change: &Change,
        before: &References,
        after: &References,
    ) -> Result<Planned, Failure> {
        let all = self.all().await?;
        let is_whole = self.catalog.wants_older_versions();
        let mut planned = Planned::of_change(self.rows.owner(), all, change, is_whole)?;
        let Err(flaws) = self.catalog.compile(&planned.all, after) else {
            return Ok(planned);
        };
        planned.faults = planned.faults_of(flaws);
        if planned.faults.iter().any(|fault| fault.index.is_none()) {
            let old = self.old_faults(&planned, before).await?;
            planned.faults.retain(|fault| {
                fault.index.is_some() || !old.iter().any(|it| it.is_at_place_of(fault))
            });
        }
        Ok(planned)
    }

    async fn bring_into_force(&self) {
        if let Err(error) = self.refresh().await {
            // Stored already: the poll tries again.
            tracing::warn!(%error, owner = self.rows.owner(), "definitions not refreshed");
        }
    }
}
