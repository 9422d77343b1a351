//! Definitions from the outside: the front door, the store and the gRPC server.

mod change;
mod etags;
mod fixture;
mod follows;
mod gone;
mod incremental;
mod pages;
mod schema;
mod secrets;
mod server;
mod yaml;
