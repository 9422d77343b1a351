//! What tests share: real servers as child processes, each with its own port and folder.
//!
//! A server that is not installed is an error that names the package, never a test that silently does nothing.
//! It knows no crate of ours, so that every crate's tests can use it.

mod child;
mod postgres;
mod redis;

pub use child::StartError;
pub use postgres::PostgresServer;
pub use redis::RedisServer;
