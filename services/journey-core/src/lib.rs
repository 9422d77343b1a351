//! journey-core.
