//! Stored states: each section of a customer's state as the message that keeps it, and the head,
//! which is those messages one after another.
//!
//! A message of this form is read as the sum of its pieces. So a section that stands in the head
//! and one that is kept apart have the same bytes, and one that did not change is not encoded
//! again.

mod assignments;
mod ended_runs;
mod endings;
mod fields;
mod head;
mod history;
mod positions;
mod progress;
mod remembered;
mod runs;
mod segments;
mod trails;
mod traits;

use bytes::Bytes;
use decision::Poison;
use kernel::RunId;
use messages::journey::state_v1 as stored;
use prost::Message as _;

pub use assignments::Assignments;
pub use ended_runs::EndedRuns;
pub use endings::EndingSections;
pub(crate) use head::{decode, encode, encode_whole};
pub use history::History;
pub use positions::Positions;
pub use progress::HappyPaths;
pub use remembered::EarlyEvents;
pub(crate) use remembered::stored_bytes as remembered_bytes;
pub use runs::Runs;
pub use segments::Segments;
pub use trails::Trails;
pub(crate) use trails::stored_bytes as trail_bytes;
pub use traits::Traits;

/// The most bytes of a number, or of the length of a message, with its tag.
const FIELD_BYTES: usize = 11;

/// The most bytes of a text, with its tag and length.
const fn text_bytes(text: &str) -> usize {
    FIELD_BYTES + text.len()
}

fn read_message(bytes: &[u8]) -> Result<stored::CustomerState, Poison> {
    stored::CustomerState::decode(bytes)
        .map_err(|error| Poison::new(format!("the stored journey state does not decode: {error}")))
}

fn write_message(message: &stored::CustomerState) -> Bytes {
    message.encode_to_vec().into()
}

fn bad(field: &str) -> Poison {
    Poison::new(format!("the stored journey state has a bad `{field}`"))
}

fn read_run_id(bytes: &[u8]) -> Result<RunId, Poison> {
    RunId::try_from_bytes(bytes).map_err(|_| bad("run_id"))
}

fn write_run_id(run: RunId) -> Bytes {
    Bytes::copy_from_slice(run.as_bytes())
}
