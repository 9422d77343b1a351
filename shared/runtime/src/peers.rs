//! Channels to the other services, which connect when they are first used.

use rpc::{ClientOptions, PeerChannel};

use crate::config::PeerAddresses;
use crate::start_error::StartError;

/// Channels to the four services. Cheap to clone; a lost connection is opened again by itself.
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
        let channel = |address: &Option<String>| {
            rpc::connect_with(address.as_deref().unwrap_or(own), options)
                .map_err(|failure| StartError::service("runtime", failure))
        };
        Ok(Self {
            identity: channel(&addresses.identity)?,
            segmentation: channel(&addresses.segmentation)?,
            journey: channel(&addresses.journey)?,
            activation: channel(&addresses.activation)?,
        })
    }
}
