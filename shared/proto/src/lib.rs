//! The contracts: clients and servers generated from `proto/api`, with the messages of `messages` beside them.
//!
//! Nothing is written by hand here. Whoever needs messages only depends on `messages`.

pub use messages::{DESCRIPTOR_BYTES, DESCRIPTORS, convert, journal, json, stream};

macro_rules! packages {
    ($($(#[$meta:meta])* $service:ident: $name:literal $(, $state:ident)?;)+) => {
        $($(#[$meta])* pub mod $service {
            #[doc = concat!("Package `", $name, "`.")]
            #[allow(missing_docs, clippy::all, reason = "generated; the proto files carry the documentation")]
            pub mod v1 {
                pub use messages::$service::v1::*;
                tonic::include_proto!($name);
            }
            $(pub use messages::$service::$state;)?
        })+
    };
}

packages! {
    /// Keys, and the demands that methods make of callers.
    access: "happypath.access.v1";
    /// The audit log.
    audit: "happypath.audit.v1";
    /// Identity.
    identity: "happypath.identity.v1";
    /// Segmentation.
    segmentation: "happypath.segmentation.v1", state_v1;
    /// Journey.
    journey: "happypath.journey.v1", state_v1;
    /// Activation.
    activation: "happypath.activation.v1", state_v1;
    /// Definitions.
    definition: "happypath.definition.v1";
    /// The gateway.
    gateway: "happypath.gateway.v1";
    /// The partition engine.
    engine: "happypath.engine.v1";
}
