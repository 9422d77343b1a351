//! The bytes that stores take in for an event, and their split over the writes of the floor.

use prost::Message as _;
use proto::identity::v1::Event;
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{self, Connection as _};
use testkit::RedisServer;

use super::{STAGES, Work};
use crate::Failure;
use crate::installation::{Installation, Stores};

/// The payloads of commits and of entries, without the columns beside them.
const JOURNAL_BYTES: &str = "SELECT \
     (SELECT coalesce(sum(octet_length(payload)), 0)::int8 FROM journal_commit) + \
     (SELECT coalesce(sum(octet_length(payload)), 0)::int8 FROM journal_entry)";
const FLOOR_BYTES: &str = "SELECT coalesce(sum(octet_length(payload)), 0)::int8 FROM floor_row";
/// Bytes around a state in a command: its key, and the lengths of both.
const AROUND_STATE_BYTES: f64 = 26.0;

/// Bytes for each event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Volume {
    /// Received by Redis, names of commands and keys included.
    pub(super) redis_bytes: f64,
    /// Payloads of rows in PostgreSQL.
    pub(super) postgres_bytes: f64,
}

impl Volume {
    /// Reads what an installation at level `journal` wrote since it started, divided by its events.
    pub(crate) async fn of_journal(
        installation: &Installation,
        events: usize,
    ) -> Result<Self, Failure> {
        let stores = installation.stores.as_ref();
        let stores = stores.ok_or("embedded stores do not tell what they took in")?;
        Self::read(stores, JOURNAL_BYTES, events).await
    }

    /// Reads what the floor wrote, divided by its events.
    pub(super) async fn of_floor(stores: &Stores, events: usize) -> Result<Self, Failure> {
        Self::read(stores, FLOOR_BYTES, events).await
    }

    async fn read(stores: &Stores, sum: &'static str, events: usize) -> Result<Self, Failure> {
        let events = decimal(events);
        let mut database = PgConnection::connect(&stores.database).await?;
        let rows: i64 = sqlx::query_scalar(sum).fetch_one(&mut database).await?;
        Ok(Self {
            redis_bytes: decimal(received(&stores.redis)?) / events,
            postgres_bytes: decimal(usize::try_from(rows)?) / events,
        })
    }

    /// Splits it over the writes of all stages: each writes the record of an event, what is left of
    /// the bytes for Redis as its state, and as much to PostgreSQL as the others.
    pub(super) fn work(self, stores: &Stores, events: &[Event]) -> Result<Work, Failure> {
        let records: usize = events.iter().map(Event::encoded_len).sum();
        let record = decimal(records) / decimal(events.len());
        let writes = f64::from(STAGES);
        let state = self.redis_bytes / writes - record - AROUND_STATE_BYTES;
        let row = self.postgres_bytes / writes;
        if state < 1.0 || row < 1.0 {
            return Err(format!("{self:?} has no room for a record in each stage").into());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some hundreds of bytes"
        )]
        Ok(Work {
            redis: stores.redis.url(),
            database: stores.database.clone(),
            events: events.len(),
            state_bytes: state.round() as usize,
            row_bytes: row.round() as usize,
        })
    }
}

/// Returns the bytes that a server has received since it started.
fn received(redis: &RedisServer) -> Result<usize, Failure> {
    let info = redis.ask(&["INFO", "stats"])?;
    let told = info
        .lines()
        .find_map(|line| line.strip_prefix("total_net_input_bytes:"));
    let told = told.ok_or("Redis does not tell what it received")?;
    Ok(told.trim().parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn decimal(number: usize) -> f64 {
    number as f64
}
