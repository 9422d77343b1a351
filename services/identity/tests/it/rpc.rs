//! Every RPC, as a client sees it: success, bad input, replay, missing, paging.

mod accounts;
mod answers;
mod bad_events;
mod clock;
mod customer;
mod explain;
mod imports;
pub(crate) mod intake;
mod pace;
mod resolution;
mod sources;
mod under_way;

use engine::TimeSource;
use identity::IdentityRpc;
use identity_core::Rules;
use journal::EventLog;
use proto::identity::v1;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use rpc::{Idempotency, ServerLayer};
use storage::Requests;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;
use tonic::transport::{Channel, Server};
use tonic_types::StatusExt;

use crate::fixture::{Fixture, Sql, event};

pub(crate) type Client = IdentityServiceClient<Channel>;

/// Serves an identity on a free port until the test ends.
pub(crate) async fn serve(time: TimeSource) -> (Client, Fixture) {
    let fixture = Fixture::open(Sql::Sqlite, time, Rules::default()).await;
    let client = connect(&fixture).await;
    (client, fixture)
}

/// One more process over the same stores.
pub(crate) async fn connect(fixture: &Fixture) -> Client {
    connect_with(fixture, None).await
}

/// One more process, over an event log.
pub(crate) async fn connect_with(fixture: &Fixture, events: Option<EventLog>) -> Client {
    connect_to(open(fixture).await.with_event_log(events)).await
}

async fn open(fixture: &Fixture) -> IdentityRpc {
    let intake = fixture.identity.clone().open().await.expect("opens");
    let idempotency = Idempotency::new(Requests::new(fixture.identity.database.clone()));
    IdentityRpc::new(intake, idempotency)
}

async fn connect_to(rpc: IdentityRpc) -> Client {
    let server = IdentityServiceServer::new(rpc);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(
        Server::builder()
            .layer(ServerLayer::default())
            .add_service(server)
            .serve_with_incoming(incoming),
    );
    Client::connect(format!("http://{address}"))
        .await
        .expect("connects")
}

pub(crate) fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}

pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let bad = details.bad_request().expect("a BadRequest");
    bad.field_violations
        .iter()
        .map(|violation| violation.field.clone())
        .collect()
}

pub(crate) async fn ingest(
    client: &mut Client,
    request_id: &str,
    events: &[&str],
) -> Result<Vec<v1::ResolvedEvent>, Status> {
    let request = v1::IngestRequest {
        request_id: request_id.to_owned(),
        events: events
            .iter()
            .map(|identifiers| event(identifiers))
            .collect(),
        lane: 0,
    };
    Ok(client.ingest(request).await?.into_inner().results)
}

pub(crate) async fn stream(
    client: &mut Client,
    batches: Vec<v1::IngestStreamRequest>,
) -> Result<Vec<v1::IngestStreamResponse>, Status> {
    let mut answers = client
        .ingest_stream(tokio_stream::iter(batches))
        .await?
        .into_inner();
    let mut received = Vec::new();
    while let Some(answer) = answers.message().await? {
        received.push(answer);
    }
    Ok(received)
}
