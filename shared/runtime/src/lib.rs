//! Runs services in a process: configuration, stores, one gRPC server, telemetry, and an orderly
//! end.
//!
//! It knows no service: each hands in a [`Service`], and all-in-one or alone is a matter of how
//! many.

mod binary;
mod calls;
mod certificates;
mod changes;
mod config;
mod connections;
mod context;
mod credentials;
mod customer;
mod database;
mod health;
mod incoming;
pub mod limits;
mod listening;
mod metrics;
mod neighbours;
mod origin;
mod partition_service;
mod peers;
mod position;
mod refresh;
mod serve;
mod service;
mod signals;
mod split_preview;
mod start_error;
mod telemetry;
mod upkeep;
mod vault;
mod ways;
mod web_pages;

pub use binary::{Awaited, Start, run_binary};
pub use calls::{Calls, Entrance};
pub use config::{
    AccessSettings, Clock, CollectorSettings, Config, ConfigFaults, ConfigFlags, Defaults,
    Durability, EffectiveValue, Environment, Fault, HotStoreAddress, LogFormat, Origin,
    PeerAddresses, SETTINGS, Setting, WebOrigins, mask_secrets,
};
pub use connections::forget as forget_body;
pub use context::{Context, check_empty, open_journaled_stores, open_record};
pub use credentials::Credentials;
pub use customer::CustomerReads;
pub use database::{DATABASE_SCHEMAS, connect_database, database_error};
pub use listening::Listening;
pub use neighbours::{Downstream, Hearing, Neighbours};
pub use peers::Peers;
pub use position::{PositionScope, position_of, read_after};
pub use serve::serve;
pub use service::Service;
pub use signals::cancel_on_signal;
pub use split_preview::{SplitPreviews, Unasked};
pub use start_error::{Cause, StartError};
pub use telemetry::Telemetry;
pub use web_pages::WebPages;
