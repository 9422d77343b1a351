//! Channels to the other services, which connect when they are first used, to all replicas.

use kernel::Owner;
use rpc::{ClientOptions, PeerChannel, RelayChannel};

use crate::config::PeerAddresses;
use crate::start_error::StartError;

/// Channels to the four services. Cheap to clone; each call goes to one replica of those that there
/// are by then, and lost connections are opened again by themselves.
#[derive(Debug, Clone)]
pub struct Peers {
    /// To identity.
    pub identity: PeerChannel,
    /// To segmentation.
    pub segmentation: PeerChannel,
    /// To journey.
    pub journey: PeerChannel,
    /// To activation.
    pub activation: PeerChannel,
    /// For calls that are handed on, by [`Owner::index`].
    relays: [RelayChannel; 4],
}

impl Peers {
    /// Prepares the channels. A service without an address is in this process, at `own`.
    pub(crate) fn open(
        addresses: &PeerAddresses,
        own: &str,
        options: &ClientOptions,
    ) -> Result<Self, StartError> {
        let channel = |service: Owner, address: &Option<String>| {
            let opened = match address {
                Some(address) => rpc::connect_relayed(Some(service.name()), address, options),
                None => rpc::connect_relayed(None, own, options),
            };
            opened.map_err(|failure| StartError::service("runtime", failure))
        };
        let (identity, to_identity) = channel(Owner::Identity, &addresses.identity)?;
        let (segmentation, to_segmentation) =
            channel(Owner::Segmentation, &addresses.segmentation)?;
        let (journey, to_journey) = channel(Owner::Journey, &addresses.journey)?;
        let (activation, to_activation) = channel(Owner::Activation, &addresses.activation)?;
        Ok(Self {
            identity,
            segmentation,
            journey,
            activation,
            relays: [to_identity, to_segmentation, to_journey, to_activation],
        })
    }

    /// The channel to a service for calls that are handed on with the credential of their caller.
    pub fn relay(&self, service: Owner) -> &RelayChannel {
        &self.relays[service.index()]
    }
}
