//! Limits of the calls, each with its reason.

use std::time::Duration;

pub use kernel::limits::MESSAGE_BYTES;

/// Bytes of the items of one answer: clients take 4 MiB by default, and one more item, the size of
/// the largest, may be looked at before the answer is found full.
pub const ANSWER_BYTES: usize = 3 * 1024 * 1024;
/// Violations kept of one request: a person fixes a screenful, and a hostile request costs no more.
/// The others are counted.
pub const VIOLATIONS: usize = 100;
/// Levels of nesting of messages, in validation: deeper than any contract, far from the end of a
/// stack.
pub const MESSAGE_DEPTH: usize = 32;
/// Characters of a wrong value that an error shows.
pub const SHOWN_VALUE_CHARS: usize = 60;
/// Fields that an error about unreadable bytes names, from the outside: enough to find the place,
/// however deep it is.
pub const SHOWN_FIELDS: usize = 4;
/// Bytes of memory for all requests of a process, unless it is told otherwise. With the windows of
/// its connections and what an allocator keeps, a process stays within 200 MB above its load.
pub const MEMORY_BYTES: usize = 128 * 1024 * 1024;
/// Bytes of memory that one message may take: as much as a batch of 1,000 events with 100
/// properties and 100 traits each, which is what the contracts allow.
pub const MESSAGE_MEMORY: usize = 64 * 1024 * 1024;
/// Bytes of memory of a call that is small: some dozens of ordinary events.
pub const SMALL_CALL: usize = 256 * 1024;
/// Bytes of a message that is read and built in less than a millisecond, so that it takes no turn.
pub const SMALL_MESSAGE: usize = 64 * 1024;
/// The time that a message waits for memory: longer than a full machine takes to build one.
pub const MEMORY_PATIENCE: Duration = Duration::from_secs(1);
/// The wait that a caller is asked for who found no memory.
pub const MEMORY_RETRY: Duration = Duration::from_secs(1);
/// The time that a message may take to arrive where others need its room: 8 MB arrive within it at
/// a gigabit a second.
pub const ARRIVAL_GRACE: Duration = Duration::from_millis(100);
/// Levels of messages in messages that can be read: those of the protobuf library.
pub const WIRE_DEPTH: u32 = 100;
/// Elements of a list or map beyond its rule that are still read, so that the fault is told beside
/// all others; what is longer is refused before it is built.
pub const COUNT_MARGIN: u64 = 1_000;
/// Elements of one message that cannot be read and are told one by one: all of the longest list of
/// a contract, so that no number of bad events refuses the good ones. Each takes some 200 bytes.
pub const UNREAD_ELEMENTS: usize = kernel::limits::EVENTS_PER_BATCH + 1_000;
/// Bytes of the message and the details of an error, as they travel, with the names of their
/// headers. Clients take 8 KiB of metadata by default; the rest is for other headers.
pub const STATUS_BYTES: usize = 7 * 1024;
/// Bytes of the message of an error, as it travels. It is there twice: the details hold it too.
pub const STATUS_MESSAGE_BYTES: usize = 1024;
/// Bytes of the name of a field or resource in an error: the longest path of a contract is shorter,
/// but for the keys that a sender makes up.
pub const STATUS_FIELD_BYTES: usize = 200;
/// Bytes of the description of one violation: four of them always fit.
pub const STATUS_VIOLATION_BYTES: usize = 500;
/// Bytes of the first violation in the message of an error that lists others too.
pub const SHOWN_VIOLATION_BYTES: usize = 300;
/// Bytes of a page token: what the contracts accept.
pub const PAGE_TOKEN_BYTES: usize = 500;
/// The number of times that a duplicate of a request that another process is running looks for its
/// answer.
pub const DUPLICATE_POLLS: u32 = 50;
/// The number of looks where doing it again does no harm: long enough for the other process, where
/// that is alive.
pub const REPEATABLE_POLLS: u32 = 10;
/// The pause between two looks.
pub const DUPLICATE_POLL: Duration = Duration::from_millis(100);
/// The time that connecting to another service may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Replicas of one service that a client connects to: four times as many as the manifests let there
/// be. Each is a connection.
pub const REPLICAS: usize = 32;
/// The time from one look for the addresses behind a name to the next, while calls are made: twice
/// as long as servers of names in a cluster let answers be kept. A replica that comes has its share
/// after that.
pub const LOOKUP_INTERVAL: Duration = Duration::from_secs(10);
/// The least time between two looks, however often connections fail meanwhile.
pub const LOOKUP_PAUSE: Duration = Duration::from_secs(1);
/// The time that a look may take.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// The first pause before a replica is dialled again that could not be connected to. It doubles
/// with each failure.
pub const DIAL_PAUSE_LEAST: Duration = Duration::from_millis(250);
/// The longest of these pauses: a machine that is back has its share after that.
pub const DIAL_PAUSE_MOST: Duration = Duration::from_secs(10);
/// The time for which a replica may owe an answer without a word to anybody, before others are
/// asked in its place: ten times as long as almost all calls take.
pub const REPLICA_SILENCE: Duration = Duration::from_secs(1);
/// The time between two calls that find out whether a silent replica is well again: at most six of
/// them, before a connection on which nothing comes is given up.
pub const REPLICA_TRIAL_INTERVAL: Duration = Duration::from_secs(5);
/// The number of replicas to which a call is sent that none of them began.
pub const CALL_ATTEMPTS: u32 = 3;
/// The time that a call whose credential was refused waits for another one: a process makes it
/// within milliseconds where the database answers.
pub const RENEWAL_PATIENCE: Duration = Duration::from_secs(3);
/// The time between two probes of an idle connection, so that a dead peer is noticed.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// The time that a probe may go unanswered.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The part of the caller's time that is left for the answer that what is waited for has not come;
/// where the caller waits for less than four times as much, a quarter of it.
pub const ANSWER_TIME: Duration = Duration::from_millis(100);
/// Callers whose calls are counted one by one: a megabyte. Those beyond are counted together.
pub const RATE_CALLERS: usize = 10_000;
/// Refused calls that are logged in a second: a stranger who tries keys fills no disk.
pub const REFUSALS_LOGGED: u64 = 20;
/// The wait that a caller is asked for whose credential cannot be checked.
pub const CREDENTIAL_RETRY: Duration = Duration::from_secs(2);
