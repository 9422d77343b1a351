//! Limits of a process, each with its reason.

use std::time::Duration;

/// Bytes of a configuration file: a flat list of settings is far smaller, and a wrong path may name
/// anything.
pub const CONFIG_FILE_BYTES: u64 = 64 * 1024;
/// The time that calls may take to finish once the server no longer accepts new ones; streams end
/// then. Shorter than the 30 seconds after which Kubernetes kills.
pub const DRAIN_TIME: Duration = Duration::from_secs(10);
/// The time that each service may take to hand over its leases.
pub const HAND_OVER_TIME: Duration = Duration::from_secs(10);
/// The pause between two questions to a connection whether the other end is still there.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// The time that the answer may take before the connection is given up.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes a client may send on one stream before it must wait: an ordinary batch, so that an import
/// does not idle for a round trip, and 5 MB a second over one of 50 ms.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// Bytes a client may send on one connection: eight streams that wait leave room for others. These
/// are the only bytes of requests that the budget of memory does not count.
pub const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// Streams of one connection: a misbehaving client cannot take all memory.
pub const STREAMS_PER_CONNECTION: u32 = 1_024;
/// The time that the first bytes of a connection may take: clients that connect have something to
/// say.
pub const OPENING_TIME: Duration = Duration::from_secs(30);
/// The time that the head of each request over HTTP/1.1 may take, the wait for it included:
/// balancers keep connections without requests for a minute, and must not find them closed.
pub const HEAD_TIME: Duration = Duration::from_secs(75);
/// Bytes of the head of a request over HTTP/1.1: the longest key or token and the longest path
/// leave most of it.
pub const HTTP1_HEAD_BYTES: usize = 64 * 1024;
/// Bytes of the headers of a request over HTTP/2.
pub const HTTP2_HEADER_BYTES: u32 = 32 * 1024;
/// Bytes of the path and query of a request: every list and read of the contracts fits.
pub const TARGET_BYTES: usize = 16 * 1024;
/// The time for which a browser may keep the answer whether a page may call: what most keep.
pub const PREFLIGHT_TIME: Duration = Duration::from_secs(2 * 3_600);
/// Bytes of the names of headers that a page asks leave for: those of all clients fit.
pub const PREFLIGHT_HEADER_BYTES: usize = 1_024;
/// The pause between two sendings of metrics to a collector: dashboards look no closer.
pub const METRICS_INTERVAL: Duration = Duration::from_secs(15);
/// The time that a connection to a collector may take: what is to be sent waits in memory.
pub const COLLECTOR_CONNECT_TIME: Duration = Duration::from_secs(10);
/// Spans a second that are exported because they failed or were slow, beyond the share of traces:
/// in an outage every call fails, and a few hundred tell as much as all.
pub const TELLING_SPANS_A_SECOND: u32 = 100;
/// Such spans at once, before that: below the 2,048 that wait for the collector.
pub const TELLING_SPANS: u32 = 1_000;
/// Parts of traces under way that are judged when they end: more than calls that fit into the
/// memory of messages.
pub const OPEN_PARTS: usize = 16_384;
/// Spans of these that have ended before their part did.
pub const HELD_SPANS: usize = 4_096;
/// Bytes of them, about.
pub const HELD_BYTES: usize = 4 * 1024 * 1024;
/// Spans of one part: a call that goes on for hours leaves room for others.
pub const PART_SPANS: usize = 256;
/// Bytes of a body over HTTP/1.1 that are read and forgotten where it was answered before its end:
/// what a client that sends in one go has under way.
pub const UNREAD_BYTES: usize = 1024 * 1024;
/// The time for that.
pub const UNREAD_TIME: Duration = Duration::from_secs(1);
/// Readers of metrics at once: one Prometheus, its spare, and a person.
pub const METRICS_CONNECTIONS: usize = 16;
/// The time that a reader of metrics may take to ask.
pub const METRICS_HEAD_TIME: Duration = Duration::from_secs(10);
/// The pause between two looks at whether the engines of a process have started: probes ask no more
/// often than once a second.
pub const START_INTERVAL: Duration = Duration::from_millis(200);
/// The pause between two looks at whether the certificate of a process has ended: a fifth of the
/// time in which a new one is noticed.
pub const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of a question about health: the name of a service.
pub const HEALTH_MESSAGE_BYTES: usize = 4 * 1024;
/// Questions about health on one connection at once: a probe asks one.
pub const HEALTH_STREAMS: u32 = 16;
/// The time that answers about health may take once the process has ended everything else.
pub const HEALTH_CLOSE_TIME: Duration = Duration::from_secs(1);
/// The pause between two removals of answers to requests from the SQL store, which keeps them for a
/// day.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Partitions on one page unless the request says otherwise: all of one service.
pub const PARTITIONS_PER_PAGE: usize = 1_000;
/// Quarantined records on one page unless the request says otherwise; each may be large.
pub const QUARANTINED_PER_PAGE: usize = 100;
/// Bytes of the JSON of one quarantined record: with the bytes of the largest one beside it, it
/// fits into an answer.
pub const QUARANTINED_JSON_BYTES: usize = 512 * 1024;
/// The wait that a caller is asked for where too many commands about the quarantine wait: some
/// batches of their workers.
pub const COMMANDS_RETRY: Duration = Duration::from_secs(1);
/// The time that the answer about an installation waits for the database to tell who is alive: who
/// asks because the database hangs is answered while they look.
pub const WORKERS_PATIENCE: Duration = Duration::from_secs(1);
/// The time that a read waits for a write where its caller sets no deadline: services that are not
/// away are there within milliseconds.
pub const READ_PATIENCE: Duration = Duration::from_secs(10);
/// The wait that a caller is asked for whose write is not there yet.
pub const READ_RETRY: Duration = Duration::from_secs(1);
/// Clients with which TLS is agreed on at once: an agreement takes a millisecond of a processor.
pub const HANDSHAKES: usize = 256;
/// Failures of that which are logged in a second: a scanner of ports fills no disk.
pub const HANDSHAKE_FAILURES_LOGGED: u64 = 10;
/// The pause after a connection that could not be accepted, as where files run out.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The least age at which connections end in order, which no call notices: clients look for
/// replicas again, and show the certificates that they have by then. Those of whoever watches
/// health are cut, since anybody may watch.
pub const CONNECTION_AGE: Duration = Duration::from_secs(10 * 60);
/// Seconds over which the ends of connections are spread.
pub const CONNECTION_AGE_SPREAD_SECONDS: u64 = 120;
