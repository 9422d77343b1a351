//! activation-core.
