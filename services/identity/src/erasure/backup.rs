//! Tombstones as a file: for a backup that is restored, and knows nothing of who was erased after
//! it was made.
//!
//! The file has the key and hashes, and no identifier. Whoever has it can find out whether somebody
//! whom they can name was erased: keep it as backups are kept.

use std::collections::{BTreeSet, HashMap};

use identity_core::Identifier;
use kernel::{CustomerId, Timestamp, from_hex, to_hex};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbErr,
    EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use storage::Database;
use uuid::Uuid;
use vault::Vault;

use super::erase::{Asked, EraseError, Mode, erase, put};
use super::key::{KeyError, TombstoneKey, find_key, keep_key};
use super::limits::{DEADLINE, TOMBSTONES_PAGE};
use super::tables::tombstone;
use super::tombstones::begin_change;

/// The first word of the file, with the number of its form.
const HEAD: &str = "happypath-tombstones-1";
/// Erasures in one transaction at most.
const ERASED_AT_ONCE: usize = 100;

/// The reason that tombstones could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database did not answer: retry.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// The tables could not be brought up to date.
    #[error(transparent)]
    Storage(#[from] storage::StorageError),
    /// There is no key, or it cannot be opened.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A line is none of such a file: give the file as it was written.
    #[error("line {0} is none of a file of tombstones: give it as `tombstones export` wrote it")]
    Line(usize),
    /// The database has tombstones of its own by another key: they belong to different
    /// installations.
    #[error("the database has tombstones under another key: the file is of another installation")]
    OtherKey,
    /// Customers could not be erased again.
    #[error("erasing customers of the backup again failed")]
    Erase(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<EraseError> for BackupError {
    fn from(error: EraseError) -> Self {
        Self::Erase(Box::new(error))
    }
}

/// The outcome of reading a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Tombstones that the file has.
    pub tombstones: u64,
    /// Customers of the database who are erased by them.
    pub customers: u64,
}

/// Returns all tombstones as lines of text, the key first; nothing but the first line's word where
/// there are none.
///
/// # Errors
/// [`BackupError`].
pub async fn export_tombstones(
    database: &Database,
    vault: Option<&Vault>,
) -> Result<String, BackupError> {
    let key = find_key(database.orm(), vault).await?;
    let mut text = format!("{HEAD} {}\n", key.map_or(String::new(), |key| key.text()));
    let mut after: Option<Vec<u8>> = None;
    loop {
        let mut select = tombstone::Entity::find()
            .order_by_asc(tombstone::Column::Hash)
            .limit(TOMBSTONES_PAGE);
        if let Some(after) = after {
            select = select.filter(tombstone::Column::Hash.gt(after));
        }
        let rows = select.all(database.orm()).await?;
        for row in &rows {
            let hash: Option<[u8; 32]> = row.hash.as_slice().try_into().ok();
            let hash = hash.ok_or(KeyError::Damaged)?;
            let word = |time: Option<i64>| time.map_or("-".to_owned(), |time| time.to_string());
            let (erased, suppressed) = (word(row.erase_time), word(row.suppress_time));
            text.push_str(&format!("{} {erased} {suppressed}\n", to_hex(&hash)));
        }
        match rows.into_iter().next_back() {
            Some(last) => after = Some(last.hash),
            None => return Ok(text),
        }
    }
}

/// Takes the tombstones of a file, and erases whoever the database knows of them. Run it while no
/// service runs; they go on with the erasures once they start.
///
/// # Errors
/// [`BackupError`]. Some of it may be done: run it again.
pub async fn import_tombstones(
    database: &Database,
    vault: Option<&Vault>,
    text: &str,
    now: Timestamp,
) -> Result<Imported, BackupError> {
    let (key, words) = read(text)?;
    let Some(key) = key else {
        return Ok(Imported::default());
    };
    let transaction = database.begin_write().await?;
    let taken = take(&transaction, vault, (&key, &words), now).await;
    match taken {
        Ok(()) => transaction.commit().await?,
        Err(error) => {
            transaction.rollback().await?;
            return Err(error);
        }
    }
    let customers = erase_known(database, vault, (&key, &words), now).await?;
    Ok(Imported {
        tombstones: words.len() as u64,
        customers,
    })
}

/// The meaning of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    erase_time: Option<i64>,
    suppress_time: Option<i64>,
}

type Words = HashMap<[u8; 32], Word>;

fn read(text: &str) -> Result<(Option<TombstoneKey>, Words), BackupError> {
    let mut lines = text.lines().enumerate();
    let head = lines.next().and_then(|(_, line)| line.strip_prefix(HEAD));
    let key = match head.ok_or(BackupError::Line(1))?.trim() {
        "" => None,
        text => Some(TombstoneKey::parse(text).ok_or(BackupError::Line(1))?),
    };
    let time = |text: &str| -> Option<Option<i64>> {
        match text {
            "-" => Some(None),
            text => text.parse().ok().map(Some),
        }
    };
    let mut words = Words::new();
    for (place, line) in lines {
        let parse = || {
            let mut parts = line.split(' ');
            let hash = from_hex(parts.next()?)?;
            let word = Word {
                erase_time: time(parts.next()?)?,
                suppress_time: time(parts.next()?)?,
            };
            parts.next().is_none().then_some((hash, word))
        };
        let (hash, word) = parse().ok_or(BackupError::Line(place + 1))?;
        words.insert(hash, word);
    }
    Ok((key, words))
}

async fn take(
    transaction: &DatabaseTransaction,
    vault: Option<&Vault>,
    (key, words): (&TombstoneKey, &Words),
    now: Timestamp,
) -> Result<(), BackupError> {
    let version = begin_change(transaction).await?;
    match find_key(transaction, vault).await? {
        None => keep_key(transaction, vault, key, now).await?,
        Some(own) if own.text() == key.text() => {}
        Some(_) => return Err(BackupError::OtherKey),
    }
    let mut rows = Vec::new();
    for (hash, word) in words {
        let there = tombstone::Entity::find_by_id(hash.to_vec())
            .one(transaction)
            .await?;
        let erased = there.as_ref().and_then(|row| row.erase_time);
        let suppressed = there.and_then(|row| row.suppress_time);
        rows.push(tombstone::ActiveModel {
            hash: Set(hash.to_vec()),
            erase_time: Set(Ord::max(erased, word.erase_time)),
            suppress_time: Set(suppressed.or(word.suppress_time)),
            version: Set(version),
        });
        if rows.len() == ERASED_AT_ONCE {
            put(transaction, std::mem::take(&mut rows)).await?;
        }
    }
    put(transaction, rows).await?;
    Ok(())
}

/// Erases the customers whom the database has by an identifier that was attached before its
/// erasure.
async fn erase_known(
    database: &Database,
    vault: Option<&Vault>,
    (key, words): (&TombstoneKey, &Words),
    now: Timestamp,
) -> Result<u64, BackupError> {
    let mut found: BTreeSet<(i64, Uuid)> = BTreeSet::new();
    let mut after: Option<Identifier> = None;
    loop {
        let rows = page(database, after.as_ref()).await?;
        for (identifier, fragment, create_time) in &rows {
            let word = words.get(&key.hash(identifier));
            let erase_time = word.and_then(|word| word.erase_time);
            let is_theirs = erase_time.is_some_and(|time| *create_time <= time);
            found.extend(
                erase_time
                    .filter(|_| is_theirs)
                    .map(|time| (time, *fragment)),
            );
        }
        match rows.into_iter().next_back() {
            Some((last, ..)) => after = Some(last),
            None => break,
        }
    }
    let found: Vec<(i64, Uuid)> = found.into_iter().collect();
    let mut customers = 0;
    for some in found.chunk_by(|a, b| a.0 == b.0) {
        for some in some.chunks(ERASED_AT_ONCE) {
            let erased = erase(database, vault, asked(some, now)).await?;
            customers += (erased.customer_ids.len() / 16) as u64;
        }
    }
    Ok(customers)
}

fn asked(some: &[(i64, Uuid)], now: Timestamp) -> Asked<'static> {
    let erase_time = some.first().map_or(0, |(time, _)| *time);
    Asked {
        operation: Uuid::now_v7(),
        customers: some.iter().map(|(_, it)| CustomerId::new(*it)).collect(),
        identifiers: Vec::new(),
        mode: Mode::Fresh,
        is_dry_run: false,
        is_urgent: true,
        reason: "a backup was restored",
        request_id: "",
        erase_time: Timestamp::from_millis(erase_time),
        now,
        deadline: now + DEADLINE,
    }
}

type Held = (Identifier, Uuid, i64);

/// Reads identifiers behind one, each with its fragment and the time at which it was attached.
async fn page(database: &Database, after: Option<&Identifier>) -> Result<Vec<Held>, DbErr> {
    let column = |name: &'static str| Expr::col(Alias::new(name));
    let mut select = Query::select();
    select
        .columns(["namespace", "value", "fragment_id", "create_time"].map(Alias::new))
        .from(Alias::new("identity_identifier"))
        .order_by(Alias::new("namespace"), Order::Asc)
        .order_by(Alias::new("value"), Order::Asc)
        .limit(TOMBSTONES_PAGE);
    if let Some(after) = after {
        let same = column("namespace").eq(after.namespace.as_str());
        let same = same.and(column("value").gt(after.value.as_str()));
        select.and_where(column("namespace").gt(after.namespace.as_str()).or(same));
    }
    let rows = database.orm().query_all(&select).await?;
    let rows = rows.into_iter().map(|row| {
        let identifier = Identifier {
            namespace: row.try_get("", "namespace")?,
            value: row.try_get("", "value")?,
        };
        Ok((
            identifier,
            row.try_get("", "fragment_id")?,
            row.try_get("", "create_time")?,
        ))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_it_was_written_and_nothing_else_is() {
        let hash = to_hex(&[9_u8; 32]);
        let key = to_hex(&[1_u8; 32]);
        let (own, words) = read(&format!("{HEAD} {key}\n{hash} 5 -\n")).expect("a file");
        assert_eq!(own.expect("a key").text(), key);
        let word = Word {
            erase_time: Some(5),
            suppress_time: None,
        };
        assert_eq!(words, Words::from([([9; 32], word)]));
        assert!(read(&format!("{HEAD} \n")).expect("empty").0.is_none());
        for (wrong, line) in [
            (String::new(), 1),
            ("x".to_owned(), 1),
            (format!("{HEAD} 12\n"), 1),
            (format!("{HEAD} {key}\n{hash} 5\n"), 2),
            (format!("{HEAD} {key}\n{hash} 5 - -\n"), 2),
            (format!("{HEAD} {key}\n{hash} x -\n"), 2),
        ] {
            let found = read(&wrong);
            assert!(
                matches!(found, Err(BackupError::Line(own)) if own == line),
                "{wrong}"
            );
        }
    }
}
