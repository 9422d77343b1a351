//! The certificate of a connection: whom it names, and until when.

use kernel::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Identities of one certificate that are looked at.
const IDENTITIES: usize = 16;

/// The certificate of a client, which an authority of ours has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The names in it, such as `uri:spiffe://acme/shop`, `dns:shop.acme.internal`, `email:…`; and
    /// `cn:…` where it has no other name.
    pub identities: Vec<String>,
    /// Its end. A connection may outlive it.
    pub end: Timestamp,
}

/// A certificate cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be read as X.509")]
pub struct UnreadableCertificate;

impl PeerCertificate {
    /// Reads a certificate that was verified.
    ///
    /// # Errors
    /// [`UnreadableCertificate`].
    pub fn read(der: &[u8]) -> Result<Self, UnreadableCertificate> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| UnreadableCertificate)?;
        let names = certificate.subject_alternative_name();
        let names = names.map_err(|_| UnreadableCertificate)?;
        let mut identities: Vec<String> = names
            .iter()
            .flat_map(|names| &names.value.general_names)
            .filter_map(identity_of)
            .take(IDENTITIES)
            .collect();
        if identities.is_empty() {
            // Names that anybody may put there, unlike the others, count for nothing beside them.
            let subject = certificate.subject().iter_common_name();
            let names = subject.filter_map(|name| name.as_str().ok());
            identities.extend(names.take(1).map(|name| format!("cn:{name}")));
        }
        Ok(Self {
            identities,
            end: end_in(&certificate),
        })
    }
}

/// The end of a certificate.
pub(crate) fn end_of(der: &[u8]) -> Result<Timestamp, UnreadableCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| UnreadableCertificate)?;
    Ok(end_in(&certificate))
}

fn end_in(certificate: &X509Certificate<'_>) -> Timestamp {
    let seconds = certificate.validity().not_after.timestamp();
    Timestamp::from_millis(seconds.saturating_mul(1_000))
}

fn identity_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(uri) => Some(format!("uri:{uri}")),
        GeneralName::DNSName(name) => Some(format!("dns:{name}")),
        GeneralName::RFC822Name(name) => Some(format!("email:{name}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.distinguished_name.push(DnType::CommonName, "shop");
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let key = KeyPair::generate().expect("a key");
        params
            .self_signed(&key)
            .expect("a certificate")
            .der()
            .to_vec()
    }

    #[test]
    fn a_certificate_says_whom_it_names() {
        let uri = Ia5String::try_from("spiffe://acme/shop").expect("a text");
        let name = Ia5String::try_from("shop.acme").expect("a text");
        let read = PeerCertificate::read(&certificate(vec![
            SanType::URI(uri),
            SanType::DnsName(name),
        ]));
        let read = read.expect("readable");
        assert_eq!(read.identities, ["uri:spiffe://acme/shop", "dns:shop.acme"]);
        assert_eq!(read.end.to_string(), "2030-01-01T00:00:00Z");
    }

    #[test]
    fn a_common_name_counts_where_there_is_no_other() {
        let read = PeerCertificate::read(&certificate(Vec::new())).expect("readable");
        assert_eq!(read.identities, ["cn:shop"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = PeerCertificate::read(&bytes);
        }
    }
}
