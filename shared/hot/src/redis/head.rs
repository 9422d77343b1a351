//! What a slot has seen, as a hash.

use std::collections::BTreeMap;

use kernel::Timestamp;
use redis::Value;

use super::reply::{cursor, number, pairs, text, unexpected};
use crate::marks::{Marks, Part};
use crate::{Head, HotError, Origin, StreamName, Writer};

/// The field of a cursor: this, then the stream's name.
pub(super) const CURSOR: &str = "c:";
/// The field of the watermark.
pub(super) const WATERMARK: &str = "w";
/// The field of the instant before which the index of timers has nothing.
pub(super) const NEXT_DUE: &str = "next";

/// The field of how many entries are quarantined.
pub(super) const ASIDE: &str = "aside";
/// The field of how many bytes they have.
pub(super) const ASIDE_BYTES: &str = "aside_bytes";

/// Reads a head from its hash and that of what is consumed.
pub(super) fn read(meta: Value, consumed: Value) -> Result<Head, HotError> {
    let mut head = Head {
        marks: read_marks(consumed)?,
        ..Head::default()
    };
    for (field, value) in pairs(meta)? {
        match text(field)?.as_str() {
            "epoch" => {
                let epoch = text(value)?;
                // A minus says that the gate is closed.
                let epoch = epoch.strip_prefix('-').unwrap_or(&epoch);
                head.epoch = epoch
                    .parse()
                    .map_err(|_| unexpected(&format!("the epoch `{epoch}`")))?;
            }
            "seq" => head.commit_seq = number(value)?,
            "forwarded" => head.forwarded_seq = number(value)?,
            NEXT_DUE => head.next_due = Some(Timestamp::from_millis(number(value)?)),
            WATERMARK => head.watermark = Some(Timestamp::from_millis(number(value)?)),
            "batch" | "outbox" | "waits" | ASIDE | ASIDE_BYTES => {}
            other => {
                let name = other.strip_prefix(CURSOR).unwrap_or_default();
                let name = StreamName::ALL
                    .into_iter()
                    .find(|stream| stream.name() == name)
                    .ok_or_else(|| unexpected(&format!("the field `{other}` of a head")))?;
                head.cursors.push((name, cursor(&text(value)?)?));
            }
        }
    }
    head.cursors.sort_unstable();
    Ok(head)
}

/// The marks of a stream, as fields and values: the part under the stream's name, each writer's
/// mark under that and its number.
pub(super) fn mark_fields(stream: StreamName, marks: &Marks) -> Vec<(String, String)> {
    let name = stream.name();
    let part = marks.part.map(|part| match part.origin {
        Some(origin) => format!("{}:{origin}", part.index),
        None => part.index.to_string(),
    });
    let mut fields = vec![(name.to_owned(), part.unwrap_or_default())];
    for (writer, seq) in &marks.seen {
        fields.push((format!("{name}:{}", writer.number()), seq.to_string()));
    }
    fields
}

/// Reads what [`mark_fields`] wrote.
fn read_marks(consumed: Value) -> Result<BTreeMap<StreamName, Marks>, HotError> {
    let mut marks: BTreeMap<StreamName, Marks> = BTreeMap::new();
    for (field, value) in pairs(consumed)? {
        let field = text(field)?;
        let wrong = || unexpected(&format!("the mark `{field}`"));
        let (name, writer) = match field.split_once(':') {
            Some((name, writer)) => (name, Some(writer.parse().map_err(|_| wrong())?)),
            None => (&*field, None),
        };
        let mut names = StreamName::ALL.into_iter();
        let name = names.find(|it| it.name() == name).ok_or_else(wrong)?;
        let marks = marks.entry(name).or_default();
        match writer {
            Some(writer) => {
                marks
                    .seen
                    .insert(Writer::from_number(writer), number(value)?);
            }
            None => marks.part = read_part(&text(value)?).ok_or_else(wrong)?,
        }
    }
    Ok(marks)
}

/// Reads a part; absent where the text is none.
fn read_part(text: &str) -> Option<Option<Part>> {
    if text.is_empty() {
        return Some(None);
    }
    let (index, origin) = match text.split_once(':') {
        Some((index, origin)) => (index, Some(Origin::parse(origin)?)),
        None => (text, None),
    };
    let index = index.parse().ok()?;
    Some(Some(Part { origin, index }))
}
