//! Checks the rules of the house that reading can check: arrows between crates, purity, sizes,
//! names, comments.
//!
//! Every rule lists its faults, and is tried on a text that breaks it. Nothing of the product runs
//! here. Sizes of functions and forbidden calls are clippy's.

mod arrows;
mod clients;
mod comments;
mod crates;
mod files;
mod purity;
mod source;

/// The folders of the root that hold crates.
const FLOORS: [&str; 3] = ["services", "shared", "tests"];

/// Crates under `shared/` that decide or are read by what decides, beside the cores of services.
const PURE: [&str; 5] = [
    "shared/decision",
    "shared/destination",
    "shared/expr",
    "shared/kernel",
    "shared/messages",
];

/// Returns whether a crate belongs to what decides: no runtime, no network, no store.
fn is_pure(folder: &str) -> bool {
    is_core(folder) || PURE.contains(&folder)
}

/// Returns whether a crate holds the decisions of a service.
fn is_core(folder: &str) -> bool {
    folder.starts_with("services/") && folder.ends_with("-core")
}

/// Returns the root of the work tree.
fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Fails with every fault on a line of its own.
#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
