//! Bounds of a customer's state, each with its reason.

/// Bytes of the head of a state, which cores keep to: it is loaded, decoded, encoded and written
/// with every event of its customer. At 8 KiB a commit of 64 customers is half full.
pub const HEAD_BYTES: usize = 8 * 1024;
/// Bytes of a part above which it leaves the head for a key of its own. A key costs Redis about 105
/// bytes: at 1 KiB a tenth of the part, and eight such parts fill a head.
pub const PART_APART_BYTES: usize = 1024;
/// Bytes of a part at or below which it comes back into the head. Three quarters of
/// [`PART_APART_BYTES`], so that a part near the bound does not move to and fro.
pub const PART_INLINE_BYTES: usize = PART_APART_BYTES / 4 * 3;
/// Parts of one customer that are kept apart: two hundred histories of which the newest 512 events
/// stand one by one, in blocks of 64, with what is older of them. The removal of all fits one
/// commit.
pub const PARTS_PER_CUSTOMER: usize = 2_048;
/// Ordinals of fragments that are told apart, the customer's own included. The last is that of what
/// all later fragments taught, and no state arrives under it. One byte of a stored ordinal has room
/// for half of them, two for all.
pub const FRAGMENTS: u16 = 256;
