//! Entries of the index of timers as packed records: what lists of timers hold.
//!
//! A list has the entries of one bucket of time. Each of its elements is what one commit added: records of a number of four
//! bytes (21 bits for the time within the bucket, then the length of the key), then the key. It does not sort.

use bytes::{Buf, Bytes};

use crate::StateKey;

/// A bucket is this power of two of milliseconds: 35 minutes. Longer ones are more to read before anything in them can fire;
/// shorter ones are more lists for the same timers, and a list costs Redis about 240 bytes: 10 million timers of 64
/// partitions over a whole year are 10 to a list, and stay below 60 bytes each.
const BITS: u32 = 21;

/// The bucket of a time. Every time has one: the outermost are as long as the others.
pub(super) const fn bucket(time_ms: i64) -> i64 {
    time_ms >> BITS
}

/// The first time of a bucket.
pub(super) const fn start_ms(bucket: i64) -> i64 {
    bucket << BITS
}

/// Writes a record behind what `into` has.
pub(super) fn push(into: &mut Vec<u8>, time_ms: i64, key: &[u8]) {
    let offset = time_ms.wrapping_sub(start_ms(bucket(time_ms)));
    let offset = u32::try_from(offset).expect("a bucket is shorter than that");
    let length = u32::try_from(key.len()).expect("keys are short");
    into.extend_from_slice(&(offset | length << BITS).to_le_bytes());
    into.extend_from_slice(key);
}

/// Reads the records of an element; absent where it is cut.
pub(super) fn read(bucket: i64, mut element: Bytes, into: &mut Vec<(i64, StateKey)>) -> Option<()> {
    while element.has_remaining() {
        if element.remaining() < 4 {
            return None;
        }
        let number = element.get_u32_le();
        let length = usize::try_from(number >> BITS).ok()?;
        if length > element.remaining() {
            return None;
        }
        let offset = i64::from(number & ((1 << BITS) - 1));
        into.push((start_ms(bucket) + offset, element.split_to(length)));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_any_time_are_read_back() {
        for time_ms in [
            i64::MIN,
            i64::MIN + 1,
            -1,
            0,
            1,
            (1 << 21) - 1,
            1 << 21,
            i64::MAX,
        ] {
            let mut element = Vec::new();
            let keys = [&b""[..], b"0123456789abcdef", &[7; 64]];
            for key in keys {
                push(&mut element, time_ms, key);
            }
            let mut records = Vec::new();
            let bucket = bucket(time_ms);
            assert!(start_ms(bucket) <= time_ms);
            read(bucket, Bytes::from(element.clone()), &mut records).expect("whole");
            assert_eq!(records, keys.map(|key| (time_ms, Bytes::from(key))));
            element.pop();
            assert!(read(bucket, Bytes::from(element), &mut records).is_none());
        }
    }
}
