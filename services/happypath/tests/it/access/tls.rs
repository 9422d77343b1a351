//! TLS and mutual TLS as people use them: by the command line, against a process that has a
//! certificate.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::call::{Protocol, call};
use crate::{Dev, PATIENCE, binary};

/// The life of a certificate that outlives a test.
const LONG: Duration = Duration::from_secs(1_000_000);
/// The life of one that does not: long enough to start a process on a busy machine, and to ask it.
const SHORT: Duration = Duration::from_secs(12);

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
        self.sign_for(file, name, LONG);
    }

    /// Signs a certificate that ends after a while.
    fn sign_for(&self, file: &str, name: SanType, life: Duration) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        let now = u64::try_from(access::now().as_millis()).expect("after 1970");
        let end = Duration::from_millis(now) + life;
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + end;
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        std::fs::write(self.path(&format!("{file}.pem")), signed.pem()).expect("written");
        std::fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).expect("written");
    }
}

/// A process that asks for certificates, and the files of both sides.
struct Mutual {
    files: Files,
    dev: Dev,
    _folder: TempDir,
}

impl Mutual {
    /// Starts it with a certificate that ends after a while.
    fn start(life: Duration, more: &[&str], log: Stdio) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(folder.path());
        files.sign_for("server", near(), life);
        let text = "certificates:\n- {name: reader, identity: 'uri:spiffe://acme/reader', scopes: [definitions:read]}\n";
        std::fs::write(files.path("access.yaml"), text).expect("written");
        let [ca, certificate, key, access] =
            ["ca.pem", "server.pem", "server.key", "access.yaml"].map(|name| files.path(name));
        let settings = [
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
            more,
        ];
        let dev = Dev::start_to(
            tempfile::tempdir().expect("a folder"),
            &settings.concat(),
            log,
        );
        assert!(dev.address.starts_with("https://"), "{}", dev.address);
        Self {
            files,
            dev,
            _folder: folder,
        }
    }

    /// Asks for the segments with this certificate.
    fn segments(&self, certificate: &str) -> (i32, String) {
        let [ca, certificate, key] = [
            "ca.pem",
            &format!("{certificate}.pem"),
            &format!("{certificate}.key"),
        ]
        .map(|name| self.files.path(name));
        let more = [
            "--tls-ca",
            &ca,
            "--client-certificate",
            &certificate,
            "--client-key",
            &key,
        ];
        segments(&self.dev.address, &more)
    }

    /// Asks until the answer has this code, and returns what was said.
    fn until(&self, certificate: &str, code: i32) -> String {
        let begun = Instant::now();
        loop {
            let (found, said) = self.segments(certificate);
            if found == code {
                return said;
            }
            assert!(begun.elapsed() < PATIENCE, "{found}: {said}");
        }
    }

    /// Asks until the process is ready, or is not.
    fn until_ready(&self, expected: bool) {
        let health = self.dev.health.as_ref().expect("it is told");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let begun = Instant::now();
        while runtime.block_on(is_ready(health)) != expected {
            assert!(begun.elapsed() < PATIENCE, "ready: {}", !expected);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Asks the port of health, as a probe does, whether a process is ready.
async fn is_ready(health: &str) -> bool {
    let channel = Channel::from_shared(health.to_owned()).expect("an address");
    let mut client = HealthClient::new(channel.connect().await.expect("connected"));
    let service = "readiness".to_owned();
    let answer = client.check(HealthCheckRequest { service }).await;
    answer.expect("an answer").into_inner().status() == ServingStatus::Serving
}

/// The name of a server of this machine.
fn near() -> SanType {
    SanType::IpAddress("127.0.0.1".parse().expect("an address"))
}

fn reader() -> SanType {
    SanType::URI("spiffe://acme/reader".try_into().expect("a name"))
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
    let server = Mutual::start(LONG, &[], Stdio::inherit());
    let (files, address) = (&server.files, &server.dev.address);
    files.sign("reader", reader());
    let nobody = SanType::URI("spiffe://acme/nobody".try_into().expect("a name"));
    files.sign("nobody", nobody);
    assert_eq!(server.segments("reader"), (0, String::new()));
    let (code, said) = server.segments("nobody");
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("names nobody who is known here: uri:spiffe://acme/nobody"),
        "{said}"
    );
    let (ca, certificate) = (files.path("ca.pem"), files.path("server.pem"));
    let (code, said) = segments(address, &["--tls-ca", &ca]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("has no credential"), "{said}");
    // The certificate of the server is examined too, by a caller who may do nothing else.
    let examined = binary()
        .args(["doctor", "--json", "--address", address, "--tls-ca", &ca])
        .output()
        .expect("ran");
    let checks = String::from_utf8(examined.stdout).expect("text");
    assert!(checks.contains("good for another "), "{checks}");
    // A server that no known authority has signed, and one that is asked in plain text.
    let (code, said) = segments(address, &["--tls-ca", &certificate]);
    assert_eq!(code, 4, "{said}");
    let (code, said) = segments(&address.replace("https", "http"), &[]);
    assert_eq!(code, 4, "{said}");
    server.dev.stop();
}

#[test]
fn certificates_that_end_while_a_process_runs_are_replaced_on_disk() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let text = log.reopen().expect("a file");
    let logged = || std::fs::read_to_string(log.path()).expect("text");
    let settings = ["--health-listen", "127.0.0.1:0"];
    let server = Mutual::start(SHORT, &settings, text.into());
    server.files.sign("reader", reader());
    server.until("reader", 0);
    assert!(logged().contains("the certificate expires soon"));
    server.until_ready(true);
    // The certificate of the server ends, and nobody trusts it any more.
    server.until("reader", 4);
    server.until_ready(false);
    let begun = Instant::now();
    while !logged().contains("the certificate has expired") {
        assert!(begun.elapsed() < PATIENCE, "{}", logged());
        std::thread::sleep(Duration::from_millis(100));
    }
    server.files.sign("server", near());
    server.until("reader", 0);
    server.until_ready(true);
    assert_eq!(logged().matches("the certificate has expired").count(), 1);
    // The certificate of a caller ends: another one of the same name is as good.
    server.files.sign_for("reader", reader(), Duration::ZERO);
    let (code, said) = server.segments("reader");
    assert_ne!(code, 0, "{said}");
    server.files.sign("reader", reader());
    let (code, said) = server.segments("reader");
    assert_eq!(code, 0, "{said}{}", logged());
    server.dev.stop();
}

#[test]
fn probes_ask_for_health_in_plain_text_beside_mutual_tls() {
    let settings = [
        "--tls-clients",
        "required",
        "--health-listen",
        "127.0.0.1:0",
    ];
    let server = Mutual::start(LONG, &settings, Stdio::inherit());
    let health = server.dev.health.clone().expect("it is told");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ask = |path| runtime.block_on(call(&health, Protocol::Empty, path, None));
    let answer = ask("/grpc.health.v1.Health/Check");
    assert_eq!(answer.code, Code::Ok, "{answer:?}");
    for path in [
        "/happypath.access.v1.KeyService/GetCaller",
        "/happypath.identity.v1.IdentityService/Ingest",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ] {
        let answer = ask(path);
        assert_eq!(answer.code, Code::Unimplemented, "{path}: {answer:?}");
    }
    server.dev.stop();
}

#[test]
fn a_file_that_is_no_good_is_told_with_its_setting_and_the_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files::new(folder.path());
    files.sign("server", near());
    std::fs::write(files.path("empty.pem"), "").expect("written");
    let [missing, empty, certificate, key] =
        ["no-such.pem", "empty.pem", "server.pem", "server.key"].map(|name| files.path(name));
    let issuer = format!(
        "issuers: [{{issuer: a, audiences: [b], keys: 'https://id.acme/k', ca: '{missing}', algorithms: [ES256], scopes: ['*']}}]"
    );
    let access = files.path("access.yaml");
    std::fs::write(&access, issuer).expect("written");
    let redis = |option: &str, file: &str| format!("rediss://localhost:1?{option}={file}");
    let postgres = |option: &str, file: &str| format!("postgres://localhost:1/x?{option}={file}");
    let collector = "https://localhost:1";
    for (settings, expected) in [
        (
            vec!["--tls-certificate", &missing, "--tls-key", &key],
            "tls_certificate (HAPPYPATH_TLS_CERTIFICATE): MISSING cannot be read",
        ),
        (
            vec!["--tls-certificate", &certificate, "--tls-key", &empty],
            "tls_key (HAPPYPATH_TLS_KEY): EMPTY holds no private key in PEM: name a file",
        ),
        (
            vec!["--tls-ca", &empty],
            "tls_ca (HAPPYPATH_TLS_CA): EMPTY holds no certificate in PEM: name a file",
        ),
        (
            vec!["--otlp-endpoint", collector, "--otlp-ca", &missing],
            "otlp_ca (HAPPYPATH_OTLP_CA): MISSING cannot be read",
        ),
        (
            vec![
                "--otlp-endpoint",
                "http://localhost:1",
                "--otlp-ca",
                &certificate,
            ],
            "otlp_ca = \"CERTIFICATE\" (from --otlp-ca): is for a collector over TLS",
        ),
        (
            vec!["--hot-store", &redis("ca_file", &missing)],
            "hot_store (HAPPYPATH_HOT_STORE): `ca_file` in the address of Redis: MISSING cannot be read",
        ),
        (
            vec!["--hot-store", &redis("ca_file", &empty)],
            "hot_store (HAPPYPATH_HOT_STORE): `ca_file` in the address of Redis: EMPTY holds no certificate in PEM: correct",
        ),
        (
            vec!["--database", &postgres("sslrootcert", &missing)],
            "database (HAPPYPATH_DATABASE): `sslrootcert` in its address: MISSING cannot be read",
        ),
        (
            vec!["--database", &postgres("sslkey", &empty)],
            "database (HAPPYPATH_DATABASE): `sslkey` in its address: EMPTY holds no private key in PEM: name",
        ),
        (
            vec!["--access-file", &access],
            "issuers[0].ca: MISSING cannot be read",
        ),
    ] {
        let stores = tempfile::tempdir().expect("a folder");
        let output = binary()
            .args(["dev", "--listen", "127.0.0.1:0", "--folder"])
            .arg(stores.path())
            .args(&settings)
            .output()
            .expect("ran");
        let said = String::from_utf8_lossy(&output.stderr)
            .replace(&missing, "MISSING")
            .replace(&empty, "EMPTY")
            .replace(&certificate, "CERTIFICATE");
        assert!(said.contains(expected), "{settings:?}: {said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    }
}
