//! The hot store in Redis 7.0 or newer or Valkey: one server, one behind sentinels, or a cluster.
//!
//! A commit is one call of a function, so it is atomic. Durability is the server's choice.

mod address;
mod appends;
mod calls;
mod certificates;
mod confirm;
mod counters;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod gather;
mod head;
mod index;
mod inspect;
mod install;
mod keys;
mod leftovers;
mod library;
mod link;
mod options;
mod pack;
mod record;
mod reply;
mod restore;
mod scrub;
mod server;
mod source;
mod timers;
mod wake;
mod watch;
mod write;

use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::try_join_all;
use kernel::{InstallationName, PartitionCount, PartitionId, Timestamp};
use redis::{Cmd, Value, cmd, pipe};
use tokio::sync::Semaphore;

use self::address::refused;
use self::appends::Appends;
use self::confirm::Confirm;
use self::gather::Gather;
pub use self::inspect::{ServerFacts, inspect};
pub use self::install::{REDIS_SCHEMAS, check_schema};
use self::keys::Keys;
pub use self::leftovers::find_leftovers;
use self::library::{Function, LIBRARY};
use self::link::Link;
pub use self::options::RedisOptions;
use self::reply::{
    accept_time, cursor, entries, failure, id, items, maybe_bytes, maybe_number, payload, target,
    unexpected,
};
use self::source::Source;
use self::timers::Timers;
use self::watch::Watch;
use crate::hints::Topics;
use crate::{
    Append, AppendAnswer, CheckedCommit, Committed, CounterKey, Cursor, Due, Entry, Frontier, Head,
    HotError, HotStore, OutboxMessage, Outgoing, PageBounds, QuarantineId, QuarantineSize,
    Quarantined, Scrubbed, Slot, Standing, StateKey, Stored, StreamId, StreamName, Unread,
    WakeReceiver, check, stored,
};

/// A hot store in Redis.
pub struct RedisStore {
    count: PartitionCount,
    installation: Option<InstallationName>,
    keys: Arc<Keys>,
    source: Arc<Source>,
    lanes: Vec<Link>,
    /// By lane: the appends of one moment.
    appends: Vec<(Appends, Gather<Appends>)>,
    confirm: Option<Confirm>,
    watch: Watch,
    commits: Semaphore,
    timers: Timers,
    has_origins: bool,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("count", &self.count)
            .field("installation", &self.installation)
            .field("lanes", &self.lanes.len())
            .finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects, loads the functions, and checks the installation, creating it where there is none.
    ///
    /// # Errors
    /// [`HotError::Mismatch`] for another partition count or schema, an installation of another
    /// database, or a server that cannot be used; [`HotError::Unavailable`] where it does not
    /// answer.
    pub fn connect(
        options: impl Into<RedisOptions>,
        partitions: PartitionCount,
    ) -> BoxFuture<'static, Result<Self, HotError>> {
        Self::connect_in_full(options.into(), partitions)
    }

    // Boxed here, so that whoever waits for it does not compile it again.
    fn connect_in_full(
        options: RedisOptions,
        partitions: PartitionCount,
    ) -> BoxFuture<'static, Result<Self, HotError>> {
        Box::pin(async move {
            let options = options.with_query()?;
            let source = Arc::new(Source::new(&options)?);
            let lanes = (0..options.lanes.max(1)).map(|_| Link::connect(&source));
            let lanes = try_join_all(lanes).await.map_err(refused)?;
            server::check(&lanes[0], &options).await?;
            let watch = Watch::start(&source).await.map_err(refused)?;
            let keys = Arc::new(Keys::new(partitions, options.installation.as_ref()));
            let gathered = |link: &Link| {
                let (keys, link) = (Arc::clone(&keys), link.clone());
                (Appends { keys, link }, Gather::default())
            };
            let store = Self {
                count: partitions,
                appends: lanes.iter().map(gathered).collect(),
                keys,
                source,
                lanes,
                confirm: Confirm::new(&options),
                watch,
                commits: Semaphore::new(usize::from(options.commits_in_flight.max(1))),
                timers: Timers::new(partitions),
                has_origins: options.origins,
                installation: options.installation.clone(),
            };
            store.load_functions().await?;
            store.install(&options).await?;
            Ok(store)
        })
    }

    /// Subscribes to the hints of the installation.
    async fn listen(&self, topics: Topics) -> Result<WakeReceiver, HotError> {
        let channel = Arc::clone(self.keys.channel());
        let source = Arc::clone(&self.source);
        wake::subscribe(source, self.watch.changes(), topics, channel).await
    }
}

/// Reads entries after a place.
fn range(key: &str, after: Cursor, max: usize) -> Cmd {
    let mut range = cmd("XRANGE");
    range
        .arg(key)
        .arg(format!("({}", id(after)))
        .arg("+")
        .arg("COUNT")
        .arg(max);
    range
}

#[async_trait]
impl HotStore for RedisStore {
    fn partition_count(&self) -> PartitionCount {
        self.count
    }

    fn installation(&self) -> Option<&InstallationName> {
        self.installation.as_ref()
    }

    async fn open(&self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        check::partition(self.count, slot.partition)?;
        self.read_head(slot, Some(epoch)).await
    }

    async fn head(&self, slot: Slot) -> Result<Head, HotError> {
        check::partition(self.count, slot.partition)?;
        self.read_head(slot, None).await
    }

    async fn load(&self, slot: Slot, keys: &[StateKey]) -> Result<Vec<Option<Stored>>, HotError> {
        check::partition(self.count, slot.partition)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = cmd("MGET");
        let mut name = self.keys.states(slot);
        let prefix = name.len();
        for key in keys {
            name.truncate(prefix);
            name.extend_from_slice(key);
            get.arg(&name[..]);
        }
        let values = items(self.ask(slot.partition, &get).await?)?;
        values
            .into_iter()
            .map(|value| maybe_bytes(value)?.map(stored::decode).transpose())
            .collect()
    }

    async fn poll(
        &self,
        stream: StreamId,
        after: Cursor,
        max: usize,
    ) -> Result<Vec<Entry>, HotError> {
        check::partition(self.count, stream.partition)?;
        let range = range(&self.keys.stream(stream), after, max);
        entries(self.ask(stream.partition, &range).await?)?
            .into_iter()
            .map(|(cursor, fields)| {
                let is_restored = fields.len() > 1;
                let (origin, payload) = payload(fields)?;
                Ok(Entry {
                    cursor,
                    payload,
                    origin,
                    accept_time: (!is_restored).then(|| accept_time(cursor)),
                })
            })
            .collect()
    }

    async fn lag(&self, stream: StreamId, after: Cursor) -> Result<u64, HotError> {
        check::partition(self.count, stream.partition)?;
        let mut lane = self.lane(stream.partition);
        let mut both = pipe();
        both.cmd("XLEN").arg(self.keys.stream(stream));
        both.cmd("HGET")
            .arg(self.keys.tails(stream.partition))
            .arg(stream.name.name());
        let (length, last): (u64, Option<String>) =
            both.query_async(&mut lane).await.map_err(failure)?;
        let last = last.map_or(Ok(Cursor::START), |last| cursor(&last))?;
        Ok(last.minor.saturating_sub(after.minor).min(length))
    }

    async fn frontier(
        &self,
        partition: PartitionId,
        streams: &[StreamName],
    ) -> Result<Frontier, HotError> {
        self.read_frontier(partition, streams).await
    }

    async fn unread(&self, slot: Slot, streams: &[StreamName]) -> Result<Unread, HotError> {
        self.read_unread(slot, streams).await
    }

    async fn due(&self, slot: Slot, until: Timestamp, max: usize) -> Result<Due, HotError> {
        check::partition(self.count, slot.partition)?;
        self.read_due(slot, until, max).await
    }

    async fn apply(&self, slot: Slot, commit: CheckedCommit<'_>) -> Result<Committed, HotError> {
        self.write(slot, commit).await
    }

    async fn append_stamped(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        self.add(append).await
    }

    async fn outbox(
        &self,
        slot: Slot,
        after_seq: u64,
        max: usize,
    ) -> Result<Vec<Outgoing>, HotError> {
        check::partition(self.count, slot.partition)?;
        let after = Cursor {
            major: 0,
            minor: after_seq,
        };
        let range = range(&self.keys.outbox(slot), after, max);
        entries(self.ask(slot.partition, &range).await?)?
            .into_iter()
            .map(|(cursor, fields)| {
                let [(_, to), (_, payload)] = <[(Bytes, Bytes); 2]>::try_from(fields)
                    .map_err(|_| unexpected("an outbox message"))?;
                let to = std::str::from_utf8(&to).ok().and_then(target);
                let to = to.ok_or_else(|| unexpected("the target of an outbox message"))?;
                Ok(Outgoing {
                    seq: cursor.minor,
                    message: OutboxMessage { to, payload },
                })
            })
            .collect()
    }

    async fn trim_outbox(&self, at: Standing, seq: u64) -> Result<(), HotError> {
        let call = pack::call(
            &LIBRARY.name(Function::TrimOutbox),
            &[self.keys.meta(at.slot), self.keys.outbox(at.slot)],
            &[at.epoch, at.commit_seq, seq],
        );
        self.call_at(at, &call).await
    }

    async fn trim(&self, at: Standing, stream: StreamName, upto: Cursor) -> Result<(), HotError> {
        let call = pack::call(
            &LIBRARY.name(Function::Trim),
            &[self.keys.meta(at.slot), self.keys.stream(at.stream(stream))],
            &[
                at.epoch.to_string(),
                at.commit_seq.to_string(),
                id(upto.next()),
            ],
        );
        self.call_at(at, &call).await
    }

    async fn counters(
        &self,
        slot: Slot,
        groups: &[&str],
    ) -> Result<Vec<(CounterKey, i64)>, HotError> {
        self.read_counters(slot, groups).await
    }

    async fn counter_groups(&self, slot: Slot) -> Result<Vec<Box<str>>, HotError> {
        self.read_groups(slot).await
    }

    async fn quarantined(
        &self,
        slot: Slot,
        after: Option<QuarantineId>,
        page: PageBounds,
    ) -> Result<Vec<Quarantined>, HotError> {
        check::partition(self.count, slot.partition)?;
        let after = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let call = pack::call(
            &LIBRARY.name(Function::Quarantined),
            &[self.keys.quarantine(slot)],
            &[after, page.entries.to_string(), page.bytes.to_string()],
        );
        entries(Value::Array(self.call(slot.partition, &call).await?))?
            .into_iter()
            .map(|(cursor, fields)| {
                let index = u32::try_from(cursor.minor)
                    .map_err(|_| unexpected("the id of a quarantined entry"))?;
                let commit_seq = cursor.major;
                let (_, payload) = payload(fields)?;
                Ok(Quarantined {
                    id: QuarantineId { commit_seq, index },
                    payload,
                })
            })
            .collect()
    }

    async fn quarantine_size(&self, slot: Slot) -> Result<QuarantineSize, HotError> {
        let mut get = cmd("HMGET");
        get.arg(self.keys.meta(slot))
            .arg(head::ASIDE)
            .arg(head::ASIDE_BYTES);
        let [records, bytes] =
            <[Value; 2]>::try_from(items(self.ask(slot.partition, &get).await?)?)
                .map_err(|_| unexpected("the size of a quarantine"))?;
        Ok(QuarantineSize {
            records: maybe_number(records)?,
            bytes: maybe_number(bytes)?,
        })
    }

    async fn subscribe(&self, streams: &[StreamName]) -> Result<WakeReceiver, HotError> {
        self.listen(Topics::Streams(streams.to_vec())).await
    }

    async fn subscribe_commits(&self) -> Result<WakeReceiver, HotError> {
        self.listen(Topics::Commits).await
    }

    async fn scrub(&self, ticket: Option<&str>) -> Result<Scrubbed, HotError> {
        self.scrub_files(ticket).await
    }
}
