//! Consumers of changes.

use std::future::Future;

use proto::gateway::v1::change_service_client::ChangeServiceClient;
use proto::gateway::v1::{WatchChangesRequest, WatchChangesResponse};
use rpc::PeerChannel;
use tonic::Streaming;

use crate::Failure;

/// Opens a stream.
async fn open(
    channel: &PeerChannel,
    request: WatchChangesRequest,
) -> Result<Streaming<WatchChangesResponse>, Failure> {
    let mut client = ChangeServiceClient::new(channel.clone());
    Ok(client.watch_changes(request).await?.into_inner())
}

async fn next(
    stream: &mut Streaming<WatchChangesResponse>,
) -> Result<WatchChangesResponse, Failure> {
    let message = stream.message().await?;
    message.ok_or_else(|| "the stream ended before its end".into())
}

/// Reads so many changes, and nothing of what is in them.
pub(super) async fn read(
    channel: &PeerChannel,
    request: WatchChangesRequest,
    changes: u32,
) -> Result<(), Failure> {
    let mut stream = open(channel, request).await?;
    let mut left = changes as usize;
    while left > 0 {
        left = left.saturating_sub(next(&mut stream).await?.changes.len());
    }
    Ok(())
}

/// Returns so many messages with changes.
pub(super) async fn sample(
    channel: &PeerChannel,
    messages: u32,
) -> Result<Vec<WatchChangesResponse>, Failure> {
    let request = WatchChangesRequest {
        from_start: true,
        ..WatchChangesRequest::default()
    };
    let mut stream = open(channel, request).await?;
    let mut sample = Vec::new();
    while sample.len() < messages as usize {
        let message = next(&mut stream).await?;
        if !message.changes.is_empty() {
            sample.push(message);
        }
    }
    Ok(sample)
}

/// Does work while a consumer reads everything that changes by it, and returns how many changes it
/// got meanwhile.
pub(crate) async fn watch_during(
    channel: &PeerChannel,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<u64, Failure> {
    let mut stream = open(channel, WatchChangesRequest::default()).await?;
    // It is where the stream begins.
    next(&mut stream).await?;
    let mut changes = 0;
    let reading = async {
        loop {
            match next(&mut stream).await {
                Ok(message) => changes += message.changes.len() as u64,
                Err(failure) => return failure,
            }
        }
    };
    tokio::select! {
        done = work => done?,
        broken = reading => return Err(broken),
    }
    Ok(changes)
}
