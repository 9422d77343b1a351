//! Asks processes and stores for everything that is judged: each once, and all at the same time.

use std::path::Path;
use std::time::Duration;

use access::tls::ClientTls;
use futures::future::join_all;
use hot::{RedisOptions, ServerFacts};
use kernel::Timestamp;
use storage::{DatabaseFacts, DatabaseUrl};
use tokio::net::TcpStream;
use tonic::transport::Uri;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use super::disk::Disk;
use crate::client::{Connection, ServiceName, ask};
use crate::commands::status::report::{Asked, Report, ask_process};

/// The name under which a process tells whether it takes calls.
const READINESS: &str = "readiness";
/// The longest time until a machine takes a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Everything that was found.
#[derive(Debug)]
pub(super) struct Findings {
    /// The time of this machine at which it was found.
    pub(super) now: Timestamp,
    /// The word of the processes.
    pub(super) report: Report,
    /// By address: whether the process takes calls. Those that do not answer are left to the
    /// report.
    pub(super) ready: Vec<(String, bool)>,
    /// By address with TLS: the end of the certificate, or the reason that there is no agreement.
    pub(super) certificates: Vec<(String, Result<Timestamp, String>)>,
    /// The hot store, where it was named.
    pub(super) hot_store: Option<Result<HotStore, String>>,
    /// The database, where it was named.
    pub(super) database: Option<Result<Database, String>>,
}

/// The hot store that was found.
#[derive(Debug)]
pub(super) enum HotStore {
    /// The server, or every primary of the cluster.
    Redis(Vec<ServerFacts>),
    /// The disk of the folder of an embedded one.
    Embedded(Disk),
}

/// The database that was found.
#[derive(Debug)]
pub(super) struct Database {
    /// Its word about itself.
    pub(super) facts: DatabaseFacts,
    /// The time of this machine when it answered.
    pub(super) answered: Timestamp,
    /// The disk of a SQLite file; Postgres does not tell of its own.
    pub(super) disk: Option<Disk>,
}

/// One process, as far as it answers.
struct Process {
    asked: Asked,
    is_ready: Option<bool>,
    certificate: Option<Result<Timestamp, String>>,
}

impl Findings {
    /// Asks everybody. Whoever does not answer is a finding.
    pub(super) async fn gather(
        connection: &Connection,
        hot_store: Option<&str>,
        database: Option<&str>,
    ) -> Self {
        let processes = connection.processes().into_iter();
        let processes = join_all(
            processes.map(|(address, services)| examine_process(connection, address, services)),
        );
        let store = async { Some(examine_hot_store(hot_store?).await) };
        let tables = async { Some(examine_database(database?).await) };
        let (processes, hot_store, database) = futures::join!(processes, store, tables);
        let (mut ready, mut certificates, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        for (address, process) in processes {
            ready.extend(
                process
                    .is_ready
                    .map(|is_ready| (address.to_owned(), is_ready)),
            );
            certificates.extend(process.certificate.map(|end| (address.to_owned(), end)));
            asked.push(process.asked);
        }
        Self {
            now: access::now(),
            report: Report::of(asked),
            ready,
            certificates,
            hot_store,
            database,
        }
    }
}

/// Examines the process at an address. One that cannot be reached is asked nothing more.
async fn examine_process<'a>(
    connection: &Connection,
    address: &'a str,
    services: Vec<ServiceName>,
) -> (&'a str, Process) {
    let certificate = match certificate(&connection.tls(), address).await {
        Ok(end) => end.map(Ok),
        Err(silence) => {
            let (cause, certificate) = match silence {
                Silence::Away(cause) => (format!("cannot reach {address}: {cause}"), None),
                Silence::NoAgreement(cause) => (
                    format!("no agreement on TLS with {address}"),
                    Some(Err(cause)),
                ),
            };
            let process = Process {
                asked: Asked::new(address, &services, Err(cause)),
                is_ready: None,
                certificate,
            };
            return (address, process);
        }
    };
    let word = ask_process(connection, address, services[0]).await;
    let is_ready = match word {
        Ok(_) => is_ready(connection, services[0]).await,
        Err(_) => None,
    };
    let process = Process {
        asked: Asked::new(address, &services, word),
        is_ready,
        certificate,
    };
    (address, process)
}

/// Returns whether a process takes calls; nothing where it does not say.
async fn is_ready(connection: &Connection, service: ServiceName) -> Option<bool> {
    let request = HealthCheckRequest {
        service: READINESS.to_owned(),
    };
    let mut health = connection.health(service).ok()?;
    let told = health.check(ask(request)).await.ok()?;
    Some(told.into_inner().status() == ServingStatus::Serving)
}

/// The reason why there is no certificate to look at.
enum Silence {
    /// Nobody takes a connection there.
    Away(String),
    /// Somebody does, whose certificate does not fit.
    NoAgreement(String),
}

/// The end of the certificate at an address; nothing where it has none.
async fn certificate(tls: &ClientTls, address: &str) -> Result<Option<Timestamp>, Silence> {
    let Some((host, port)) = secured_place(address) else {
        return Ok(None);
    };
    let connecting = TcpStream::connect((host.trim_matches(['[', ']']), port));
    let stream = match tokio::time::timeout(CONNECT_TIME, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Silence::Away(error.to_string())),
        Err(_) => return Err(Silence::Away("no connection in time".to_owned())),
    };
    let end = tls.end_of_server(&host, stream).await;
    end.map(Some)
        .map_err(|error| Silence::NoAgreement(error.to_string()))
}

/// The host and the port of an address with TLS.
fn secured_place(address: &str) -> Option<(String, u16)> {
    let uri: Uri = address.parse().ok()?;
    let host = uri.host()?.to_owned();
    (uri.scheme_str() == Some("https")).then(|| (host, uri.port_u16().unwrap_or(443)))
}

async fn examine_hot_store(address: &str) -> Result<HotStore, String> {
    if let Some(folder) = address.strip_prefix("embedded:") {
        return disk_of(Path::new(folder)).map(HotStore::Embedded);
    }
    let told = hot::inspect(RedisOptions::new(address)).await;
    told.map(HotStore::Redis).map_err(|error| error.to_string())
}

async fn examine_database(url: &str) -> Result<Database, String> {
    let url: DatabaseUrl = url.parse().map_err(|error| format!("{error}"))?;
    let disk = url.file().map(|file| disk_of(&file)).transpose()?;
    let facts = storage::inspect(&url).await;
    Ok(Database {
        facts: facts.map_err(|error| error.to_string())?,
        answered: access::now(),
        disk,
    })
}

fn disk_of(path: &Path) -> Result<Disk, String> {
    let shown = path.display();
    Disk::of(path).map_err(|error| {
        format!(
            "{shown} cannot be looked at ({error}): name it as the process does, on its machine"
        )
    })
}
