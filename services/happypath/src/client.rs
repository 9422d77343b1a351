//! Where the services are, and clients of them.

mod clients;
pub(crate) mod replica;
mod service_name;
pub(crate) mod shown;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use access::tls::ClientTls;
use rpc::PeerChannel;
use tonic::Request;

use crate::client::replica::OnlyAt;
pub(crate) use crate::client::service_name::ServiceName;
use crate::client::shown::{Settled, Shown};
use crate::commands::login::absolute;
use crate::contexts::{Context, Contexts};
use crate::failure::Failure;
use crate::limits::CALL_TIME;

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

    /// Returns whether a service is at an address that is asked anyhow: another installation may be
    /// where everything is unless somebody says otherwise.
    pub(crate) fn is_at_hand(&self, service: ServiceName) -> bool {
        let address = self.address_of(service);
        let processes = self.processes();
        processes.iter().any(|(own, _)| *own == address)
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

    /// TLS of calls.
    pub(crate) fn tls(&self) -> ClientTls {
        let tls = self.settled().client.tls.clone();
        tls.unwrap_or_else(ClientTls::of_system)
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
