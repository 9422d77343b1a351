//! Hints from Redis: one connection for each subscriber, for as long as it listens.

use std::time::Duration;

use futures::StreamExt;
use kernel::PartitionId;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Client, Msg, RedisResult};
use tokio::time::{sleep, timeout};

use super::keys::CHANNEL;
use super::reply::failure;
use crate::hints::Subscriber;
use crate::{HotError, StreamId, StreamName, WakeReceiver};

/// How often a silent connection is asked whether it is still there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(5);
/// How long to wait before a lost connection is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Subscribes; the hints count from when this returns.
pub(super) async fn subscribe(
    client: Client,
    streams: &[StreamName],
) -> Result<WakeReceiver, HotError> {
    let connection = connect(&client, streams).await.map_err(failure)?;
    let (mut subscriber, receiver) = Subscriber::new(streams);
    let streams = streams.to_vec();
    // Ends when the receiver is dropped.
    tokio::spawn(async move {
        let mut connection = Some(connection);
        loop {
            if let Some((sink, messages)) = connection.take() {
                if !listen(sink, messages, &mut subscriber).await {
                    return;
                }
                tracing::warn!("hints of the hot store are interrupted");
            }
            tokio::select! {
                () = subscriber.closed() => return,
                () = sleep(PAUSE) => {}
            }
            connection = connect(&client, &streams).await.ok();
            // What happened meanwhile is not known.
            if connection.is_some() && !subscriber.send_all() {
                return;
            }
        }
    });
    Ok(receiver)
}

async fn connect(
    client: &Client,
    streams: &[StreamName],
) -> RedisResult<(PubSubSink, PubSubStream)> {
    let attempt = async {
        let (mut sink, messages) = client.get_async_pubsub().await?.split();
        for stream in streams {
            sink.subscribe(format!("{CHANNEL}{}", stream.name()))
                .await?;
        }
        Ok((sink, messages))
    };
    timeout(PING, attempt)
        .await
        .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

/// Passes on hints until the connection is lost; false where nobody listens any more.
async fn listen(
    mut sink: PubSubSink,
    mut messages: PubSubStream,
    subscriber: &mut Subscriber,
) -> bool {
    loop {
        let message = tokio::select! {
            () = subscriber.closed() => return false,
            message = timeout(PING, messages.next()) => message,
        };
        match message {
            Ok(Some(message)) => match hint(&message) {
                Some(stream) if !subscriber.send(stream) => return false,
                _ => {}
            },
            Ok(None) => return true,
            // Silence: either nothing happens, or the other side is gone.
            Err(_) => match timeout(PING, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => {}
                _ => return true,
            },
        }
    }
}

/// Reads a hint; other programs may publish what they like.
fn hint(message: &Msg) -> Option<StreamId> {
    let name = message.get_channel_name().strip_prefix(CHANNEL)?;
    let partition: String = message.get_payload().ok()?;
    Some(StreamId {
        name: StreamName::ALL.into_iter().find(|it| it.name() == name)?,
        partition: PartitionId::new(partition.parse().ok()?),
    })
}
