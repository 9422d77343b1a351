//! The runtime from outside: configurations with faults, and a server in this process on embedded
//! stores.

mod config;
mod health;
mod schema;
mod server;
