//! Limits of the segmentation service, each with its reason.

/// Merges followed from a customer to the survivor: chains are cut short by each later merge.
pub const REDIRECTS: usize = 8;
/// Segments on a page unless asked otherwise: a screen or two.
pub const PAGE_SIZE: usize = 100;
