//! Calls that several tasks make at one moment go to the server in one write.
//!
//! The first to call lets the tasks that are ready to run go before it; where none is, that is no
//! pause. What they call meanwhile goes along with its own. A task that ends while it collects
//! leaves nobody behind, and one that ends later takes no answer from the others.

use std::mem::take;
use std::sync::{Mutex, PoisonError};

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisError, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::link::Link;

/// Calls of one write: the first waits for the answer to the last, a few milliseconds of a server.
const CALLS: usize = 64;
/// Bytes of a call from which it goes alone: a write for it alone is cheap beside it.
const BYTES: usize = 16 * 1024;

/// A call that goes along with that of another task.
#[derive(Debug)]
struct Call {
    command: Cmd,
    answer: oneshot::Sender<RedisResult<Value>>,
}

/// What the calls of one connection have in common.
#[derive(Debug, Default)]
pub(super) struct Gather {
    collected: Mutex<Collected>,
}

#[derive(Debug, Default)]
struct Collected {
    /// Whether somebody collects now.
    is_open: bool,
    calls: Vec<Call>,
}

impl Gather {
    /// Sends a command, together with those of others where they come at the same time, and returns
    /// the answer to it.
    pub(super) async fn send(&self, link: &Link, command: &Cmd) -> RedisResult<Value> {
        if size(command) > BYTES {
            return link.send(command).await;
        }
        let collecting = match self.join(link, command) {
            Ok(collecting) => collecting,
            Err(answered) => return answered.await.unwrap_or_else(|_| Err(ended())),
        };
        yield_now().await;
        let mut calls = collecting.end();
        if calls.is_empty() {
            return link.send(command).await;
        }
        let (own, answered) = call(command);
        calls.insert(0, own);
        send_together(link, calls);
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Begins to collect, or adds to what another task collects: then the answer comes from there.
    fn join<'a>(
        &'a self,
        link: &'a Link,
        command: &Cmd,
    ) -> Result<Collecting<'a>, oneshot::Receiver<RedisResult<Value>>> {
        let mut collected = self.lock();
        if collected.is_open {
            let (call, answered) = call(command);
            collected.calls.push(call);
            return Err(answered);
        }
        collected.is_open = true;
        Ok(Collecting {
            gather: self,
            link,
            has_ended: false,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Collected> {
        self.collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that collects. Where it ends before it sends, the others are sent without it.
struct Collecting<'a> {
    gather: &'a Gather,
    link: &'a Link,
    has_ended: bool,
}

impl Collecting<'_> {
    /// Ends collecting and returns the calls of the others.
    fn end(mut self) -> Vec<Call> {
        self.has_ended = true;
        self.take()
    }

    fn take(&self) -> Vec<Call> {
        let mut collected = self.gather.lock();
        collected.is_open = false;
        take(&mut collected.calls)
    }
}

impl Drop for Collecting<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            send_together(self.link, self.take());
        }
    }
}

fn call(command: &Cmd) -> (Call, oneshot::Receiver<RedisResult<Value>>) {
    let (answer, answered) = oneshot::channel();
    let command = command.clone();
    (Call { command, answer }, answered)
}

/// Sends calls in as few writes as there may be, whoever waits for them.
fn send_together(link: &Link, mut calls: Vec<Call>) {
    // Where the runtime is gone, nobody waits for an answer either.
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    while !calls.is_empty() {
        let rest = calls.split_off(calls.len().min(CALLS));
        runtime.spawn(send_one_write(link.clone(), calls));
        calls = rest;
    }
}

async fn send_one_write(mut link: Link, calls: Vec<Call>) {
    let mut pipeline = Pipeline::with_capacity(calls.len());
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls {
        pipeline.add_command(call.command);
        answers.push(call.answer);
    }
    // Who does not wait any more needs no answer.
    match link.req_packed_commands(&pipeline, 0, answers.len()).await {
        Ok(values) => {
            for (answer, value) in answers.into_iter().zip(values) {
                let _gone = answer.send(Ok(value));
            }
        }
        Err(error) => {
            for answer in answers {
                let _gone = answer.send(Err(error.clone()));
            }
        }
    }
}

/// About how many bytes a command is.
fn size(command: &Cmd) -> usize {
    command
        .args_iter()
        .map(|argument| match argument {
            Arg::Simple(bytes) => bytes.len(),
            _ => 0,
        })
        .sum()
}

/// The runtime is going down.
fn ended() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()
}
