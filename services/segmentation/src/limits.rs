//! Limits of the segmentation service, each with its reason.

/// Segments or explanations on a page unless asked otherwise: a screen or two.
pub const PAGE_SIZE: usize = 100;
/// Characters of a value that an explanation shows: enough for people, and an answer of many terms
/// over long texts stays small.
pub const SHOWN_VALUE_CHARS: usize = 1_000;
