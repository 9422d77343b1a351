//! Safe retries: the same request again gets the first answer and changes nothing.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use kernel::Timestamp;
use prost::Message;
use prost_reflect::{DynamicMessage, MapKey, ReflectMessage, Value};
use sha2::{Digest, Sha256};
use storage::{Begun, RequestKey, Requests};
use tonic::Status;

use crate::limits::{DUPLICATE_POLL, DUPLICATE_POLLS};
use crate::{ErrorReason, Failure, Violation};

/// Runs each request that changes something once, by its `request_id`.
///
/// Duplicates in one process wait for each other; those in other processes wait for the answer in the database
/// a while. Only answers are kept: a request that failed can be tried again. Cheap to clone.
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
    /// What the work fails with; [`ErrorReason::RequestIdReused`] where another body had this id;
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
        if request_id.is_empty() {
            return work().await.map_err(Into::into);
        }
        let lock = self.lock(&format!("{method} {request_id}"));
        let _turn = lock.lock().await;
        let key = RequestKey { request_id, method };
        if let Some(answer) = self.begin(key, body).await? {
            return R::decode(answer.as_slice()).map_err(|error| Failure::internal(error).into());
        }
        match work().await {
            Ok(response) => {
                // The change is made: a lost answer must not turn it into an error.
                if let Err(error) = self.requests.complete(key, &response.encode_to_vec()).await {
                    tracing::warn!(%error, method, "answer not kept for retries");
                }
                Ok(response)
            }
            Err(error) => {
                if let Err(error) = self.requests.abandon(key).await {
                    tracing::warn!(%error, method, "failed request not forgotten");
                }
                Err(error.into())
            }
        }
    }

    /// The answer that the request got before; none where the caller shall do the work.
    async fn begin<B: ReflectMessage>(
        &self,
        key: RequestKey<'_>,
        body: &B,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let hash = body_hash(body);
        for _ in 0..DUPLICATE_POLLS {
            match self
                .requests
                .begin(key, &hash, now())
                .await
                .map_err(Failure::store_unavailable)?
            {
                Begun::New => return Ok(None),
                Begun::Answered(answer) => return Ok(Some(answer)),
                Begun::UnderWay => tokio::time::sleep(DUPLICATE_POLL).await,
                Begun::Differs => return Err(reused(key.request_id)),
            }
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
        // Locks that nobody holds are dropped when there are many, so that the map stays small at little cost.
        if locks.len() >= 1_024 {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        locks.insert(key.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

fn reused(request_id: &str) -> Failure {
    let message = format!("the request id `{request_id}` was used before with another body");
    Failure::new(ErrorReason::RequestIdReused, message).with_violations([Violation::new(
        "request_id",
        "was used before with another body: use a new one, such as a UUID",
    )])
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
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
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use proto::identity::v1::{
        AdvanceClockResponse, Event, IngestRequest, MergeCustomersRequest, MergeCustomersResponse,
    };
    use storage::{Database, DatabaseUrl};
    use tonic::Code;

    use super::*;

    const METHOD: &str = "happypath.identity.v1.IdentityService/MergeCustomers";

    async fn idempotency(folder: &tempfile::TempDir) -> Idempotency {
        let url: DatabaseUrl = format!("sqlite:{}", folder.path().join("test.db").display())
            .parse()
            .expect("a url");
        let database = Database::connect(&url).await.expect("a database");
        database.migrate("rpc", Vec::new()).await.expect("migrated");
        Idempotency::new(Requests::new(database))
    }

    fn body(reason: &str) -> MergeCustomersRequest {
        MergeCustomersRequest {
            reason: reason.to_owned(),
            ..Default::default()
        }
    }

    fn answer(id: &str) -> MergeCustomersResponse {
        MergeCustomersResponse {
            merged_customer_ids: vec![id.to_owned()],
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn the_same_request_gets_the_first_answer() {
        let folder = tempfile::tempdir().expect("a folder");
        let idempotency = idempotency(&folder).await;
        let first = idempotency
            .run(METHOD, "r1", &body("a"), || async {
                Ok::<_, Failure>(answer("1"))
            })
            .await;
        let again = idempotency
            .run(METHOD, "r1", &body("a"), || async {
                Ok::<_, Failure>(answer("2"))
            })
            .await;
        assert_eq!(first.expect("done"), answer("1"));
        assert_eq!(again.expect("replayed"), answer("1"));
    }

    #[tokio::test]
    async fn the_same_id_with_another_body_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let idempotency = idempotency(&folder).await;
        let work = || async { Ok::<_, Failure>(answer("1")) };
        idempotency
            .run(METHOD, "r1", &body("a"), work)
            .await
            .expect("done");
        let refused = idempotency
            .run(METHOD, "r1", &body("b"), work)
            .await
            .expect_err("reused");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let other = idempotency
            .run("another/Method", "r1", &body("b"), || async {
                Ok::<_, Failure>(AdvanceClockResponse {})
            })
            .await;
        assert!(other.is_ok(), "ids belong to a method");
    }

    #[tokio::test]
    async fn a_request_that_failed_can_be_tried_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let idempotency = idempotency(&folder).await;
        let fail = || async {
            Err::<MergeCustomersResponse, _>(Failure::new(ErrorReason::IdentityContended, "x"))
        };
        assert!(
            idempotency
                .run(METHOD, "r1", &body("a"), fail)
                .await
                .is_err()
        );
        let again = idempotency
            .run(METHOD, "r1", &body("a"), || async {
                Ok::<_, Failure>(answer("2"))
            })
            .await;
        assert_eq!(again.expect("done"), answer("2"));
    }

    #[tokio::test]
    async fn duplicates_at_once_run_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let idempotency = idempotency(&folder).await;
        // Another process has its own locks and meets us in the database only.
        let elsewhere = Idempotency::new(idempotency.requests.clone());
        let runs = AtomicU32::new(0);
        let request = body("a");
        let work = || async {
            runs.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok::<_, Failure>(answer("1"))
        };
        let (a, b, c) = tokio::join!(
            idempotency.run(METHOD, "r1", &request, work),
            idempotency.run(METHOD, "r1", &request, work),
            elsewhere.run(METHOD, "r1", &request, work),
        );
        assert!(
            [a, b, c]
                .into_iter()
                .all(|result| result.expect("an answer") == answer("1"))
        );
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_order_of_a_map_makes_no_other_body() {
        let request = |names: [&str; 3]| IngestRequest {
            events: vec![Event {
                identifiers: names
                    .map(|name| (name.to_owned(), name.to_owned()))
                    .into_iter()
                    .collect(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let hash = body_hash(&request(["a", "b", "c"]));
        assert_eq!(hash, body_hash(&request(["c", "b", "a"])));
        assert_ne!(hash, body_hash(&request(["a", "b", "d"])));
    }
}
