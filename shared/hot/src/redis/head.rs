//! What a slot has seen, as a hash.

use kernel::Timestamp;
use redis::Value;

use super::reply::{cursor, number, pairs, text, unexpected};
use crate::{Head, HotError, StreamName};

/// The field of a cursor: this, then the stream's name.
pub(super) const CURSOR: &str = "c:";
/// The field of the watermark.
pub(super) const WATERMARK: &str = "w";

/// The field of how many entries are quarantined.
pub(super) const ASIDE: &str = "aside";
/// The field of how many bytes they have.
pub(super) const ASIDE_BYTES: &str = "aside_bytes";

/// Reads a head from its hash and that of the counters.
pub(super) fn read(meta: Value, counters: Value) -> Result<Head, HotError> {
    let mut head = Head {
        counters: read_counters(counters)?,
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
            WATERMARK => head.watermark = Some(Timestamp::from_millis(number(value)?)),
            "batch" | "outbox" | ASIDE | ASIDE_BYTES => {}
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

/// Reads counters, by name.
pub(super) fn read_counters(value: Value) -> Result<Vec<(Box<str>, i64)>, HotError> {
    let mut counters = pairs(value)?
        .into_iter()
        .map(|(name, value)| Ok((text(name)?.into(), number(value)?)))
        .collect::<Result<Vec<_>, HotError>>()?;
    counters.sort_unstable();
    Ok(counters)
}
