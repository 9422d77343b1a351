//! Settings of who may call: they must fit where the process listens.

use std::net::SocketAddr;
use std::path::PathBuf;

use access::Mode;
use access::tls::{ClientCertificates, ClientFiles, ServerFiles};

use super::fault::Fault;
use super::layers::Layers;
use super::value;

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
    for (one, other, has_one, has_other) in [
        (
            "tls_certificate",
            "tls_key",
            certificate.is_some(),
            key.is_some(),
        ),
        (
            "tls_key",
            "tls_certificate",
            key.is_some(),
            certificate.is_some(),
        ),
        (
            "tls_client_ca",
            "tls_certificate",
            client_ca.is_some(),
            certificate.is_some(),
        ),
        (
            "tls_clients",
            "tls_client_ca",
            clients.is_some(),
            client_ca.is_some(),
        ),
    ] {
        if has_one && !has_other {
            faults.push(layers.misfit(
                one,
                &format!("needs {other} beside it: set both, or neither"),
            ));
        }
    }
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
