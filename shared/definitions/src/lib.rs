//! Definitions: segments, journeys, channels and the rest, as people write them and as processes
//! keep them.
//!
//! [`parse`] and [`to_yaml`] are the front door: YAML (or JSON) that maps one to one to the
//! contracts. Each service brings a [`Catalog`] of the kinds that it owns; a [`DefinitionStore`]
//! keeps every version in SQL and hands the compiled set to whoever watches; [`DefinitionRpc`]
//! serves them over gRPC. Nothing here knows what a kind means.

mod catalog;
mod commit;
mod compile;
mod entity;
mod if_match;
mod key;
pub mod limits;
mod migration;
mod owner;
mod owners;
mod plan;
mod reference;
mod remote;
mod rotation;
mod secret;
mod service;
mod stamp;
mod store;
mod stored;
mod yaml;

pub use catalog::{Catalog, Flaw, Versioned};
pub use commit::Revision;
pub use compile::compile;
pub use if_match::IfMatch;
pub use key::{DefinitionKey, key_of, kind_word};
pub use migration::MIGRATIONS;
pub use owner::{Applied, Change, Edit, Owner};
pub use plan::{Fault, Planned};
pub use reference::{ReferenceSource, References};
pub use remote::RemoteReferences;
pub use rotation::Rotation;
pub use service::DefinitionRpc;
pub use store::DefinitionStore;
pub use yaml::{Located, Mistake, parse, to_yaml};
