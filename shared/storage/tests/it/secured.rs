//! A PostgreSQL that speaks TLS only and asks for a certificate, by the parameters of its URL.

use storage::{Database, DatabaseUrl, StorageError};
use testkit::{Certificates, PostgresServer};

async fn connect(url: &str) -> Result<(), StorageError> {
    let url: DatabaseUrl = url.parse().expect("a URL");
    let database = Database::connect(&url).await?;
    database.migrate("runtime", &[]).await?;
    // Its connections of its own, which reads of journals use, speak as the others do.
    let requests = storage::Requests::new(database.apart(1));
    requests.clean_up().await.map(drop)
}

#[tokio::test]
async fn a_server_is_known_by_an_own_authority_and_shown_a_certificate() {
    let (certificates, others) = (
        Certificates::create().expect("certificates"),
        Certificates::create().expect("certificates"),
    );
    let server = PostgresServer::start_tls(&certificates).expect("starts");
    let url = server.create_database().expect("a database");
    let of = |mode: &str, authority: &Certificates, shown: Option<&Certificates>| {
        let authority = authority.authority();
        let shown = shown.map_or_else(String::new, |shown| {
            let (certificate, key) = shown.client();
            format!(
                "&sslcert={}&sslkey={}",
                certificate.display(),
                key.display()
            )
        });
        let authority = authority.display();
        format!("{url}?sslmode={mode}&sslrootcert={authority}{shown}")
    };
    connect(&of("verify-full", &certificates, Some(&certificates)))
        .await
        .expect("both are known");
    for (what, url) in [
        ("no TLS", format!("{url}?sslmode=disable")),
        ("no certificate", of("verify-full", &certificates, None)),
        (
            "a certificate of others",
            of("verify-full", &certificates, Some(&others)),
        ),
        (
            "an authority of others",
            of("verify-full", &others, Some(&certificates)),
        ),
        (
            "another name",
            of("verify-full", &certificates, Some(&certificates)).replace("127.0.0.1", "127.0.0.2"),
        ),
    ] {
        let refused = connect(&url).await.expect_err(what);
        assert!(matches!(refused, StorageError::Connect { .. }), "{what}");
    }
}
