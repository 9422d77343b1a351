//! Hints from Redis: one connection for each subscriber, for as long as it listens, to whoever serves then.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kernel::PartitionId;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Msg, RedisResult};
use tokio::sync::watch::Receiver;
use tokio::time::{sleep, timeout};

use super::keys::{COMMITS, commits_topic};
use super::reply::failure;
use super::source::Source;
use crate::hints::{Subscriber, Topics};
use crate::{HotError, Owner, Slot, StreamId, StreamName, Wake, WakeReceiver};

/// How often a silent connection is asked whether it is still there.
const PING: Duration = Duration::from_secs(5);
/// How long to wait before a lost connection is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Why listening ended.
enum End {
    /// Nobody listens any more.
    Unheard,
    /// The connection is lost.
    Lost,
    /// Another server answers than before.
    Changed,
}

/// Subscribes to channels that begin with `channel`; the hints count from when this returns.
pub(super) async fn subscribe(
    source: Arc<Source>,
    mut changes: Receiver<u64>,
    topics: Topics,
    channel: Arc<str>,
) -> Result<WakeReceiver, HotError> {
    let connection = connect(&source, &topics, &channel).await.map_err(failure)?;
    let (mut subscriber, receiver) = Subscriber::new(topics.clone());
    // Ends when the receiver is dropped.
    tokio::spawn(async move {
        let mut connection = Some(connection);
        loop {
            let end = match connection.take() {
                Some((sink, messages)) => {
                    let listener = Listener {
                        subscriber: &mut subscriber,
                        changes: &mut changes,
                        channel: &channel,
                        patience: source.response_timeout(),
                    };
                    listener.listen(sink, messages).await
                }
                None => tokio::select! {
                    () = subscriber.closed() => End::Unheard,
                    () = changed(&mut changes) => End::Changed,
                    () = sleep(PAUSE) => End::Lost,
                },
            };
            match end {
                End::Unheard => return,
                End::Lost => tracing::debug!("hints of the hot store are interrupted"),
                // The connection may lead to a server that nobody writes to any more.
                End::Changed => {
                    if !subscriber.send_reopen().await {
                        return;
                    }
                }
            }
            connection = connect(&source, &topics, &channel).await.ok();
            // What happened meanwhile is not known.
            if connection.is_some() && !subscriber.send_all() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Completes when another server answers; never where nobody watches any more.
async fn changed(changes: &mut Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn connect(
    source: &Source,
    topics: &Topics,
    channel: &str,
) -> RedisResult<(PubSubSink, PubSubStream)> {
    let (mut sink, messages) = source.subscription().await?.split();
    let names: Vec<String> = match topics {
        Topics::Streams(streams) => streams.iter().map(|it| it.name().to_owned()).collect(),
        Topics::Commits => Owner::ALL.into_iter().map(commits_topic).collect(),
    };
    let subscribing = async {
        for name in names {
            sink.subscribe(format!("{channel}{name}")).await?;
        }
        Ok::<_, redis::RedisError>(())
    };
    timeout(source.response_timeout(), subscribing)
        .await
        .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))?;
    Ok((sink, messages))
}

/// The reader of the messages of one connection.
struct Listener<'a> {
    subscriber: &'a mut Subscriber,
    changes: &'a mut Receiver<u64>,
    /// The beginning of the channels.
    channel: &'a str,
    /// The time that the answer to a question may take.
    patience: Duration,
}

impl Listener<'_> {
    /// Passes on hints until something ends it.
    async fn listen(self, mut sink: PubSubSink, mut messages: PubSubStream) -> End {
        loop {
            let message = tokio::select! {
                () = self.subscriber.closed() => return End::Unheard,
                () = changed(self.changes) => return End::Changed,
                message = timeout(PING, messages.next()) => message,
            };
            match message {
                Ok(Some(message)) => match hint(&message, self.channel) {
                    Some(wake) if !self.subscriber.send(wake) => return End::Unheard,
                    _ => {}
                },
                Ok(None) => return End::Lost,
                // Silence: either nothing happens, or the other side is gone.
                Err(_) => match timeout(self.patience, sink.ping::<redis::Value>()).await {
                    Ok(Ok(_)) => {}
                    _ => return End::Lost,
                },
            }
        }
    }
}

/// Reads a hint; other programs may publish what they like.
fn hint(message: &Msg, channel: &str) -> Option<Wake> {
    let name = message.get_channel_name().strip_prefix(channel)?;
    let partition: String = message.get_payload().ok()?;
    let partition = PartitionId::new(partition.parse().ok()?);
    if let Some(service) = name.strip_prefix(COMMITS) {
        let owner = Owner::ALL.into_iter().find(|it| it.name() == service)?;
        return Some(Wake::Committed(Slot { owner, partition }));
    }
    let name = StreamName::ALL.into_iter().find(|it| it.name() == name)?;
    Some(Wake::Stream(StreamId { name, partition }))
}
