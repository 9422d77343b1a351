//! TLS, certificates of clients, users and passwords.

use std::time::Duration;

use hot::{HotError, HotStore as _, Owner, Slot};
use kernel::PartitionId;
use testkit::{Certificates, Login, RedisCluster, RedisSentinel, RedisServer, RedisSetup};

use super::contract::Servers;
use super::{connect, options, refusal};

/// A server that asks for a certificate, a user and a password.
pub(super) struct Secured {
    server: RedisServer,
    certificates: Certificates,
}

impl Secured {
    pub(super) fn start() -> Self {
        let certificates = Certificates::create().expect("certificates");
        let server = RedisSetup::new()
            .tls(&certificates, true)
            .login(&Login::new("tester", "secret"))
            .start()
            .expect("a server");
        Self {
            server,
            certificates,
        }
    }

    /// The authority, as an option of an address.
    fn authority(&self) -> String {
        format!("ca_file={}", self.certificates.authority().display())
    }
}

impl Servers for Secured {
    fn url(&self) -> String {
        let (certificate, key) = self.certificates.client();
        format!(
            "{}?{}&cert_file={}&key_file={}",
            self.server.tls_url(),
            self.authority(),
            certificate.display(),
            key.display()
        )
    }

    fn primaries(&self) -> Vec<&RedisServer> {
        vec![&self.server]
    }
}

#[tokio::test]
async fn who_cannot_be_trusted_is_not_talked_to() {
    let secured = Secured::start();
    let url = secured.server.tls_url();
    for (what, url) in [
        ("an authority of somebody else", url.clone()),
        (
            "no certificate of ours",
            format!("{url}?{}", secured.authority()),
        ),
        (
            "no TLS where TLS is spoken",
            url.replacen("rediss", "redis", 1),
        ),
    ] {
        match connect(options(url)).await {
            Err(HotError::Unavailable(error)) => {
                let text = format!("{error} {error:?}");
                assert!(!text.contains("secret"), "{what}: {text}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    connect(options(secured.url())).await.expect("connects");
}

#[tokio::test]
async fn files_are_read_again_with_each_connection_and_bad_ones_change_nothing() {
    let certificates = Certificates::create().expect("certificates");
    let setup = RedisSetup::new().tls(&certificates, true);
    let mut server = setup.start().expect("a server");
    let (certificate, key) = certificates.client();
    let url = format!(
        "{}?ca_file={}&cert_file={}&key_file={}",
        server.tls_url(),
        certificates.authority().display(),
        certificate.display(),
        key.display()
    );
    let store = connect(options(url)).await.expect("connects");
    let slot = Slot {
        owner: Owner::Identity,
        partition: PartitionId::new(0),
    };
    let answers = async || {
        for _ in 0..100 {
            if store.head(slot).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    };
    // The authority, and all that it signed, are replaced: the server knows only the new ones.
    let renewed = Certificates::create().expect("certificates");
    certificates.replace_by(&renewed).expect("written");
    server.restart().expect("starts again");
    assert!(answers().await, "the new certificate is shown");
    // Half of a pair is no good: the last one stays in use.
    std::fs::write(&key, "").expect("written");
    server.restart().expect("starts again");
    assert!(answers().await, "the last certificate is shown");
}

#[tokio::test]
async fn a_wrong_user_or_password_is_refused_without_showing_it() {
    let login = Login::new("tester", "secret");
    let server = RedisSetup::new().login(&login).start().expect("a server");
    let url = server.url();
    for (url, says) in [
        (
            url.replace("secret", "guess"),
            "refuses the user or the password",
        ),
        (
            url.replace("tester", "guess"),
            "refuses the user or the password",
        ),
        (url.replace("tester:secret@", ""), "asks for a password"),
    ] {
        let text = refusal(options(url)).await;
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("guess"), "{text}");
    }
    connect(options(url)).await.expect("connects");
}

#[tokio::test]
async fn a_user_who_may_not_write_functions_is_told_what_is_missing() {
    let server = RedisServer::start().expect("a server");
    let rules = [
        "ACL",
        "SETUSER",
        "reader",
        "on",
        ">secret",
        "~*",
        "&*",
        "+@all",
        "-function",
    ];
    server.ask(&rules).expect("sets");
    let url = server.url().replacen("//", "//reader:secret@", 1);
    let text = connect(options(url))
        .await
        .expect_err("refused")
        .to_string();
    assert!(text.contains("function"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn sentinels_may_have_a_login_of_their_own() {
    let sentinels = Login::new("watcher", "word");
    let all = RedisSentinel::start(&RedisSetup::new(), Some(&sentinels)).expect("starts");
    let url = all.url();
    connect(options(url.clone())).await.expect_err("refused");
    let mut right = options(url.clone());
    right.sentinel_user = Some("watcher".into());
    right.sentinel_password = Some("word".into());
    connect(right).await.expect("connects");
    let url = format!("{url}?sentinel_user=watcher&sentinel_password=word");
    connect(options(url)).await.expect("connects");
}

#[tokio::test]
async fn a_cluster_may_speak_tls_and_have_a_login() {
    let certificates = Certificates::create().expect("certificates");
    let setup = RedisSetup::new()
        .tls(&certificates, false)
        .login(&Login::new("tester", "secret"))
        .with(&["--tls-cluster", "yes", "--tls-replication", "yes"]);
    let cluster = RedisCluster::start(&setup).expect("starts");
    let authority = certificates.authority();
    let url = format!(
        "rediss+cluster://{}/?ca_file={}",
        cluster.tls_hosts(),
        authority.display()
    );
    connect(options(url)).await.expect("connects");
}
