//! TLS and mutual TLS as people use them: by the command line, against a process that has a
//! certificate.

use std::path::{Path, PathBuf};
use std::process::Output;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

use crate::{Dev, binary};

/// An authority, and what it signed, in a folder.
struct Files {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Files {
    fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.join("ca.pem"), own.pem()).expect("written");
        Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(params, key),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn sign(&self, file: &str, name: SanType) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        std::fs::write(self.path(&format!("{file}.pem")), signed.pem()).expect("written");
        std::fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).expect("written");
    }
}

fn segments(address: &str, more: &[&str]) -> (i32, String) {
    let Output { status, stderr, .. } = binary()
        .args(["segments", "--address", address])
        .args(more)
        .output()
        .expect("ran");
    let said = String::from_utf8(stderr).expect("text");
    (status.code().expect("a code"), said)
}

#[test]
fn a_certificate_is_a_credential_and_plain_text_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files::new(folder.path());
    let near = "127.0.0.1".parse().expect("an address");
    files.sign("server", SanType::IpAddress(near));
    let name = |text: &str| SanType::URI(text.try_into().expect("a name"));
    files.sign("reader", name("spiffe://acme/reader"));
    files.sign("nobody", name("spiffe://acme/nobody"));
    let text = "certificates:\n- {name: reader, identity: 'uri:spiffe://acme/reader', scopes: [definitions:read]}\n";
    std::fs::write(files.path("access.yaml"), text).expect("written");
    let [ca, certificate, key, access] =
        ["ca.pem", "server.pem", "server.key", "access.yaml"].map(|name| files.path(name));
    let dev = Dev::start_with(
        tempfile::tempdir().expect("a folder"),
        &[
            "--tls-certificate",
            &certificate,
            "--tls-key",
            &key,
            "--tls-client-ca",
            &ca,
            "--access-file",
            &access,
        ],
    );
    assert!(dev.address.starts_with("https://"), "{}", dev.address);
    let shown = |name: &str| {
        let (certificate, key) = (
            files.path(&format!("{name}.pem")),
            files.path(&format!("{name}.key")),
        );
        let more = [
            "--tls-ca",
            &ca,
            "--client-certificate",
            &certificate,
            "--client-key",
            &key,
        ];
        segments(&dev.address, &more)
    };
    assert_eq!(shown("reader"), (0, String::new()));
    let (code, said) = shown("nobody");
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("names nobody who is known here: uri:spiffe://acme/nobody"),
        "{said}"
    );
    let (code, said) = segments(&dev.address, &["--tls-ca", &ca]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("has no credential"), "{said}");
    // The certificate of the server is examined too, by a caller who may do nothing else.
    let examined = binary()
        .args([
            "doctor",
            "--json",
            "--address",
            &dev.address,
            "--tls-ca",
            &ca,
        ])
        .output()
        .expect("ran");
    let checks = String::from_utf8(examined.stdout).expect("text");
    assert!(checks.contains("good for another "), "{checks}");
    // A server that no known authority has signed, and one that is asked in plain text.
    let (code, said) = segments(&dev.address, &["--tls-ca", &certificate]);
    assert_eq!(code, 4, "{said}");
    let (code, said) = segments(&dev.address.replace("https", "http"), &[]);
    assert_eq!(code, 4, "{said}");
    dev.stop();
}
