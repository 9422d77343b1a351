//! A connection that finds its way back: after a loss, a time-out, or an answer that shows that the server no longer is
//! the one that takes writes, the next call goes to whoever serves then.
//!
//! It repeats no call; that is for who knows whether it may be repeated.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo};
use redis::{
    Arg, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value,
    cmd,
};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::gather::{Carrier, Gather};
use super::source::{Connection, Source};

/// How long to wait after an attempt that failed before the next.
const PAUSE: Duration = Duration::from_millis(50);
/// Calls that fail one after the other before the connections to a cluster are made anew; up to there it helps itself.
const CLUSTER_FAILURES: u32 = 4;
/// Bytes of a command up to which it goes together with others.
pub(super) const GATHERED_BYTES: usize = 16 * 1024;

/// A connection that is made anew where it is lost. Clones share it.
#[derive(Clone)]
pub(super) struct Link(Arc<Line>);

struct Line {
    source: Arc<Source>,
    current: RwLock<Option<Current>>,
    /// Calls that are made at one moment.
    gather: Gather<Link>,
    /// Connections made so far.
    number: AtomicU64,
    /// One attempt at a time.
    attempts: Mutex<Attempts>,
    /// Calls to a cluster that failed since the last that did not.
    failures: AtomicU32,
    is_renewing: AtomicBool,
}

#[derive(Clone)]
struct Current {
    /// Tells it from those before it.
    number: u64,
    connection: Connection,
}

#[derive(Default)]
struct Attempts {
    made: u64,
    failed: Option<(Instant, RedisError)>,
}

/// What a call told about its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    /// A cluster usually helps itself; one server cannot.
    Failing,
    Lost,
}

impl Link {
    /// Connects.
    pub(super) async fn connect(source: &Arc<Source>) -> RedisResult<Self> {
        let link = Self(Arc::new(Line {
            source: Arc::clone(source),
            current: RwLock::default(),
            gather: Gather::default(),
            number: AtomicU64::new(0),
            attempts: Mutex::default(),
            failures: AtomicU32::new(0),
            is_renewing: AtomicBool::new(false),
        }));
        link.0.connected().await?;
        Ok(link)
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.0.source.is_cluster()
    }

    /// Sends a command and returns the answer to it.
    pub(super) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let Current { number, connection } = self.0.connected().await?;
        let result = match connection {
            Connection::Server(mut connection) => connection.send_packed_command(command).await,
            Connection::Cluster(mut connection) => connection.req_packed_command(command).await,
        };
        let [value] = self.0.finish(number, result.map(|value| [value]))?;
        Ok(value)
    }

    /// Asks the server, or every primary of a cluster, for information; each with the address of its node in a cluster.
    pub(super) async fn info(&self, sections: &[&str]) -> RedisResult<Vec<(String, String)>> {
        let mut info = cmd("INFO");
        info.arg(sections);
        let answers = self.send_everywhere(info).await?.into_iter();
        answers
            .map(|(node, answer)| Ok((node, text(answer.extract_error()?)?)))
            .collect()
    }

    /// Sends a command to the server, or to every primary of a cluster, and returns the answers,
    /// refusals among them; each with the address of its node in a cluster.
    pub(super) async fn send_everywhere(&self, command: Cmd) -> RedisResult<Vec<(String, Value)>> {
        let Current { number, connection } = self.0.connected().await?;
        let result = match connection {
            Connection::Server(mut connection) => connection
                .send_packed_command(&command)
                .await
                .map(|answer| {
                    let pair = (Value::SimpleString(String::new()), answer);
                    Value::Map(vec![pair])
                }),
            Connection::Cluster(mut connection) => {
                let primaries = (MultipleNodeRoutingInfo::AllMasters, None::<ResponsePolicy>);
                let everywhere = RoutingInfo::MultiNode(primaries);
                connection.route_command(command, everywhere).await
            }
        };
        self.0
            .note(number, health(result.as_ref().map(std::slice::from_ref)));
        let Value::Map(answers) = result? else {
            return Err(unreadable());
        };
        answers
            .into_iter()
            .map(|(node, answer)| Ok((text(node)?, answer)))
            .collect()
    }

    /// Gives up the connection: what it leads to takes no writes any more.
    pub(super) fn give_up(&self) {
        let number = self.0.current().map(|current| current.number);
        if let Some(number) = number {
            self.0.note(number, Health::Lost);
        }
    }
}

fn unreadable() -> RedisError {
    (ErrorKind::UnexpectedReturnType, "INFO cannot be read").into()
}

fn text(value: Value) -> RedisResult<String> {
    match value {
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Ok(text),
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| unreadable()),
        _ => Err(unreadable()),
    }
}

impl Line {
    fn current(&self) -> Option<Current> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn replace(&self, connection: Connection) -> Current {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let current = Current { number, connection };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(current.clone());
        current
    }

    /// The connection there is, or a new one.
    async fn connected(&self) -> RedisResult<Current> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let made = self.attempts.try_lock().map(|attempts| attempts.made).ok();
        let mut attempts = self.attempts.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        if let Some((at, error)) = &attempts.failed {
            // Whoever waited for an attempt of somebody else shares what came of it.
            if made != Some(attempts.made) {
                return Err(error.clone());
            }
            sleep_until(*at + PAUSE).await;
        }
        let is_first = attempts.made == 0;
        attempts.made += 1;
        match self.source.connection().await {
            Ok(connection) => {
                attempts.failed = None;
                let current = self.replace(connection);
                drop(attempts);
                if !is_first {
                    self.source.reconnected.notify_one();
                }
                Ok(current)
            }
            Err(error) => {
                attempts.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Draws the consequence of a call.
    fn note(self: &Arc<Self>, number: u64, health: Health) {
        if health == Health::Good {
            if self.failures.load(Ordering::Relaxed) > 0 {
                self.failures.store(0, Ordering::Relaxed);
            }
            return;
        }
        if !self.source.is_cluster() {
            let mut place = self.current.write().unwrap_or_else(PoisonError::into_inner);
            if place.as_ref().is_some_and(|it| it.number == number) {
                *place = None;
            }
            return;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if health == Health::Lost || failures >= CLUSTER_FAILURES {
            self.renew(number);
        }
    }

    /// Connects to a cluster anew while its healthy nodes go on being served by the connections there are.
    fn renew(self: &Arc<Self>, number: u64) {
        let is_current = self.current().is_some_and(|it| it.number == number);
        if !is_current || self.is_renewing.swap(true, Ordering::AcqRel) {
            return;
        }
        let line = Arc::clone(self);
        tokio::spawn(async move {
            // Where it fails, the next calls that fail start it again.
            if let Ok(connection) = line.source.connection().await {
                line.replace(connection);
                line.source.reconnected.notify_one();
            }
            line.failures.store(0, Ordering::Relaxed);
            line.is_renewing.store(false, Ordering::Release);
        });
    }

    fn finish<T: AsRef<[Value]>>(
        self: &Arc<Self>,
        number: u64,
        result: RedisResult<T>,
    ) -> RedisResult<T> {
        self.note(number, health(result.as_ref().map(AsRef::as_ref)));
        result.map_err(|error| match error.kind() {
            // Cut in the middle of an answer, not an answer of the wrong kind.
            ErrorKind::Parse => std::io::Error::other(error).into(),
            _ => error,
        })
    }
}

/// Commands of one moment go to the server in one write, and their answers come in one.
impl Carrier for Link {
    type Call = Cmd;
    type Answer = RedisResult<Value>;

    async fn carry(mut self, commands: Vec<Cmd>) -> Vec<RedisResult<Value>> {
        let count = commands.len();
        let mut pipeline = Pipeline::with_capacity(count);
        for command in commands {
            pipeline.add_command(command);
        }
        match self.req_packed_commands(&pipeline, 0, count).await {
            Ok(values) => values.into_iter().map(Ok).collect(),
            Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
        }
    }

    fn ended() -> RedisResult<Value> {
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into())
    }
}

/// Returns about how many bytes a command is.
fn size(command: &Cmd) -> usize {
    let arguments = command.args_iter().map(|argument| match argument {
        Arg::Simple(bytes) => bytes.len(),
        _ => 0,
    });
    arguments.sum()
}

/// What an answer tells about the connection it came by.
fn health(result: Result<&[Value], &RedisError>) -> Health {
    let kind = match result {
        Err(error) if error.is_timeout() || error.kind() == ErrorKind::Parse => {
            return Health::Lost;
        }
        Err(error) if error.is_io_error() => return Health::Failing,
        Err(error) => Some(error.kind()),
        Ok(values) => values.iter().find_map(|value| match value {
            Value::ServerError(error) => match error.kind() {
                Some(kind) => Some(ErrorKind::Server(kind)),
                // "force unblock from blocking operation, instance state changed".
                None if error.code() == "UNBLOCKED" => {
                    Some(ErrorKind::Server(ServerErrorKind::ReadOnly))
                }
                None => None,
            },
            _ => None,
        }),
    };
    match kind {
        Some(ErrorKind::ClusterConnectionNotFound) => Health::Lost,
        Some(ErrorKind::Server(
            ServerErrorKind::ReadOnly
            | ServerErrorKind::MasterDown
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::ClusterDown,
        )) => Health::Failing,
        _ => Health::Good,
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        // The nodes of a cluster have a connection each, and a large call is worth its own write.
        if self.is_cluster() || size(command) > GATHERED_BYTES {
            return Box::pin(self.send(command));
        }
        let together = self
            .0
            .gather
            .send(self, || command.clone(), self.send(command));
        Box::pin(together)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let Current { number, connection } = self.0.connected().await?;
            let result = match connection {
                Connection::Server(mut connection) => {
                    connection
                        .send_packed_commands(pipeline, offset, count)
                        .await
                }
                Connection::Cluster(mut connection) => {
                    connection
                        .req_packed_commands(pipeline, offset, count)
                        .await
                }
            };
            self.0.finish(number, result)
        })
    }

    fn get_db(&self) -> i64 {
        self.0.source.database()
    }
}
