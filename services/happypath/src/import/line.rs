//! A line of a file that is an event, with what names it whatever became of the lines around it.

use proto::identity::v1::Event;
use sha2::{Digest as _, Sha256};

/// An event that a file yields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// The event.
    pub(crate) event: Event,
    /// The line at which it begins, from 1; the row of a file without lines.
    pub(crate) line: u64,
    /// Names the content of the line: see [`Fingerprint`].
    pub(crate) digest: [u8; 16],
}

/// The digest of what a line says.
///
/// Cells count after unquoting, and an object as it is written, without the whitespace around it.
/// So it stays the same where only quotes, separators, line ends, the encoding or the place of a
/// line change, and two lines of one digest say the same.
#[derive(Default)]
pub(super) struct Fingerprint(Sha256);

impl Fingerprint {
    /// Adds a cell, with its length, so that no two rows of cells look alike.
    pub(super) fn cell(&mut self, cell: &[u8]) {
        self.0.update((cell.len() as u64).to_le_bytes());
        self.0.update(cell);
    }

    /// Returns the first half of the SHA-256: enough that no two lines of a file share it.
    pub(super) fn digest(self) -> [u8; 16] {
        let whole = self.0.finalize();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        half
    }

    /// Returns the digest of one text.
    pub(super) fn of(text: &[u8]) -> [u8; 16] {
        let mut fingerprint = Self::default();
        fingerprint.0.update(text);
        fingerprint.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_cells(cells: &[&str]) -> [u8; 16] {
        let mut fingerprint = Fingerprint::default();
        for cell in cells {
            fingerprint.cell(cell.as_bytes());
        }
        fingerprint.digest()
    }

    #[test]
    fn cells_that_differ_in_where_they_end_have_other_digests() {
        let all = [
            of_cells(&["ab", "c"]),
            of_cells(&["a", "bc"]),
            of_cells(&["abc"]),
            of_cells(&["abc", ""]),
        ];
        for (place, digest) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|it| it == digest), Some(place));
        }
    }
}
