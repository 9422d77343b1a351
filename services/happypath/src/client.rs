//! Where the services are, and clients of them.

use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::audit::v1::audit_service_client::AuditServiceClient;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::engine::v1::{ListPartitionsRequest, Partition};
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use rpc::PeerChannel;
use tonic::Request;

use crate::failure::Failure;
use crate::limits::{CALL_TIME, PAGE_SIZE};

/// The write that an answer comes after.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct After {
    /// Waits for a write: its position, as `track --json` and `import --json` print it
    #[arg(
        long = "after",
        value_name = "POSITION",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) position: String,
}

/// Where the services are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Connection {
    /// Where Happypath is.
    #[arg(
        long,
        env = "HAPPYPATH_ADDRESS",
        default_value = "http://127.0.0.1:7400",
        value_name = "URL",
        help_heading = "Connection"
    )]
    pub(crate) address: String,
    /// Where identity is, if it runs alone.
    #[arg(
        long,
        env = "HAPPYPATH_IDENTITY_ADDRESS",
        value_name = "URL",
        help_heading = "Connection"
    )]
    identity_address: Option<String>,
    /// Where segmentation is, if it runs alone.
    #[arg(
        long,
        env = "HAPPYPATH_SEGMENTATION_ADDRESS",
        value_name = "URL",
        help_heading = "Connection"
    )]
    segmentation_address: Option<String>,
    /// Where journey is, if it runs alone.
    #[arg(
        long,
        env = "HAPPYPATH_JOURNEY_ADDRESS",
        value_name = "URL",
        help_heading = "Connection"
    )]
    journey_address: Option<String>,
    /// Where activation is, if it runs alone.
    #[arg(
        long,
        env = "HAPPYPATH_ACTIVATION_ADDRESS",
        value_name = "URL",
        help_heading = "Connection"
    )]
    activation_address: Option<String>,
}

/// One of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceName {
    Identity,
    Segmentation,
    Activation,
    Journey,
}

impl ServiceName {
    /// Every service, in the order in which definitions are applied: journeys refer to all the
    /// others.
    pub(crate) const ALL: [Self; 4] = [
        Self::Identity,
        Self::Segmentation,
        Self::Activation,
        Self::Journey,
    ];

    /// The service of a name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Segmentation => "segmentation",
            Self::Activation => "activation",
            Self::Journey => "journey",
        }
    }
}

impl Connection {
    /// Everything in one process, at this address.
    pub(crate) fn single(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            identity_address: None,
            segmentation_address: None,
            journey_address: None,
            activation_address: None,
        }
    }

    /// The processes to talk to, each once, with the services that it runs.
    pub(crate) fn processes(&self) -> Vec<(&str, Vec<ServiceName>)> {
        let mut processes: Vec<(&str, Vec<ServiceName>)> = Vec::new();
        for service in ServiceName::ALL {
            let address = self.address_of(service);
            match processes.iter_mut().find(|(own, _)| *own == address) {
                Some((_, services)) => services.push(service),
                None => processes.push((address, vec![service])),
            }
        }
        processes
    }

    /// The addresses of these processes, for messages.
    pub(crate) fn addresses(&self) -> String {
        let addresses: Vec<&str> = self.processes().iter().map(|(own, _)| *own).collect();
        addresses.join(" or ")
    }

    /// A client of identity.
    pub(crate) fn identity(&self) -> Result<IdentityServiceClient<PeerChannel>, Failure> {
        Ok(IdentityServiceClient::new(
            self.channel(ServiceName::Identity)?,
        ))
    }

    /// A client of segmentation.
    pub(crate) fn segmentation(&self) -> Result<SegmentationServiceClient<PeerChannel>, Failure> {
        Ok(SegmentationServiceClient::new(
            self.channel(ServiceName::Segmentation)?,
        ))
    }

    /// A client of journey.
    pub(crate) fn journey(&self) -> Result<JourneyServiceClient<PeerChannel>, Failure> {
        Ok(JourneyServiceClient::new(
            self.channel(ServiceName::Journey)?,
        ))
    }

    /// A client of activation.
    pub(crate) fn activation(&self) -> Result<ActivationServiceClient<PeerChannel>, Failure> {
        Ok(ActivationServiceClient::new(
            self.channel(ServiceName::Activation)?,
        ))
    }

    /// A client of the definitions of a service.
    pub(crate) fn definitions(
        &self,
        service: ServiceName,
    ) -> Result<DefinitionServiceClient<PeerChannel>, Failure> {
        Ok(DefinitionServiceClient::new(self.channel(service)?)
            .max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
            .max_encoding_message_size(kernel::limits::MESSAGE_BYTES))
    }

    /// A client of the audit log in the database of a service.
    pub(crate) fn audit(
        &self,
        service: ServiceName,
    ) -> Result<AuditServiceClient<PeerChannel>, Failure> {
        let client = AuditServiceClient::new(self.channel(service)?);
        Ok(client.max_decoding_message_size(kernel::limits::MESSAGE_BYTES))
    }

    /// A client of the partitions of a service.
    pub(crate) fn partitions(
        &self,
        service: ServiceName,
    ) -> Result<PartitionServiceClient<PeerChannel>, Failure> {
        Ok(PartitionServiceClient::new(self.channel(service)?))
    }

    /// The partitions that the process of a service works on; where `of` is not empty, only those
    /// of the service that it names.
    pub(crate) async fn list_partitions(
        &self,
        process: ServiceName,
        of: &str,
    ) -> Result<Vec<Partition>, Failure> {
        let mut client = self.partitions(process)?;
        let mut partitions = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListPartitionsRequest {
                service: of.to_owned(),
                page_size: PAGE_SIZE,
                page_token,
            };
            let page = client.list_partitions(ask(request)).await?.into_inner();
            partitions.extend(page.partitions);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(partitions);
            }
        }
    }

    fn channel(&self, service: ServiceName) -> Result<PeerChannel, Failure> {
        rpc::connect(self.address_of(service))
            .map_err(|failure| Failure::mistake(failure.message()))
    }

    fn address_of(&self, service: ServiceName) -> &str {
        let own = match service {
            ServiceName::Identity => &self.identity_address,
            ServiceName::Segmentation => &self.segmentation_address,
            ServiceName::Activation => &self.activation_address,
            ServiceName::Journey => &self.journey_address,
        };
        own.as_deref().unwrap_or(&self.address)
    }
}

/// A request that does not wait for ever.
pub(crate) fn ask<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIME);
    request
}

/// An id for one request that may be sent again.
pub(crate) fn request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
