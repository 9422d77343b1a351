//! Says that identifiers, and traits, are of one customer: an event `identify`.

use ::rpc::{Failure, Violation};
use hot::StreamName;
use proto::identity::v1;
use proto::identity::v1::event::TraitsForm;

use super::ResolutionRpc;
use crate::customers::message;
use crate::ingest::Accepted;
use crate::metrics::Taken;
use crate::rejected::Rejected;
use crate::resolve::left_out;
use crate::rpc::{dropped_identifier, resolve_failure};
use crate::sources::Source;

/// The name of the event.
const EVENT_NAME: &str = "identify";

impl ResolutionRpc {
    /// Takes the event. The same request again takes it once.
    pub(super) async fn identify_once(
        &self,
        request: v1::IdentifyRequest,
    ) -> Result<v1::IdentifyResponse, Failure> {
        let intake = &self.rpc.intake;
        // A request of events may have the same id.
        let source = format!("{EVENT_NAME}:{}", request.request_id);
        let events = vec![event(request)];
        let accepted = intake.accept(events, Source::Request(&source), StreamName::Events);
        let Accepted {
            mut events,
            rejected,
            outbound,
            replays: _,
        } = accepted.await.map_err(resolve_failure)?;
        let stream = outbound.stream;
        let Some(event) = events.pop() else {
            let taken = Taken {
                rejected: 1,
                ..Taken::default()
            };
            intake.metrics.taken(stream, taken);
            return Err(refused(rejected));
        };
        let took = self.rpc.append_one(outbound).await?;
        let resolution = event.resolution.unwrap_or_else(|| left_out(Vec::new()));
        let record = intake.store.customer(resolution.customer.fragment()).await;
        let record = record.map_err(Failure::store_unavailable)?;
        let dropped = resolution.dropped.into_iter().map(dropped_identifier);
        Ok(v1::IdentifyResponse {
            customer: record.map(message),
            created: resolution.is_new,
            merged_customer_ids: resolution.merged.iter().map(ToString::to_string).collect(),
            dropped_identifiers: dropped.collect(),
            position: took.position(intake.positions, stream),
        })
    }
}

/// The event of a request.
fn event(request: v1::IdentifyRequest) -> v1::Event {
    v1::Event {
        name: EVENT_NAME.to_owned(),
        other_identifiers: request.identifiers,
        traits_form: request.traits.map(TraitsForm::Traits),
        ..v1::Event::default()
    }
}

/// The refusal of the event, with the fields of the request.
fn refused(rejected: Rejected) -> Failure {
    let (faults, omitted) = rejected.into_faults();
    let faults = faults.map(|(_, fault)| match fault.field.strip_prefix("other_") {
        Some(field) => Violation::new(field, fault.description),
        None => fault,
    });
    Failure::invalid_and_more(faults.collect(), omitted)
}
