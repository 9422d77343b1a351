//! Parts of a customer's state: what is large or seldom needed is kept apart from the head, under a
//! key of its own.
//!
//! A part that is kept apart and not loaded is never taken for an empty one: [`Part::get`] refuses
//! to tell. This does not know stores, nor what a part means.

mod content;
mod group;
mod key;
mod lent;
mod ordinal;
mod section;
mod unknown;
mod writes;

pub use self::content::{NotLoaded, Part};
pub use self::group::{Group, Grouped, LentGroup};
pub use self::key::PartKey;
pub use self::lent::Lent;
pub use self::ordinal::{fragment_ordinal, read_ordinal};
pub use self::section::{AnySection, Piece, Section, make_room};
pub use self::unknown::UnknownParts;
pub use self::writes::{PartLoad, PartWrites};

use crate::limits;

/// Tells whether a part of so many bytes is kept apart. A part moves only when it is well past the
/// bound.
#[must_use]
pub const fn is_apart(was_apart: bool, bytes: usize) -> bool {
    if was_apart {
        bytes > limits::PART_INLINE_BYTES
    } else {
        bytes > limits::PART_APART_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_near_the_bound_does_not_move_to_and_fro() {
        for (was_apart, bytes, expected) in [
            (false, 0, false),
            (false, 1024, false),
            (false, 1025, true),
            (true, 1025, true),
            (true, 1024, true),
            (true, 769, true),
            (true, 768, false),
            (false, 769, false),
        ] {
            assert_eq!(is_apart(was_apart, bytes), expected, "{was_apart} {bytes}");
        }
    }
}
