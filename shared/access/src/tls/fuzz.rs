//! Reads files of certificates and keys, whatever is in them.

use std::path::Path;

use super::files::{TlsError, certificates, private_key, roots};
use crate::certificate::end_of;

/// Reads bytes as each of the files of TLS.
///
/// # Panics
/// Where a fault does not name the file.
pub fn pem(bytes: &[u8]) {
    let path = Path::new("tls.pem");
    match certificates(path, bytes) {
        Ok(found) => {
            assert!(!found.is_empty());
            for certificate in &found {
                assert!(certificate.len() <= bytes.len());
                // One that cannot be read has no end.
                let _ = end_of(certificate);
            }
        }
        Err(error) => named(&error),
    }
    if let Err(error) = roots(path, bytes) {
        named(&error);
    }
    if let Err(error) = private_key(path, bytes) {
        named(&error);
    }
}

fn named(error: &TlsError) {
    assert_eq!(error.path(), Some("tls.pem"));
    assert!(error.to_string().starts_with("tls.pem "), "{error}");
}
