//! Versions that follow each other: stores of the one before are opened, and what this one does to
//! them is what the one before can live with.
//!
//! `tests/before` has what the version before left, and what writes it.

mod dev;
mod migrations;
mod statements;
mod stores;

use std::path::PathBuf;

/// The folder of what the version before left.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../before")
}
