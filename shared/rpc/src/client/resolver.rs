//! Addresses of names.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use futures::future::BoxFuture;

/// Finds the addresses of names.
pub trait Resolver: fmt::Debug + Send + Sync {
    /// Returns every address that a name has, with this port, in any order.
    ///
    /// # Errors
    /// Where the name has none, or nobody answers who would know.
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// Asks the operating system, which knows its files of hosts and its servers of names.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, port)).await?;
            Ok(found.collect())
        })
    }
}
