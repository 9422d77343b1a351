//! Logs on every kind of database, and what tests write to them and read from them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use changes::{ChangeLog, ChangeSink as _, Pending, Place, Position, ReadError, Scribe};
use kernel::{Owner, PartitionId};
use messages::stream::v1::change_record::Kind;
use messages::stream::v1::{ChangeBatch, ChangeRecord, MapMoved};
use prost::Message as _;
use sea_orm::{ConnectionTrait as _, Statement, Value};
use storage::{Database, DatabaseUrl};
use tempfile::TempDir;
use testkit::PostgresServer;

/// One server for all tests that run at the same time.
static SERVER: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());

fn server() -> Arc<PostgresServer> {
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(PostgresServer::start().expect("a server"));
        *shared = Arc::downgrade(&server);
        server
    })
}

/// An empty log.
pub(crate) struct World {
    pub(crate) log: ChangeLog,
    pub(crate) database: Database,
    _folder: Option<TempDir>,
    _server: Option<Arc<PostgresServer>>,
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
        Self::on(&url, Some(folder), None).await
    }

    pub(crate) async fn postgres() -> Self {
        let server = server();
        let url = server.create_database().expect("a database");
        Self::on(&url.parse().expect("a URL"), None, Some(server)).await
    }

    /// One on each kind of database.
    pub(crate) async fn all() -> [Self; 2] {
        [Self::sqlite().await, Self::postgres().await]
    }

    pub(crate) async fn on(
        url: &DatabaseUrl,
        folder: Option<TempDir>,
        server: Option<Arc<PostgresServer>>,
    ) -> Self {
        let database = Database::connect(url).await.expect("it opens");
        Self {
            log: ChangeLog::open(database.clone()).await.expect("tables"),
            database,
            _folder: folder,
            _server: server,
        }
    }

    pub(crate) async fn execute<const N: usize>(&self, sql: &str, values: [Value; N]) {
        let orm = self.database.orm();
        let backend = orm.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        orm.execute_raw(statement).await.expect("it is done");
    }

    /// Writes rows, each with so many changes of customer 1.
    pub(crate) async fn write_rows(&self, counts: &[u32]) {
        let scribe = Scribe::new(self.log.clone());
        let end = self.log.newest_row().await.expect("an answer");
        let mut time = 0;
        scribe.open(SLOT.0, SLOT.1, end + 1, Vec::new());
        for (seq, count) in (1..).zip(counts) {
            let changes = (0..*count).map(|_| {
                time += 1;
                change(1, time)
            });
            push(&scribe, SLOT, (end + 1, seq), changes.collect());
            scribe.flush().await.expect("it is written");
        }
    }

    /// Reads everything from a position on, some bytes at a time.
    pub(crate) async fn read_from(&self, mut position: Position, bytes: usize) -> Vec<Read> {
        let mut all = Vec::new();
        loop {
            let behind = read_next(&self.log, position, bytes, &mut all).await;
            let behind = behind.expect("it can be read");
            if behind == position {
                return all;
            }
            position = behind;
        }
    }

    pub(crate) async fn read_all(&self) -> Vec<Read> {
        let extent = self.log.extent().await.expect("an answer");
        let all = self.read_from(extent.oldest, 64 * 1024).await;
        assert_eq!(extent.changes, all.len() as u64);
        all
    }

    /// The times of all changes: tests number changes by their times.
    pub(crate) async fn times(&self) -> Vec<i64> {
        let all = self.read_all().await.into_iter();
        all.map(|(_, change)| change.time_ms).collect()
    }
}

/// A change, and the position behind it.
pub(crate) type Read = (Position, ChangeRecord);

/// Reads once behind a position, and returns where that ended.
pub(crate) async fn read_next(
    log: &ChangeLog,
    position: Position,
    bytes: usize,
    into: &mut Vec<Read>,
) -> Result<Position, ReadError> {
    let mut behind = position;
    for batch in log.read(position, bytes).await? {
        let skipped = if batch.row == position.row {
            position.index
        } else {
            0
        };
        assert_eq!(batch.row, behind.row, "no row is left out");
        for (index, change) in (1..).zip(batch.changes).skip(skipped as usize) {
            behind.index = index;
            into.push((behind, change));
        }
        behind = Position::behind(position.log, batch.row);
    }
    Ok(behind)
}

/// The slot of tests that need no more than one.
pub(crate) const SLOT: (Owner, PartitionId) = (Owner::Journey, PartitionId::new(3));

/// The id of a customer.
pub(crate) fn id(customer: u8) -> [u8; 16] {
    [customer; 16]
}

/// A change of a customer, numbered by its time.
pub(crate) fn change(customer: u8, time: i64) -> ChangeRecord {
    ChangeRecord {
        customer_id: id(customer).to_vec().into(),
        time_ms: time,
        kind: Some(Kind::Position(MapMoved {
            journey_map: "onboarding".to_owned(),
            version: 1,
            from_stage: "started".to_owned(),
            to_stage: "done".to_owned(),
            ..MapMoved::default()
        })),
    }
}

pub(crate) fn encode(changes: Vec<ChangeRecord>) -> Bytes {
    ChangeBatch { changes }.encode_to_vec().into()
}

pub(crate) fn pending((epoch, seq): (u64, u64), changes: Vec<ChangeRecord>) -> Pending {
    Pending {
        place: Place { epoch, seq },
        changes: encode(changes),
    }
}

pub(crate) fn push(
    scribe: &Scribe,
    slot: (Owner, PartitionId),
    place: (u64, u64),
    changes: Vec<ChangeRecord>,
) {
    scribe.push(slot.0, slot.1, pending(place, changes));
}

/// Chance, by a seed: SplitMix64.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let number = kernel::split_mix(self.0) >> 33;
        usize::try_from(number).expect("31 bits") % limit
    }
}
