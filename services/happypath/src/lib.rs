//! The command line of Happypath, and all services in one process.
//!
//! Commands talk to services through the public gRPC API only, as any other client would; [`dev`]
//! alone knows that services are crates.

mod account_key;
mod bundle;
mod cli;
mod client;
mod commands;
mod contexts;
mod customer_key;
pub mod demo;
pub mod dev;
mod failure;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod import;
pub mod limits;
mod migrations;
mod output;
mod when;

pub use cli::run;
pub use failure::Failure;
pub use migrations::{MIGRATIONS, SCHEMAS};
