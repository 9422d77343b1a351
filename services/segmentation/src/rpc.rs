//! The gRPC service: reads states, counters and definitions, changes nothing.

mod explain;

use std::ops::Bound;
use std::sync::Arc;

use decision::PartKey;
use engine::{TimeSource, counters};
use hot::{Owner, SharedHotStore, Slot};
use kernel::{CustomerId, Timestamp};
use prost::Message;
use proto::segmentation::v1 as api;
use proto::segmentation::v1::segmentation_service_server::SegmentationService;
use rpc::{ErrorReason, Failure, PageRequest, Violation, validate};
use runtime::CustomerReads;
use segmentation_core::{Counter, Definitions, SegmentationCore, State};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::{limits, message};

/// Answers what is known of customers and why they are in segments.
#[derive(Debug, Clone)]
pub struct SegmentationRpc {
    hot: SharedHotStore,
    reads: CustomerReads,
    definitions: watch::Receiver<Arc<Definitions>>,
    time: TimeSource,
}

/// A customer's state, and whose it is after merges.
struct Found {
    customer: CustomerId,
    state: State,
}

impl SegmentationRpc {
    /// Answers from a hot store and the definitions in force.
    pub fn new(
        hot: SharedHotStore,
        definitions: watch::Receiver<Arc<Definitions>>,
        time: TimeSource,
    ) -> Self {
        Self {
            reads: CustomerReads::new(Arc::clone(&hot)),
            hot,
            definitions,
            time,
        }
    }

    fn definitions(&self) -> Arc<Definitions> {
        Arc::clone(&self.definitions.borrow())
    }

    /// Loads a customer, or the one that it was merged into, with the parts that `want` names,
    /// after a write where a position is given.
    async fn find(
        &self,
        text: &str,
        after: &str,
        want: impl Fn(&State) -> Vec<PartKey> + Send + Sync,
    ) -> Result<Found, Failure> {
        let customer: CustomerId = text
            .parse()
            .map_err(|error| Failure::invalid([violation("customer_id", &error)]))?;
        let found = self.reads.find::<SegmentationCore>(customer, after, want);
        let found = found.await?;
        let customer = found.customer;
        match found.state.filter(State::is_known) {
            Some(state) => Ok(Found { customer, state }),
            None => {
                let whose = match customer.is_account() {
                    true => "profile of account",
                    false => "profile of customer",
                };
                Err(Failure::not_found(
                    ErrorReason::ProfileNotFound,
                    whose,
                    text,
                ))
            }
        }
    }

    /// Returns the time for a customer: on stream time, as far as its partition has come.
    async fn now(&self, found: &Found) -> Result<Timestamp, Failure> {
        match &self.time {
            TimeSource::Wall(clock) => Ok(clock.now()),
            TimeSource::Stream => {
                let partitions = self.hot.partition_count();
                let slot = Slot {
                    owner: Owner::Segmentation,
                    partition: partitions.partition_of(found.customer.fragment()),
                };
                let head = self.hot.head(slot).await;
                let head = head.map_err(Failure::store_unavailable)?;
                Ok(head
                    .watermark
                    .or(found.state.last_seen())
                    .unwrap_or_default())
            }
        }
    }

    async fn list(
        &self,
        request: &api::ListSegmentsRequest,
    ) -> Result<api::ListSegmentsResponse, Failure> {
        let page = PageRequest::read(
            &["ListSegments"],
            request.page_size,
            &request.page_token,
            limits::PAGE_SIZE,
        )?;
        let after = String::from_utf8_lossy(page.after().unwrap_or_default()).into_owned();
        let definitions = self.definitions();
        let segments = definitions.segments();
        let from = (Bound::Excluded(after.as_str()), Bound::Unbounded);
        let listed: Vec<_> = segments
            .range::<str, _>(from)
            .take(page.size() + 1)
            .map(|(name, segment)| {
                let counter = Counter::Members { segment: name };
                (name, segment, counter.key())
            })
            .collect();
        let groups: Vec<&str> = listed.iter().map(|(_, _, it)| &*it.group).collect();
        let sizes = counters::totals_of(self.hot.as_ref(), Owner::Segmentation, &groups).await;
        let sizes = sizes.map_err(Failure::store_unavailable)?;
        let items: Vec<api::SegmentSummary> = listed
            .into_iter()
            .map(|(name, (version, expression), counter)| {
                let size = sizes.get(&counter);
                api::SegmentSummary {
                    name: (*name).to_owned(),
                    version: *version,
                    expression: (*expression).to_owned(),
                    member_count: size.and_then(|size| u64::try_from(*size).ok()).unwrap_or(0),
                }
            })
            .collect();
        let (segments, next_page_token) = page.cut(
            items,
            |item| item.name.clone().into_bytes(),
            Message::encoded_len,
        );
        Ok(api::ListSegmentsResponse {
            segments,
            next_page_token,
        })
    }

    async fn list_events(
        &self,
        request: &api::ListEventNamesRequest,
    ) -> Result<api::ListEventNamesResponse, Failure> {
        let page = PageRequest::read(
            &["ListEventNames"],
            request.page_size,
            &request.page_token,
            limits::PAGE_SIZE,
        )?;
        let after = page.after().unwrap_or_default();
        let groups = [Counter::EVENT_GROUP, Counter::TRAIT_GROUP];
        let counts = counters::totals_of(self.hot.as_ref(), Owner::Segmentation, &groups).await;
        let counts = counts.map_err(Failure::store_unavailable)?;
        let items: Vec<api::EventCount> = counts
            .iter()
            .filter_map(|(key, count)| match Counter::parse(key)? {
                Counter::Seen { event } => Some((event, count)),
                Counter::Members { .. } | Counter::OtherSeen | Counter::TraitsLeftOut => None,
            })
            .filter(|(name, _)| name.as_bytes() > after)
            .take(page.size() + 1)
            .map(|(name, count)| api::EventCount {
                name: name.to_owned(),
                count: u64::try_from(*count).unwrap_or(0),
            })
            .collect();
        let count_of = |counter: Counter<'_>| {
            let count = counts.get(&counter.key()).copied();
            count.and_then(|it| u64::try_from(it).ok()).unwrap_or(0)
        };
        let (events, next_page_token) = page.cut(
            items,
            |item| item.name.clone().into_bytes(),
            Message::encoded_len,
        );
        Ok(api::ListEventNamesResponse {
            events,
            next_page_token,
            other_count: count_of(Counter::OtherSeen),
            left_out_trait_count: count_of(Counter::TraitsLeftOut),
        })
    }
}

#[tonic::async_trait]
impl SegmentationService for SegmentationRpc {
    async fn get_profile(
        &self,
        request: Request<api::GetProfileRequest>,
    ) -> Result<Response<api::GetProfileResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let (text, after) = (&request.customer_id, &request.after);
        let found = self.find(text, after, |_| Vec::new()).await?;
        Ok(Response::new(api::GetProfileResponse {
            profile: Some(message::profile(found.customer, &found.state)),
        }))
    }

    async fn list_segments(
        &self,
        request: Request<api::ListSegmentsRequest>,
    ) -> Result<Response<api::ListSegmentsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.list(&request).await?))
    }

    async fn list_event_names(
        &self,
        request: Request<api::ListEventNamesRequest>,
    ) -> Result<Response<api::ListEventNamesResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.list_events(&request).await?))
    }

    async fn explain_membership(
        &self,
        request: Request<api::ExplainMembershipRequest>,
    ) -> Result<Response<api::ExplainMembershipResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.explain(&request).await?))
    }

    async fn check_expression(
        &self,
        request: Request<api::CheckExpressionRequest>,
    ) -> Result<Response<api::CheckExpressionResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let scope = self.definitions().scope();
        let answer = match expr::check(&request.expression, &scope) {
            Ok((kind, reads)) => {
                let names = |names: std::collections::BTreeSet<Box<str>>| {
                    names.into_iter().map(String::from).collect()
                };
                api::CheckExpressionResponse {
                    r#type: kind.name().to_owned(),
                    traits: names(reads.traits),
                    events: names(reads.events),
                    segments: names(reads.segments),
                    errors: Vec::new(),
                }
            }
            Err(mistakes) => api::CheckExpressionResponse {
                errors: mistakes
                    .into_iter()
                    .map(|mistake| api::ExpressionError {
                        line: mistake.line,
                        column: mistake.column,
                        message: mistake.message,
                    })
                    .collect(),
                ..api::CheckExpressionResponse::default()
            },
        };
        Ok(Response::new(answer))
    }
}

fn violation(field: &str, what: &impl ToString) -> Violation {
    Violation::new(field, what.to_string())
}
