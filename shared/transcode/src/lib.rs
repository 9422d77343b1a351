//! JSON for every RPC: calls in proto3 JSON by the paths of the contracts, and by the Connect
//! protocol, to calls of gRPC and back; and the OpenAPI description of the paths.
//!
//! It knows no service but by the descriptors of the contracts, and decides nothing: the layer is
//! in front of all others, which see calls of gRPC only. Calls of gRPC pass through untouched.

mod answer;
mod call;
mod code;
mod contract;
mod deadline;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod incoming;
mod layer;
mod limits;
mod openapi;
mod outgoing;
mod read;
mod route;
mod trouble;
mod write;

pub use layer::{Fallback, Transcode, TranscodeLayer};
