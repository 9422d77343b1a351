//! Look-ups over a stream: whatever is under way is one look-up.

use ::rpc::validate;
use audit::Operation;
use futures::stream::{self, StreamExt as _};
use proto::identity::v1;
use tokio_stream::Stream;
use tonic::{Status, Streaming};

use super::ResolutionRpc;
use crate::limits::LOOK_UPS_UNDER_WAY;

/// Bytes of a tag that has few enough characters in any case.
const TAG_BYTES: usize = 100;

type Answer = Result<v1::ResolveStreamResponse, Status>;

impl ResolutionRpc {
    /// Answers requests in order, until they end, one of them is wrong, or the process is told to
    /// end.
    ///
    /// It works as fast as the answers are read.
    pub(super) fn answers(
        self,
        requests: Streaming<v1::ResolveStreamRequest>,
        operation: Option<Operation>,
    ) -> impl Stream<Item = Answer> + Send {
        let shutdown = self.rpc.shutdown.clone();
        let requests = requests.take_until(shutdown.cancelled_owned());
        // All that came meanwhile, up to a limit.
        let batches = requests.ready_chunks(LOOK_UPS_UNDER_WAY);
        let answered = batches.then(move |batch| {
            let (rpc, operation) = (self.clone(), operation.clone());
            Operation::scope(operation, async move { rpc.answer_batch(batch).await })
        });
        answered.flat_map(stream::iter)
    }

    /// Answers requests that came together. What comes behind a wrong one is not looked at.
    async fn answer_batch(
        &self,
        batch: Vec<Result<v1::ResolveStreamRequest, Status>>,
    ) -> Vec<Answer> {
        let (mut tags, mut asked) = (Vec::with_capacity(batch.len()), Vec::new());
        asked.reserve(batch.len());
        let mut wrong = None;
        for request in batch {
            match request.and_then(read) {
                Ok((tag, identifiers)) => {
                    tags.push(tag);
                    asked.push(identifiers);
                }
                Err(status) => {
                    wrong = Some(status);
                    break;
                }
            }
        }
        let mut answers: Vec<Answer> = match self.look_up(asked).await {
            Ok(found) => {
                let found = found.into_iter().zip(tags);
                let found = found.map(|(found, tag)| {
                    Ok(v1::ResolveStreamResponse {
                        response: Some(found),
                        tag,
                    })
                });
                found.collect()
            }
            Err(failure) => return vec![Err(failure.into())],
        };
        answers.extend(wrong.map(Err));
        answers
    }
}

/// Reads one request: its tag, and the identifiers.
fn read(request: v1::ResolveStreamRequest) -> Result<(String, Vec<v1::Identifier>), Status> {
    // The check by the contract costs more than the look-up, so that only a wrong one pays it.
    if !is_plain(&request) {
        validate(&request)?;
    }
    let identifiers = request.request.unwrap_or_default().identifiers;
    Ok((request.tag, identifiers))
}

/// Returns whether a request holds to its contract beyond doubt. Others may hold too.
fn is_plain(request: &v1::ResolveStreamRequest) -> bool {
    let asked = request.request.as_ref();
    request.tag.len() <= TAG_BYTES && asked.is_some_and(super::look_up::is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_holds_to_the_contract() {
        let request = |namespace: &str, value: &str, count: usize| v1::ResolveStreamRequest {
            request: Some(v1::ResolveRequest {
                identifiers: vec![
                    v1::Identifier {
                        namespace: namespace.to_owned(),
                        value: value.to_owned(),
                    };
                    count
                ],
            }),
            tag: "t".to_owned(),
        };
        let long = "é".repeat(300);
        for (namespace, value, count, is_right) in [
            ("user_id", "u1", 1, true),
            ("user_id", "u1", 20, true),
            ("user_id", "u1", 21, false),
            ("user_id", "u1", 0, false),
            ("user_id", "", 1, false),
            ("User", "u1", 1, false),
            ("1a", "u1", 1, false),
            ("", "u1", 1, false),
            ("user_id", long.as_str(), 1, true),
        ] {
            let request = request(namespace, value, count);
            assert!(
                !is_plain(&request) || validate(&request).is_ok(),
                "{request:?}"
            );
            assert_eq!(read(request).is_ok(), is_right, "{namespace} {count}");
        }
        assert!(read(v1::ResolveStreamRequest::default()).is_err());
    }
}
