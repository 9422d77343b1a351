//! Channels to the other services, which connect when they are first used, to all replicas.

use kernel::Owner;
use rpc::{ClientOptions, PeerChannel};

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
                Some(address) => rpc::connect_measured(service.name(), address, options),
                None => rpc::connect_with(own, options),
            };
            opened.map_err(|failure| StartError::service("runtime", failure))
        };
        Ok(Self {
            identity: channel(Owner::Identity, &addresses.identity)?,
            segmentation: channel(Owner::Segmentation, &addresses.segmentation)?,
            journey: channel(Owner::Journey, &addresses.journey)?,
            activation: channel(Owner::Activation, &addresses.activation)?,
        })
    }
}
