//! The segmentation service: keeps the definitions of segments, runs the segmentation core in the partition engine, and
//! answers what is known of customers and why they are in segments.
//!
//! Who a customer is, identity decides; what follows from a membership, journey.

mod catalog;
pub mod limits;
mod message;
mod rpc;
mod start;

pub use catalog::SegmentCatalog;
pub use rpc::SegmentationRpc;
pub use start::start;
