//! Keeps the definitions of one owner: every version in SQL, the newest set in memory.

mod follow;
mod query;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use proto::definition::v1::{Definition, DefinitionKind};
use rpc::Failure;
use storage::Database;
use tokio::sync::watch;
use vault::Vault;

use self::follow::{followed_names, followed_revision};
use self::query::Rows;
use crate::plan::{Fault, LastVersions, Places, faults_of, invalid};
use crate::rotation::{Rotation, rotate};
use crate::stored::{Kept, StoredSet};
use crate::{
    Catalog, Change, DefinitionKey, Flaw, Owner, Planned, References, Revision, Versioned, key_of,
    limits, stamp,
};

/// The definitions of one owner.
pub struct DefinitionStore<C: Catalog> {
    rows: Rows,
    catalog: C,
    compiled: watch::Sender<Arc<C::Compiled>>,
    /// The newest set that was read or written here. Its revision tells whether it still is newest.
    stored: Mutex<Arc<StoredSet>>,
    /// The number of times that it was asked for what is newest.
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
    /// The revision of the owner whose names the catalog follows.
    followed: i64,
    /// True where it is in force; otherwise this program does not understand it.
    is_in_force: bool,
    /// The number of those who had asked when it was looked for.
    answered: u64,
}

impl<C: Catalog> DefinitionStore<C> {
    /// Loads and compiles what is stored for this owner, such as `journey`.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`]; [`rpc::ErrorReason::DefinitionInvalid`] where this
    /// version of the program does not understand what an older one stored.
    pub async fn load(database: Database, owner: &str, catalog: C) -> Result<Arc<Self>, Failure> {
        Self::load_sealed(database, owner, catalog, None).await
    }

    /// As [`Self::load`], with secrets that a vault seals where there is one.
    ///
    /// # Errors
    /// As [`Self::load`]; [`rpc::ErrorReason::SecretSealed`] for a stored secret without its key.
    pub async fn load_sealed(
        database: Database,
        owner: &str,
        catalog: C,
        vault: Option<Vault>,
    ) -> Result<Arc<Self>, Failure> {
        let rows = Rows::new(database, owner, vault);
        let followed = followed_revision(&rows, &catalog).await?;
        let references = followed_names(&rows, &catalog, followed).await?;
        let revision = rows.revision().await?;
        let stored = rows.load(revision, catalog.kinds(), kept(&catalog)).await?;
        let all = stored.shown(stamp::now());
        let compiled = catalog
            .compile(&all, &references, None)
            .map_err(|flaws| not_understood(&all, flaws))?;
        Ok(Arc::new(Self {
            rows,
            catalog,
            compiled: watch::Sender::new(Arc::new(compiled)),
            stored: Mutex::new(Arc::new(stored)),
            asked: AtomicU64::new(0),
            seen: tokio::sync::Mutex::new(Seen {
                revision,
                followed,
                is_in_force: true,
                answered: 0,
            }),
        }))
    }

    /// The compiled set, now and after each change.
    pub fn watch(&self) -> watch::Receiver<Arc<C::Compiled>> {
        self.compiled.subscribe()
    }

    /// Returns the owner of these definitions, such as `journey`.
    pub fn owner(&self) -> &str {
        self.rows.owner()
    }

    /// Returns the number of changes of the definitions, as far as this process has seen.
    pub async fn revision(&self) -> i64 {
        self.seen.lock().await.revision
    }

    /// Returns whether the newest revision that was read is in force: false where another version
    /// of the program stored what this one does not understand.
    pub async fn is_in_force(&self) -> bool {
        self.seen.lock().await.is_in_force
    }

    /// Compiles the set again if another replica changed it. Says whether it did here: of many who
    /// ask at once one looks for all.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`], and [`rpc::ErrorReason::DefinitionInvalid`] where a
    /// newer program stored what this one does not understand: it keeps the set that it has.
    pub async fn refresh(&self) -> Result<bool, Failure> {
        self.renew(None).await
    }

    /// Brings the newest set into force if it changed: as it was compiled for a plan where that led
    /// to it, and else compiled now.
    async fn renew(&self, planned: Option<&Planned>) -> Result<bool, Failure> {
        let asked = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut seen = self.seen.lock().await;
        if seen.answered >= asked {
            return Ok(false);
        }
        // Everything that they want to know was stored before they asked, and is read now.
        let answered = self.asked.load(Ordering::Acquire);
        let followed = followed_revision(&self.rows, &self.catalog).await?;
        let revision = self.rows.revision().await?;
        if (revision, followed) == (seen.revision, seen.followed) {
            seen.answered = answered;
            return Ok(false);
        }
        let references = followed_names(&self.rows, &self.catalog, followed).await?;
        let stored = self.stored_at(revision).await?;
        // Not tried again and again: the next change is the next chance.
        *seen = Seen {
            revision,
            followed,
            is_in_force: false,
            answered,
        };
        // Planned without the names that the catalog follows, it is not what comes into force.
        let planned = planned.filter(|_| self.catalog.follows().is_none());
        let compiled = match planned.and_then(|it| it.compiled_at(revision)) {
            Some(compiled) => compiled,
            None => self.compile(&stored, &references)?,
        };
        self.compiled.send_replace(compiled);
        seen.is_in_force = true;
        Ok(true)
    }

    fn compile(
        &self,
        stored: &StoredSet,
        references: &References,
    ) -> Result<Arc<C::Compiled>, Failure> {
        let all = stored.shown(stamp::now());
        let last = self.in_force();
        let compiled = self
            .catalog
            .compile(&all, references, Some(&last))
            .map_err(|flaws| not_understood(&all, flaws))?;
        Ok(Arc::new(compiled))
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
            store.bring_into_force(&[]).await;
        }
    }

    /// Returns what is stored now, read again only where somebody else changed it.
    async fn stored(&self) -> Result<Arc<StoredSet>, Failure> {
        let revision = self.rows.revision().await?;
        self.stored_at(revision).await
    }

    async fn stored_at(&self, revision: i64) -> Result<Arc<StoredSet>, Failure> {
        let known = self.known();
        if known.revision == revision {
            return Ok(known);
        }
        let (kinds, kept) = (self.catalog.kinds(), kept(&self.catalog));
        let stored = Arc::new(self.rows.load(revision, kinds, kept).await?);
        self.keep(&stored);
        Ok(stored)
    }

    fn known(&self) -> Arc<StoredSet> {
        Arc::clone(&self.stored.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, stored: &Arc<StoredSet>) {
        *self.stored.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(stored);
    }

    fn in_force(&self) -> Arc<C::Compiled> {
        Arc::clone(&self.compiled.borrow())
    }

    /// Finds how far the versions of what a change creates have come, from before it was deleted.
    async fn last_versions(
        &self,
        stored: &StoredSet,
        change: &Change,
    ) -> Result<LastVersions, Failure> {
        let Change::Apply(definitions) = change else {
            return Ok(LastVersions::new());
        };
        let created: Vec<DefinitionKey> = definitions
            .iter()
            .filter_map(|edit| key_of(&edit.definition))
            .filter(|key| stored.find(key).is_none())
            .collect();
        self.rows.last_versions(&created).await
    }

    /// Returns the faults of stored definitions that are no news: those that were there before the
    /// change.
    ///
    /// One that this program could not bring into force is never among them, unless something is
    /// deleted: what is applied must come into force.
    fn old_faults(&self, stored: &StoredSet, planned: &Planned, before: &References) -> Vec<Fault> {
        let mut old = self.faults(stored, before);
        if planned.deleted.is_none() {
            let lasting = self.faults(&planned.set, &References::unknown());
            old.retain(|fault| !lasting.iter().any(|it| it.is_at_place_of(fault)));
        }
        old
    }

    fn faults(&self, stored: &StoredSet, references: &References) -> Vec<Fault> {
        let all = stored.shown(stamp::now());
        match self
            .catalog
            .compile(&all, references, Some(&self.in_force()))
        {
            Ok(_compiled) => Vec::new(),
            Err(flaws) => faults_of(&all, flaws, &Places::new()),
        }
    }
}

/// Returns what a catalog sees of versions that are not in force.
fn kept(catalog: &impl Catalog) -> Kept {
    Kept {
        older_versions: catalog.wants_older_versions(),
        gone_for: catalog.keeps_gone_for(),
    }
}

/// A stored set that this program does not understand.
fn not_understood(all: &[Arc<Versioned<Definition>>], flaws: Vec<Flaw>) -> Failure {
    let faults = faults_of(all, flaws, &Places::new());
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

    fn vault(&self) -> Option<&Vault> {
        self.rows.vault()
    }

    async fn rotate_secrets(&self, validate_only: bool) -> Result<Rotation, Failure> {
        let Some(vault) = self.rows.vault() else {
            return Ok(Rotation::default());
        };
        let (database, kinds) = (self.rows.database(), self.catalog.kinds());
        rotate(database, kinds, vault, validate_only).await
    }

    async fn stored_revision(&self) -> Result<Revision, Failure> {
        Ok(Revision {
            owner: self.rows.owner().to_owned(),
            number: self.rows.revision().await?,
        })
    }

    async fn names(&self, kind: DefinitionKind) -> Result<BTreeSet<String>, Failure> {
        let stored = self.stored().await?;
        Ok(stored.names(kind).map(str::to_owned).collect())
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
        // A change before the commit makes the commit refuse, and all is tried again.
        let stored = self.stored().await?;
        let last_versions = self.last_versions(&stored, change).await?;
        let owner = self.rows.owner();
        let mut planned = Planned::of_change(owner, &stored, change, &last_versions)?;
        planned.look_over(|definition| self.catalog.look_over(definition));
        let last = self.in_force();
        let all = planned.set.shown(planned.time);
        let compiled = self.catalog.compile(&all, after, Some(&last));
        match compiled {
            Ok(compiled) => {
                let held = self.catalog.hold_against_data(&last, &compiled).await?;
                if held.is_empty() {
                    planned.compiled = Some(Arc::new(compiled));
                    return Ok(planned);
                }
                planned.hold(held);
            }
            Err(flaws) => planned.faults.extend(planned.faults_of(&all, flaws)),
        }
        if planned.faults.iter().any(|fault| fault.index.is_none()) {
            let old = self.old_faults(&stored, &planned, before);
            planned.faults.retain(|fault| {
                fault.index.is_some() || !old.iter().any(|it| it.is_at_place_of(fault))
            });
        }
        Ok(planned)
    }

    async fn bring_into_force(&self, planned: &[Planned]) {
        // Older versions of a name that comes back are read.
        let is_whole = |it: &Planned| !(it.brings_back && self.catalog.wants_older_versions());
        let own = planned
            .iter()
            .find(|it| it.owner == self.rows.owner() && it.is_change() && is_whole(it));
        if let Some(own) = own {
            self.keep(&own.set);
        }
        if let Err(error) = self.renew(own).await {
            // Stored already: the poll tries again.
            tracing::warn!(%error, owner = self.rows.owner(), "definitions not refreshed");
        }
    }
}
