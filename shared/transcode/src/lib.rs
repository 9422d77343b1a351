//! JSON for every RPC: calls in proto3 JSON by the paths of the contracts, and by the Connect
//! protocol, to calls of gRPC and back; and the OpenAPI description of both.
//!
//! It knows no service but by the descriptors of the contracts.
