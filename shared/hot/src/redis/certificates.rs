//! The files of TLS that an address of Redis names: read and checked at the start, and read again
//! with each new connection.

use std::fs;
use std::path::Path;

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::RedisOptions;
use crate::HotError;

/// The contents of the files, each in PEM and none of them empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Certificates {
    authorities: Option<Vec<u8>>,
    /// The certificate of this side, and the private key of it.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Certificates {
    /// Reads the files of the options, whose query is among them already.
    ///
    /// # Errors
    /// [`HotError::Mismatch`] with the option, its file, the reason and the remedy.
    pub(super) fn read(options: &RedisOptions) -> Result<Self, HotError> {
        let identity = match (&options.cert_file, &options.key_file) {
            (Some(certificate), Some(key)) => Some((
                certificates("cert_file", certificate)?,
                private_key("key_file", key)?,
            )),
            (None, None) => None,
            _ => {
                return Err(HotError::Mismatch(
                    "cert_file and key_file of Redis belong together: give both or neither".into(),
                ));
            }
        };
        let authorities = options.ca_file.as_deref();
        let authorities = authorities.map(|path| certificates("ca_file", path));
        Ok(Self {
            authorities: authorities.transpose()?,
            identity,
        })
    }

    /// Contents that nobody reads, for tests.
    #[cfg(test)]
    pub(super) fn of_authority() -> Self {
        Self {
            authorities: Some(Vec::new()),
            identity: None,
        }
    }

    /// The contents as the driver takes them; absent where no file is named.
    pub(super) fn for_driver(&self) -> Option<TlsCertificates> {
        let identity = self.identity.as_ref();
        let client_tls = identity.map(|(certificate, key)| ClientTlsConfig {
            client_cert: certificate.clone(),
            client_key: key.clone(),
        });
        let is_any = client_tls.is_some() || self.authorities.is_some();
        is_any.then(|| TlsCertificates {
            client_tls,
            root_cert: self.authorities.clone(),
        })
    }
}

fn certificates(option: &str, path: &Path) -> Result<Vec<u8>, HotError> {
    let bytes = read(option, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(bytes),
        _ => Err(unfit(option, path, "holds no certificate in PEM")),
    }
}

fn private_key(option: &str, path: &Path) -> Result<Vec<u8>, HotError> {
    let bytes = read(option, path)?;
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(_) => Ok(bytes),
        Err(_) => Err(unfit(option, path, "holds no private key in PEM")),
    }
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, HotError> {
    fs::read(path).map_err(|error| unfit(option, path, &format!("cannot be read ({error})")))
}

fn unfit(option: &str, path: &Path, reason: &str) -> HotError {
    HotError::Mismatch(format!(
        "`{option}` in the address of Redis: {} {reason}: correct the address or the file",
        path.display()
    ))
}
