//! The other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::PeerCertificate;

/// The other end of a connection: an extension of every request that came over it.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    address: Option<SocketAddr>,
    certificate: Option<Arc<PeerCertificate>>,
}

impl Peer {
    /// A client at an address, with its certificate where it has one.
    pub const fn new(
        address: Option<SocketAddr>,
        certificate: Option<Arc<PeerCertificate>>,
    ) -> Self {
        Self {
            address,
            certificate,
        }
    }

    /// Its address; none where the connection is not one of a network.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Its certificate, which an authority of ours has signed.
    pub const fn certificate(&self) -> Option<&Arc<PeerCertificate>> {
        self.certificate.as_ref()
    }
}
