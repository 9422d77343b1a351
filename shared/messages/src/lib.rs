//! The messages of the contracts, generated from `proto/api`, with their descriptors.
//!
//! Nothing is written by hand here but conversions between the values of the contracts and those of
//! the kernel. It has no clients and no servers (those are in `proto`), so that the pure cores can
//! read messages without a network stack.

pub mod convert;
pub mod json;

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// The encoded descriptors of every contract, with field rules, for reflection.
pub const DESCRIPTOR_BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));

/// The descriptors of every contract, with field rules, for validation and for JSON and YAML.
pub static DESCRIPTORS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(DESCRIPTOR_BYTES).expect("the build wrote these descriptors")
});

macro_rules! packages {
    ($($(#[$meta:meta])* $service:ident: $name:literal as v1 $(, $state:literal as state_v1)?;)+) => {
        $($(#[$meta])* pub mod $service {
            #[doc = concat!("Package `", $name, "`.")]
            #[allow(missing_docs, clippy::all, reason = "generated; the proto files carry the documentation")]
            pub mod v1 { include!(concat!(env!("OUT_DIR"), "/", $name, ".rs")); }
            $(
                // As deep as the package is, for the generated paths to other packages.
                pub(crate) mod state {
                    #[doc = concat!("Package `", $state, "`.")]
                    #[allow(missing_docs, clippy::all, reason = "generated; the proto files carry the documentation")]
                    pub mod v1 { include!(concat!(env!("OUT_DIR"), "/", $state, ".rs")); }
                }
                pub use state::v1 as state_v1;
            )?
        })+
    };
}

packages! {
    /// Keys, and the demands that methods make of callers.
    access: "happypath.access.v1" as v1;
    /// The audit log.
    audit: "happypath.audit.v1" as v1;
    /// Identity.
    identity: "happypath.identity.v1" as v1;
    /// Segmentation.
    segmentation: "happypath.segmentation.v1" as v1, "happypath.segmentation.state.v1" as state_v1;
    /// Journey.
    journey: "happypath.journey.v1" as v1, "happypath.journey.state.v1" as state_v1;
    /// Activation.
    activation: "happypath.activation.v1" as v1, "happypath.activation.state.v1" as state_v1;
    /// Definitions.
    definition: "happypath.definition.v1" as v1;
    /// The gateway.
    gateway: "happypath.gateway.v1" as v1;
    /// The partition engine.
    engine: "happypath.engine.v1" as v1, "happypath.engine.state.v1" as state_v1;
    /// Records in the streams between services.
    stream: "happypath.stream.v1" as v1;
    /// Commits and snapshots as the journal keeps them.
    journal: "happypath.journal.v1" as v1;
}
