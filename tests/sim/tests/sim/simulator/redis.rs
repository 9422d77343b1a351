//! A real Redis under a simulation: its functions run as in production, while the clock of the
//! simulation stands still.
//!
//! A call blocks the one thread of the simulation, so that the order of calls, and all that
//! follows, comes from the seed. Hints are the simulation's own: those of the server arrive in real
//! time.

mod calls;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hot::memory::Hook;
use hot::{
    Commit, HotError, HotStore as _, RedisOptions, RedisStore, Slot, StateKey, Stored, StreamId,
    StreamName, Wake, WakeReceiver,
};
use kernel::{PartitionCount, Timestamp};
use testkit::RedisServer;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::Instant;

pub(crate) use self::calls::RedisLink;

/// Makes each gate as old as it is in the simulation: young, or old enough to be taken over. The
/// server does not know that time, and its own would decide otherwise every time. A gate whose time
/// is not the one that this wrote last was touched right after this ran the last time.
///
/// # Units
/// Arguments in milliseconds: what time it is in the simulation, what time it was then, and how old
/// is old.
const AGE_GATES: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, gate in ipairs(redis.call('KEYS', 'hp:{*}:gate')) do
  local at = redis.call('HMGET', gate, 'time', 'aged', 'touched')
  if at[1] then
    local touched = at[1] == at[2] and at[3] or ARGV[2]
    local age = ARGV[1] - touched < tonumber(ARGV[3]) and 1 or ARGV[3]
    local aged = string.format('%.0f', now - age)
    redis.call('HSET', gate, 'time', aged, 'aged', aged, 'touched', touched)
  end
end
return 'done'";

/// A server, and the threads that talk to it. One simulation at a time uses it.
pub(crate) struct RedisHost {
    server: RedisServer,
    runtime: Runtime,
}

impl RedisHost {
    /// Starts a server that keeps nothing on disk.
    ///
    /// # Contract
    /// Started and dropped outside of a simulation.
    pub(crate) fn start() -> Arc<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let server = RedisServer::start().expect("Redis starts");
        Arc::new(Self { server, runtime })
    }

    fn ask(&self, words: &[&str]) {
        self.server.ask(words).expect("Redis answers");
    }

    /// Waits for an answer in real time, and blocks the thread.
    fn wait<T: Send>(&self, call: impl Future<Output = T> + Send) -> T {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || self.runtime.block_on(call));
            waiting.join().expect("a call of Redis does not panic")
        })
    }
}

impl fmt::Debug for RedisHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisHost").finish_non_exhaustive()
    }
}

/// The hot store of one simulation, in Redis. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Redis(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    host: Arc<RedisHost>,
    partitions: PartitionCount,
    origins: bool,
    /// The keys of all states that were ever written.
    keys: Mutex<BTreeMap<Slot, BTreeSet<StateKey>>>,
    listeners: Mutex<Vec<(Vec<StreamName>, Sender<Wake>)>>,
    started: Instant,
    /// The time of the simulation when gates were made to be as old as they are, in milliseconds.
    aged_ms: Mutex<u128>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Redis {
    /// Empties a server for a simulation.
    pub(crate) fn empty(host: &Arc<RedisHost>, partitions: PartitionCount, origins: bool) -> Self {
        host.ask(&["FLUSHALL"]);
        Self(Arc::new(Inner {
            host: Arc::clone(host),
            partitions,
            origins,
            keys: Mutex::default(),
            listeners: Mutex::default(),
            started: Instant::now(),
            aged_ms: Mutex::default(),
        }))
    }

    /// Connects as a process does: with an index of timers of its own.
    pub(crate) fn connect(&self, hook: Option<Arc<dyn Hook>>) -> RedisLink {
        RedisLink {
            redis: self.clone(),
            store: self.open(),
            hook,
        }
    }

    fn open(&self) -> RedisStore {
        let mut options = RedisOptions::new(self.0.host.server.url());
        options.lanes = 1;
        options.origins = self.0.origins;
        let connecting = RedisStore::connect(options, self.0.partitions);
        self.0.host.wait(connecting).expect("Redis lets us in")
    }

    /// Reads all states of a slot, by key.
    pub(crate) fn states(&self, slot: Slot) -> Vec<(StateKey, Stored)> {
        let keys = locked(&self.0.keys).get(&slot).cloned().unwrap_or_default();
        let keys: Vec<StateKey> = keys.into_iter().collect();
        let store = self.open();
        let states = self.wait(store.load(slot, &keys)).expect("Redis answers");
        let both = keys.into_iter().zip(states);
        both.filter_map(|(key, state)| Some((key, state?)))
            .collect()
    }

    /// Reads the index of timers of a slot, as a new owner finds it.
    pub(crate) fn timers(&self, slot: Slot) -> BTreeSet<(Timestamp, StateKey)> {
        let store = self.open();
        let due = self.wait(store.due(slot, Timestamp::MAX, usize::MAX));
        let timers = due.expect("Redis answers").timers.into_iter();
        timers.map(|(key, at)| (at, key)).collect()
    }

    /// Forgets everything, the functions too, as a server that starts without a disk.
    pub(crate) fn forget(&self) {
        self.0.host.ask(&["FLUSHALL"]);
        self.0.host.ask(&["FUNCTION", "FLUSH"]);
        // A server that is set up again knows how many partitions it has.
        drop(self.open());
        self.tell(Wake::Reopen, |_| true);
    }

    fn wait<T: Send>(
        &self,
        call: impl Future<Output = Result<T, HotError>> + Send,
    ) -> Result<T, HotError> {
        self.0.host.wait(call)
    }

    fn subscribe(&self, streams: &[StreamName]) -> WakeReceiver {
        let (sender, receiver) = channel(hot::limits::WAKES);
        locked(&self.0.listeners).push((streams.to_vec(), sender));
        receiver
    }

    fn wake(&self, stream: StreamId) {
        self.tell(Wake::Stream(stream), |names| names.contains(&stream.name));
    }

    /// Tells those who listen. A full queue is full of hints that are still to be read.
    fn tell(&self, wake: Wake, is_meant: impl Fn(&[StreamName]) -> bool) {
        locked(&self.0.listeners).retain(|(names, sender)| {
            if is_meant(names) {
                sender.try_send(wake).ok();
            }
            !sender.is_closed()
        });
    }

    fn note_keys(&self, slot: Slot, commit: &Commit) {
        let mut keys = locked(&self.0.keys);
        let states = commit.states.iter().map(|state| state.key.clone());
        keys.entry(slot).or_default().extend(states);
    }

    /// Tells the server how much time has gone by in the simulation.
    fn age_gates(&self) {
        let now_ms = self.0.started.elapsed().as_millis();
        let last_ms = std::mem::replace(&mut *locked(&self.0.aged_ms), now_ms);
        let ttl_ms = hot::limits::GATE_TTL.as_millis();
        let [now, last, ttl] = [now_ms, last_ms, ttl_ms].map(|time_ms| time_ms.to_string());
        self.0
            .host
            .ask(&["EVAL", AGE_GATES, "0", &now, &last, &ttl]);
    }
}
