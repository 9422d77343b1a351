//! Reading replies, the same for both versions of the protocol.

use bytes::Bytes;
use kernel::{PartitionId, Timestamp};
use redis::{ErrorKind, RedisError, Value};

use crate::{Cursor, HotError, Origin, StreamId, StreamName};

/// The field of an entry that has no origin; of one that has, the origin is the field.
pub(super) const PAYLOAD: &str = "p";

/// Sorts failures: what may pass, and what will not.
pub(super) fn failure(error: RedisError) -> HotError {
    match error.kind() {
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => HotError::Damaged(error.to_string()),
        _ if error.code() == Some("WRONGTYPE") => HotError::Damaged(format!(
            "a key of ours was written by somebody else: {error}"
        )),
        _ => HotError::unavailable(error),
    }
}

/// Says that a reply is not what was asked for.
pub(super) fn unexpected(what: &str) -> HotError {
    HotError::Damaged(format!("{what} cannot be read"))
}

/// The elements of a reply; pairs of a map one after the other.
pub(super) fn items(value: Value) -> Result<Vec<Value>, HotError> {
    match value {
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(<[Value; 2]>::from).collect()),
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected("a list")),
    }
}

/// The elements of a reply in pairs, whether they are nested or not.
pub(super) fn pairs(value: Value) -> Result<Vec<(Value, Value)>, HotError> {
    let mut flat = Vec::new();
    for item in items(value)? {
        match item {
            Value::Array(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    let mut pairs = Vec::with_capacity(flat.len() / 2);
    let mut flat = flat.into_iter();
    while let Some(first) = flat.next() {
        pairs.push((first, flat.next().ok_or_else(|| unexpected("a pair"))?));
    }
    Ok(pairs)
}

/// Bytes, or absent.
pub(super) fn maybe_bytes(value: Value) -> Result<Option<Bytes>, HotError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes.into())),
        Value::SimpleString(text) => Ok(Some(text.into())),
        Value::Okay => Ok(Some(Bytes::from_static(b"OK"))),
        Value::Int(number) => Ok(Some(number.to_string().into())),
        Value::Double(number) => Ok(Some(number.to_string().into())),
        _ => Err(unexpected("a value")),
    }
}

/// Bytes.
pub(super) fn bytes(value: Value) -> Result<Bytes, HotError> {
    maybe_bytes(value)?.ok_or_else(|| unexpected("an absent value"))
}

/// Text.
pub(super) fn text(value: Value) -> Result<String, HotError> {
    String::from_utf8(bytes(value)?.into()).map_err(|_| unexpected("a text"))
}

/// A number.
pub(super) fn number<T: std::str::FromStr>(value: Value) -> Result<T, HotError> {
    let text = text(value)?;
    text.parse()
        .map_err(|_| unexpected(&format!("the number `{text}`")))
}

/// A number; 0 where there is none.
pub(super) fn maybe_number(value: Value) -> Result<u64, HotError> {
    match value {
        Value::Nil => Ok(0),
        some => number(some),
    }
}

/// The id of an entry.
pub(super) fn cursor(text: &str) -> Result<Cursor, HotError> {
    let parsed = text
        .split_once('-')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let (major, minor) = parsed.ok_or_else(|| unexpected(&format!("the cursor `{text}`")))?;
    Ok(Cursor { major, minor })
}

/// When an entry was accepted.
pub(super) fn accept_time(cursor: Cursor) -> Timestamp {
    Timestamp::from_millis(i64::try_from(cursor.major).unwrap_or(i64::MAX))
}

/// The id of an entry, as commands take it.
pub(super) fn id(cursor: Cursor) -> String {
    format!("{}-{}", cursor.major, cursor.minor)
}

/// An entry of a stream: its place, and its fields.
pub(super) type RawEntry = (Cursor, Vec<(Bytes, Bytes)>);

/// The entries of a stream.
pub(super) fn entries(value: Value) -> Result<Vec<RawEntry>, HotError> {
    items(value)?
        .into_iter()
        .map(|entry| {
            let [id, fields] =
                <[Value; 2]>::try_from(items(entry)?).map_err(|_| unexpected("an entry"))?;
            let fields = pairs(fields)?
                .into_iter()
                .map(|(field, value)| Ok((bytes(field)?, bytes(value)?)))
                .collect::<Result<_, HotError>>()?;
            Ok((cursor(&text(id)?)?, fields))
        })
        .collect()
}

/// The first field of an entry: its origin, and its value.
pub(super) fn payload(fields: Vec<(Bytes, Bytes)>) -> Result<(Option<Origin>, Bytes), HotError> {
    let Some((field, payload)) = fields.into_iter().next() else {
        return Err(unexpected("the fields of an entry"));
    };
    if field == PAYLOAD {
        return Ok((None, payload));
    }
    let origin = std::str::from_utf8(&field).ok().and_then(Origin::parse);
    let origin = origin.ok_or_else(|| unexpected("the origin of an entry"))?;
    Ok((Some(origin), payload))
}

/// Reads the address of an outbox message.
pub(super) fn target(text: &str) -> Option<StreamId> {
    let (partition, name) = text.split_once(':')?;
    Some(StreamId {
        name: StreamName::ALL.into_iter().find(|it| it.name() == name)?,
        partition: PartitionId::new(partition.parse().ok()?),
    })
}
