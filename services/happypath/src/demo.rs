//! The demo: a year of real customers through all services, over the public gRPC API, on a virtual
//! clock.

pub mod figures;
pub mod history;
pub mod play;
pub mod report;

use std::path::{Path, PathBuf};

use crate::dev;
use crate::failure::Failure;

/// The definitions of the demo, by file name: files to copy and edit.
const DEFINITIONS: [(&str, &str); 4] = [
    ("1-segments.yaml", include_str!("../demo/1-segments.yaml")),
    (
        "2-map-and-happy-path.yaml",
        include_str!("../demo/2-map-and-happy-path.yaml"),
    ),
    (
        "3-activation.yaml",
        include_str!("../demo/3-activation.yaml"),
    ),
    ("4-journey.yaml", include_str!("../demo/4-journey.yaml")),
];

/// Returns the options of the demo's installation: private, on stream time, its stores under a
/// folder.
pub fn options(folder: &Path) -> dev::Options {
    dev::Options::private(folder.join("stores"))
        .with("clock", "stream")
        .with("partitions", "16")
}

/// Writes the definitions into a folder and applies them from there, as `happypath apply` does.
///
/// # Errors
/// [`Failure`] where the folder cannot be written, or a service refuses.
pub async fn apply(
    url: &str,
    client: &rpc::ClientOptions,
    folder: &Path,
) -> Result<PathBuf, Failure> {
    let definitions = folder.join("definitions");
    let unwritable = |error| {
        Failure::failed(format!(
            "cannot write to {}: {error}",
            definitions.display()
        ))
    };
    std::fs::create_dir_all(&definitions).map_err(unwritable)?;
    for (name, text) in DEFINITIONS {
        std::fs::write(definitions.join(name), text).map_err(unwritable)?;
    }
    dev::apply(url, client, std::slice::from_ref(&definitions)).await?;
    Ok(definitions)
}
