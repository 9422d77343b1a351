//! The marks of a stream, as a value on disk.

use super::head::take;
use crate::marks::{Marks, Part};
use crate::{Origin, Writer};

/// Writes marks: the part as how many of its records are in effect (0 for none), its writer and its
/// number (0 for none), then each writer with its mark.
pub(super) fn encode(marks: &Marks) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24 + 16 * marks.seen.len());
    let mut put = |number: u64| bytes.extend_from_slice(&number.to_be_bytes());
    let origin = marks.part.and_then(|part| part.origin);
    put(marks.part.map_or(0, |part| part.index));
    put(origin.map_or(0, |origin| origin.writer.number().into()));
    put(origin.map_or(0, |origin| origin.seq));
    for (writer, seq) in &marks.seen {
        put(writer.number().into());
        put(*seq);
    }
    bytes
}

/// Reads them back; absent where the bytes are none.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Marks> {
    let rest = &mut bytes;
    let index = take(rest)?;
    let origin = take_origin(rest)?;
    let mut marks = Marks {
        part: (index > 0).then_some(Part {
            origin: (origin.seq > 0).then_some(origin),
            index,
        }),
        ..Marks::default()
    };
    while !rest.is_empty() {
        let seen = take_origin(rest)?;
        marks.seen.insert(seen.writer, seen.seq);
    }
    Some(marks)
}

fn take_origin(rest: &mut &[u8]) -> Option<Origin> {
    let writer = u32::try_from(take(rest)?).ok()?;
    Some(Origin {
        writer: Writer::from_number(writer),
        seq: take(rest)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_back_as_they_were_written() {
        let origin = Origin {
            writer: Writer::process(3),
            seq: 9,
        };
        for part in [
            None,
            Some(Part {
                origin: None,
                index: 1,
            }),
            Some(Part {
                origin: Some(origin),
                index: u64::MAX,
            }),
        ] {
            for seen in [
                vec![],
                vec![(origin.writer, 8), (Writer::from_number(0), 2)],
            ] {
                let marks = Marks {
                    seen: seen.into_iter().collect(),
                    part,
                };
                let bytes = encode(&marks);
                assert_eq!(decode(&bytes), Some(marks));
                assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
            }
        }
    }
}
