//! Checks of credentials, whatever callers, issuers and operators send: for the fuzz targets of
//! `tests/fuzz`, and for nobody else.

use http::{HeaderMap, HeaderValue};

use crate::limits::CREDENTIAL_BYTES;
pub use crate::tls::fuzz::pem;
pub use crate::token::fuzz::{key_set, token, valid_token};
use crate::{AccessFile, ApiKey, Credential, KeyHash, KeyId, PeerCertificate, Scopes};

/// Reads the header of a credential, and every text in it.
///
/// # Panics
/// Where what was read is not what is written of it, or a refusal shows what was sent.
pub fn credential(header: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(header) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.insert(http::header::AUTHORIZATION, value);
    match Credential::read(&headers) {
        Ok(Some(Credential::Key(key))) => {
            let again = ApiKey::parse(key.text()).expect("it was read");
            assert_eq!(again.id(), key.id());
            assert!(again.hash().matches(&key.hash()));
            let id = KeyId::parse(key.id().as_str());
            assert_eq!(id, Ok(key.id()));
            key.is_intact();
        }
        Ok(Some(Credential::Token(text))) => {
            assert!(!text.is_empty() && text.len() <= CREDENTIAL_BYTES);
        }
        Ok(None) => panic!("there is a header"),
        Err(refusal) => assert!((1..300).contains(&refusal.to_string().len())),
    }
}

/// Reads a file of callers.
///
/// # Panics
/// Where a fault says nothing, or a hash is not what is written of it.
pub fn callers(text: &str) {
    match AccessFile::parse(text, Some("a")) {
        Ok(file) => {
            for (id, known) in &file.keys {
                assert_eq!(KeyId::parse(id.as_str()), Ok(*id));
                for (hash, _) in &known.secrets {
                    let again = KeyHash::from_hex(&hash.to_hex()).expect("it was written");
                    assert!(again.matches(hash));
                }
            }
        }
        Err(faults) => {
            assert!(!faults.0.is_empty());
            assert!(faults.0.iter().all(|fault| !fault.is_empty()));
        }
    }
    let names = text.split_ascii_whitespace();
    if let Ok(scopes) = Scopes::parse(names.clone()) {
        // A token that says `*` is allowed nothing by that.
        let is_all = names.clone().any(|name| name == "*");
        assert_eq!(
            scopes,
            if is_all {
                Scopes::all()
            } else {
                Scopes::known(names)
            }
        );
    }
}

/// Reads a certificate that nobody verified.
///
/// # Panics
/// Where it names more than its bytes hold.
pub fn certificate(der: &[u8]) {
    if let Ok(read) = PeerCertificate::read(der) {
        let names = read.identities.iter();
        // A name in another encoding than UTF-8 grows by a half; its kind stands before it.
        assert!(
            names
                .map(|name| name.len().saturating_sub(6))
                .sum::<usize>()
                <= der.len() * 2
        );
    }
}
