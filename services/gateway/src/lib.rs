//! The gateway: one listener for gRPC, gRPC-Web, JSON and the tracking APIs of SDKs, in front of
//! the other services.
//!
//! It decides nothing: it hands calls on to the service that does.

mod catalog;
mod changes;
mod cloud_events;
mod dead_letters;
mod entity;
mod export;
mod forward;
mod front;
mod intake;
pub mod limits;
mod metrics;
mod migration;
mod start;
mod statistics;
mod subscriptions;
mod tracking;
mod upkeep;
mod webhooks;

pub use catalog::{GatewayCatalog, GatewayDefinitions, Sources};
pub use gateway_core::{PRESETS, WebhookPost};
pub use migration::MIGRATIONS;
pub use start::start;
pub use subscriptions::Subscriptions;
pub use webhooks::trial::{Trial, TrialError, TriedFault, try_webhook};
