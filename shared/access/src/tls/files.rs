//! Reads certificates and keys in PEM.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use kernel::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

use crate::certificate::end_of;
use crate::limits::PEM_BYTES;

/// The reason why a file of TLS is no good.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("{path} cannot be read ({source}): name a file that this process may read")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// It is larger than such files are.
    #[error("{path} has more than {PEM_BYTES} bytes: name a file of certificates in PEM")]
    Large {
        /// The file.
        path: String,
    },
    /// There is nothing of the kind in it.
    #[error("{path} holds no {what} in PEM: name a file that begins it with -----BEGIN")]
    Empty {
        /// The file.
        path: String,
        /// The kind.
        what: &'static str,
    },
    /// It does not go with the others.
    #[error("{path} is no good ({source}): put a file there that goes with the others")]
    Unfit {
        /// The file.
        path: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The machine has no roots, and none are named.
    #[error(
        "this machine has no certificates of authorities: name those of the server with --tls-ca FILE"
    )]
    NoRoots,
}

impl TlsError {
    /// The file that is no good; none where no file is to blame.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Read { path, .. }
            | Self::Large { path }
            | Self::Empty { path, .. }
            | Self::Unfit { path, .. } => Some(path),
            Self::NoRoots => None,
        }
    }

    pub(super) fn unfit(
        path: &Path,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unfit {
            path: path.display().to_string(),
            source: source.into(),
        }
    }
}

/// Reads a file of certificates, to see that it is one.
///
/// # Errors
/// [`TlsError`] with what is wrong about it.
pub fn check_certificates(path: &Path) -> Result<(), TlsError> {
    certificates(path, &read(path)?).map(drop)
}

/// Returns the end of the first certificate in a file, which is the one that is shown.
///
/// # Errors
/// [`TlsError`] with what is wrong about it.
pub fn end_of_file(path: &Path) -> Result<Timestamp, TlsError> {
    let found = certificates(path, &read(path)?)?;
    end_of(&found[0]).map_err(|error| TlsError::unfit(path, error))
}

/// Reads a file with a private key, to see that it is one.
///
/// # Errors
/// [`TlsError`] with what is wrong about it.
pub fn check_private_key(path: &Path) -> Result<(), TlsError> {
    private_key(path, &read(path)?).map(drop)
}

/// The bytes of some files, by which a change is noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Reads files, and returns their bytes with what tells them from others.
    pub(super) fn read<'a>(
        paths: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Result<(Self, Vec<Vec<u8>>), TlsError> {
        let mut hasher = Sha256::new();
        let mut files = Vec::new();
        for path in paths {
            let bytes = read(path)?;
            hasher.update(bytes.len().to_be_bytes());
            hasher.update(&bytes);
            files.push(bytes);
        }
        Ok((Self(hasher.finalize().into()), files))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read {
        path: path.display().to_string(),
        source,
    };
    let mut bytes = Vec::new();
    // A wrong path may name what has no end.
    let file = File::open(path).map_err(failed)?;
    let most = PEM_BYTES + 1;
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 == most {
        return Err(TlsError::Large {
            path: path.display().to_string(),
        });
    }
    Ok(bytes)
}

/// The certificates in a file, at least one.
pub(super) fn certificates(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| TlsError::unfit(path, error))?;
    if found.is_empty() {
        return Err(empty(path, "certificate"));
    }
    Ok(found)
}

/// The private key in a file.
pub(super) fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|_| empty(path, "private key"))
}

/// The authorities in a file, at least one.
pub(super) fn roots(path: &Path, bytes: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, bytes)? {
        let added = roots.add(certificate);
        added.map_err(|error| TlsError::unfit(path, error))?;
    }
    Ok(roots)
}

fn empty(path: &Path, what: &'static str) -> TlsError {
    TlsError::Empty {
        path: path.display().to_string(),
        what,
    }
}
