//! Processes that cannot start, or not serve: each says why, once, with what to do about it, ends
//! with the exit code of its kind, and is not ready meanwhile.

use std::path::Path;

use testkit::{Certificates, PostgresServer, RedisServer};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::process::{self, Service, free_port};
use crate::secured::told;
use crate::suite::eventually;

/// The exit code of a configuration with faults, and of files that are no good.
const FAULTY: i32 = 2;
/// The exit code where a store was created otherwise.
const OTHERWISE: i32 = 3;

/// Runs a service that is to end by itself, and returns what it said. It says each of these parts
/// once, ends with a code, and writes nothing where answers go.
fn check(arguments: &[&str], code: i32, parts: &[&str]) -> String {
    let ended = process::run("segmentation", arguments);
    let said = String::from_utf8(ended.stderr).expect("text");
    assert_eq!(ended.status.code(), Some(code), "{said}");
    assert!(ended.stdout.is_empty());
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    for part in parts {
        assert_eq!(said.matches(part).count(), 1, "{part}: {said}");
    }
    said
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn all_faults_of_a_configuration_are_told_at_once_each_with_its_line_and_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = text(&folder.path().join("happypath.yaml"));
    let settings = "hot_store: reddis://redis:6379\n\
                    database: postgres://db/happypath\n\
                    partitions: 0\n\
                    lease_ttl: soon\n\
                    log_levle: warn\n\
                    trace_ratio: 2\n";
    std::fs::write(&file, settings).expect("written");
    let parts = [
        "the configuration has 5 faults",
        &format!("hot_store = \"reddis://redis:6379\" (from {file}:1): expected "),
        &format!("partitions = \"0\" (from {file}:3): 0 partitions are not possible: choose 1 to "),
        &format!("lease_ttl = \"soon\" (from {file}:4): expected "),
        &format!("log_levle (from {file}:5): is not a setting: did you mean `log_level`?"),
        &format!("trace_ratio = \"2\" (from {file}:6): expected "),
    ];
    let said = check(&["--config", &file], FAULTY, &parts);
    assert_eq!(said.lines().count(), 6, "{said}");
}

#[test]
fn a_secret_that_is_not_there_is_named_with_its_setting_and_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| text(&folder.path().join(name));
    let hot = format!("embedded:{}", place("hot"));
    let database = format!("sqlite:{}", place("db"));
    let missing = place("missing");
    let listen = format!("127.0.0.1:{}", free_port());
    let with = |more: &[&str], parts: &[&str]| {
        let stores = stores(&hot, &database);
        let arguments = [&stores[..], &["--listen", &listen], more];
        check(&arguments.concat(), FAULTY, parts)
    };
    with(
        &["--secret-keys", &missing],
        &[
            "secret_keys (HAPPYPATH_SECRET_KEYS): cannot read the file of keys ",
            "name a file that this process may read",
        ],
    );
    let certificates = Certificates::create().expect("certificates");
    let certificate = text(&certificates.server().0);
    with(
        &["--tls-certificate", &certificate, "--tls-key", &missing],
        &[
            "tls_key (HAPPYPATH_TLS_KEY): ",
            "cannot be read (No such file or directory",
            "name a file that this process may read",
        ],
    );
    with(
        &["--access-file", &missing],
        &["the file of callers ", "cannot be read"],
    );
    // A variable that nobody filled from its secret.
    check(
        &["--hot-store", &hot],
        FAULTY,
        &[
            "database: is not set: expected ",
            "set it with --database, HAPPYPATH_DATABASE or in the file",
        ],
    );
}

fn stores<'a>(hot_store: &'a str, database: &'a str) -> [&'a str; 6] {
    [
        "--hot-store",
        hot_store,
        "--database",
        database,
        "--partitions",
        "2",
    ]
}

/// Starts a service, waits until it is ready, and ends it: it leaves an installation in its stores.
async fn install(stores: &[&str]) {
    let health = free_port();
    let more = ["--health-listen", &format!("127.0.0.1:{health}")];
    let arguments = [stores, &more].concat();
    let arguments = arguments.iter().map(|it| (*it).to_owned()).collect();
    let service = Service::start("segmentation", free_port(), arguments).await;
    becomes(health, ServingStatus::Serving).await;
    assert!(service.terminate());
}

/// Waits until a process tells this of its readiness.
async fn becomes(health: u16, expected: ServingStatus) {
    let told = eventually(async || {
        let told = told(health, "readiness").await;
        (told == Some(expected)).then_some(())
    });
    told.await.expect("its readiness tells");
}

#[tokio::test]
async fn stores_of_another_installation_or_from_the_future_are_refused_with_the_remedy() {
    let redis = RedisServer::start().expect("a Redis");
    let postgres = PostgresServer::start().expect("a PostgreSQL");
    let [own, other] = [(); 2].map(|()| postgres.create_database().expect("a database"));
    let url = redis.url();
    let start = |database: &str, parts: &[&str]| {
        let listen = format!("127.0.0.1:{}", free_port());
        let stores = stores(&url, database);
        check(
            &[&stores[..], &["--listen", &listen]].concat(),
            OTHERWISE,
            parts,
        )
    };
    install(&stores(&url, &own)).await;
    start(
        &other,
        &[
            "the hot store at redis://",
            "this Redis has an installation without a name, whose database is another one",
            "or use an empty Redis",
        ],
    );

    let ask = |statement: &str| postgres.ask(&own, statement).expect("done");
    ask("UPDATE store_meta SET value = '1000' WHERE name = 'schema'");
    start(
        &own,
        &[
            "the database at postgres://",
            "which programs of schema 1000 and newer can live with, and this one is of schema ",
            "remedy: run a program of the version that wrote it",
        ],
    );
    ask("UPDATE store_meta SET value = '6' WHERE name = 'schema'");
    redis
        .ask(&["HSET", "hp:meta", "schema", "1000"])
        .expect("set");
    start(
        &own,
        &[
            "which programs of schema 1000 and newer can live with, and this one is of schema ",
            "run the version that wrote it, or use an empty database",
            "remedy: ",
        ],
    );
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_told_once_and_unreadies_until_it_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| text(&folder.path().join(name));
    let hot = format!("embedded:{}", place("hot"));
    let database = format!("sqlite:{}", place("db"));
    let certificates = Certificates::create_until(2020).expect("certificates");
    let (certificate, key) = certificates.server();
    let (health, log) = (free_port(), folder.path().join("log"));
    let (certificate, listen) = (text(&certificate), format!("127.0.0.1:{health}"));
    let more = [
        "--tls-certificate",
        &certificate,
        "--tls-key",
        &text(&key),
        "--health-listen",
        &listen,
    ];
    let arguments = [&stores(&hot, &database)[..], &more].concat();
    let arguments = arguments.iter().map(|it| (*it).to_owned()).collect();
    let (name, program) = ("segmentation", process::binary("segmentation"));
    let service = Service::spawn(program, name, free_port(), arguments, Some(log.clone()));
    let logged = || std::fs::read_to_string(&log).unwrap_or_default();
    let told_of_it = eventually(async || {
        let is_told = logged().contains("the certificate has expired");
        is_told.then_some(())
    });
    told_of_it.await.expect("it is told");
    becomes(health, ServingStatus::NotServing).await;
    let liveness = told(health, "liveness").await;
    assert_eq!(liveness, Some(ServingStatus::Serving));

    let renewed = Certificates::create().expect("certificates");
    certificates.replace_by(&renewed).expect("replaced");
    becomes(health, ServingStatus::Serving).await;
    let logged = logged();
    let lines = logged.lines();
    let lines: Vec<&str> = lines.filter(|it| it.contains("has expired")).collect();
    assert_eq!(lines.len(), 1, "{logged}");
    assert!(lines[0].contains(&certificate), "{logged}");
    assert!(service.terminate());
}
