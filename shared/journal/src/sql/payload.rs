//! Payloads as rows carry them: a byte that says how, then the bytes, compressed with LZ4 where that is worth it.

use std::borrow::Cow;
use std::cell::RefCell;

use bytes::Bytes;
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

use super::limits::{COMPRESS_BYTES, UNPACKED_BYTES};
use crate::LogError;
use crate::packed::most_unpacked;

const PLAIN: u8 = 0;
const LZ4: u8 = 1;

thread_local! {
    // Buffers of this size come from the system and go back to it, page by page: a thread keeps its
    // own, which is as large as the largest payload that it packed.
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// The memory that compressing uses again and again.
#[derive(Default)]
struct Kept {
    table: CompressTable,
    packed: Vec<u8>,
}

/// Packs a payload.
pub(super) fn pack(payload: &[u8]) -> Bytes {
    if payload.len() >= COMPRESS_BYTES
        && let Some(packed) = KEPT.with_borrow_mut(|kept| kept.compress(payload))
    {
        return packed;
    }
    let mut packed = Vec::with_capacity(1 + payload.len());
    packed.push(PLAIN);
    packed.extend_from_slice(payload);
    Bytes::from(packed)
}

impl Kept {
    /// Compresses a payload; absent where that is not worth it.
    fn compress(&mut self, payload: &[u8]) -> Option<Bytes> {
        let Self { table, packed } = self;
        let most = 5 + get_maximum_output_size(payload.len());
        if packed.len() < most {
            packed.resize(most, 0);
        }
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        packed[0] = LZ4;
        packed[1..5].copy_from_slice(&length.to_le_bytes());
        let written = compress_into_with_table(payload, &mut packed[5..], table).ok()?;
        (5 + written < payload.len()).then(|| Bytes::copy_from_slice(&packed[..5 + written]))
    }
}

/// Reads what [`pack`] wrote.
///
/// # Errors
/// [`LogError::Damaged`] where it did not.
pub(crate) fn unpack(packed: Vec<u8>) -> Result<Bytes, LogError> {
    let damaged = |why: Cow<'static, str>| LogError::Damaged(format!("a payload {why}"));
    match packed.first() {
        Some(&PLAIN) => Ok(Bytes::from(packed).slice(1..)),
        Some(&LZ4) => {
            let (length, block) = packed[1..]
                .split_first_chunk()
                .ok_or_else(|| damaged("ends before its length".into()))?;
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            if length > UNPACKED_BYTES.min(most_unpacked(block)) {
                return Err(damaged(format!("claims to hold {length} bytes").into()));
            }
            let payload = lz4_flex::block::decompress(block, length)
                .map_err(|error| damaged(format!("cannot be decompressed: {error}").into()))?;
            if payload.len() == length {
                Ok(Bytes::from(payload))
            } else {
                Err(damaged(
                    format!("holds {} bytes, not {length}", payload.len()).into(),
                ))
            }
        }
        Some(other) => Err(damaged(
            format!("is packed in an unknown way, {other}").into(),
        )),
        None => Err(damaged("is empty".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_read_back_and_compressed_where_that_helps() {
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        };
        let noise: Vec<u8> = (0..4_000).map(|_| next()).collect();
        for (payload, is_smaller) in [
            (vec![], false),
            (vec![7; COMPRESS_BYTES - 1], false),
            (vec![7; COMPRESS_BYTES], true),
            (noise, false),
        ] {
            let packed = pack(&payload);
            assert_eq!(
                packed.len() < payload.len(),
                is_smaller,
                "{}",
                payload.len()
            );
            assert!(packed.len() <= payload.len() + 1);
            assert_eq!(unpack(packed.to_vec()).expect("readable"), payload);
        }
    }

    #[test]
    fn damage_is_told() {
        let packed = pack(&[7; 5_000]).to_vec();
        let mut longer = packed.clone();
        longer[1] ^= 1;
        let mut huge = packed.clone();
        huge[4] = 0xff;
        // Within the bounds of a payload, and more than so few bytes can hold.
        let mut odd = packed.clone();
        odd[3] = 0x10;
        for (damaged, why) in [
            (vec![], "empty"),
            (vec![9, 1], "unknown way, 9"),
            (vec![LZ4, 1], "before its length"),
            (packed[..packed.len() - 3].to_vec(), "decompressed"),
            (longer, "not 5001"),
            (huge, "claims"),
            (odd, "claims"),
        ] {
            let error = unpack(damaged).expect_err(why).to_string();
            assert!(error.contains(why), "{error}: {why}");
        }
    }
}
