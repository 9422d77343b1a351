//! The bytes that values take where they are stored, and the choice of those that are kept where
//! room is short.

use super::{Properties, Value};

/// The room for values in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes, as [`Properties::bytes`] counts them.
    pub bytes: usize,
    /// Values.
    pub values: usize,
}

/// Bytes that a name adds to its value: two tags and two lengths.
const NAME_BYTES: usize = 8;
/// Bytes that a text or a list adds to what it holds.
const FRAME_BYTES: usize = 8;

impl Value {
    /// Bytes that the value takes in a message of the contract, at the most.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Bool(_) => 8,
            Self::Number(_) => 12,
            Self::Integer(_) => 40 + FRAME_BYTES,
            Self::Text(text) | Self::Json(text) => text.len() + FRAME_BYTES,
            Self::List(values) => values.iter().map(Self::bytes).sum::<usize>() + FRAME_BYTES,
        }
    }

    /// Bytes that the value takes there under a name, at the most.
    pub fn bytes_under(&self, name: &str) -> usize {
        name.len() + NAME_BYTES + self.bytes()
    }
}

impl Properties {
    /// Bytes that all names and values take in a message of the contract, at the most.
    pub fn bytes(&self) -> usize {
        self.bytes_of(|_| true)
    }

    /// Bytes that some names and their values take.
    pub fn bytes_of(&self, is_counted: impl Fn(&str) -> bool) -> usize {
        let counted = self.iter().filter(|(name, _)| is_counted(name));
        counted.map(named_bytes).sum()
    }

    /// Leaves out what has no room: what is read is kept before what is not, the small before the
    /// large.
    ///
    /// Returns the names of what was left out, in their order.
    pub fn fit(&mut self, room: Room, is_read: impl Fn(&str) -> bool) -> Vec<Box<str>> {
        if self.len() <= room.values && self.bytes() <= room.bytes {
            return Vec::new();
        }
        let sizes: Vec<usize> = self.iter().map(named_bytes).collect();
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by_cached_key(|place| (!is_read(&self.0[*place].0), sizes[*place]));
        let mut left = room;
        let mut is_kept = vec![false; sizes.len()];
        for place in order {
            if left.values > 0 && sizes[place] <= left.bytes {
                left.values -= 1;
                left.bytes -= sizes[place];
                is_kept[place] = true;
            }
        }
        let mut left_out = Vec::new();
        let (mut kept, mut places) = (Vec::new(), is_kept.into_iter());
        for (name, value) in self.0.drain(..) {
            if places.next().unwrap_or(false) {
                kept.push((name, value));
            } else {
                left_out.push(name);
            }
        }
        self.0 = kept;
        left_out
    }
}

fn named_bytes((name, value): (&str, &Value)) -> usize {
    value.bytes_under(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(room: Room, read: &[&str], kept: &[&str], left_out: &[&str]) {
        let mut properties: Properties = [
            ("a_large", Value::from("x".repeat(500).as_str())),
            ("b_read", Value::from("y".repeat(200).as_str())),
            ("c_small", Value::from(1.0)),
        ]
        .into_iter()
        .collect();
        let out = properties.fit(room, |name| read.contains(&name));
        let names: Vec<_> = properties.iter().map(|(name, _)| name).collect();
        assert_eq!(names, kept, "{room:?}");
        let out: Vec<_> = out.iter().map(AsRef::as_ref).collect();
        assert_eq!(out, left_out, "{room:?}");
        assert!(properties.bytes() <= room.bytes);
    }

    #[test]
    fn what_is_read_comes_first_and_then_the_small() {
        let room = |bytes, values| Room { bytes, values };
        check(room(1_000, 3), &[], &["a_large", "b_read", "c_small"], &[]);
        check(room(300, 3), &[], &["b_read", "c_small"], &["a_large"]);
        check(
            room(540, 3),
            &["a_large"],
            &["a_large"],
            &["b_read", "c_small"],
        );
        check(
            room(1_000, 1),
            &["b_read"],
            &["b_read"],
            &["a_large", "c_small"],
        );
        check(
            room(20, 3),
            &["b_read"],
            &[],
            &["a_large", "b_read", "c_small"],
        );
    }
}
