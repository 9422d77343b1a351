//! Positions in the log, as consumers keep them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The form of the texts, so that another one can be told apart.
const FORM: u8 = 1;
/// The bytes of a position: its form, and its three numbers.
const BYTES: usize = 1 + 8 + 8 + 4;

/// A place in the log of an installation: behind a change. Its text is opaque and has 28
/// characters: letters, digits, `-` and `_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The name of the log, which no other installation has.
    pub log: u64,
    /// The row.
    pub row: u64,
    /// The number of changes of that row that are before the position.
    pub index: u32,
}

/// A text is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no position: give one as an answer gave it")]
pub struct ParsePositionError;

impl Position {
    /// Returns the position behind all changes of a row.
    pub const fn behind(log: u64, row: u64) -> Self {
        Self {
            log,
            row: row.saturating_add(1),
            index: 0,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; BYTES];
        bytes[0] = FORM;
        bytes[1..9].copy_from_slice(&self.log.to_be_bytes());
        bytes[9..17].copy_from_slice(&self.row.to_be_bytes());
        bytes[17..].copy_from_slice(&self.index.to_be_bytes());
        f.pad(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, ParsePositionError> {
        let mut bytes = [0; BYTES];
        // One that is longer finds no room.
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes);
        if length != Ok(BYTES) || bytes[0] != FORM {
            return Err(ParsePositionError);
        }
        let [_, log @ .., _, _, _, _, _, _, _, _, _, _, _, _] = bytes;
        let [_, _, _, _, _, _, _, _, _, row @ .., _, _, _, _] = bytes;
        let [.., a, b, c, d] = bytes;
        Ok(Self {
            log: u64::from_be_bytes(log),
            row: u64::from_be_bytes(row),
            index: u32::from_be_bytes([a, b, c, d]),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_text_that_no_answer_gave_is_refused() {
        let text = Position::behind(u64::MAX, 7).to_string();
        assert_eq!(text, "Af__________AAAAAAAAAAgAAAAA");
        for wrong in [
            "",
            "7",
            &text[1..],
            &format!("{text}A"),
            &format!("{text}AAAA"),
            &text.replacen('A', "B", 1),
            &text.replace('_', "/"),
            &format!(" {}", &text[1..]),
        ] {
            assert_eq!(
                wrong.parse::<Position>(),
                Err(ParsePositionError),
                "{wrong}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_position_is_read_back_from_its_text(log: u64, row: u64, index: u32) {
            let position = Position { log, row, index };
            let text = position.to_string();
            prop_assert!(text.len() <= 40);
            prop_assert!(text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it)));
            prop_assert_eq!(text.parse(), Ok(position));
        }

        #[test]
        fn whatever_is_read_as_a_position_has_one_text(text in "[A-Za-z0-9_=-]{0,40}", any in any::<String>()) {
            for text in [text, any] {
                if let Ok(position) = text.parse::<Position>() {
                    prop_assert_eq!(position.to_string(), text);
                }
            }
        }
    }
}
