//! TLS and mutual TLS for listeners and clients, with certificates that are read again when their
//! files change.
//!
//! A file that cannot be read, or does not fit its key, changes nothing: the certificate in use
//! stays, and the log says so once. Version 1.2 at the least, with ring.

mod client;
mod files;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod server;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use self::client::{Alpn, ClientFiles, ClientTls};
pub use self::files::{TlsError, check_certificates, check_private_key, end_of_file};
pub use self::server::{ClientCertificates, Handshake, ServerFiles, ServerTls};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests;
