//! identity-core.
