//! The RPCs of `ActivationService`.

use std::sync::Arc;

use activation_core::state::Listed;
use activation_core::template::{self, PreviewError, Values};
use activation_core::{ActivationCore, Counter, State};
use bytes::Bytes;
use engine::{TimeSource, Written, counters};
use hot::{Append, Appended, Owner, SharedHotStore, StreamId, StreamName};
use kernel::{CustomerId, Reason};
use prost::Message;
use proto::activation::v1 as api;
use proto::activation::v1::activation_service_server::ActivationService;
use proto::activation::v1::preview_template_request::{ContextForm, Medium as Preview};
use proto::activation::v1::preview_template_response::Medium as Shown;
use proto::activation::v1::template::Medium;
use proto::convert;
use proto::stream::v1::{Batch, ConsentChange, Record, record::Body};
use rpc::{ErrorReason, Failure, Idempotency, PageRequest, TraceParent, Violation, validate};
use runtime::{CustomerReads, PositionScope, position_of};
use tonic::{Request, Response, Status};

use crate::limits;

/// Serves `ActivationService`.
#[derive(Debug, Clone)]
pub struct Handlers {
    hot: SharedHotStore,
    reads: CustomerReads,
    time: TimeSource,
    idempotency: Idempotency,
}

impl Handlers {
    /// Serves from these stores.
    pub fn new(hot: SharedHotStore, time: TimeSource, idempotency: Idempotency) -> Self {
        Self {
            reads: CustomerReads::new(Arc::clone(&hot)),
            hot,
            time,
            idempotency,
        }
    }

    /// Appends the word of a customer, and returns its position.
    async fn append_consent(&self, request: &api::SetConsentRequest) -> Result<String, Failure> {
        let customer = customer_id(&request.customer_id)?;
        if request.granted {
            self.check_room(customer, request).await?;
        }
        ask(customer, request).await?;
        let record = Record {
            customer_id: Bytes::copy_from_slice(customer.as_bytes()),
            // On stream time only the partition knows the time, and takes its own where there is
            // none.
            time_ms: match &self.time {
                TimeSource::Wall(clock) => clock.now().as_millis(),
                TimeSource::Stream => 0,
            },
            trace_parent: TraceParent::current()
                .map(|parent| parent.to_string())
                .unwrap_or_default(),
            body: Some(Body::Consent(ConsentChange {
                purpose: request.purpose.clone(),
                channel: request.channel.clone(),
                granted: request.granted,
                source: request.source.clone(),
            })),
            ..Record::default()
        };
        let records = vec![record];
        let append = Append {
            to: StreamId {
                name: StreamName::Actions,
                partition: self.hot.partition_count().partition_of(customer.fragment()),
            },
            payload: Bytes::from(
                Batch {
                    records,
                    ..Batch::default()
                }
                .encode_to_vec(),
            ),
            source: None,
            origin: None,
        };
        let answer = self.hot.append_stamped(&append).await;
        let answer = answer.map_err(Failure::store_unavailable)?;
        let written = Written {
            stream: append.to.name,
            time: answer.newest,
        };
        match answer.appended {
            Appended::Applied | Appended::Replayed | Appended::Overlaps { .. } => {
                Ok(position_of(PositionScope::of(self.hot.as_ref()), written))
            }
            Appended::Gap { .. } => Err(Failure::store_unavailable(
                "the stream has lost entries that are being written again",
            )),
            Appended::Full => Err(self.full(append.to).await),
        }
    }

    /// Returns the reason that the stream takes nothing more.
    async fn full(&self, stream: StreamId) -> Failure {
        match engine::full_quarantine(self.hot.as_ref(), stream).await {
            Ok(Some(owner)) => Failure::new(
                ErrorReason::QuarantineFull,
                format!(
                    "the quarantine of {} is full in this customer's partition",
                    owner.name()
                ),
            )
            .with_retry_after(limits::QUARANTINE_RETRY),
            // Where that cannot be told, it is full all the same.
            Ok(None) | Err(_) => Failure::new(
                ErrorReason::StreamFull,
                "as many actions wait in this customer's partition as may wait",
            )
            .with_retry_after(limits::FULL_RETRY),
        }
    }

    /// Refuses a grant that there is no room for. What is on its way is not seen here: the core
    /// refuses it then, and says so in an event of the customer.
    async fn check_room(
        &self,
        customer: CustomerId,
        request: &api::SetConsentRequest,
    ) -> Result<(), Failure> {
        let state = self.find_consents(customer, "").await?;
        let consents = state.consents().map_err(Failure::internal)?;
        if consents.has_room_for(&request.purpose, &request.channel) {
            return Ok(());
        }
        let words = consents.iter().len();
        Err(Failure::new(
            ErrorReason::ConsentLimit,
            format!(
                "the customer has spoken about {words} purposes and channels, as many as are kept"
            ),
        ))
    }

    /// Loads a customer with all that they said, after a write where a position is given.
    async fn find_consents(&self, customer: CustomerId, after: &str) -> Result<State, Failure> {
        let want = State::missing_consents;
        let found = self.reads.find::<ActivationCore>(customer, after, want);
        Ok(found.await?.state.unwrap_or_default())
    }

    async fn count(&self, journey: &str) -> Result<Vec<api::ActivationCount>, Failure> {
        let hot = self.hot.as_ref();
        let totals = match journey {
            "" => counters::totals(hot, Owner::Activation, Counter::GROUPS).await,
            journey => {
                let group = Counter::group(journey);
                counters::totals_of(hot, Owner::Activation, &[&group]).await
            }
        };
        let totals = totals.map_err(Failure::store_unavailable)?;
        Ok(totals
            .iter()
            .filter_map(|(key, total)| {
                let counter = Counter::parse(key)?;
                let count = u64::try_from(*total).ok().filter(|count| *count > 0)?;
                Some(api::ActivationCount {
                    journey: counter.journey.to_owned(),
                    channel: counter.channel.to_owned(),
                    status: counter.status.into(),
                    reason: counter.reason.code().to_owned(),
                    count,
                })
            })
            .collect())
    }
}

#[tonic::async_trait]
impl ActivationService for Handlers {
    async fn list_activations(
        &self,
        request: Request<api::ListActivationsRequest>,
    ) -> Result<Response<api::ListActivationsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let page = PageRequest::read(
            &["ListActivations", &request.customer_id],
            request.page_size,
            &request.page_token,
            limits::PAGE_SIZE,
        )?;
        let customer = customer_id(&request.customer_id)?;
        let (after, want) = (&request.after, State::missing_activations);
        let found = self.reads.find::<ActivationCore>(customer, after, want);
        let state = found.await?.state.unwrap_or_default();
        let newest_first = state.activations().map_err(Failure::internal)?;
        // Others may have come or gone since the page before: its end is a place in time.
        let is_behind = |listed: &&Listed| {
            let after = page.after();
            after.is_none_or(|after| place_of(listed).as_slice() < after)
        };
        let rest = newest_first.iter().filter(is_behind);
        let rest = rest.take(page.size() + 1);
        let rest = rest.map(|listed| (place_of(listed), message(&request.customer_id, listed)));
        let (shown, next_page_token) = page.cut(
            rest.collect(),
            |(place, _)| place.clone(),
            |(_, activation)| activation.encoded_len(),
        );
        Ok(Response::new(api::ListActivationsResponse {
            activations: shown.into_iter().map(|(_, it)| it).collect(),
            next_page_token,
        }))
    }

    async fn get_statistics(
        &self,
        request: Request<api::GetStatisticsRequest>,
    ) -> Result<Response<api::GetStatisticsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let page = PageRequest::read(
            &["GetStatistics", &request.journey],
            request.page_size,
            &request.page_token,
            limits::COUNTS_PER_PAGE,
        )?;
        let counts = self.count(&request.journey).await?;
        let mut counts: Vec<_> = counts.into_iter().map(|it| (key_of(&it), it)).collect();
        counts.sort_by(|(one, _), (other, _)| one.cmp(other));
        let is_behind =
            |(key, _): &(Vec<u8>, _)| page.after().is_none_or(|after| key.as_slice() > after);
        let rest = counts.into_iter().filter(is_behind).take(page.size() + 1);
        let (shown, next_page_token) = page.cut(
            rest.collect(),
            |(key, _)| key.clone(),
            |(_, count)| count.encoded_len(),
        );
        Ok(Response::new(api::GetStatisticsResponse {
            counts: shown.into_iter().map(|(_, count)| count).collect(),
            next_page_token,
        }))
    }

    async fn set_consent(
        &self,
        request: Request<api::SetConsentRequest>,
    ) -> Result<Response<api::SetConsentResponse>, Status> {
        const METHOD: &str = "happypath.activation.v1.ActivationService/SetConsent";
        let request = request.into_inner();
        validate(&request)?;
        self.idempotency
            .run(METHOD, &request.request_id, &request, || async {
                let position = self.append_consent(&request).await?;
                Ok::<_, Failure>(api::SetConsentResponse { position })
            })
            .await
            .map(Response::new)
    }

    async fn get_consent(
        &self,
        request: Request<api::GetConsentRequest>,
    ) -> Result<Response<api::GetConsentResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let customer = customer_id(&request.customer_id)?;
        let state = self.find_consents(customer, &request.after).await?;
        let consents = state.consents().map_err(Failure::internal)?;
        let rest = consents.rest_withdrawn().map(|time| api::Consent {
            update_time: Some(convert::timestamp(time)),
            source: Reason::ConsentLimit.code().to_owned(),
            ..api::Consent::default()
        });
        let words = consents.iter().map(|word| api::Consent {
            purpose: word.purpose.to_string(),
            channel: word.channel.to_string(),
            granted: word.granted,
            update_time: Some(convert::timestamp(word.time)),
            source: word.source.to_string(),
        });
        Ok(Response::new(api::GetConsentResponse {
            consents: words.chain(rest).collect(),
        }))
    }

    async fn preview_template(
        &self,
        request: Request<api::PreviewTemplateRequest>,
    ) -> Result<Response<api::PreviewTemplateResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        // Rendering is bounded, but to milliseconds: not on a thread that others wait for.
        let rendered = tokio::task::spawn_blocking(move || preview(request))
            .await
            .map_err(Failure::internal)??;
        Ok(Response::new(rendered))
    }
}

fn preview(request: api::PreviewTemplateRequest) -> Result<api::PreviewTemplateResponse, Failure> {
    let context = request
        .context_form
        .map(|ContextForm::Context(context)| context);
    let values = Values::of_struct(&context.unwrap_or_default())
        .map_err(|error| Failure::invalid([Violation::new("context", error.message)]))?;
    let template = api::Template {
        name: "preview".to_owned(),
        medium: request.medium.map(|Preview::Text(text)| Medium::Text(text)),
    };
    match template::preview(&template, &values) {
        Ok(rendered) => Ok(api::PreviewTemplateResponse {
            medium: Some(Shown::Text(api::RenderedText {
                subject: rendered.subject,
                body: rendered.body,
            })),
        }),
        Err(PreviewError::Mistakes(mistakes)) => {
            Err(
                Failure::new(ErrorReason::TemplateInvalid, "the template has mistakes")
                    .with_violations(mistakes.iter().map(|(part, mistake)| {
                        Violation::new(format!("text.{part}"), mistake.to_string())
                    })),
            )
        }
        Err(PreviewError::Render(error)) => {
            Err(Failure::new(ErrorReason::TemplateInvalid, error.message))
        }
    }
}

/// The place of a count among all: names have no space in them.
fn key_of(count: &api::ActivationCount) -> Vec<u8> {
    let api::ActivationCount {
        journey,
        channel,
        status,
        reason,
        ..
    } = count;
    format!("{journey} {channel} {status} {reason}").into_bytes()
}

/// The place of an activation in the list: the time when it was asked for, then its id. As bytes,
/// which sort as times do.
fn place_of(listed: &Listed) -> Vec<u8> {
    let own = &listed.activation;
    let millis = own.create_time.as_millis() ^ i64::MIN;
    let (run, visit) = (own.id.run.as_bytes(), own.id.visit.to_be_bytes());
    [&millis.to_be_bytes()[..], run, &visit].concat()
}

fn message(customer_id: &str, listed: &Listed) -> api::Activation {
    let activation = &listed.activation;
    api::Activation {
        activation_id: activation.id.to_string(),
        customer_id: customer_id.to_owned(),
        journey: activation.journey.to_string(),
        step: activation.step.to_string(),
        channel: activation.channel.to_string(),
        template: activation.template.to_string(),
        status: activation.status.into(),
        reason: activation.reason.code().to_owned(),
        detail: activation.detail.to_string(),
        attempts: activation.attempts,
        create_time: Some(convert::timestamp(activation.create_time)),
        update_time: Some(convert::timestamp(activation.update_time)),
        next_attempt_time: listed.next_attempt_time.map(convert::timestamp),
    }
}

/// Puts on record that a customer's word is about to be appended. The hot store shares no
/// transaction with the audit log, so the record comes first.
async fn ask(customer: CustomerId, request: &api::SetConsentRequest) -> Result<(), Failure> {
    let Some(operation) = audit::Operation::current() else {
        return Ok(());
    };
    let verb = if request.granted { "grant" } else { "withdraw" };
    let (purpose, channel) = (&request.purpose, &request.channel);
    let object = format!("{verb} purpose {purpose:?} channel {channel:?}");
    operation.ask(object, customer).await
}

fn customer_id(text: &str) -> Result<CustomerId, Failure> {
    let customer: CustomerId = text.parse().map_err(|error: kernel::ParseIdError| {
        Failure::invalid([Violation::new("customer_id", error.to_string())])
    })?;
    match customer.is_account() {
        true => Err(Failure::is_account("customer_id", text)),
        false => Ok(customer),
    }
}

#[cfg(test)]
mod tests;
