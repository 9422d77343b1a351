//! The replicas of an identity service, as one client sees them.

use proto::identity::v1::identity_service_client::IdentityServiceClient;

use rpc::PeerChannel;

/// A client of one replica.
pub(super) type IdentityClient = IdentityServiceClient<PeerChannel>;

/// Connections to all replicas, of which one is asked at a time.
#[derive(Clone)]
pub(super) struct Replicas {
    clients: Vec<IdentityClient>,
    current: usize,
}

impl Replicas {
    /// Goes the way at place `first` first, which goes round.
    pub(super) fn new(ways: Vec<PeerChannel>, first: usize) -> Self {
        Self {
            current: first % ways.len(),
            clients: ways.into_iter().map(IdentityServiceClient::new).collect(),
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
