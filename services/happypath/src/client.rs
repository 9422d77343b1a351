//! Where the services are, and clients of them.

pub(crate) mod replica;
pub(crate) mod shown;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use access::tls::ClientTls;
use proto::access::v1::key_service_client::KeyServiceClient;
use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::audit::v1::audit_service_client::AuditServiceClient;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::engine::v1::{ListPartitionsRequest, Partition};
use proto::gateway::v1::intake_service_client::IntakeServiceClient;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use rpc::PeerChannel;
use tonic::Request;
use tonic_health::pb::health_client::HealthClient;

use crate::client::replica::OnlyAt;
use crate::client::shown::{Settled, Shown};
use crate::commands::login::absolute;
use crate::contexts::{Context, Contexts};
use crate::failure::Failure;
use crate::limits::{CALL_TIME, PAGE_SIZE};

/// Where Happypath is unless somebody says otherwise.
const ADDRESS: &str = "http://127.0.0.1:7400";

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

/// Where the services are, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Connection {
    /// Where Happypath is [default: that of the context, or http://127.0.0.1:7400].
    #[arg(
        long,
        env = "HAPPYPATH_ADDRESS",
        value_name = "URL",
        help_heading = "Connection"
    )]
    address: Option<String>,
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
    /// Where the gateway is, if it runs alone.
    #[arg(
        long,
        env = "HAPPYPATH_GATEWAY_ADDRESS",
        value_name = "URL",
        help_heading = "Connection"
    )]
    gateway_address: Option<String>,
    #[command(flatten)]
    shown: Shown,
    /// The place and the credential that all of that comes to.
    #[arg(skip)]
    settled: OnceLock<Settled>,
    /// The one replica to reach; absent for any.
    #[arg(skip)]
    at: Option<SocketAddr>,
}

/// One of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceName {
    Identity,
    Segmentation,
    Activation,
    Journey,
    Gateway,
}

impl ServiceName {
    /// Every service, in the order in which definitions are applied: journeys refer to all before
    /// them, and sources to namespaces.
    pub(crate) const ALL: [Self; 5] = [
        Self::Identity,
        Self::Segmentation,
        Self::Activation,
        Self::Journey,
        Self::Gateway,
    ];

    /// Returns whether every deployment has it.
    const fn is_everywhere(self) -> bool {
        !matches!(self, Self::Gateway)
    }

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
            Self::Gateway => "gateway",
        }
    }
}

impl Connection {
    /// Everything in one process, at this address, which asks for no credential.
    pub(crate) fn single(address: impl Into<String>) -> Self {
        Self {
            address: None,
            identity_address: None,
            segmentation_address: None,
            journey_address: None,
            activation_address: None,
            gateway_address: None,
            shown: Shown::default(),
            settled: Settled::plain(address.into()).into(),
            at: None,
        }
    }

    /// The same, with the credential of a client.
    #[must_use]
    pub(crate) fn with_client(mut self, client: rpc::ClientOptions) -> Self {
        if let Some(settled) = self.settled.get_mut() {
            settled.client = client;
        }
        self
    }

    /// Reads the context and the files that are named.
    ///
    /// The current context counts only where no address is given: its key is not for whoever is at
    /// another address.
    pub(crate) fn settle(&self) -> Result<(), Failure> {
        let name = self.shown.context.as_deref();
        let context = match name.is_none() && self.address.is_some() {
            true => Context::default(),
            false => Contexts::of_user(name)?
                .choose(name)?
                .cloned()
                .unwrap_or_default(),
        };
        let services = self.given().map(|(service, address)| {
            let of_context = context.services.get(service.name());
            (service, address.as_ref().or(of_context).cloned())
        });
        let own = self.address.clone();
        let of_context = Some(context.address.clone()).filter(|it| !it.is_empty());
        let settled = Settled {
            address: own.or(of_context).unwrap_or_else(|| ADDRESS.to_owned()),
            services: services.to_vec(),
            client: self.shown.client_options(&context)?,
        };
        // Once for each command line.
        let _ = self.settled.set(settled);
        Ok(())
    }

    /// The context of this command line, over the one that had its name before.
    pub(crate) fn to_context(
        &self,
        before: Context,
        key: Option<String>,
    ) -> Result<Context, Failure> {
        let file = |given: &Option<PathBuf>, before: Option<PathBuf>| match given {
            Some(path) => absolute(path).map(Some),
            None => Ok(before),
        };
        let mut services = before.services;
        for (service, address) in self.given() {
            if let Some(address) = address {
                services.insert(service.name().to_owned(), address.clone());
            }
        }
        let of_before = Some(before.address).filter(|it| !it.is_empty());
        let address = self.address.clone().or(of_before);
        Ok(Context {
            address: address.unwrap_or_else(|| ADDRESS.to_owned()),
            services,
            key,
            tls_ca: file(&self.shown.tls_ca, before.tls_ca)?,
            client_certificate: file(&self.shown.client_certificate, before.client_certificate)?,
            client_key: file(&self.shown.client_key, before.client_key)?,
        })
    }

    /// Uses a context as it is, whatever else is given.
    pub(crate) fn settle_as(&self, context: &Context) -> Result<(), Failure> {
        let services = ServiceName::ALL.into_iter();
        let services = services.map(|it| (it, context.services.get(it.name()).cloned()));
        let settled = Settled {
            address: context.address.clone(),
            services: services.collect(),
            client: Shown::default().options_of(context.key.as_deref(), context)?,
        };
        // Once for each command line.
        let _ = self.settled.set(settled);
        Ok(())
    }

    /// The key or token that is given beside the context.
    pub(crate) fn given_key(&self) -> Result<Option<String>, Failure> {
        self.shown.given_key()
    }

    /// The addresses of services that are given.
    fn given(&self) -> [(ServiceName, &Option<String>); 5] {
        [
            (ServiceName::Identity, &self.identity_address),
            (ServiceName::Segmentation, &self.segmentation_address),
            (ServiceName::Journey, &self.journey_address),
            (ServiceName::Activation, &self.activation_address),
            (ServiceName::Gateway, &self.gateway_address),
        ]
    }

    fn settled(&self) -> &Settled {
        let own = || self.address.clone().unwrap_or_else(|| ADDRESS.to_owned());
        self.settled.get_or_init(|| Settled::plain(own()))
    }

    /// The processes to talk to, each once, with the services that it runs: at least one. The
    /// gateway is among them where it has an address of its own: not every deployment has one.
    pub(crate) fn processes(&self) -> Vec<(&str, Vec<ServiceName>)> {
        self.processes_of(|service| service.is_everywhere() || self.has_address(service))
    }

    /// The processes to talk to about the definitions of these services, as
    /// [`processes`](Self::processes), and that of each service here.
    pub(crate) fn processes_with(&self, here: &[ServiceName]) -> Vec<(&str, Vec<ServiceName>)> {
        self.processes_of(|service| {
            service.is_everywhere() || self.has_address(service) || here.contains(&service)
        })
    }

    /// Returns whether a service is somewhere else than the others.
    pub(crate) fn has_address(&self, service: ServiceName) -> bool {
        let mut services = self.settled().services.iter();
        services.any(|(own, address)| *own == service && address.is_some())
    }

    fn processes_of(
        &self,
        is_meant: impl Fn(ServiceName) -> bool,
    ) -> Vec<(&str, Vec<ServiceName>)> {
        let mut processes: Vec<(&str, Vec<ServiceName>)> = Vec::new();
        for service in ServiceName::ALL.into_iter().filter(|it| is_meant(*it)) {
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
        // A login settles them itself, later than a message may need them.
        if self.settled.get().is_none() {
            return self.address.clone().unwrap_or_else(|| ADDRESS.to_owned());
        }
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

    /// A client of the intake: dead letters and statistics.
    pub(crate) fn intake(&self) -> Result<IntakeServiceClient<PeerChannel>, Failure> {
        let client = IntakeServiceClient::new(self.channel(ServiceName::Gateway)?);
        Ok(client
            .max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
            .max_encoding_message_size(kernel::limits::MESSAGE_BYTES))
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

    /// A client of the health of the process of a service.
    pub(crate) fn health(
        &self,
        service: ServiceName,
    ) -> Result<HealthClient<PeerChannel>, Failure> {
        Ok(HealthClient::new(self.channel(service)?))
    }

    /// TLS of calls.
    pub(crate) fn tls(&self) -> ClientTls {
        let tls = self.settled().client.tls.clone();
        tls.unwrap_or_else(ClientTls::of_system)
    }

    /// A client of the keys of the installation, which every process serves.
    pub(crate) fn keys(&self) -> Result<KeyServiceClient<PeerChannel>, Failure> {
        Ok(KeyServiceClient::new(self.channel(ServiceName::Identity)?))
    }

    fn channel(&self, service: ServiceName) -> Result<PeerChannel, Failure> {
        let (address, client) = (self.address_of(service), &self.settled().client);
        let channel = match self.at {
            Some(at) => rpc::connect_through(address, client, Arc::new(OnlyAt(at))),
            None => rpc::connect_with(address, client),
        };
        channel.map_err(|failure| Failure::mistake(failure.message()))
    }

    fn address_of(&self, service: ServiceName) -> &str {
        let settled = self.settled();
        let mut services = settled.services.iter();
        let own = services.find(|(own, _)| *own == service);
        own.and_then(|(_, address)| address.as_deref())
            .unwrap_or(&settled.address)
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
