//! Reads what the embedded store keeps on disk, whatever it is by now.

use super::{head::SlotHead, keys, marks};

/// Reads bytes as each of the small values and keys.
///
/// # Panics
/// Where what was read is not what is written of it.
pub fn values(bytes: &[u8]) {
    if let Some(head) = SlotHead::decode(bytes) {
        assert_eq!(SlotHead::decode(&head.encode()), Some(head));
    }
    if let Some(read) = marks::decode(bytes) {
        let written = marks::encode(&read);
        assert!(written.len() <= bytes.len());
        assert_eq!(marks::decode(&written), Some(read));
    }
    if let Some((_, _, rest)) = keys::parse_prefix(bytes)
        && let Some((_, key)) = keys::parse_timer(rest)
    {
        assert!(key.len() < bytes.len());
    }
    keys::parse_quarantined(bytes);
    keys::parse_number(bytes);
}
