//! Tests of TLS: who is let in by certificate, and certificates that change and expire.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// An authority with a folder for what it signs.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), own.pem()).expect("written");
        Self {
            folder,
            issuer: Issuer::new(params, key),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Signs a certificate of a name that ends with a year, and writes it with its key.
    fn sign(&self, file: &str, name: &str, end_year: i32) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(end_year, 1, 1);
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().expect("a name"))];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        let paths = (
            self.path(&format!("{file}.pem")),
            self.path(&format!("{file}.key")),
        );
        std::fs::write(&paths.0, signed.pem()).expect("written");
        std::fs::write(&paths.1, key.serialize_pem()).expect("written");
        paths
    }

    fn server(&self, clients: ClientCertificates) -> ServerTls {
        let (certificate, key) = self.sign("server", "localhost", 2090);
        ServerTls::open(ServerFiles {
            certificate,
            key,
            client_ca: Some(self.path("ca.pem")),
            clients,
        })
        .expect("right files")
    }

    fn client(&self, identity: Option<(PathBuf, PathBuf)>) -> ClientTls {
        let ca = Some(self.path("ca.pem"));
        ClientTls::open(ClientFiles { ca, identity }).expect("right files")
    }
}

/// Connects, and returns whom the server takes the client for; an error of either side.
async fn meet(server: &ServerTls, client: &ClientTls) -> Result<Vec<String>, std::io::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let accepting = async {
        let (stream, _) = listener.accept().await?;
        let mut agreed = server.accept(stream).await?;
        agreed.stream.write_all(b"x").await?;
        agreed.stream.shutdown().await?;
        Ok::<_, std::io::Error>(agreed.peer.map(|it| it.identities.clone()))
    };
    let connecting = async {
        let stream = TcpStream::connect(address).await?;
        let mut stream = client.connect("localhost", stream, Alpn::Http2).await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await
    };
    let (accepted, connected) = tokio::join!(accepting, connecting);
    let peer = accepted?;
    connected?;
    Ok(peer.unwrap_or_default())
}

#[tokio::test]
async fn a_client_is_known_by_a_certificate_that_our_authority_signed() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let required = ours.server(ClientCertificates::Required);
    let known = ours.client(Some(ours.sign("shop", "shop.acme", 2090)));
    assert_eq!(
        meet(&required, &known).await.expect("known"),
        ["dns:shop.acme"]
    );
    let stranger = ours.client(Some(theirs.sign("shop", "shop.acme", 2090)));
    let expired = ours.client(Some(ours.sign("old", "shop.acme", 2021)));
    let nobody = ours.client(None);
    for client in [&stranger, &expired, &nobody] {
        assert!(meet(&required, client).await.is_err());
    }
    let optional = ours.server(ClientCertificates::Optional);
    let none: [String; 0] = [];
    assert_eq!(meet(&optional, &nobody).await.expect("anybody"), none);
    assert!(meet(&optional, &expired).await.is_err());
    // A server of another authority is not believed.
    assert!(meet(&optional, &theirs.client(None)).await.is_err());
}

#[tokio::test]
async fn certificates_are_read_again_and_half_of_them_changes_nothing() {
    let authority = Authority::new();
    let server = authority.server(ClientCertificates::Optional);
    let client = authority.client(None);
    let first = server.end();
    server.refresh();
    assert_eq!(server.end(), first);
    // Between the two writes of a renewal, the certificate does not fit the key.
    let (certificate, key) = authority.sign("next", "localhost", 2091);
    std::fs::copy(&certificate, authority.path("server.pem")).expect("copied");
    server.refresh();
    assert_eq!(server.end(), first);
    assert!(meet(&server, &client).await.is_ok());
    std::fs::copy(&key, authority.path("server.key")).expect("copied");
    server.refresh();
    assert!(server.end() > first);
    assert!(meet(&server, &client).await.is_ok());
    // A file that is away, or no certificate, changes nothing either.
    std::fs::write(authority.path("server.pem"), "none").expect("written");
    server.refresh();
    std::fs::remove_file(authority.path("server.pem")).expect("removed");
    server.refresh();
    assert!(meet(&server, &client).await.is_ok());
}

#[tokio::test]
async fn a_certificate_that_expires_is_refused_until_a_new_one_is_there() {
    let authority = Authority::new();
    let server = authority.server(ClientCertificates::Optional);
    let replace = |file: &str| {
        for kind in ["pem", "key"] {
            let from = authority.path(&format!("{file}.{kind}"));
            std::fs::copy(from, authority.path(&format!("server.{kind}"))).expect("copied");
        }
        server.refresh();
    };
    authority.sign("old", "localhost", 2021);
    authority.sign("new", "localhost", 2090);
    let client = authority.client(None);
    replace("old");
    assert!(meet(&server, &client).await.is_err());
    replace("new");
    assert!(meet(&server, &client).await.is_ok());
}

#[tokio::test]
async fn a_client_shows_the_certificate_that_it_has_by_then() {
    let authority = Authority::new();
    let server = authority.server(ClientCertificates::Required);
    let identity = authority.sign("own", "first.acme", 2090);
    let client = authority.client(Some(identity));
    assert_eq!(
        meet(&server, &client).await.expect("known"),
        ["dns:first.acme"]
    );
    authority.sign("own", "second.acme", 2090);
    client.refresh();
    assert_eq!(
        meet(&server, &client).await.expect("known"),
        ["dns:second.acme"]
    );
}

#[test]
fn a_bad_file_is_named_with_what_is_wrong() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("server", "localhost", 2090);
    let (_, other) = authority.sign("other", "localhost", 2090);
    let open = |certificate: &Path, key: &Path| {
        let files = ServerFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            client_ca: None,
            clients: ClientCertificates::Optional,
        };
        ServerTls::open(files)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(open(&certificate, &key), Ok(()));
    for (certificate, key, expected) in [
        (authority.path("none"), key.clone(), "none cannot be read"),
        (
            key.clone(),
            key.clone(),
            "server.key holds no certificate in PEM",
        ),
        (
            certificate.clone(),
            certificate.clone(),
            "server.pem holds no private key in PEM",
        ),
        (certificate.clone(), other, "other.key is no good"),
    ] {
        let error = open(&certificate, &key).expect_err(expected);
        assert!(error.contains(expected), "{error}");
    }
}
