//! Counters and marks as bytes.

use std::collections::BTreeMap;

use hot::marks::{Marks, Part};
use hot::{CounterKey, Origin, StreamName, Writer};
use messages::journal::v1::{PackedCounter, PackedGroup, PackedMarks, PackedPart, PackedSettled};

use super::{stream_name, stream_number};
use crate::LogError;

pub(super) fn pack_counters(counters: &[(CounterKey, i64)]) -> Vec<PackedGroup> {
    let groups = CounterKey::by_group(counters).into_iter();
    groups
        .map(|(group, counters)| PackedGroup {
            group: group.to_owned(),
            counters: counters
                .into_iter()
                .map(|(name, value)| pack_counter(name, value))
                .collect(),
        })
        .collect()
}

pub(super) fn pack_counter(name: &str, value: i64) -> PackedCounter {
    PackedCounter {
        name: name.to_owned(),
        value,
    }
}

pub(super) fn unpack_counters(
    groups: Vec<PackedGroup>,
) -> impl Iterator<Item = (CounterKey, i64)> + use<> {
    groups
        .into_iter()
        .flat_map(|PackedGroup { group, counters }| {
            let counters = counters.into_iter();
            counters.map(move |it| (CounterKey::new(group.as_str(), it.name), it.value))
        })
}

pub(super) fn pack_marks<'a>(
    marks: impl IntoIterator<Item = (&'a StreamName, &'a Marks)>,
) -> Vec<PackedMarks> {
    let marks = marks.into_iter();
    marks
        .map(|(stream, marks)| PackedMarks {
            stream: stream_number(*stream),
            seen: pack_settled(&marks.seen),
            part: marks.part.map(|part| PackedPart {
                index: part.index,
                origin: part.origin.map(|it| settled(it.writer, it.seq)),
            }),
        })
        .collect()
}

pub(super) fn unpack_marks<T: FromIterator<(StreamName, Marks)>>(
    packed: Vec<PackedMarks>,
) -> Result<T, LogError> {
    let marks = packed.into_iter();
    marks
        .map(|marks| {
            let part = marks.part.map(|part| Part {
                origin: part.origin.map(|it| Origin {
                    writer: Writer::from_number(it.writer),
                    seq: it.seq,
                }),
                index: part.index,
            });
            let seen = unpack_settled(marks.seen);
            Ok((stream_name(marks.stream)?, Marks { seen, part }))
        })
        .collect()
}

/// The offsets up to which entries of writers are settled or seen.
pub(super) fn pack_settled(writers: &BTreeMap<Writer, u64>) -> Vec<PackedSettled> {
    let writers = writers.iter();
    writers
        .map(|(writer, seq)| settled(*writer, *seq))
        .collect()
}

pub(super) fn unpack_settled(packed: Vec<PackedSettled>) -> BTreeMap<Writer, u64> {
    let writers = packed.into_iter();
    writers
        .map(|it| (Writer::from_number(it.writer), it.seq))
        .collect()
}

const fn settled(writer: Writer, seq: u64) -> PackedSettled {
    PackedSettled {
        writer: writer.number(),
        seq,
    }
}
