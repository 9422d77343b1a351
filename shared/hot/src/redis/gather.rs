//! Calls that several tasks make at one moment go to the server together.
//!
//! The first to call lets the tasks that are ready to run go before it; where none is, that is no
//! pause. What they call meanwhile goes along with its own. A task that ends while it collects
//! leaves nobody behind, and one that ends later takes no answer from the others.

use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::yield_now;

/// Calls that go together at the most: the first waits for the answer to the last, a few
/// milliseconds of a server.
const TOGETHER: usize = 64;

/// What brings calls to a server.
pub(super) trait Carrier: Clone + Send + Sync + 'static {
    /// A call.
    type Call: Send + 'static;
    /// The answer to one.
    type Answer: Send + 'static;

    /// Sends calls together, and returns the answer to each, in their order.
    fn carry(self, calls: Vec<Self::Call>) -> impl Future<Output = Vec<Self::Answer>> + Send;

    /// Returns the answer to a call that nobody carries any more, since the runtime goes down.
    fn ended() -> Self::Answer;
}

/// A call, and who waits for the answer to it.
type Waiting<C> = (
    <C as Carrier>::Call,
    oneshot::Sender<<C as Carrier>::Answer>,
);

/// The calls that go the same way.
pub(super) struct Gather<C: Carrier> {
    collected: Mutex<Collected<C>>,
}

struct Collected<C: Carrier> {
    /// Whether somebody collects now.
    is_open: bool,
    calls: Vec<Waiting<C>>,
}

impl<C: Carrier> Default for Gather<C> {
    fn default() -> Self {
        Self {
            collected: Mutex::new(Collected {
                is_open: false,
                calls: Vec::new(),
            }),
        }
    }
}

impl<C: Carrier> Gather<C> {
    /// Makes a call, together with those of others where they come at the same time, and returns
    /// the answer to it. `alone` makes it where they do not.
    pub(super) async fn send(
        &self,
        carrier: &C,
        call: impl FnOnce() -> C::Call,
        alone: impl Future<Output = C::Answer>,
    ) -> C::Answer {
        let (answer, answered) = oneshot::channel();
        if let Some((call, answer)) = self.join(call, answer) {
            let collecting = Collecting {
                gather: self,
                carrier,
                has_ended: false,
            };
            yield_now().await;
            let mut calls = collecting.end();
            if calls.is_empty() {
                return alone.await;
            }
            calls.insert(0, (call(), answer));
            carry_all(carrier, calls);
        }
        answered.await.unwrap_or_else(|_| C::ended())
    }

    /// Adds a call to those that another task collects. Where none does, the caller is to collect,
    /// and has its own back.
    fn join(
        &self,
        call: impl FnOnce() -> C::Call,
        answer: oneshot::Sender<C::Answer>,
    ) -> Option<(impl FnOnce() -> C::Call, oneshot::Sender<C::Answer>)> {
        let mut collected = self.lock();
        if !collected.is_open {
            collected.is_open = true;
            return Some((call, answer));
        }
        collected.calls.push((call(), answer));
        None
    }

    fn lock(&self) -> MutexGuard<'_, Collected<C>> {
        self.collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that collects. Where it ends before it sends, the others are sent without it.
struct Collecting<'a, C: Carrier> {
    gather: &'a Gather<C>,
    carrier: &'a C,
    has_ended: bool,
}

impl<C: Carrier> Collecting<'_, C> {
    /// Ends collecting and returns the calls of the others.
    fn end(mut self) -> Vec<Waiting<C>> {
        self.has_ended = true;
        self.take()
    }

    fn take(&self) -> Vec<Waiting<C>> {
        let mut collected = self.gather.lock();
        collected.is_open = false;
        take(&mut collected.calls)
    }
}

impl<C: Carrier> Drop for Collecting<'_, C> {
    fn drop(&mut self) {
        if !self.has_ended {
            carry_all(self.carrier, self.take());
        }
    }
}

/// Sends calls together, as few times as may be, whoever waits for them.
fn carry_all<C: Carrier>(carrier: &C, mut calls: Vec<Waiting<C>>) {
    // Where the runtime is gone, nobody waits for an answer either.
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    while !calls.is_empty() {
        let rest = calls.split_off(calls.len().min(TOGETHER));
        let carrier = carrier.clone();
        runtime.spawn(async move {
            let (calls, waiting): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
            for (waiting, answer) in waiting.into_iter().zip(carrier.carry(calls).await) {
                // Who does not wait any more needs no answer.
                let _gone = waiting.send(answer);
            }
        });
        calls = rest;
    }
}
