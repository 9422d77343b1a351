//! Generates the clients and servers of the contracts from the descriptors that `messages` was built with.

use std::collections::BTreeSet;
use std::{env, fs};

use prost::Message as _;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Links of cargo: the build script of `messages` says where it put them.
    let descriptors = env::var("DEP_HAPPYPATH_MESSAGES_SERVICES")?;
    println!("cargo:rerun-if-changed={}", descriptors);
    let set = FileDescriptorSet::decode(fs::read(&descriptors)?.as_slice())?;
    let mut config = tonic_prost_build::Config::new();
    config.bytes(["."]);
    let packages: BTreeSet<&str> = set.file.iter().map(|file| file.package()).collect();
    for package in packages {
        if let Some(path) = package.strip_prefix("happypath.") {
            let rust = path.replace(".state.v1", ".state_v1").replace('.', "::");
            config.extern_path(format!(".{package}"), format!("::messages::{rust}"));
        }
    }
    tonic_prost_build::configure().compile_fds_with_config(set, config)?;
    Ok(())
}
