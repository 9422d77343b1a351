//! definitions.
