//! The replicas of an identity service, as one client sees them.

use proto::identity::v1::identity_service_client::IdentityServiceClient;
use rpc::PeerChannel;

use crate::faults::installation::channel_with;

/// A client of one replica.
pub(super) type IdentityClient = IdentityServiceClient<PeerChannel>;

/// Connections to all replicas, of which one is asked at a time.
#[derive(Clone)]
pub(super) struct Replicas {
    clients: Vec<IdentityClient>,
    current: usize,
}

impl Replicas {
    /// Connects to `urls` when they are asked, beginning with the one at place `first`, which goes
    /// round.
    pub(super) fn new(urls: &[String], key: Option<&str>, first: usize) -> Self {
        let client = |url: &String| IdentityServiceClient::new(channel_with(url, key));
        Self {
            clients: urls.iter().map(client).collect(),
            current: first % urls.len(),
        }
    }

    /// The one to ask.
    pub(super) fn current(&mut self) -> &mut IdentityClient {
        &mut self.clients[self.current]
    }

    /// Asks another one from now on, where there is another.
    pub(super) fn go_on(&mut self) {
        self.current = (self.current + 1) % self.clients.len();
    }
}
