//! Asks processes and stores for everything that is judged.

use access::tls::ClientTls;
use hot::{RedisOptions, ServerFacts};
use kernel::Timestamp;
use storage::{DatabaseFacts, DatabaseUrl};
use tonic::transport::Uri;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::client::{Connection, ServiceName, ask};
use crate::commands::status::report::Report;
use crate::failure::Failure;

/// The name under which a process tells whether it takes calls.
const READINESS: &str = "readiness";

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
    /// By address with TLS: the end of the certificate, or the reason that there is no connection.
    pub(super) certificates: Vec<(String, Result<Timestamp, String>)>,
    /// The servers of the hot store, where it was named.
    pub(super) hot_store: Option<Result<Vec<ServerFacts>, String>>,
    /// The database, where it was named, and the time of this machine when it answered.
    pub(super) database: Option<Result<(DatabaseFacts, Timestamp), String>>,
}

impl Findings {
    /// Asks everybody. Whoever does not answer is a finding.
    pub(super) async fn gather(
        connection: &Connection,
        hot_store: Option<&str>,
        database: Option<&str>,
    ) -> Result<Self, Failure> {
        let report = Report::ask(connection).await?;
        let tls = connection.tls();
        let (mut ready, mut certificates) = (Vec::new(), Vec::new());
        for (address, services) in connection.processes() {
            let Some(first) = services.first() else {
                continue;
            };
            if let Some(is_ready) = is_ready(connection, *first).await? {
                ready.push((address.to_owned(), is_ready));
            }
            if let Some(end) = certificate(&tls, address).await {
                certificates.push((address.to_owned(), end));
            }
        }
        let servers = async {
            let options = RedisOptions::new(hot_store?);
            let told = hot::inspect(options).await;
            Some(told.map_err(|error| error.to_string()))
        };
        let tables = async { Some(examine_database(database?).await) };
        let (servers, tables) = futures::join!(servers, tables);
        Ok(Self {
            now: access::now(),
            report,
            ready,
            certificates,
            hot_store: servers,
            database: tables,
        })
    }
}

/// Returns whether a process takes calls; nothing where it does not say.
async fn is_ready(connection: &Connection, service: ServiceName) -> Result<Option<bool>, Failure> {
    let request = HealthCheckRequest {
        service: READINESS.to_owned(),
    };
    let told = connection.health(service)?.check(ask(request)).await;
    Ok(told
        .ok()
        .map(|told| told.into_inner().status() == ServingStatus::Serving))
}

/// The end of the certificate at an address; nothing where it has none.
async fn certificate(tls: &ClientTls, address: &str) -> Option<Result<Timestamp, String>> {
    let uri: Uri = address.parse().ok()?;
    if uri.scheme_str() != Some("https") {
        return None;
    }
    let end = tls.end_of_server(uri.host()?, uri.port_u16().unwrap_or(443));
    Some(end.await.map_err(|error| error.to_string()))
}

async fn examine_database(url: &str) -> Result<(DatabaseFacts, Timestamp), String> {
    let url: DatabaseUrl = url.parse().map_err(|error| format!("{error}"))?;
    let facts = storage::inspect(&url).await;
    let facts = facts.map_err(|error| error.to_string())?;
    Ok((facts, access::now()))
}
