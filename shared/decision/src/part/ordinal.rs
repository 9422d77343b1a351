//! Ordinals: which fragment of a merged customer taught something.

use crate::{Poison, limits};

/// Returns the ordinal that something gets at the survivor: what the customer who left taught
/// becomes that of the fragment `first`, and what its own fragments taught comes after it.
#[must_use]
pub fn fragment_ordinal(first: u16, theirs: u16) -> u16 {
    first.saturating_add(theirs).min(limits::FRAGMENTS - 1)
}

/// Reads a stored ordinal.
///
/// # Errors
/// [`Poison`] where no ordinal is as large.
pub fn read_ordinal(stored: u32) -> Result<u16, Poison> {
    u16::try_from(stored).map_err(|_| Poison::new("the number of a fragment is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_beyond_the_bound_are_joined_into_the_last() {
        for (first, theirs, expected) in [
            (1, 0, 1),
            (3, 2, 5),
            (254, 0, 254),
            (254, 1, 255),
            (254, 9, 255),
            (u16::MAX, 0, 255),
            (1, u16::MAX, 255),
        ] {
            assert_eq!(
                fragment_ordinal(first, theirs),
                expected,
                "{first} {theirs}"
            );
        }
    }

    #[test]
    fn an_ordinal_that_is_too_large_is_refused() {
        assert_eq!(read_ordinal(255), Ok(255));
        assert!(read_ordinal(65_536).is_err());
    }
}
