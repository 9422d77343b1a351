//! The memberships as they are stored.

use bytes::Bytes;
use decision::{Piece, Poison};
use messages::journey::state_v1 as stored;

use super::{read_message, text_bytes, write_message};
use crate::state::Name;

/// The section of the segments that the customer is in.
#[derive(Debug)]
pub struct Segments;

impl Piece for Segments {
    type Value = Vec<Name>;

    fn is_empty(value: &Vec<Name>) -> bool {
        value.is_empty()
    }

    fn encode(value: &Vec<Name>) -> Bytes {
        write_message(&stored::CustomerState {
            segments: value.iter().map(|name| name.as_ref().to_owned()).collect(),
            ..stored::CustomerState::default()
        })
    }

    fn most_bytes(value: &Vec<Name>) -> Option<usize> {
        Some(value.iter().map(|name| text_bytes(name)).sum())
    }

    fn decode(bytes: &Bytes) -> Result<Vec<Name>, Poison> {
        let names = read_message(bytes)?.segments.into_iter();
        Ok(names.map(Into::into).collect())
    }
}
