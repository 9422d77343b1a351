//! The traits as they are stored.

use bytes::Bytes;
use decision::{Piece, Poison};
use kernel::Properties;
use messages::convert::{named_values, properties};
use messages::journey::state_v1 as stored;

use super::{read_message, write_message};

/// The section of the traits.
#[derive(Debug)]
pub struct Traits;

impl Piece for Traits {
    type Value = Properties;

    fn is_empty(value: &Properties) -> bool {
        value.is_empty()
    }

    fn encode(value: &Properties) -> Bytes {
        write_message(&stored::CustomerState {
            traits: named_values(value),
            ..stored::CustomerState::default()
        })
    }

    fn decode(bytes: &Bytes) -> Result<Properties, Poison> {
        Ok(properties(&read_message(bytes)?.traits))
    }
}
