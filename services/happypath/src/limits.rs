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
/// Bytes of a file that are read at once.
pub(crate) const READ_BYTES: usize = 64 * 1024;
/// Bytes of a file by which its form is told: some hundreds of lines.
pub(crate) const SNIFF_BYTES: usize = 64 * 1024;
/// Records by which the sign between values is told.
pub(crate) const SNIFF_RECORDS: usize = 100;
/// Bytes that are kept to find the end of one record or object: what is longer than a line may be
/// is left out as one where it ends by then, and as a line where it does not.
pub(crate) const LOOK_AHEAD_BYTES: usize = 8 * 1024 * 1024;
/// Brackets of a JSON value that are told apart, one in another: all that a line can hold that is
/// read, and no more memory than it.
pub(crate) const JSON_BRACKETS: usize = LINE_BYTES;
/// Rows of a Parquet file that are put together at once.
pub(crate) const PARQUET_ROWS: usize = 256;
/// Bytes of a page of a Parquet file, unpacked: some writers make one of all of a column of a row
/// group, of at most 100 MB.
pub(crate) const PARQUET_PAGE_BYTES: u64 = 128 * 1024 * 1024;
/// Bytes of the header of such a page: it may have a smallest and a greatest value in it.
pub(crate) const PARQUET_HEADER_BYTES: usize = 16 * 1024;
/// Structures of such a header, one in another: the format has three.
pub(crate) const PARQUET_HEADER_DEPTH: usize = 16;
/// Levels of columns of a Parquet file, one in another: more than properties may have.
pub(crate) const PARQUET_DEPTH: usize = 64;
/// Bytes of the events of one message of an import, but for its last event: a message may have four
/// times as many.
pub(crate) const BATCH_BYTES: usize = 1024 * 1024;
/// Batches on their way during an import: enough that neither side waits for a round trip.
pub const BATCHES_IN_FLIGHT: usize = 16;
/// Bad lines that an import prints; more are counted only.
pub const BAD_LINES_SHOWN: u64 = 100;
/// Faults of one line that are told; more are counted only: a row under a wrong header has one in
/// each cell.
pub const FAULTS_PER_LINE: usize = 8;
/// Reasons of faults that an import tells apart; others are counted only.
pub(crate) const FAULT_REASONS: usize = 100;
/// Lines that are named for a reason: enough to find what they have in common.
pub(crate) const LINES_PER_REASON: usize = 5;
/// Events that `--dry-run` shows.
pub(crate) const LINES_PREVIEWED: usize = 3;
/// Columns that `--dry-run` looks at: names in JSON lines have no end.
pub(crate) const SURVEYED_COLUMNS: usize = 500;
/// Streams that an import opens without any progress before it gives up.
pub const STREAM_ATTEMPTS: u32 = 8;
/// The longest pause between two such attempts.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The first of these pauses of `changes watch`.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Changes in a message of `changes watch`, as the contract allows.
pub(crate) const CHANGES_PER_MESSAGE: u32 = 1_000;
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
/// Bytes of an event in place of a dead letter's: as much as the service takes.
pub(crate) const DEAD_LETTER_BYTES: u64 = 64 * 1024;
/// Bytes of a post of a webhook that is tried: as much as the service takes.
pub(crate) const WEBHOOK_FILE_BYTES: u64 = 5 * 1024 * 1024;
/// Bytes of a file of one key or token: as much as services read of it.
pub(crate) const KEY_FILE_BYTES: u64 = 8 * 1024;
/// Characters of the name of an import, as the contract says.
pub(crate) const SOURCE_CHARS: usize = 100;
/// Bytes of the digest that ends a name which was shortened: no two files share it by chance.
pub(crate) const SOURCE_DIGEST_BYTES: usize = 8;
/// Bytes of the digest that is the id of an event: enough that no two lines of imports share it.
pub(crate) const EVENT_ID_BYTES: usize = 16;
/// Bytes of events that wait until those before them in time were read: some 200,000 usual lines.
/// With the tally of the lines of a file of 2 GB that is less than 300 MB.
pub(crate) const ORDERED_BYTES: usize = 64 * 1024 * 1024;
/// Bytes that one of them takes beside what it says.
pub(crate) const ORDERED_LINE_BYTES: usize = 80;
/// Lines of each of several files by whose times the files are put in order.
pub(crate) const LINES_PROBED: usize = 1_000;
/// Bad lines that are passed over to find them.
pub(crate) const BAD_LINES_PROBED: usize = 1_000;
/// Reasons why lines were left out that the end of an import shows; `--json` has more.
pub(crate) const REASONS_TOLD: usize = 10;
/// Pairs of namespace and reason for which identifiers that were left out are told apart: there are
/// four reasons.
pub(crate) const DROPPED_REASONS: usize = 100;
