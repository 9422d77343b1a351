//! Asks processes and stores for everything that is judged: each once, and all at the same time.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use access::tls::ClientTls;
use futures::future::join_all;
use hot::{RedisOptions, ServerFacts};
use kernel::Timestamp;
use storage::{DatabaseFacts, DatabaseUrl};
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use super::disk::Disk;
use crate::client::replica::{place_of, replicas_of};
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
    shown: String,
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
        let addresses = connection.processes().into_iter();
        let processes = join_all(
            addresses.map(|(address, services)| examine_address(connection, address, services)),
        );
        let store = async { Some(examine_hot_store(hot_store?).await) };
        let tables = async { Some(examine_database(database?).await) };
        let (processes, hot_store, database) = futures::join!(processes, store, tables);
        let (mut ready, mut certificates, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        for process in processes.into_iter().flatten() {
            let shown = process.shown;
            ready.extend(process.is_ready.map(|is_ready| (shown.clone(), is_ready)));
            certificates.extend(process.certificate.map(|end| (shown, end)));
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

/// Examines every process behind an address, all at the same time.
async fn examine_address(
    connection: &Connection,
    address: &str,
    services: Vec<ServiceName>,
) -> Vec<Process> {
    let replicas = replicas_of(address).await;
    if replicas.is_empty() {
        return vec![examine_process(connection, (address, None), &services).await];
    }
    let services = &services;
    let replicas = replicas.into_iter().map(|at| async move {
        let pinned = connection.pinned(at);
        examine_process(&pinned, (address, Some(at)), services).await
    });
    join_all(replicas).await
}

/// Examines one process, at an address or at one place behind it. One that cannot be reached is
/// asked nothing more.
async fn examine_process(
    connection: &Connection,
    (address, at): (&str, Option<SocketAddr>),
    services: &[ServiceName],
) -> Process {
    let shown = match at {
        None => address.to_owned(),
        Some(at) => format!("{address} ({at})"),
    };
    let found = certificate(&connection.tls(), address, at).await;
    let (word, certificate) = match found {
        Ok(end) => {
            let word = ask_process(connection, &shown, services[0]).await;
            (word, end.map(Ok))
        }
        Err(Silence::Away(cause)) => (Err(format!("cannot reach {shown}: {cause}")), None),
        Err(Silence::NoAgreement(cause)) => (
            Err(format!("no agreement on TLS with {shown}")),
            Some(Err(cause)),
        ),
    };
    let is_ready = match word {
        Ok(_) => is_ready(connection, services[0]).await,
        Err(_) => None,
    };
    Process {
        asked: Asked::new(&shown, services, word),
        shown,
        is_ready,
        certificate,
    }
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

/// The end of the certificate at an address, or at one place behind it; nothing where it has none.
async fn certificate(
    tls: &ClientTls,
    address: &str,
    at: Option<SocketAddr>,
) -> Result<Option<Timestamp>, Silence> {
    let secured = place_of(address).filter(|_| address.starts_with("https://"));
    let Some((host, port)) = secured else {
        return Ok(None);
    };
    let connecting = async {
        match at {
            Some(at) => TcpStream::connect(at).await,
            None => TcpStream::connect((host.trim_matches(['[', ']']), port)).await,
        }
    };
    let stream = match tokio::time::timeout(CONNECT_TIME, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Silence::Away(error.to_string())),
        Err(_) => return Err(Silence::Away("no connection in time".to_owned())),
    };
    let end = tls.end_of_server(&host, stream).await;
    end.map(Some)
        .map_err(|error| Silence::NoAgreement(error.to_string()))
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
