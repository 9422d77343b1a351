//! The side that connects.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};

use kernel::Timestamp;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::files::{Fingerprint, TlsError, certificates, private_key, roots};
use super::provider;
use crate::certificate::end_of;
use crate::limits::HANDSHAKE_TIME;

/// The files of a client. Without any, servers are known by the authorities of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// The authorities of servers; absent for those of this machine.
    pub ca: Option<PathBuf>,
    /// Its certificate and the private key of that; absent where it has none.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The protocol that is spoken over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2, as gRPC needs it.
    Http2,
    /// HTTP/1.1.
    Http1,
}

/// TLS of a client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClientTls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: ClientFiles,
    current: RwLock<Option<(Arc<ClientConfig>, Fingerprint)>>,
    /// The last reason why the files could not be read again.
    told: Mutex<Option<String>>,
}

/// The authorities of this machine, read once: there may be hundreds.
static SYSTEM: LazyLock<ClientTls> = LazyLock::new(|| ClientTls::new(ClientFiles::default()));

impl ClientTls {
    /// Trusts the authorities of this machine, which are read with the first connection.
    pub fn of_system() -> Self {
        SYSTEM.clone()
    }

    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] with the file that is no good.
    pub fn open(files: ClientFiles) -> Result<Self, TlsError> {
        let tls = Self::new(files);
        if tls.0.files != ClientFiles::default() {
            tls.0.reload()?;
        }
        Ok(tls)
    }

    fn new(files: ClientFiles) -> Self {
        Self(Arc::new(Inner {
            files,
            current: RwLock::default(),
            told: Mutex::default(),
        }))
    }

    /// Reads the files again. New connections use what is in them.
    pub fn refresh(&self) {
        if self.0.files == ClientFiles::default() {
            return;
        }
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        match self.0.reload() {
            Ok(true) => {
                *told = None;
                tracing::info!("new certificates are in use for outgoing connections");
            }
            Ok(false) => *told = None,
            Err(error) if told.as_ref() == Some(&error.to_string()) => {}
            Err(error) => {
                tracing::warn!(%error, "certificates cannot be read again, the last ones stay in use");
                *told = Some(error.to_string());
            }
        }
    }

    /// Agrees with a server on a connection.
    ///
    /// # Errors
    /// As the server or the network says; a host that is no name; and where it takes longer than 10
    /// seconds.
    pub async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
        protocol: Alpn,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let config = self.0.config().map_err(std::io::Error::other)?;
        let mut config = ClientConfig::clone(&config);
        config.alpn_protocols = vec![match protocol {
            Alpn::Http2 => b"h2".to_vec(),
            Alpn::Http1 => b"http/1.1".to_vec(),
        }];
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
        let name = name.map_err(std::io::Error::other)?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let agreed = tokio::time::timeout(HANDSHAKE_TIME, connecting).await;
        agreed.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
    }

    /// Returns the end of the certificate that a server shows, whose authority is trusted.
    ///
    /// # Errors
    /// As [`Self::connect`]; a certificate that has ended is among them.
    pub async fn end_of_server(&self, host: &str, stream: TcpStream) -> std::io::Result<Timestamp> {
        let stream = self.connect(host, stream, Alpn::Http2).await?;
        let shown = stream.get_ref().1.peer_certificates();
        let first = shown.and_then(|shown| shown.first());
        let first = first.ok_or_else(|| std::io::Error::other("it shows no certificate"))?;
        end_of(first).map_err(std::io::Error::other)
    }
}

impl Inner {
    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((config, _)) = current.as_ref() {
            return Ok(Arc::clone(config));
        }
        drop(current);
        self.reload()?;
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current
            .as_ref()
            .map(|(config, _)| Arc::clone(config))
            .ok_or(TlsError::NoRoots)
    }

    /// Returns whether anything changed.
    fn reload(&self) -> Result<bool, TlsError> {
        let (fingerprint, bytes) = Fingerprint::read(self.paths())?;
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if current
            .as_ref()
            .is_some_and(|(_, known)| *known == fingerprint)
        {
            return Ok(false);
        }
        drop(current);
        let config = Arc::new(self.read_config(&bytes)?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let is_first = current.is_none();
        *current = Some((config, fingerprint));
        Ok(!is_first)
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let identity = self.files.identity.iter();
        self.files
            .ca
            .iter()
            .chain(identity.flat_map(|(certificate, key)| [certificate, key]))
    }

    fn read_config(&self, bytes: &[Vec<u8>]) -> Result<ClientConfig, TlsError> {
        let (roots, rest) = match &self.files.ca {
            Some(path) => (roots(path, &bytes[0])?, &bytes[1..]),
            None => (system_roots()?, bytes),
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::unfit("TLS".as_ref(), error))?
            .with_root_certificates(roots);
        let Some((certificate, key)) = &self.files.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(certificate, &rest[0])?;
        let private = private_key(key, &rest[1])?;
        builder
            .with_client_auth_cert(chain, private)
            .map_err(|error| TlsError::unfit(key, error))
    }
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // A machine may hold certificates that cannot be read: the others count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    Ok(roots)
}
