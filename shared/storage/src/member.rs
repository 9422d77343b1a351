//! Members: the processes that are alive, as the database's clock tells.
//!
//! It does not say which partition is whose.

use kernel::{Duration, Timestamp};
use sea_orm::QueryResult;

use crate::{LeaseStore, StorageError, limits};

/// One process among those that run a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberId<'a> {
    /// The service.
    pub service: &'a str,
    /// The name of the worker. A process may have it again after its end.
    pub worker: &'a str,
    /// Tells this process from all others that ever had the name.
    pub incarnation: &'a str,
}

/// The word of a process that it is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat<'a> {
    /// The process.
    pub member: MemberId<'a>,
    /// The time for which the word counts.
    pub ttl: Duration,
    /// True where it wants a share of the partitions. Leases are given to nobody else.
    pub takes_part: bool,
    /// Milliseconds by which its clock is ahead of the database's, or behind where this is
    /// negative; absent before the two were compared.
    pub clock_skew_ms: Option<i64>,
}

/// The answer to a [`Heartbeat`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The database's time.
    pub now: Timestamp,
    /// Another process of the name that is alive. Present where the heartbeat was refused for it,
    /// and changed nothing.
    pub namesake: Option<Namesake>,
}

/// Another process of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namesake {
    /// Tells it from all others.
    pub incarnation: String,
    /// When it was heard last. One that goes on is alive, and one that is dead lapses.
    pub beat_time: Timestamp,
}

/// A process that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name of the worker.
    pub worker: String,
    /// As in its last [`Heartbeat`].
    pub takes_part: bool,
    /// As in its last [`Heartbeat`], in milliseconds.
    pub clock_skew_ms: Option<i64>,
    /// When it counts as dead unless it is heard before.
    pub expire_time: Timestamp,
}

impl LeaseStore {
    /// Returns the condition under which a row of `worker` is alive.
    ///
    /// A row from the future is not, beyond what it lasts: the database's clock was set back, and
    /// who is alive says so again before long.
    pub(crate) fn alive(&self, row: &str) -> String {
        alive_at(self.database.now_sql(), row)
    }

    /// Says that a process is alive, unless another one of its name is.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn heartbeat(&self, beat: Heartbeat<'_>) -> Result<Heard, StorageError> {
        const COLUMNS: [&str; 5] = [
            "incarnation",
            "beat_time",
            "ttl_ms",
            "takes_part",
            "clock_skew_ms",
        ];
        // The clock is read once for all columns: a row that lapses between two readings would be
        // taken in parts. The answer's reading comes after it and decides nothing.
        let now = self.database.now_sql();
        let is_alive = alive_at("excluded.beat_time", "own");
        let is_free = format!("own.incarnation = excluded.incarnation OR NOT ({is_alive})");
        let set = COLUMNS.map(|column| {
            format!("{column} = CASE WHEN {is_free} THEN excluded.{column} ELSE own.{column} END")
        });
        let sql = format!(
            "INSERT INTO worker AS own (service, worker, {}) VALUES ($1, $2, $3, {now}, $4, $5, $6) \
             ON CONFLICT (service, worker) DO UPDATE SET {} RETURNING incarnation, beat_time, {now}",
            COLUMNS.join(", "),
            set.join(", ")
        );
        let member = beat.member;
        let values = [
            member.service.into(),
            member.worker.into(),
            member.incarnation.into(),
            beat.ttl.as_millis().into(),
            beat.takes_part.into(),
            beat.clock_skew_ms.into(),
        ];
        let row = self.database.row(&sql, values).await?;
        let incarnation: String = row.try_get_by_index(0)?;
        let beat_time = time(&row, 1)?;
        let namesake = (incarnation != member.incarnation).then_some(Namesake {
            incarnation,
            beat_time,
        });
        Ok(Heard {
            now: time(&row, 2)?,
            namesake,
        })
    }

    /// The processes of a service that are alive, by name.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn members(&self, service: &str) -> Result<Vec<Member>, StorageError> {
        let sql = format!(
            "SELECT own.worker, own.takes_part, own.clock_skew_ms, own.beat_time + own.ttl_ms \
             FROM worker own WHERE own.service = $1 AND {} ORDER BY own.worker",
            self.alive("own")
        );
        let rows = self.database.rows(&sql, [service.into()]).await?;
        let members = rows.iter().map(|row| {
            Ok(Member {
                worker: row.try_get_by_index(0)?,
                takes_part: row.try_get_by_index(1)?,
                clock_skew_ms: row.try_get_by_index(2)?,
                expire_time: time(row, 3)?,
            })
        });
        members.collect()
    }

    /// Says that a process is no more, so that its leases are nobody's, and forgets those that died
    /// long ago.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn leave(&self, member: MemberId<'_>) -> Result<(), StorageError> {
        let sql = format!(
            "DELETE FROM worker WHERE service = $1 \
             AND (worker = $2 AND incarnation = $3 OR beat_time < {} - {})",
            self.database.now_sql(),
            limits::MEMBER_KEPT.as_millis()
        );
        let values = [
            member.service.into(),
            member.worker.into(),
            member.incarnation.into(),
        ];
        self.database.execute(&sql, values).await
    }

    /// Says that no process of a service is alive, so that all its leases are nobody's. The caller
    /// has what only one process can have.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn evict(&self, service: &str) -> Result<(), StorageError> {
        let sql = "DELETE FROM worker WHERE service = $1";
        self.database.execute(sql, [service.into()]).await
    }
}

/// Returns the condition under which a row of `worker` is alive at a time that SQL tells.
fn alive_at(now: &str, row: &str) -> String {
    format!("abs({now} - {row}.beat_time) < {row}.ttl_ms")
}

/// Reads a time of a row.
pub(crate) fn time(row: &QueryResult, index: usize) -> Result<Timestamp, StorageError> {
    Ok(Timestamp::from_millis(row.try_get_by_index(index)?))
}
