//! A state as bytes: its timer in a header of a few bytes, then the state as it was given.
//!
//! The first byte says which times follow. Times are variable-length numbers, and a due time after its entry is told by the
//! distance. Changing anything here is a new schema of every store.

use bytes::{Buf, Bytes};
use kernel::Timestamp;

use crate::{HotError, Stored, Timer};

/// The entry is there.
const ENTRY: u8 = 1;
/// The due time is there, and is that of the entry unless it follows.
const DUE: u8 = 2;
/// The due time follows: in milliseconds after the entry, or from 0 where there is none.
const APART: u8 = 4;

/// Writes a header and a state behind what `into` has.
pub(crate) fn encode(into: &mut Vec<u8>, timer: Timer, value: &[u8]) {
    encode_header(into, timer);
    into.extend_from_slice(value);
}

/// Writes a header behind what `into` has. The state comes behind it.
pub(crate) fn encode_header(into: &mut Vec<u8>, timer: Timer) {
    let at = into.len();
    into.push(0);
    let mut flags = 0;
    if let Some(entry) = timer.entry {
        flags |= ENTRY;
        push(into, zigzag(entry.as_millis()));
    }
    if let Some(due) = timer.due {
        flags |= DUE;
        if timer.due != timer.entry {
            flags |= APART;
            let base = timer.entry.unwrap_or_default();
            push(into, zigzag(due.as_millis().wrapping_sub(base.as_millis())));
        }
    }
    into[at] = flags;
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// [`HotError::Damaged`] where it is cut.
pub(crate) fn decode(mut bytes: Bytes) -> Result<Stored, HotError> {
    let timer = header(&mut bytes)
        .ok_or_else(|| HotError::Damaged("the timer of a state cannot be read".into()))?;
    Ok(Stored {
        value: bytes,
        timer,
    })
}

fn header(bytes: &mut Bytes) -> Option<Timer> {
    let flags = take(bytes)?;
    let mut timer = Timer::NONE;
    if flags & ENTRY != 0 {
        timer.entry = Some(Timestamp::from_millis(unzigzag(number(bytes)?)));
    }
    if flags & APART != 0 {
        let base = timer.entry.unwrap_or_default().as_millis();
        let apart = unzigzag(number(bytes)?);
        timer.due = Some(Timestamp::from_millis(base.wrapping_add(apart)));
    } else if flags & DUE != 0 {
        timer.due = timer.entry;
    }
    (flags & !(ENTRY | DUE | APART) == 0).then_some(timer)
}

/// Small numbers of either sign as small numbers.
const fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn push(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    into.push(number.to_le_bytes()[0]);
}

fn number(bytes: &mut Bytes) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take(bytes: &mut Bytes) -> Option<u8> {
    bytes.has_remaining().then(|| bytes.get_u8())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(due: Option<i64>, entry: Option<i64>) -> Timer {
        Timer {
            due: due.map(Timestamp::from_millis),
            entry: entry.map(Timestamp::from_millis),
        }
    }

    #[test]
    fn a_header_is_short_and_read_back() {
        let now = 1_795_000_000_000;
        let cases = [
            (timer(None, None), 1),
            (timer(Some(now), Some(now)), 7),
            (timer(Some(now + 60_000), Some(now)), 10),
            (timer(None, Some(now)), 7),
            (timer(Some(-5), Some(-5)), 2),
            (timer(Some(7), None), 2),
            (timer(Some(i64::MAX), Some(i64::MAX)), 11),
            (timer(Some(i64::MAX), Some(i64::MIN)), 12),
        ];
        for (timer, length) in cases {
            let mut bytes = Vec::new();
            encode(&mut bytes, timer, b"state");
            assert_eq!(bytes.len(), length + 5, "{timer:?}");
            let stored = decode(bytes.into()).expect("it was written whole");
            assert_eq!(stored.timer, timer);
            assert_eq!(stored.value, "state");
        }
    }

    #[test]
    fn what_is_cut_is_damaged() {
        for bytes in [&b""[..], b"\x01\x80", b"\x08state"] {
            let error = decode(Bytes::copy_from_slice(bytes)).expect_err("cut");
            assert!(matches!(error, HotError::Damaged(_)), "{error:?}");
        }
    }
}
