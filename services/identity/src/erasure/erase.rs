//! The transaction that erases customers and accounts from identity: tombstones for all their
//! identifiers, nothing left that names them, and a row by which the erasure goes on everywhere
//! else.

use std::collections::BTreeSet;

use audit::{Act, AuditError, Operation};
use identity_core::Identifier;
use kernel::{CustomerId, Timestamp};
use prost::Message as _;
use proto::identity::v1;
use sea_orm::sea_query::{Alias, OnConflict, Query};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait,
    DatabaseTransaction, DbErr, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
};
use storage::Database;
use uuid::Uuid;
use vault::Vault;

use super::key::{KeyError, TombstoneKey, make_key};
use super::limits::{CUSTOMERS, IDS_AT_ONCE};
use super::tables::{erasure, tombstone};
use super::tombstones::begin_change;
use super::words::Words;
use super::{people, steps};

/// The kind of an erasure among operations.
const KIND: i16 = 4;

/// The fate of later events of somebody who was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are of somebody new.
    Fresh = 1,
    /// They are dropped.
    Suppress = 2,
}

impl Mode {
    /// Reads what a row has.
    pub(crate) const fn of_code(code: i16) -> Self {
        match code {
            2 => Self::Suppress,
            _ => Self::Fresh,
        }
    }
}

/// An erasure that somebody asks for, of customers and accounts: both are rows of the same tables.
#[derive(Debug, Clone)]
pub(crate) struct Asked<'a> {
    /// Its name.
    pub(crate) operation: Uuid,
    /// Customers, by any of their ids.
    pub(crate) customers: Vec<CustomerId>,
    /// Identifiers, as normalised.
    pub(crate) identifiers: Vec<Identifier>,
    /// The fate of later events.
    pub(crate) mode: Mode,
    /// True to change nothing.
    pub(crate) is_dry_run: bool,
    /// True to remove at once what may wait.
    pub(crate) is_urgent: bool,
    /// The reason, as whoever asks says.
    pub(crate) reason: &'a str,
    /// The request; empty for none.
    pub(crate) request_id: &'a str,
    /// Events up to this time are dropped, by the clock of events.
    pub(crate) erase_time: Timestamp,
    /// The time of the machine.
    pub(crate) now: Timestamp,
    /// When all has to be done.
    pub(crate) deadline: Timestamp,
}

/// The cause for which nobody was erased.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EraseError {
    /// The database did not do it: retry.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// There is no key for tombstones.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It could not be put on record: retry.
    #[error("the erasure could not be put on record")]
    Audit(#[from] AuditError),
    /// They are more than one erasure takes: name fewer.
    #[error("{0} customers: name at most {CUSTOMERS} at once")]
    TooMany(usize),
}

/// The people that are found.
#[derive(Debug, Default)]
struct People {
    customers: BTreeSet<Uuid>,
    fragments: Vec<Uuid>,
    identifiers: BTreeSet<Identifier>,
    found: usize,
    not_found: usize,
    memberships: u64,
    buying_groups: u64,
}

/// Erases customers, or tells whom that would erase. The same operation again changes nothing, and
/// returns the row of before.
///
/// # Errors
/// [`EraseError`]; nothing was changed then.
pub(crate) async fn erase(
    database: &Database,
    vault: Option<&Vault>,
    asked: Asked<'_>,
) -> Result<erasure::Model, EraseError> {
    let transaction = database.begin_write().await?;
    match write(&transaction, vault, asked).await {
        Ok((row, true)) => {
            transaction.commit().await?;
            Ok(row)
        }
        Ok((row, false)) => {
            transaction.rollback().await?;
            Ok(row)
        }
        Err(error) => {
            transaction.rollback().await?;
            Err(error)
        }
    }
}

/// Returns the row of an erasure; absent where there is none.
///
/// # Errors
/// As the database says.
pub(crate) async fn find_again(
    connection: &impl ConnectionTrait,
    operation: Uuid,
) -> Result<Option<erasure::Model>, DbErr> {
    erasure::Entity::find_by_id(operation).one(connection).await
}

async fn write(
    transaction: &DatabaseTransaction,
    vault: Option<&Vault>,
    asked: Asked<'_>,
) -> Result<(erasure::Model, bool), EraseError> {
    let version = begin_change(transaction).await?;
    if let Some(before) = find_again(transaction, asked.operation).await? {
        return Ok((before, false));
    }
    let people = find(transaction, &asked).await?;
    let mut row = row_of(&asked, &people, version);
    if asked.is_dry_run {
        return Ok((row, false));
    }
    let key = make_key(transaction, vault, asked.now).await?;
    let word = match asked.mode {
        Mode::Fresh => None,
        Mode::Suppress => Some(asked.now),
    };
    bury(
        transaction,
        &key,
        &people.identifiers,
        (Some(asked.erase_time), word),
        version,
    )
    .await?;
    let customers: Vec<Uuid> = people.customers.iter().copied().collect();
    people::remove(transaction, &people.fragments, &customers).await?;
    put_operation(transaction, &asked, &people).await?;
    row.value_list = seal_values(vault, &row).await?;
    erasure::Entity::insert(row.clone().into_active_model().reset_all())
        .exec_without_returning(transaction)
        .await?;
    record(transaction, asked.operation, &people).await?;
    Ok((row, true))
}

async fn seal_values(vault: Option<&Vault>, row: &erasure::Model) -> Result<String, EraseError> {
    let Some(vault) = vault else {
        return Ok(row.value_list.clone());
    };
    let place = format!("erasure {}", row.operation_id);
    let sealed = vault.seal(&row.value_list, &place).await;
    Ok(sealed.map_err(KeyError::Vault)?)
}

async fn find(transaction: &DatabaseTransaction, asked: &Asked<'_>) -> Result<People, EraseError> {
    let mut people = People::default();
    let named: Vec<Uuid> = asked.customers.iter().map(|it| it.uuid()).collect();
    let roots = people::roots(transaction, &named).await?;
    let known: BTreeSet<Uuid> = roots.iter().map(|(fragment, _)| *fragment).collect();
    people.found = named.iter().filter(|it| known.contains(it)).count();
    people.not_found = named.len() - people.found;
    people
        .customers
        .extend(roots.into_iter().map(|(_, root)| root));
    for identifier in &asked.identifiers {
        let holder = people::holder(transaction, identifier).await?;
        let roots = match holder {
            Some(fragment) => people::roots(transaction, &[fragment]).await?,
            None => Vec::new(),
        };
        match roots.first() {
            Some((_, root)) => {
                people.found += 1;
                people.customers.insert(*root);
            }
            None => people.not_found += 1,
        }
    }
    if people.customers.len() > CUSTOMERS {
        return Err(EraseError::TooMany(people.customers.len()));
    }
    let customers: Vec<Uuid> = people.customers.iter().copied().collect();
    let fragments = people::fragments(transaction, &customers).await?;
    people.fragments = fragments
        .into_iter()
        .map(|(fragment, _)| fragment)
        .collect();
    people.fragments.sort_unstable();
    people.identifiers = people::identifiers(transaction, &people.fragments).await?;
    // A value that others have names them too: it is held against nobody unless it was asked for.
    let kept = people::held_by_others(transaction, &people.identifiers, &people.fragments).await?;
    people.identifiers.retain(|it| !kept.contains(it));
    people.identifiers.extend(asked.identifiers.iter().cloned());
    people.memberships = people::memberships(transaction, &people.fragments).await?;
    people.buying_groups = people::buying_groups(transaction, &people.fragments).await?;
    Ok(people)
}

fn row_of(asked: &Asked<'_>, people: &People, version: i64) -> erasure::Model {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    erasure::Model {
        operation_id: asked.operation,
        customer_ids: bytes_of(people.customers.iter()),
        fragment_ids: bytes_of(people.fragments.iter()),
        mode: asked.mode as i16,
        reason: asked.reason.to_owned(),
        erase_time: asked.erase_time.as_millis(),
        create_time: asked.now.as_millis(),
        deadline: asked.deadline.as_millis(),
        is_urgent: asked.is_urgent,
        found_count: count(people.found),
        not_found_count: count(people.not_found),
        identifier_count: count(people.identifiers.len()),
        event_count: None,
        version,
        value_list: Words::of(&people.identifiers).text(),
        steps: v1::Erasure {
            steps: steps::fresh(),
            membership_count: u32::try_from(people.memberships).unwrap_or(u32::MAX),
            buying_group_count: u32::try_from(people.buying_groups).unwrap_or(u32::MAX),
            ..v1::Erasure::default()
        }
        .encode_to_vec(),
        is_announced: false,
        claim_time: asked.now.as_millis(),
        done_time: None,
    }
}

fn bytes_of<'a>(ids: impl Iterator<Item = &'a Uuid>) -> Vec<u8> {
    ids.flat_map(|id| *id.as_bytes()).collect()
}

/// Writes tombstones. A later time of erasure takes the place of an earlier one; suppression stays
/// until it is taken back.
pub(super) async fn bury(
    transaction: &impl ConnectionTrait,
    key: &TombstoneKey,
    identifiers: &BTreeSet<Identifier>,
    (erase_time, suppress_time): (Option<Timestamp>, Option<Timestamp>),
    version: i64,
) -> Result<(), DbErr> {
    let hashes: BTreeSet<[u8; 32]> = identifiers.iter().map(|it| key.hash(it)).collect();
    let hashes: Vec<Vec<u8>> = hashes.into_iter().map(|hash| hash.to_vec()).collect();
    for some in hashes.chunks(IDS_AT_ONCE) {
        let there = tombstone::Entity::find()
            .filter(tombstone::Column::Hash.is_in(some.iter().cloned()))
            .all(transaction)
            .await?;
        let rows = some.iter().map(|hash| {
            let before = there.iter().find(|row| row.hash == *hash);
            let erased_before = before.and_then(|row| row.erase_time);
            let suppressed_before = before.and_then(|row| row.suppress_time);
            tombstone::ActiveModel {
                hash: Set(hash.clone()),
                erase_time: Set(Ord::max(
                    erased_before,
                    erase_time.map(Timestamp::as_millis),
                )),
                suppress_time: Set(suppressed_before.or(suppress_time.map(Timestamp::as_millis))),
                version: Set(version),
            }
        });
        put(transaction, rows.collect()).await?;
    }
    Ok(())
}

/// Writes tombstones as they are.
pub(super) async fn put(
    transaction: &impl ConnectionTrait,
    rows: Vec<tombstone::ActiveModel>,
) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    let newer = OnConflict::column(tombstone::Column::Hash)
        .update_columns([
            tombstone::Column::EraseTime,
            tombstone::Column::SuppressTime,
            tombstone::Column::Version,
        ])
        .to_owned();
    tombstone::Entity::insert_many(rows)
        .on_conflict(newer)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Writes that there was an erasure into the history of operations.
async fn put_operation(
    transaction: &DatabaseTransaction,
    asked: &Asked<'_>,
    people: &People,
) -> Result<(), DbErr> {
    let from: Vec<String> = people.customers.iter().map(Uuid::to_string).collect();
    let columns = [
        "operation_id",
        "kind",
        "request_id",
        "event_id",
        "from_ids",
        "to_ids",
        "reason",
        "create_time",
    ];
    let mut insert = Query::insert();
    insert
        .into_table(Alias::new("identity_operation"))
        .columns(columns.map(Alias::new))
        .values_panic([
            asked.operation.into(),
            KIND.into(),
            asked.request_id.into(),
            "".into(),
            from.join(",").into(),
            "".into(),
            asked.reason.into(),
            asked.now.as_millis().into(),
        ]);
    transaction.execute(&insert).await?;
    for some in people.fragments.chunks(IDS_AT_ONCE) {
        let mut insert = Query::insert();
        insert
            .into_table(Alias::new("identity_operation_fragment"))
            .columns(["fragment_id", "operation_id"].map(Alias::new));
        for fragment in some {
            insert.values_panic([(*fragment).into(), asked.operation.into()]);
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

/// Puts the erasure on record, and destroys the keys by which the log names the customers: it says
/// that somebody was erased, by whom and when, and no longer whom its other entries are about.
async fn record(
    transaction: &DatabaseTransaction,
    operation: Uuid,
    people: &People,
) -> Result<(), EraseError> {
    let Some(call) = Operation::current() else {
        return Ok(());
    };
    let customers = people.fragments.iter().copied().map(CustomerId::new);
    let customers: Vec<CustomerId> = customers.collect();
    let act = Act::done("identity.erase", format!("erasure {operation}"));
    call.record(transaction, vec![act]).await?;
    call.log().forget(transaction, &customers).await?;
    Ok(())
}
