//! The segmentation service: keeps the definitions of segments, runs the segmentation core in the
//! partition engine, and answers what is known of customers and why they are in segments.
//!
//! It does not decide who a customer is, which identity does, nor what follows from a membership,
//! which journey does.

mod catalog;
pub mod limits;
mod message;
mod rpc;
mod start;

pub use catalog::SegmentCatalog;
pub use rpc::SegmentationRpc;
pub use start::start;
