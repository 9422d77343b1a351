//! Settings of who may call: they must fit where the process listens.

use std::net::SocketAddr;
use std::path::PathBuf;

use access::Mode;
use access::tls::{ClientCertificates, ClientFiles, ClientTls, ServerFiles, ServerTls};

use super::fault::Fault;
use super::layers::Layers;
use super::value;
use crate::start_error::StartError;

/// The callers, and the credentials of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessSettings {
    /// The demand for credentials.
    pub mode: Mode,
    /// The file of callers; absent for none.
    pub file: Option<PathBuf>,
    /// The certificate of the listener; absent where it speaks plain text.
    pub server: Option<ServerFiles>,
    /// The authorities of other services, and the certificate that is shown to them.
    pub client: ClientFiles,
    /// True where reflection is served.
    pub has_reflection: bool,
}

impl AccessSettings {
    /// Reads the certificate of the listener, where it has one.
    ///
    /// # Errors
    /// [`StartError::File`].
    pub(crate) fn open_server(&self) -> Result<Option<ServerTls>, StartError> {
        let Some(files) = &self.server else {
            return Ok(None);
        };
        let opened = ServerTls::open(files.clone());
        opened.map(Some).map_err(|error| {
            let settings = [
                ("tls_certificate", Some(&files.certificate)),
                ("tls_key", Some(&files.key)),
                ("tls_client_ca", files.client_ca.as_ref()),
            ];
            StartError::tls_file(&settings, error)
        })
    }

    /// Reads what is shown to other services, and whom they are known by.
    ///
    /// # Errors
    /// [`StartError::File`].
    pub(crate) fn open_client(&self) -> Result<ClientTls, StartError> {
        open_client(["tls_ca", "tls_certificate", "tls_key"], &self.client)
    }
}

/// Reads the files of a client, which these settings name: the authorities, the certificate and its
/// key.
///
/// # Errors
/// [`StartError::File`].
pub(crate) fn open_client(
    [ca, certificate, key]: [&'static str; 3],
    files: &ClientFiles,
) -> Result<ClientTls, StartError> {
    ClientTls::open(files.clone()).map_err(|error| {
        let identity = files.identity.as_ref();
        let settings = [
            (ca, files.ca.as_ref()),
            (certificate, identity.map(|it| &it.0)),
            (key, identity.map(|it| &it.1)),
        ];
        StartError::tls_file(&settings, error)
    })
}

/// Refuses a setting that needs another one beside it, which is not there.
pub(super) fn need(
    layers: &Layers,
    faults: &mut Vec<Fault>,
    pairs: impl IntoIterator<Item = (&'static str, &'static str)>,
) {
    for (one, other) in pairs {
        if layers.has(one) && !layers.has(other) {
            let problem = format!("needs {other} beside it: set both, or neither");
            faults.push(layers.misfit(one, &problem));
        }
    }
}

/// Reads the settings of access. Absent where something does not fit.
pub(super) fn read(
    layers: &Layers,
    listen: Option<SocketAddr>,
    faults: &mut Vec<Fault>,
) -> Option<AccessSettings> {
    let before = faults.len();
    let mode = layers.optional("access", value::access, faults);
    let file = layers.optional("access_file", value::path, faults);
    let certificate = layers.optional("tls_certificate", value::path, faults);
    let key = layers.optional("tls_key", value::path, faults);
    let client_ca = layers.optional("tls_client_ca", value::path, faults);
    let clients = layers.optional("tls_clients", value::tls_clients, faults);
    let ca = layers.optional("tls_ca", value::path, faults);
    let has_reflection = layers.required("reflection", value::reflection, faults);
    let pairs = [
        ("tls_certificate", "tls_key"),
        ("tls_key", "tls_certificate"),
        ("tls_client_ca", "tls_certificate"),
        ("tls_clients", "tls_client_ca"),
    ];
    need(layers, faults, pairs);
    let is_near = listen.is_none_or(|listen| listen.ip().is_loopback());
    if mode == Some(Mode::Open) && !is_near {
        faults.push(layers.misfit(
            "access",
            "would let everybody do everything who reaches the address of listen: listen on 127.0.0.1, or leave \
             access out and give each caller a key",
        ));
    }
    let identity = certificate.clone().zip(key.clone());
    let server = identity.clone().map(|(certificate, key)| ServerFiles {
        certificate,
        key,
        client_ca,
        clients: clients.unwrap_or(ClientCertificates::Optional),
    });
    // Whoever names callers or authorities of them means to tell them apart, wherever it listens.
    let names_callers = file.is_some() || server.as_ref().is_some_and(|it| it.client_ca.is_some());
    let usual = if is_near && !names_callers {
        Mode::Open
    } else {
        Mode::Required
    };
    (faults.len() == before).then(|| AccessSettings {
        mode: mode.unwrap_or(usual),
        file,
        server,
        client: ClientFiles { ca, identity },
        has_reflection: has_reflection.unwrap_or(true),
    })
}
