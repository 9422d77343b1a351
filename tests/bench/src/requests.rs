//! Measures what the layer around servers costs for each event of a batch, beside the transport and
//! the decoder alone: its bytes are read before a message is built from them. No network, no store.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use proto::identity::v1::event::PropertiesForm;
use proto::identity::v1::{Event, IngestStreamRequest};
use rpc::ServerLayer;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tower::Layer as _;

use crate::result::{Measured, median};
use crate::{Failure, bare, cpu};

/// Events of a batch: as many as the contract allows.
const EVENTS: u32 = 1_000;
/// Properties of an event, which are texts and numbers in turn.
const PROPERTIES: u32 = 8;
/// Rounds that each case is measured in, in turns with the other.
const ROUNDS: usize = 9;
/// Seconds of processor time of a round, by a clock of a hundredth of a second.
const ROUND_S: f64 = 0.5;
/// The most that a batch may cost with the layer, as a multiple of the decoder alone.
const BOUND: f64 = 1.15;

/// Measures batches with the layer and without.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let batch = batch()?;
    let mut alone = bare::server();
    let mut layered = ServerLayer::default().layer(bare::server());
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(round_us(&mut alone, &batch).await?);
        with.push(round_us(&mut layered, &batch).await?);
    }
    let (without, with) = (median(without), median(with));
    let bytes = u32::try_from(batch.len())?;
    Ok(
        Measured::new("requests", with, "µs an event", without, [].into())
            .also("bytes_an_event", f64::from(bytes) / f64::from(EVENTS))
            .at_most("ratio", BOUND),
    )
}

/// A batch as gRPC frames it.
fn batch() -> Result<Bytes, Failure> {
    let events = (0..EVENTS).map(|number| Event {
        event_id: format!("e{number}"),
        name: "purchase".to_owned(),
        identifiers: [("user_id".to_owned(), format!("u{number}"))].into(),
        properties_form: Some(PropertiesForm::Properties(Struct {
            fields: (0..PROPERTIES)
                .map(|place| property(number, place))
                .collect(),
        })),
        sequence: u64::from(number),
        ..Event::default()
    });
    let message = IngestStreamRequest {
        events: events.collect(),
        ..IngestStreamRequest::default()
    };
    let message = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len())?.to_be_bytes());
    frame.extend(message);
    Ok(frame.into())
}

fn property(number: u32, place: u32) -> (String, Value) {
    let kind = if place.is_multiple_of(2) {
        Kind::StringValue(format!("value {number}"))
    } else {
        Kind::NumberValue(f64::from(number))
    };
    (format!("property_{place}"), Value { kind: Some(kind) })
}

/// Microseconds of processor time for an event.
async fn round_us<S>(server: &mut S, batch: &Bytes) -> Result<f64, Failure>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<Failure>,
{
    let process = std::process::id();
    let before = cpu::own(process);
    let mut events = 0_u32;
    loop {
        let request = Request::builder()
            .method("POST")
            .uri("/happypath.identity.v1.IdentityService/IngestStream")
            .header("content-type", "application/grpc")
            .body(Body::new(Full::new(batch.clone())))?;
        let response = server.call(request).await.map_err(Into::into)?;
        let answered = response.into_body().collect().await?;
        let status = answered.trailers().and_then(Status::from_header_map);
        if let Some(status) = status.filter(|status| status.code() != tonic::Code::Ok) {
            return Err(status.into());
        }
        events += EVENTS;
        let used = cpu::own(process) - before;
        if used >= ROUND_S {
            return Ok(used * 1e6 / f64::from(events));
        }
    }
}
