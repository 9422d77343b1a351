//! Bodies of rows as the table has them: a byte that says how, then the bytes, compressed with LZ4
//! where that is worth it.

use bytes::Bytes;
use lz4_flex::block::{compress_into, decompress, get_maximum_output_size};

use crate::limits::{COMPRESS_BYTES, UNPACKED_BYTES};

const PLAIN: u8 = 0;
const LZ4: u8 = 1;
/// The bytes before a compressed block: the way, and the length of what it holds.
const HEADER: usize = 5;

/// Packs the bytes of a row.
pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() >= COMPRESS_BYTES
        && let Some(packed) = compress(bytes)
    {
        return packed;
    }
    let mut packed = Vec::with_capacity(1 + bytes.len());
    packed.push(PLAIN);
    packed.extend_from_slice(bytes);
    packed
}

/// Compresses the bytes of a row; absent where that is not worth it.
fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(bytes.len()).ok()?;
    let mut packed = vec![0; HEADER + get_maximum_output_size(bytes.len())];
    packed[0] = LZ4;
    packed[1..HEADER].copy_from_slice(&length.to_le_bytes());
    let written = compress_into(bytes, &mut packed[HEADER..]).ok()?;
    packed.truncate(HEADER + written);
    (packed.len() < bytes.len()).then_some(packed)
}

/// Reads the bytes that [`pack`] was given.
///
/// # Errors
/// The reason why these are none.
pub(crate) fn unpack(packed: Vec<u8>) -> Result<Bytes, String> {
    match packed.first() {
        Some(&PLAIN) => Ok(Bytes::from(packed).slice(1..)),
        Some(&LZ4) => {
            let (length, block) = packed[1..]
                .split_first_chunk()
                .ok_or("it ends before its length")?;
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            // A byte of a block adds 255 to a length at the most: what claims more is found out
            // before that much memory is taken.
            let most = block.len().saturating_add(1).saturating_mul(255);
            if length > UNPACKED_BYTES.min(most) {
                return Err(format!("it claims to hold {length} bytes"));
            }
            let bytes = decompress(block, length)
                .map_err(|error| format!("it cannot be decompressed: {error}"))?;
            if bytes.len() != length {
                return Err(format!("it holds {} bytes, not {length}", bytes.len()));
            }
            Ok(bytes.into())
        }
        Some(other) => Err(format!("it is packed in an unknown way, {other}")),
        None => Err("it is empty".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn bodies_are_compressed_where_that_helps() {
        for (bytes, is_smaller) in [
            (vec![], false),
            (vec![7; COMPRESS_BYTES - 1], false),
            (vec![7; COMPRESS_BYTES], true),
            ((0..=255).collect(), false),
        ] {
            let packed = pack(&bytes);
            assert_eq!(packed.len() < bytes.len(), is_smaller, "{}", bytes.len());
            assert!(packed.len() <= bytes.len() + 1, "{}", bytes.len());
            assert_eq!(unpack(packed).expect("readable"), bytes);
        }
    }

    #[test]
    fn damage_is_told() {
        let packed = pack(&[7; 5_000]);
        let changed = |place: usize, byte: u8| {
            let mut changed = packed.clone();
            changed[place] = byte;
            changed
        };
        for (damaged, why) in [
            (vec![], "empty"),
            (vec![9, 1], "unknown way, 9"),
            (vec![LZ4, 1], "before its length"),
            (packed[..packed.len() - 3].to_vec(), "decompressed"),
            (changed(1, packed[1] ^ 1), "not 5001"),
            (changed(4, 0xff), "claims"),
            (changed(3, 0x10), "claims"),
        ] {
            let error = unpack(damaged).expect_err(why);
            assert!(error.contains(why), "{error}: {why}");
        }
    }

    proptest! {
        #[test]
        fn bodies_are_read_back(bytes: Vec<u8>, repeats in 1_usize..50) {
            let bytes = bytes.repeat(repeats);
            prop_assert_eq!(unpack(pack(&bytes)).expect("readable"), bytes);
        }

        #[test]
        fn whatever_is_read_as_a_body_gives_bytes_or_an_error(
            way in 0_u8..3,
            length in any::<u16>(),
            rest: Vec<u8>,
        ) {
            let mut packed = vec![way];
            packed.extend(u32::from(length).to_le_bytes());
            packed.extend(rest);
            let most = 256 * packed.len();
            if let Ok(bytes) = unpack(packed) {
                assert!(bytes.len() <= most);
            }
        }
    }
}
