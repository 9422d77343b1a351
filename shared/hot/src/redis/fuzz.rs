//! Reads replies of a server, whatever it has by now, or whoever it is.

use bytes::Bytes;
use redis::{Value, parse_redis_value};

use super::head::{self, mark_fields};
use super::record;
use super::reply::{self, payload};
use super::server::field;
use crate::{Head, HotError};

/// Bytes of one element of a reply in memory, at the most: what it weighs in its list, and some
/// names of what is missing.
const ELEMENT_BYTES: usize = 256;

/// Reads bytes as a reply, and the reply as everything that one can be.
///
/// # Panics
/// Where marks are not what is written of them, or a reply becomes more than its bytes.
pub fn replies(bytes: &[u8]) {
    let Ok(value) = parse_redis_value(bytes) else {
        return;
    };
    if let Ok(entries) = reply::entries(value.clone()) {
        assert!(entries.len() * 2 <= bytes.len());
        for (_, fields) in entries {
            refused(payload(fields).map(drop));
        }
    }
    let parts = match value.clone() {
        Value::Array(parts) => <[Value; 2]>::try_from(parts).ok(),
        _ => None,
    };
    if let Some([meta, consumed]) = parts {
        match head::read(meta, consumed) {
            Ok(head) => check_head(&head),
            Err(error) => refused(Err(error)),
        }
    }
    if let Ok(text) = reply::text(value.clone()) {
        reply::target(&text);
        field(&text, "redis_version");
        refused(
            reply::cursor(&text)
                .map(|read| assert_eq!(reply::cursor(&reply::id(read)).ok(), Some(read))),
        );
    }
    refused(reply::number::<i64>(value.clone()).map(drop));
    refused(reply::pairs(value).map(drop));
}

/// Fails unless the marks of a head are read back from what is written of them.
fn check_head(head: &Head) {
    let text = |text: String| Value::BulkString(text.into_bytes());
    let fields = head
        .marks
        .iter()
        .flat_map(|(name, marks)| mark_fields(*name, marks));
    let fields = fields.flat_map(|(field, value)| [text(field), text(value)]);
    let again = head::read(Value::Nil, Value::Array(fields.collect())).expect("it was written");
    assert_eq!(again.marks, head.marks);
}

/// Fails unless a refusal says what is damaged.
fn refused(read: Result<(), HotError>) {
    if let Err(error) = read {
        assert!(matches!(error, HotError::Damaged(_)), "{error}");
    }
}

/// Reads an element of a list of timers.
///
/// # Panics
/// Where entries are not what is written of them, or are more than their bytes.
pub fn elements(bucket: i64, bytes: &[u8]) {
    let mut entries = Vec::new();
    let read = record::read(bucket, Bytes::copy_from_slice(bytes), &mut entries);
    assert!(size_of_val(&*entries) <= ELEMENT_BYTES * (1 + bytes.len() / 4));
    // The outermost buckets are those of the ends of time.
    if read.is_some() && record::bucket(record::start_ms(bucket)) == bucket {
        let mut written = Vec::new();
        for (time, key) in &entries {
            record::push(&mut written, *time, key);
        }
        assert_eq!(written, bytes);
    }
}
