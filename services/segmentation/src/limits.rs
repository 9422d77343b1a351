//! Limits of the segmentation service, each with its reason.

/// Segments on a page unless asked otherwise: a screen or two.
pub const PAGE_SIZE: usize = 100;
