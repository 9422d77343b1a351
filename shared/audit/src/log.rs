//! The audit log of a process: its chain, and the way to it.

use std::sync::Arc;

use access::now;
use kernel::{CustomerId, to_hex};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QueryOrder as _,
};
use storage::{Database, StorageError};
use tokio::time::timeout;
use uuid::Uuid;

use crate::append::{Told, append, signed};
use crate::chain::NO_HASH;
use crate::entity::chain;
use crate::writer::Writer;
use crate::{Act, AuditError, ChainId, Class, MIGRATIONS, Origin, limits, metrics, subject};

/// The first act of a chain. Its object names the head of the chain that began before.
const OPEN: &str = "chain.open";
/// The last act of a chain whose process ended in order.
const CLOSE: &str = "chain.close";

/// The audit log of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    chain: ChainId,
    origin: Origin,
    writer: Writer,
}

impl AuditLog {
    /// Brings the tables up to date and begins a chain for this process, which `worker` names. It
    /// must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn open(database: Database, worker: &str) -> Result<Self, StorageError> {
        database.migrate("audit", MIGRATIONS).await?;
        let chain = ChainId(Uuid::now_v7());
        let origin = Origin::process(worker);
        let begun = begin(&database, chain, &origin).await;
        begun.map_err(|error| match error {
            AuditError::Database(error) => StorageError::Database(error),
            other => StorageError::Database(sea_orm::DbErr::Custom(other.to_string())),
        })?;
        let writer = Writer::start(database.clone(), chain);
        Ok(Self(Arc::new(Shared {
            database,
            chain,
            origin,
            writer,
        })))
    }

    /// The chain of this process.
    pub fn chain(&self) -> ChainId {
        self.0.chain
    }

    /// The database that keeps the log.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// Records acts of the process itself in a transaction that makes them; those of callers are
    /// recorded by [`Operation::record`](crate::Operation::record).
    ///
    /// # Errors
    /// [`AuditError`]: roll the transaction back.
    pub async fn record(
        &self,
        transaction: &impl ConnectionTrait,
        acts: Vec<Act>,
    ) -> Result<(), AuditError> {
        let acts: Vec<Told> = acts.into_iter().map(|act| self.own(act)).collect();
        self.append(transaction, &acts).await
    }

    /// Puts reads of a caller on record within a second. Waits for room where there is none.
    ///
    /// # Errors
    /// [`AuditError::Full`], [`AuditError::Away`], [`AuditError::Closed`]: they are not on record,
    /// so that what was read must not be shown.
    pub async fn note(&self, origin: &Origin, acts: Vec<Act>) -> Result<(), AuditError> {
        let trace = rpc::TraceParent::current().map(|it| it.to_string());
        let trace = trace.unwrap_or_default();
        let told = acts.into_iter().map(|act| Told {
            time: now(),
            class: Class::PersonalRead,
            origin: origin.clone(),
            trace: trace.clone(),
            act,
        });
        self.note_all(told.collect()).await
    }

    /// Destroys the keys by which entries name customers, in a transaction: nobody can tell any
    /// more which entries are about them. Returns how many had one.
    ///
    /// # Errors
    /// [`AuditError::Database`].
    pub async fn forget(
        &self,
        transaction: &impl ConnectionTrait,
        customers: &[CustomerId],
    ) -> Result<u64, AuditError> {
        subject::forget(transaction, customers).await
    }

    /// Writes what waits, and ends the chain. Acts that come later are refused.
    pub async fn close(&self) {
        self.0.writer.close().await;
        let ended = timeout(limits::CLOSE_TIME, self.end()).await;
        if let Err(error) = ended.unwrap_or(Err(AuditError::Away)) {
            // The chain stays open, as that of a process that was killed.
            tracing::warn!(%error, "the chain of the audit log was not closed");
        }
    }

    pub(crate) async fn note_all(&self, acts: Vec<Told>) -> Result<(), AuditError> {
        self.0.writer.note(acts).await
    }

    /// Writes an act before what it tells of is done.
    pub(crate) async fn write_first(&self, act: Told) -> Result<(), AuditError> {
        self.0.writer.write_first(act).await
    }

    pub(crate) async fn append(
        &self,
        transaction: &impl ConnectionTrait,
        acts: &[Told],
    ) -> Result<(), AuditError> {
        if acts.is_empty() {
            return Ok(());
        }
        append(transaction, self.0.chain, acts).await?;
        metrics::written(acts);
        Ok(())
    }

    fn own(&self, act: Act) -> Told {
        own(&self.0.origin, act)
    }

    async fn end(&self) -> Result<(), AuditError> {
        let transaction = self.0.database.begin_write().await?;
        let act = self.own(Act::done(CLOSE, ""));
        self.append(&transaction, &[act]).await?;
        chain::Entity::update_many()
            .col_expr(chain::Column::CloseTime, Expr::value(now().as_millis()))
            .filter(chain::Column::ChainId.eq(self.0.chain.0))
            .exec(&transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

/// Begins a chain, which names the newest of those before it: one that is removed as a whole is
/// missed by the next.
async fn begin(database: &Database, id: ChainId, origin: &Origin) -> Result<(), AuditError> {
    let transaction = database.begin_write().await?;
    let before = chain::Entity::find()
        // Of two processes that start at once, one has an older id and is not named by it.
        .filter(chain::Column::ChainId.lt(id.0))
        .order_by_desc(chain::Column::ChainId)
        .one(&transaction)
        .await?;
    let object = before.map_or_else(String::new, |before| {
        let hash = to_hex(&before.hash);
        format!("after {} {} {hash}", before.chain_id, before.sequence)
    });
    let head = chain::ActiveModel {
        chain_id: Set(id.0),
        worker: Set(origin.caller.to_string()),
        sequence: Set(signed(0)?),
        hash: Set(NO_HASH.to_vec()),
        open_time: Set(now().as_millis()),
        close_time: Set(None),
    };
    chain::Entity::insert(head)
        .exec_without_returning(&transaction)
        .await?;
    let opened = [own(origin, Act::done(OPEN, object))];
    append(&transaction, id, &opened).await?;
    metrics::written(&opened);
    Ok(transaction.commit().await?)
}

fn own(origin: &Origin, act: Act) -> Told {
    Told {
        time: now(),
        class: Class::Other,
        origin: origin.clone(),
        trace: String::new(),
        act,
    }
}
