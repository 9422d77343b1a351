//! Streams the log: chains from the newest to the oldest, each as of one instant.

use std::collections::BTreeSet;

use kernel::Timestamp;
use proto::audit::v1 as api;
use proto::convert::timestamp;
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, IsolationLevel, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, TransactionTrait as _,
};
use storage::Database;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;
use uuid::Uuid;

use crate::append::entry_of_row;
use crate::entity::{chain, entry};
use crate::query::of_chain;
use crate::{AuditError, ChainId, Filter, Pruned, limits, prune};

/// Chains that a round asks for.
const CHAINS_AT_ONCE: u64 = 200;

type Answers = mpsc::Sender<Result<api::ExportEntriesResponse, Status>>;

/// Sends the log to who asked, until they go away.
pub(crate) async fn export(
    database: &Database,
    filter: &Filter,
    before: Option<ChainId>,
    answers: &Answers,
) -> Result<(), AuditError> {
    let mut before = before.map(|chain| chain.0);
    loop {
        let chains = chains_before(database, before).await?;
        let Some(oldest) = chains.last() else {
            break;
        };
        before = Some(*oldest);
        for id in chains {
            if !export_chain(database, filter, ChainId(id), answers).await? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Returns the ids of chains that have a head or entries, newest first, below an id.
async fn chains_before(database: &Database, before: Option<Uuid>) -> Result<Vec<Uuid>, AuditError> {
    let mut heads = chain::Entity::find();
    // A chain without a head is as suspicious as one without entries.
    let mut orphans = entry::Entity::find().distinct();
    if let Some(before) = before {
        heads = heads.filter(chain::Column::ChainId.lt(before));
        orphans = orphans.filter(entry::Column::ChainId.lt(before));
    }
    let heads: Vec<Uuid> = heads
        .select_only()
        .column(chain::Column::ChainId)
        .order_by_desc(chain::Column::ChainId)
        .limit(CHAINS_AT_ONCE)
        .into_tuple()
        .all(database.orm())
        .await?;
    let orphans: Vec<Uuid> = orphans
        .select_only()
        .column(entry::Column::ChainId)
        .order_by_desc(entry::Column::ChainId)
        .limit(CHAINS_AT_ONCE)
        .into_tuple()
        .all(database.orm())
        .await?;
    let all: BTreeSet<Uuid> = heads.into_iter().chain(orphans).collect();
    let newest = all.into_iter().rev();
    Ok(newest
        .take(usize::try_from(CHAINS_AT_ONCE).unwrap_or(usize::MAX))
        .collect())
}

/// Sends a chain. Returns false where nobody reads any more.
async fn export_chain(
    database: &Database,
    filter: &Filter,
    id: ChainId,
    answers: &Answers,
) -> Result<bool, AuditError> {
    // All that is read of the chain is of one instant, so that its head fits its entries.
    let transaction = snapshot(database).await?;
    let head = chain::Entity::find_by_id(id.0).one(&transaction).await?;
    let pruned = prune::find(&transaction, id).await?;
    let mut head = head.map(|row| head_of(row, pruned));
    let Some(query) = filter.query(&transaction).await? else {
        return send(answers, head, Vec::new()).await;
    };
    let mut after = i64::MIN;
    loop {
        let rows = of_chain(query.clone(), id, after, limits::ROWS_AT_ONCE);
        let rows = rows.all(&transaction).await?;
        let is_last = (rows.len() as u64) < limits::ROWS_AT_ONCE;
        after = rows.last().map_or(after, |row| row.sequence);
        let entries = rows.into_iter().map(|row| entry_of_row(row).into());
        let entries: Vec<api::Entry> = entries.collect();
        let says_nothing = head.is_none() && entries.is_empty();
        if !says_nothing && !send(answers, head.take(), entries).await? {
            return Ok(false);
        }
        if is_last {
            break;
        }
    }
    transaction.rollback().await?;
    Ok(true)
}

async fn snapshot(database: &Database) -> Result<DatabaseTransaction, AuditError> {
    let orm = database.orm();
    // A transaction of SQLite is one of a snapshot, and it knows no other level.
    let level = match orm.get_database_backend() {
        sea_orm::DbBackend::Postgres => Some(IsolationLevel::RepeatableRead),
        _ => None,
    };
    Ok(orm.begin_with_config(level, None).await?)
}

/// Sends an answer; returns false where nobody reads any more. One who reads too slowly must not
/// keep a snapshot of the database open.
async fn send(
    answers: &Answers,
    head: Option<api::Head>,
    entries: Vec<api::Entry>,
) -> Result<bool, AuditError> {
    let answer = api::ExportEntriesResponse { head, entries };
    let sent = timeout(limits::READER_PATIENCE, answers.send(Ok(answer))).await;
    sent.map(|sent| sent.is_ok())
        .map_err(|_elapsed| AuditError::SlowReader)
}

fn head_of(row: chain::Model, pruned: Option<Pruned>) -> api::Head {
    api::Head {
        chain_id: ChainId(row.chain_id).to_string(),
        worker: row.worker,
        sequence: u64::try_from(row.sequence).unwrap_or(0),
        hash: row.hash.into(),
        open_time: Some(timestamp(Timestamp::from_millis(row.open_time))),
        close_time: row
            .close_time
            .map(|time| timestamp(Timestamp::from_millis(time))),
        pruned: pruned.map(Into::into),
    }
}
