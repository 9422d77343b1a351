//! The side that listens.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use kernel::Timestamp;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::files::{Fingerprint, TlsError, certificates, private_key, roots};
use super::provider;
use crate::certificate::{PeerCertificate, end_of};
use crate::limits::{EXPIRY_WARNING, EXPIRY_WARNING_PAUSE, HANDSHAKE_TIME};
use crate::now;

/// The files of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// Its certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// The authorities of clients; absent where clients have no certificates.
    pub client_ca: Option<PathBuf>,
    /// The need of a certificate, where there are authorities of clients.
    pub clients: ClientCertificates,
}

/// The need of a certificate of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Clients that have one are known by it, and others need another credential.
    Optional,
    /// Nobody gets a connection without one.
    Required,
}

/// TLS of a listener.
#[derive(Debug)]
pub struct ServerTls {
    files: ServerFiles,
    current: RwLock<Current>,
    told: Mutex<Told>,
}

#[derive(Debug, Clone)]
struct Current {
    config: Arc<ServerConfig>,
    fingerprint: Fingerprint,
    /// The end of the certificate.
    end: Timestamp,
}

/// The complaints of the log so far.
#[derive(Debug, Default)]
struct Told {
    /// The last reason why the files could not be read again.
    failure: Option<String>,
    /// The last time of a word that the certificate ends, or has ended.
    expiry: Option<(Instant, bool)>,
}

/// A connection that both sides agreed on.
#[derive(Debug)]
pub struct Handshake {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// The certificate of the client, where it has one.
    pub peer: Option<Arc<PeerCertificate>>,
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] with the file that is no good.
    pub fn open(files: ServerFiles) -> Result<Self, TlsError> {
        let (fingerprint, bytes) = Fingerprint::read(paths(&files))?;
        let (config, end) = config(&files, &bytes)?;
        let current = Current {
            config: Arc::new(config),
            fingerprint,
            end,
        };
        Ok(Self {
            files,
            current: RwLock::new(current),
            told: Mutex::default(),
        })
    }

    /// Reads the files again, and warns of a certificate that ends soon, or has ended.
    pub fn refresh(&self) {
        match self.reload() {
            Ok(true) => tracing::info!(
                certificate = %self.files.certificate.display(),
                end = %self.end(),
                "a new certificate is in use"
            ),
            Ok(false) => {}
            Err(error) => self.tell_failure(&error),
        }
        self.tell_expiry();
    }

    /// The end of the certificate in use.
    pub fn end(&self) -> Timestamp {
        self.current().end
    }

    /// Returns whether the certificate in use has ended, so that no client accepts it.
    pub fn has_ended(&self) -> bool {
        self.end() <= now()
    }

    /// Agrees with a client on a connection.
    ///
    /// # Errors
    /// As the client or the network says, and where it takes longer than 10 seconds.
    pub async fn accept(&self, stream: TcpStream) -> std::io::Result<Handshake> {
        let acceptor = TlsAcceptor::from(self.current().config);
        let agreed = tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await;
        let stream = agreed.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        let (_, session) = stream.get_ref();
        let leaf = session.peer_certificates().and_then(<[_]>::first);
        let peer = leaf.map(|leaf| PeerCertificate::read(leaf)).transpose();
        let peer = peer.map_err(std::io::Error::other)?;
        Ok(Handshake {
            peer: peer.map(Arc::new),
            stream,
        })
    }

    fn reload(&self) -> Result<bool, TlsError> {
        let (fingerprint, bytes) = Fingerprint::read(paths(&self.files))?;
        if fingerprint == self.current().fingerprint {
            self.told().failure = None;
            return Ok(false);
        }
        let (config, end) = config(&self.files, &bytes)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Current {
            config: Arc::new(config),
            fingerprint,
            end,
        };
        *self.told() = Told::default();
        Ok(true)
    }

    /// Files are written one after another, so that a moment of disagreement is usual: it is told
    /// once for each reason.
    fn tell_failure(&self, error: &TlsError) {
        let text = error.to_string();
        let mut told = self.told();
        if told.failure.as_ref() != Some(&text) {
            tracing::warn!(%error, "certificates cannot be read again, the last ones stay in use");
            told.failure = Some(text);
        }
    }

    fn tell_expiry(&self) {
        let end = self.end();
        let left = end.as_millis() - now().as_millis();
        let warned = i64::try_from(EXPIRY_WARNING.as_millis()).unwrap_or(i64::MAX);
        let has_ended = left <= 0;
        let mut told = self.told();
        let is_told = told.expiry.is_some_and(|(time, had_ended)| {
            had_ended == has_ended && time.elapsed() < EXPIRY_WARNING_PAUSE
        });
        if left > warned || is_told {
            return;
        }
        told.expiry = Some((Instant::now(), has_ended));
        let certificate = self.files.certificate.display();
        if has_ended {
            tracing::error!(%certificate, %end, "the certificate has expired: clients refuse it");
        } else {
            tracing::warn!(%certificate, %end, "the certificate expires soon: put a new one there");
        }
    }

    fn current(&self) -> Current {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn paths(files: &ServerFiles) -> impl Iterator<Item = &PathBuf> {
    [&files.certificate, &files.key]
        .into_iter()
        .chain(&files.client_ca)
}

fn config(files: &ServerFiles, bytes: &[Vec<u8>]) -> Result<(ServerConfig, Timestamp), TlsError> {
    let chain = certificates(&files.certificate, &bytes[0])?;
    let key = private_key(&files.key, &bytes[1])?;
    let end = end_of(&chain[0]).map_err(|error| TlsError::unfit(&files.certificate, error))?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::unfit(&files.certificate, error))?;
    let builder = match (&files.client_ca, bytes.get(2)) {
        (Some(path), Some(bytes)) => {
            let roots = Arc::new(roots(path, bytes)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            let verifier = match files.clients {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                ClientCertificates::Required => verifier,
            };
            let verifier = verifier
                .build()
                .map_err(|error| TlsError::unfit(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
        _ => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::unfit(&files.key, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, end))
}
