//! Tombstones in the memory of a process: who was erased or suppressed, by keyed hashes.
//!
//! Nothing is computed while there are none. They are read again twice a second, and whoever
//! writes who is who looks in its own transaction whether there are newer ones: see [`check`].

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use identity_core::{DropReason, Dropped, Identifier, Screened};
use kernel::{FragmentId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Statement,
};
use storage::Database;
use uuid::Uuid;
use vault::Vault;

use super::key::{KeyError, TombstoneKey, find_key};
use super::limits::TOMBSTONES_PAGE;
use super::tables::{erasure, tombstone};

/// Locks tombstones of an installation: shared by those who write who is who.
const LOCK: &str = "hashtextextended('happypath tombstones ' || current_schema(), 0)";

/// The tombstones by which events were screened, as of some change of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held(u64);

impl Held {
    /// Any tombstones: of changes that let nobody in.
    pub const ANY: Self = Self(u64::MAX);
}

/// The tombstones of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tombstones(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Absent where there are none for sure.
    database: Option<Database>,
    vault: OnceLock<Vault>,
    set: RwLock<Set>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Set {
    version: u64,
    key: Option<TombstoneKey>,
    /// By the first half of the hash.
    words: HashMap<u128, Word>,
}

/// The meaning of one tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    /// Events up to this time are dropped.
    erase_time: Timestamp,
    is_suppressed: bool,
}

impl Tombstones {
    /// None, for ever: for tests of other things.
    pub fn none() -> Self {
        Self::with(None)
    }

    /// Those of a database; none of them is read yet.
    pub fn new(database: Database) -> Self {
        Self::with(Some(database))
    }

    fn with(database: Option<Database>) -> Self {
        Self(Arc::new(Shared {
            database,
            vault: OnceLock::new(),
            set: RwLock::default(),
            turn: tokio::sync::Mutex::new(()),
        }))
    }

    /// Opens the key by these keys, where it is sealed. The first word counts.
    pub(crate) fn unseal_with(&self, vault: Vault) {
        // Said once, at the start of the process.
        let _ = self.0.vault.set(vault);
    }

    /// The keys of the process.
    pub(crate) fn vault(&self) -> Option<&Vault> {
        self.0.vault.get()
    }

    /// Takes identifiers of erased and suppressed people out of what was screened, each with the
    /// time of its event. Where the identifier that comes first is one, the event is about that
    /// person, and the others go with it. Returns by which tombstones that was done.
    pub fn screen<'a>(&self, all: impl IntoIterator<Item = (&'a mut Screened, Timestamp)>) -> Held {
        let set = self.0.set.read().unwrap_or_else(PoisonError::into_inner);
        if !set.words.is_empty() {
            for (screened, time) in all {
                set.screen(screened, time);
            }
        }
        Held(set.version)
    }

    /// Reads tombstones that are newer, and returns the fragments of those who were erased since.
    ///
    /// # Errors
    /// [`KeyError`]: events are held against those of before.
    pub(crate) async fn refresh(&self) -> Result<HashSet<FragmentId>, KeyError> {
        let Some(database) = &self.0.database else {
            return Ok(HashSet::new());
        };
        let _turn = self.0.turn.lock().await;
        let known = self.version();
        let version = read_version(database.orm()).await?;
        if version == known {
            return Ok(HashSet::new());
        }
        let own = {
            let set = self.0.set.read().unwrap_or_else(PoisonError::into_inner);
            set.key.clone()
        };
        let key = match own {
            Some(key) => Some(key),
            None => find_key(database.orm(), self.vault()).await?,
        };
        let since = signed(known);
        let mut words = Vec::new();
        let mut after: Option<(i64, Vec<u8>)> = None;
        loop {
            let rows = page(database, since, after.as_ref()).await?;
            let Some(last) = rows.last() else { break };
            after = Some((last.version, last.hash.clone()));
            words.extend(rows.iter().map(|row| (short(&row.hash), word(row))));
        }
        let erased = erasure::Entity::find()
            .filter(erasure::Column::Version.gt(since))
            .all(database.orm())
            .await?;
        let mut set = self.0.set.write().unwrap_or_else(PoisonError::into_inner);
        set.take(version, key, words);
        drop(set);
        let fragments = erased.iter().flat_map(|row| ids(&row.fragment_ids));
        Ok(fragments.map(FragmentId::new).collect())
    }

    /// Returns whether no newer tombstones are known.
    pub fn is_current(&self, held: Held) -> bool {
        held == Held::ANY || held.0 == self.version()
    }

    fn version(&self) -> u64 {
        let set = self.0.set.read().unwrap_or_else(PoisonError::into_inner);
        set.version
    }
}

impl Set {
    fn take(&mut self, version: u64, key: Option<TombstoneKey>, words: Vec<(u128, Word)>) {
        self.version = version;
        self.key = key;
        for (hash, word) in words {
            if word.erase_time == Timestamp::MIN && !word.is_suppressed {
                self.words.remove(&hash);
            } else {
                self.words.insert(hash, word);
            }
        }
    }

    fn screen(&self, screened: &mut Screened, time: Timestamp) {
        let kept = screened.kept.iter();
        let reasons: Vec<_> = kept.map(|(_, it)| self.reason(it, time)).collect();
        if reasons.iter().all(Option::is_none) {
            return;
        }
        let first = reasons.first().copied().flatten();
        let kept = std::mem::take(&mut screened.kept);
        for (own, reason) in kept.into_iter().zip(reasons) {
            match reason.or(first) {
                None => screened.kept.push(own),
                Some(reason) => {
                    let identifier = own.1;
                    screened.dropped.push(Dropped { identifier, reason });
                }
            }
        }
        screened
            .dropped
            .sort_by(|a, b| a.identifier.cmp(&b.identifier));
    }

    fn reason(&self, identifier: &Identifier, time: Timestamp) -> Option<DropReason> {
        let hash = self.key.as_ref()?.hash(identifier);
        let word = self.words.get(&short(&hash))?;
        if word.is_suppressed {
            return Some(DropReason::Suppressed);
        }
        (time <= word.erase_time).then_some(DropReason::Erased)
    }
}

/// Returns whether tombstones are still those by which the events of a transaction were screened,
/// and keeps others from changing them until it ends. It comes first in the transaction.
///
/// # Errors
/// As the database says.
pub(crate) async fn check(transaction: &impl ConnectionTrait, held: Held) -> Result<bool, DbErr> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock_shared({LOCK})");
        transaction.execute_unprepared(&lock).await?;
    }
    if held == Held::ANY {
        return Ok(true);
    }
    // A statement of its own: it sees what was committed while the lock was waited for.
    Ok(read_version(transaction).await? == held.0)
}

/// Waits until nobody writes who is who, keeps others from it until the transaction ends, and
/// returns the number of the change of tombstones that it is to make.
///
/// # Errors
/// As the database says.
pub(crate) async fn begin_change(transaction: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let backend = transaction.get_database_backend();
    if backend == DbBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock({LOCK})");
        transaction.execute_unprepared(&lock).await?;
    }
    let next = "INSERT INTO identity_tombstone_version (id, version) VALUES (1, 1) \
        ON CONFLICT (id) DO UPDATE SET version = identity_tombstone_version.version + 1 \
        RETURNING version";
    let row = transaction
        .query_one_raw(Statement::from_string(backend, next))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the version of tombstones".to_owned()))?;
    row.try_get_by_index(0)
}

async fn read_version(connection: &impl ConnectionTrait) -> Result<u64, DbErr> {
    let read = "SELECT version FROM identity_tombstone_version WHERE id = 1";
    let statement = Statement::from_string(connection.get_database_backend(), read);
    let Some(row) = connection.query_one_raw(statement).await? else {
        return Ok(0);
    };
    let version: i64 = row.try_get_by_index(0)?;
    Ok(u64::try_from(version).unwrap_or(0))
}

async fn page(
    database: &Database,
    since: i64,
    after: Option<&(i64, Vec<u8>)>,
) -> Result<Vec<tombstone::Model>, DbErr> {
    let mut select = tombstone::Entity::find()
        .filter(tombstone::Column::Version.gt(since))
        .order_by_asc(tombstone::Column::Version)
        .order_by_asc(tombstone::Column::Hash)
        .limit(TOMBSTONES_PAGE);
    if let Some((version, hash)) = after {
        let same = Expr::col(tombstone::Column::Version)
            .eq(*version)
            .and(Expr::col(tombstone::Column::Hash).gt(hash.clone()));
        select = select.filter(Expr::col(tombstone::Column::Version).gt(*version).or(same));
    }
    select.all(database.orm()).await
}

fn word(row: &tombstone::Model) -> Word {
    Word {
        erase_time: row
            .erase_time
            .map_or(Timestamp::MIN, Timestamp::from_millis),
        is_suppressed: row.suppress_time.is_some(),
    }
}

/// Returns the ids that are written one behind the other.
pub(crate) fn ids(bytes: &[u8]) -> impl Iterator<Item = Uuid> {
    bytes
        .as_chunks::<16>()
        .0
        .iter()
        .copied()
        .map(Uuid::from_bytes)
}

fn short(hash: &[u8]) -> u128 {
    hash.first_chunk::<16>()
        .map_or(0, |half| u128::from_be_bytes(*half))
}

fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
