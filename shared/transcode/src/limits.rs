//! Limits of calls in JSON, each with its reason.

use std::time::Duration;

pub(crate) use rpc::limits::MESSAGE_BYTES;

/// Bytes of one message in JSON, after decompression: as many as a gRPC message may have. What is
/// longer in JSON than in protobuf, such as names of fields, counts here.
pub(crate) const JSON_BYTES: usize = MESSAGE_BYTES;
/// Levels of objects and lists in JSON: three times as deep as any contract, and far from the end
/// of a stack.
pub(crate) const JSON_DEPTH: usize = 64;
/// Bytes of the path and query of a call: what proxies pass on.
pub(crate) const TARGET_BYTES: usize = 16 * 1024;
/// Parameters of a query: more than any request has fields.
pub(crate) const QUERY_PARAMETERS: usize = 256;
/// Characters of a name or value that an error shows.
pub(crate) const SHOWN_CHARS: usize = 60;
/// The time in which a body that is one message has to arrive: 8 MiB at a slow mobile line. A
/// stream of messages is not bounded by it.
pub(crate) const BODY_PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer from which on it is compressed for who asks for it: smaller ones fit into a
/// packet.
pub(crate) const COMPRESSED_ANSWER: usize = 1_400;
/// Bytes of a message of an answer: those of services are below 4 MiB, which clients take.
pub(crate) const ANSWER_BYTES: usize = 2 * MESSAGE_BYTES;
/// The time after which a stream of events on which nothing comes gets a comment: proxies end
/// connections after a minute, and some after 20 seconds.
pub(crate) const EVENTS_QUIET: Duration = Duration::from_secs(15);
/// Milliseconds after which a browser opens a stream of events again that has ended.
pub(crate) const EVENTS_RETRY_MS: u32 = 2_000;
