//! The way of a call's events to identity, in its sender's name.

use std::time::Duration;

use access::Peer;
use gateway_core::limits::REQUEST_BYTES;
use gateway_core::{Denial, Dialect, Fault, Readable, Reason, fault_of};
use http::HeaderValue;
use http::request::Parts;
use http::uri::PathAndQuery;
use kernel::limits::{EVENTS_PER_REQUEST, MESSAGE_BYTES};
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest, IngestStreamRequest, Lane, RejectedEvent};
use runtime::Calls;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use super::Refused;
use super::key::Credential;
use crate::limits::SEND_TIME;

/// The header of a trace (W3C Trace Context).
const TRACE: &str = "traceparent";

/// The path of the call that takes events.
const INGEST: &str = "/happypath.identity.v1.IdentityService/Ingest";

/// The part of an `IngestResponse` that senders are told of. What it says of each event that was
/// taken is most of it, and is passed over.
#[derive(Clone, PartialEq, prost::Message)]
struct Refusals {
    #[prost(message, repeated, tag = "3")]
    rejected: Vec<RejectedEvent>,
}

/// Sends events. One for each call.
#[derive(Debug)]
pub(crate) struct Sender {
    calls: Calls,
    /// Headers of its requests.
    headers: Vec<(&'static str, HeaderValue)>,
    peer: Option<Peer>,
    lane: Lane,
    /// The time that each of its requests may take.
    time: Duration,
}

/// The outcome for the events of a call.
#[derive(Debug, Default)]
pub(crate) struct Sent<'t> {
    /// The number of those that were taken.
    pub(crate) accepted: u64,
    /// Those that identity refused, each with its place in the call and as it was sent.
    pub(crate) faults: Vec<(usize, &'t str, Fault)>,
}

impl Sender {
    /// Sends with a key, from where the call came and in its trace.
    pub(crate) fn new(
        calls: &Calls,
        key: Option<&Credential>,
        head: &Parts,
        is_bulk: bool,
    ) -> Self {
        let key = key.map(|key| ("authorization", key.header().clone()));
        let trace = head.headers.get(TRACE).map(|it| (TRACE, it.clone()));
        Self {
            calls: calls.clone(),
            headers: key.into_iter().chain(trace).collect(),
            peer: head.extensions.get::<Peer>().cloned(),
            lane: if is_bulk { Lane::Bulk } else { Lane::Live },
            time: SEND_TIME,
        }
    }

    /// Allows its requests another time.
    pub(crate) fn within(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// Sends events in their order, as many at once as identity takes. `again` reads all events of
    /// the call once more: those of a request that was refused were given away with it.
    ///
    /// # Errors
    /// Where identity does not take them now: all of the call is to be sent again.
    pub(crate) async fn send<'t>(
        &self,
        dialect: Dialect,
        events: Vec<Readable<'t>>,
        again: &(dyn Fn() -> Vec<Readable<'t>> + Sync),
    ) -> Result<Sent<'t>, Refused> {
        let mut sent = Sent::default();
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let (mut some, mut names, mut bytes) = (Vec::new(), Vec::new(), 0);
            while let Some(next) = events.next_if(|_| {
                some.len() < EVENTS_PER_REQUEST && (bytes < REQUEST_BYTES || some.is_empty())
            }) {
                bytes += next.sent.len();
                names.push((next.place, next.sent));
                some.push(next.event);
            }
            let rejected = match self.ingest(some).await {
                Ok(rejected) => rejected,
                Err(status) if status.code() == Code::InvalidArgument => self
                    .reasons(among(again(), &names))
                    .await
                    .map_err(|status| of_status(&status))?,
                Err(status) => return Err(of_status(&status)),
            };
            sent.accepted += (names.len() - count(&rejected)) as u64;
            let mut last = None;
            for fault in rejected {
                // The first fault of an event says what to mend. Others would be more letters.
                if last == Some(fault.index) {
                    continue;
                }
                last = Some(fault.index);
                let place = usize::try_from(fault.index).unwrap_or(usize::MAX);
                if let Some((place, own)) = names.get(place) {
                    let fault = fault_of(dialect, own, &fault.field, &fault.description);
                    sent.faults.push((*place, own, fault));
                }
            }
        }
        Ok(sent)
    }

    /// Has events taken, and returns those that are refused.
    async fn ingest(&self, events: Vec<Event>) -> Result<Vec<RejectedEvent>, Status> {
        let request = self.request(IngestRequest {
            request_id: String::new(),
            events,
            lane: self.lane.into(),
        });
        let mut client = Grpc::new(self.calls.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let Ok(()) = client.ready().await;
        let codec: ProstCodec<IngestRequest, Refusals> = ProstCodec::default();
        let path = PathAndQuery::from_static(INGEST);
        let answer = client.unary(request, path, codec).await?;
        Ok(answer.into_inner().rejected)
    }

    /// Has events taken as [`Self::ingest`] does, where all are refused: a stream says of each why.
    async fn reasons(&self, events: Vec<Event>) -> Result<Vec<RejectedEvent>, Status> {
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let batch = IngestStreamRequest {
            events,
            lane: self.lane.into(),
            ..IngestStreamRequest::default()
        };
        let request = self.request(futures::stream::once(std::future::ready(batch)));
        let client = IdentityServiceClient::new(self.calls.clone());
        let mut client = client.max_decoding_message_size(MESSAGE_BYTES);
        let answer = client.ingest_stream(request).await?;
        let Some(answer) = answer.into_inner().message().await? else {
            return Err(Status::unavailable("a batch has no answer"));
        };
        if answer.refusal.is_empty() {
            return Ok(answer.rejected);
        }
        let all = (0..count).map(|index| RejectedEvent {
            index,
            field: String::new(),
            description: answer.refusal.clone(),
        });
        Ok(all.collect())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.time);
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(peer.clone());
        }
        for (name, value) in &self.headers {
            if let Ok(mut own) = MetadataValue::try_from(value.as_bytes()) {
                own.set_sensitive(value.is_sensitive());
                request.metadata_mut().insert(*name, own);
            }
        }
        request
    }
}

/// Returns the events of some places.
fn among(all: Vec<Readable<'_>>, names: &[(usize, &str)]) -> Vec<Event> {
    let (first, last) = (names.first(), names.last());
    let places = first.map_or(0, |it| it.0)..=last.map_or(0, |it| it.0);
    let some = all
        .into_iter()
        .filter(|event| places.contains(&event.place));
    some.map(|event| event.event).collect()
}

/// Returns the number of events that have faults.
fn count(rejected: &[RejectedEvent]) -> usize {
    let mut places: Vec<u32> = rejected.iter().map(|fault| fault.index).collect();
    places.dedup();
    places.len()
}

fn of_status(status: &Status) -> Refused {
    let (reason, denial) = match status.code() {
        Code::ResourceExhausted | Code::Aborted => (Reason::Overloaded, Denial::Overloaded),
        Code::Unauthenticated => (Reason::KeyInvalid, Denial::Unauthorized),
        Code::PermissionDenied => (Reason::KeyScope, Denial::Forbidden),
        _ => (Reason::Unavailable, Denial::Unavailable),
    };
    let details = status.get_error_details();
    let delay = details.retry_info().and_then(|it| it.retry_delay);
    let message = match reason {
        // It may say what is wrong with us, and that is nobody's business.
        Reason::Unavailable => "events cannot be taken now: send them again",
        _ => status.message(),
    };
    Refused {
        seconds: delay.map(|delay| delay.as_secs() + u64::from(delay.subsec_nanos() > 0)),
        ..Refused::new(reason, denial, message)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::identity::v1::{IngestResponse, ResolvedEvent};

    use super::*;

    #[test]
    fn refusals_are_read_out_of_an_answer() {
        let rejected = vec![RejectedEvent {
            index: 1,
            field: "name".to_owned(),
            description: "is empty".to_owned(),
        }];
        let answer = IngestResponse {
            results: vec![ResolvedEvent::default(); 3],
            position: "p".to_owned(),
            rejected: rejected.clone(),
            ..IngestResponse::default()
        };
        let read = Refusals::decode(answer.encode_to_vec().as_slice());
        assert_eq!(read, Ok(Refusals { rejected }));
    }
}
