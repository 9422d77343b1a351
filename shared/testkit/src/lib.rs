//! The servers that tests share: real ones as child processes, each with its own port and folder,
//! and receivers of webhooks.
//!
//! A server that is not installed is an error that names the package, never a test that silently
//! does nothing. It knows no crate of ours, so that every crate's tests can use it.

mod certificates;
mod child;
mod cluster;
mod postgres;
mod proxy;
mod receiver;
mod redis;
mod resp;
mod sentinel;
mod setup;

pub use certificates::Certificates;
pub use child::StartError;
pub use cluster::RedisCluster;
pub use postgres::{BaseCopy, LogArchive, PostgresServer};
pub use proxy::Proxy;
pub use receiver::{Answer, Receiver};
pub use redis::RedisServer;
pub use sentinel::RedisSentinel;
pub use setup::{Login, RedisSetup};
