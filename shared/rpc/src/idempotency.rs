//! Safe retries: the same request again gets the first answer and changes nothing.

mod held;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use prost::Message;
use prost_reflect::{DynamicMessage, MapKey, ReflectMessage, Value};
use sha2::{Digest, Sha256};
use storage::{RequestKey, Requests};
use tonic::Status;
use tracing::Instrument as _;

use self::held::{Beginning, Held};
use crate::limits::{DUPLICATE_POLL, DUPLICATE_POLLS, REPEATABLE_POLLS};
use crate::{ErrorReason, Failure, Violation};

/// Runs each request that changes something once, by its `request_id`.
///
/// Duplicates in one process wait for each other; those in other processes wait for the answer in
/// the database a while. Only answers are kept: a request that failed, or whose call ended before
/// its work, can be tried again. What a process that died was doing is done again by another once
/// nothing was heard of it for [`storage::limits::REQUEST_UNDER_WAY`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Idempotency {
    requests: Requests,
    locks: Arc<Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>>,
}

impl Idempotency {
    /// Remembers requests in a migrated database.
    pub fn new(requests: Requests) -> Self {
        Self {
            requests,
            locks: Arc::default(),
        }
    }

    /// Carries out `work`, or returns the answer that the same request got before.
    ///
    /// `method` is the full name of the method. Without a request id the work is simply done.
    ///
    /// # Errors
    /// The error of the work; [`ErrorReason::RequestIdReused`] where another body had this id;
    /// [`ErrorReason::RequestInProgress`] where another process takes long over the same request.
    pub async fn run<B, R, E, F>(
        &self,
        method: &str,
        request_id: &str,
        body: &B,
        work: impl FnOnce() -> F + Send,
    ) -> Result<R, Status>
    where
        B: ReflectMessage,
        R: Message + Default,
        E: Into<Status>,
        F: Future<Output = Result<R, E>> + Send,
    {
        let names = (method, request_id);
        self.run_unless(Unanswered::Refused, names, body, work)
            .await
    }

    /// As [`Self::run`], for work that changes nothing where it is done again: the death of a
    /// process that had begun it does not hold up who asks again.
    ///
    /// # Errors
    /// As [`Self::run`], but for [`ErrorReason::RequestInProgress`].
    pub async fn run_repeatable<B, R, E, F>(
        &self,
        method: &str,
        request_id: &str,
        body: &B,
        work: impl FnOnce() -> F + Send,
    ) -> Result<R, Status>
    where
        B: ReflectMessage,
        R: Message + Default,
        E: Into<Status>,
        F: Future<Output = Result<R, E>> + Send,
    {
        let names = (method, request_id);
        self.run_unless(Unanswered::Repeated, names, body, work)
            .await
    }

    async fn run_unless<B, R, E, F>(
        &self,
        unanswered: Unanswered,
        (method, request_id): (&str, &str),
        body: &B,
        work: impl FnOnce() -> F + Send,
    ) -> Result<R, Status>
    where
        B: ReflectMessage,
        R: Message + Default,
        E: Into<Status>,
        F: Future<Output = Result<R, E>> + Send,
    {
        if request_id.is_empty() {
            return work().await.map_err(Into::into);
        }
        let lock = self.lock(&format!("{method} {request_id}"));
        let _turn = lock.lock().await;
        let key = RequestKey { request_id, method };
        let held = match self.begin(key, body, unanswered).await? {
            Turn::Answered(answer) => {
                return R::decode(answer.as_slice())
                    .map_err(|error| Failure::internal(error).into());
            }
            Turn::Own(held) => Some(held),
            Turn::Again => None,
        };
        let done = match &held {
            None => work().await,
            Some(held) => tokio::select! {
                biased;
                done = work() => done,
                never = held.hold() => match never {},
            },
        };
        match done {
            Ok(response) => {
                // The change is made: from here on nobody else shall make it, and a lost answer
                // must not turn it into an error.
                held.into_iter().for_each(Held::done);
                self.keep(key, response.encode_to_vec()).await;
                Ok(response)
            }
            Err(error) => {
                if let Some(held) = held {
                    held.abandon().await;
                }
                Err(error.into())
            }
        }
    }

    /// Keeps an answer for those who send the request again. That is finished also where nobody
    /// waits for it any more, as at the deadline of the call.
    async fn keep(&self, key: RequestKey<'_>, answer: Vec<u8>) {
        let requests = self.requests.clone();
        let (request_id, method) = (key.request_id.to_owned(), key.method.to_owned());
        let keeping = async move {
            let key = RequestKey {
                request_id: &request_id,
                method: &method,
            };
            if let Err(error) = requests.complete(key, &answer).await {
                tracing::warn!(%error, method, "answer not kept for retries");
            }
        };
        if let Err(error) = tokio::spawn(keeping.in_current_span()).await {
            tracing::warn!(%error, "answer not kept for retries");
        }
    }

    /// Returns the answer that the request got before, or that the caller shall do the work.
    async fn begin<B: ReflectMessage>(
        &self,
        key: RequestKey<'_>,
        body: &B,
        unanswered: Unanswered,
    ) -> Result<Turn, Failure> {
        let hash = body_hash(body);
        let polls = match unanswered {
            Unanswered::Refused => DUPLICATE_POLLS,
            Unanswered::Repeated => REPEATABLE_POLLS,
        };
        for _ in 0..polls {
            match Held::begin(&self.requests, key, hash.clone()).await? {
                Beginning::Own(held) => return Ok(Turn::Own(held)),
                Beginning::Answered(answer) => return Ok(Turn::Answered(answer)),
                Beginning::UnderWay => tokio::time::sleep(DUPLICATE_POLL).await,
                Beginning::Differs => return Err(reused(key.request_id)),
            }
        }
        if unanswered == Unanswered::Repeated {
            return Ok(Turn::Again);
        }
        let message = format!(
            "the request `{}` is being carried out at this moment",
            key.request_id
        );
        Err(Failure::new(ErrorReason::RequestInProgress, message)
            .with_retry_after(DUPLICATE_POLL * 10))
    }

    fn lock(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        // Locks that nobody holds are dropped when there are many, so that the map stays small at
        // little cost.
        if locks.len() >= 1_024 {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        locks.insert(key.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

/// The one who does a request.
#[derive(Debug)]
enum Turn {
    /// Nobody: it got this answer before.
    Answered(Vec<u8>),
    /// The caller.
    Own(Held),
    /// The caller, though somebody else may be at it: it does no harm to do it again.
    Again,
}

/// The fate of a request that another process began, and has not answered after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unanswered {
    /// The other process may be at it still.
    Refused,
    /// It does no harm to do it again.
    Repeated,
}

fn reused(request_id: &str) -> Failure {
    let message = format!("the request id `{request_id}` was used before with another body");
    Failure::new(ErrorReason::RequestIdReused, message).with_violations([Violation::new(
        "request_id",
        "was used before with another body: use a new one, such as a UUID",
    )])
}

/// A hash of the content of a message. Maps have no order on the wire, so bytes cannot be compared.
fn body_hash<B: ReflectMessage>(body: &B) -> Vec<u8> {
    let mut hasher = Sha256::new();
    digest_message(&body.transcode_to_dynamic(), &mut hasher);
    hasher.finalize().to_vec()
}

/// Recursion is as deep as the decoder of the request allowed.
fn digest_message(message: &DynamicMessage, hasher: &mut Sha256) {
    for (field, value) in message.fields() {
        hasher.update(field.number().to_be_bytes());
        digest_value(value, hasher);
    }
    hasher.update([0xff]);
}

fn digest_value(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Bool(truth) => hasher.update([1, u8::from(*truth)]),
        Value::I32(number) | Value::EnumNumber(number) => {
            digest_bytes(2, &number.to_be_bytes(), hasher);
        }
        Value::I64(number) => digest_bytes(3, &number.to_be_bytes(), hasher),
        Value::U32(number) => digest_bytes(4, &number.to_be_bytes(), hasher),
        Value::U64(number) => digest_bytes(5, &number.to_be_bytes(), hasher),
        Value::F32(number) => digest_bytes(6, &number.to_be_bytes(), hasher),
        Value::F64(number) => digest_bytes(7, &number.to_be_bytes(), hasher),
        Value::String(text) => digest_bytes(8, text.as_bytes(), hasher),
        Value::Bytes(bytes) => digest_bytes(9, bytes, hasher),
        Value::Message(message) => digest_message(message, hasher),
        Value::List(values) => {
            digest_bytes(10, &values.len().to_be_bytes(), hasher);
            values.iter().for_each(|value| digest_value(value, hasher));
        }
        Value::Map(pairs) => {
            digest_bytes(11, &pairs.len().to_be_bytes(), hasher);
            let mut sorted: Vec<(&MapKey, &Value)> = pairs.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            for (key, value) in sorted {
                digest_value(&Value::from(key.clone()), hasher);
                digest_value(value, hasher);
            }
        }
    }
}

fn digest_bytes(tag: u8, bytes: &[u8], hasher: &mut Sha256) {
    hasher.update([tag]);
    hasher.update(bytes.len().to_be_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests;
