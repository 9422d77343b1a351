//! The RPCs of the journey service over an embedded store that holds what the core left there.

mod fixture;
mod rpc;
