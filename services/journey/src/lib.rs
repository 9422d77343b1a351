//! journey.
