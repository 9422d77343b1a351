//! Appends entries to a chain, within a transaction that may change more than that.
//!
//! The row of the head is locked from here to the end of the transaction, so that the entries of a
//! chain come in the order of their commits, and a transaction that fails leaves no gap. Nothing of
//! the chain is kept in memory, where it could differ from what was committed.

use std::collections::BTreeSet;

use kernel::{CustomerId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QuerySelect as _,
};

use crate::act::Outcome;
use crate::chain::{Hash, NO_HASH};
use crate::entity::{chain, entry};
use crate::entry::cut;
use crate::{Act, AuditError, ChainId, Class, Entry, Head, Origin, limits, subject};

/// An act and everything around it, ready for a place in a chain.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) time: Timestamp,
    /// The class of the call; [`Class::Other`] for what a process does by itself.
    pub(crate) class: Class,
    pub(crate) origin: Origin,
    pub(crate) trace: String,
    pub(crate) act: Act,
}

/// Appends acts to a chain, in order, and returns its head after that.
pub(crate) async fn append(
    connection: &impl ConnectionTrait,
    chain: ChainId,
    acts: &[Told],
) -> Result<Head, AuditError> {
    // Before the keys of subjects: whoever holds one of those waits for no other of this process.
    let mut head = lock_head(connection, chain).await?;
    let all: BTreeSet<CustomerId> = acts.iter().filter_map(|told| told.act.subject).collect();
    let known = acts.iter().filter(|told| is_known(&told.act));
    let known = known.filter_map(|told| told.act.subject).collect();
    let names = subject::make_names(connection, &all, &known).await?;
    let mut rows = Vec::with_capacity(acts.len());
    for told in acts {
        let name = told.act.subject.and_then(|it| names.get(&it)).cloned();
        let entry = entry_of(&head, told, name.unwrap_or_default());
        (head.sequence, head.hash) = (entry.sequence, entry.hash);
        rows.push(row(entry)?);
    }
    for some in rows.chunks(limits::ACTS_PER_WRITE) {
        entry::Entity::insert_many(some.to_vec())
            .exec_without_returning(connection)
            .await?;
    }
    move_head(connection, &head).await?;
    Ok(head)
}

/// Returns whether a chain has come to a head: whether a commit that was not answered took effect.
/// Its lock waits for one that is still under way.
pub(crate) async fn is_written(
    connection: &impl ConnectionTrait,
    head: &Head,
) -> Result<bool, AuditError> {
    lock_head(connection, head.chain).await?;
    let found = entry::Entity::find_by_id((head.chain.0, signed(head.sequence)?))
        .one(connection)
        .await?;
    Ok(found.is_some_and(|row| row.hash == head.hash))
}

/// Returns whether a subject surely is a customer, so that their name is worth a key. Otherwise
/// callers could make keys of any number of ids that are nobody's.
fn is_known(act: &Act) -> bool {
    act.outcome == Outcome::OK || act.outcome == Outcome::Asked
}

/// Makes the entry behind a head.
fn entry_of(head: &Head, told: &Told, subject: Vec<u8>) -> Entry {
    let address = told.origin.address.map(|it| it.to_string());
    let entry = Entry {
        chain: head.chain,
        sequence: head.sequence + 1,
        time: told.time,
        caller: cut(&told.origin.caller),
        caller_kind: cut(&told.origin.kind),
        address: address.unwrap_or_default(),
        action: cut(&told.act.action),
        object: cut(&told.act.object),
        subject,
        outcome: told.act.outcome.as_str().to_owned(),
        trace: cut(&told.trace),
        previous: head.hash,
        hash: NO_HASH,
    };
    entry.sealed()
}

async fn lock_head(connection: &impl ConnectionTrait, chain: ChainId) -> Result<Head, AuditError> {
    let head = chain::Entity::find_by_id(chain.0)
        .lock_exclusive()
        .one(connection)
        .await?
        .ok_or(AuditError::HeadGone)?;
    let hash = Hash::try_from(head.hash.as_slice());
    let hash = hash.map_err(|_| AuditError::Damaged("the hash of a head".to_owned()))?;
    let sequence = u64::try_from(head.sequence);
    let sequence = sequence.map_err(|_| AuditError::Damaged("the number of a head".to_owned()))?;
    Ok(Head {
        chain,
        sequence,
        hash,
    })
}

async fn move_head(connection: &impl ConnectionTrait, head: &Head) -> Result<(), AuditError> {
    let moved = chain::Entity::update_many()
        .col_expr(chain::Column::Sequence, Expr::value(signed(head.sequence)?))
        .col_expr(chain::Column::Hash, Expr::value(head.hash.to_vec()))
        .filter(chain::Column::ChainId.eq(head.chain.0))
        .exec(connection)
        .await?;
    if moved.rows_affected == 1 {
        Ok(())
    } else {
        Err(AuditError::HeadGone)
    }
}

fn row(entry: Entry) -> Result<entry::ActiveModel, AuditError> {
    Ok(entry::ActiveModel {
        chain_id: Set(entry.chain.0),
        sequence: Set(signed(entry.sequence)?),
        time: Set(entry.time.as_millis()),
        caller_id: Set(entry.caller),
        caller_kind: Set(entry.caller_kind),
        address: Set(entry.address),
        action: Set(entry.action),
        object: Set(entry.object),
        subject: Set(entry.subject),
        outcome: Set(entry.outcome),
        trace_parent: Set(entry.trace),
        previous_hash: Set(entry.previous.to_vec()),
        hash: Set(entry.hash.to_vec()),
    })
}

/// Reads an entry from its row. Hashes that are none are read as zeros, so that the entry is found
/// to be changed.
pub(crate) fn entry_of_row(row: entry::Model) -> Entry {
    let hash = |bytes: Vec<u8>| Hash::try_from(bytes.as_slice()).unwrap_or(NO_HASH);
    Entry {
        chain: ChainId(row.chain_id),
        // No entry has a negative number: one that is below 1 is found to be out of place.
        sequence: u64::try_from(row.sequence).unwrap_or(0),
        time: Timestamp::from_millis(row.time),
        caller: row.caller_id,
        caller_kind: row.caller_kind,
        address: row.address,
        action: row.action,
        object: row.object,
        subject: row.subject,
        outcome: row.outcome,
        trace: row.trace_parent,
        previous: hash(row.previous_hash),
        hash: hash(row.hash),
    }
}

pub(crate) fn signed(number: u64) -> Result<i64, AuditError> {
    i64::try_from(number).map_err(|_| AuditError::Damaged("the number of an entry".to_owned()))
}
