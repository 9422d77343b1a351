//! Limits of the command line, each with its reason.

use std::time::Duration;

/// The longest time of a single question: people would think that it hangs.
pub const CALL_TIME: Duration = Duration::from_secs(30);
/// Definitions in one request, as the contract allows.
pub const DEFINITIONS_PER_REQUEST: usize = 500;
/// Bytes of one definition file: a directory of definitions fits one gRPC message many times over.
pub const DEFINITION_FILE_BYTES: u64 = 1024 * 1024;
/// Bytes of a mapping file.
pub const MAPPING_FILE_BYTES: u64 = 64 * 1024;
/// Bytes of one line of an import: eight times what one event may have.
pub const LINE_BYTES: usize = 256 * 1024;
/// Batches on their way during an import: enough that neither side waits for a round trip.
pub const BATCHES_IN_FLIGHT: usize = 16;
/// Bad lines that an import prints; more are counted only.
pub const BAD_LINES_SHOWN: u64 = 100;
/// Streams that an import opens without any progress before it gives up.
pub const STREAM_ATTEMPTS: u32 = 8;
/// The longest pause between two such attempts.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Items asked for at once when a list is read to its end.
pub const PAGE_SIZE: u32 = 1_000;
/// Partitions rebuilt at once: they wait for the database and for Redis in turn.
pub(crate) const REBUILDS_AT_ONCE: usize = 8;
/// The longest wait of a rebuild for another process that restores the same partition: longer than
/// such a one counts as alive.
pub(crate) const REBUILD_PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks.
pub(crate) const REBUILD_PAUSE: Duration = Duration::from_millis(500);
/// Bytes of the file of contexts: hundreds of them.
pub(crate) const CONTEXTS_BYTES: u64 = 1024 * 1024;
/// Bytes of a file of one key or token: as much as services read of it.
pub(crate) const KEY_FILE_BYTES: u64 = 8 * 1024;
