//! The gRPC service: reads counters and states, changes nothing.

mod customer;
mod flow;
mod happy_path;
mod map_flow;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::counters;
use hot::{Owner, SharedHotStore};
use journey_core::counter::Counter;
use journey_core::state::State;
use journey_core::{Definitions, JourneyCore};
use kernel::{CounterKey, CustomerId};
use proto::journey::v1::journey_service_server::JourneyService;
use proto::journey::v1::{
    GetCustomerJourneysRequest, GetCustomerJourneysResponse, GetFlowRequest, GetFlowResponse,
    GetMapFlowRequest, GetMapFlowResponse, MeasureHappyPathRequest, MeasureHappyPathResponse,
};
use rpc::{ErrorReason, Failure, Violation, validate};
use runtime::CustomerReads;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

/// Answers where customers are, how they flow, and where they leave the happy path.
#[derive(Debug, Clone)]
pub struct JourneyRpc {
    hot: SharedHotStore,
    reads: CustomerReads,
    definitions: watch::Receiver<Arc<Definitions>>,
}

impl JourneyRpc {
    /// Answers from a hot store and the definitions in force.
    pub fn new(hot: SharedHotStore, definitions: watch::Receiver<Arc<Definitions>>) -> Self {
        Self {
            reads: CustomerReads::new(Arc::clone(&hot)),
            hot,
            definitions,
        }
    }

    fn definitions(&self) -> Arc<Definitions> {
        Arc::clone(&self.definitions.borrow())
    }

    async fn totals(&self, groups: &[&str]) -> Result<BTreeMap<CounterKey, i64>, Failure> {
        counters::totals_of(self.hot.as_ref(), Owner::Journey, groups)
            .await
            .map_err(Failure::store_unavailable)
    }

    /// The state of a customer, or of the one that it was joined into, with the parts that are
    /// shown, after a write where a position is given; and whose it is.
    async fn find_state(
        &self,
        customer: CustomerId,
        after: &str,
    ) -> Result<(CustomerId, State), Failure> {
        let want = State::parts_to_show;
        let found = self
            .reads
            .find::<JourneyCore>(customer, after, want)
            .await?;
        let state = found.state.ok_or_else(|| {
            let text = customer.to_string();
            Failure::not_found(
                ErrorReason::ProfileNotFound,
                "journey state of customer",
                &text,
            )
        })?;
        Ok((found.customer, state))
    }
}

#[tonic::async_trait]
impl JourneyService for JourneyRpc {
    async fn get_flow(
        &self,
        request: Request<GetFlowRequest>,
    ) -> Result<Response<GetFlowResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let definitions = self.definitions();
        let versions = definitions.journey_versions(&request.journey);
        let missing =
            |name: &str| Failure::not_found(ErrorReason::JourneyNotFound, "journey", name);
        if versions.is_empty() {
            return Err(missing(&request.journey).into());
        }
        if request.version != 0 && !versions.contains(&request.version) {
            let name = format!("{}, version {}", request.journey, request.version);
            return Err(missing(&name).into());
        }
        let asked = match request.version {
            0 => versions,
            version => vec![version],
        };
        let groups = asked.iter();
        let groups = groups.map(|version| Counter::journey_group(&request.journey, *version));
        let groups: Vec<String> = groups.collect();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let totals = self.totals(&groups).await?;
        Ok(Response::new(flow::answer(
            &definitions,
            request.journey,
            &asked,
            &totals,
        )))
    }

    async fn get_map_flow(
        &self,
        request: Request<GetMapFlowRequest>,
    ) -> Result<Response<GetMapFlowResponse>, Status> {
        let map = request.into_inner();
        validate(&map)?;
        let Some(stages) = self.definitions().stages(&map.map) else {
            return Err(Failure::not_found(ErrorReason::MapNotFound, "map", &map.map).into());
        };
        let totals = self.totals(&[&Counter::map_group(&map.map)]).await?;
        Ok(Response::new(map_flow::answer(map.map, &stages, &totals)))
    }

    async fn measure_happy_path(
        &self,
        request: Request<MeasureHappyPathRequest>,
    ) -> Result<Response<MeasureHappyPathResponse>, Status> {
        let path = request.into_inner();
        validate(&path)?;
        let name = path.happy_path;
        let Some(milestones) = self.definitions().milestones(&name) else {
            let reason = ErrorReason::HappyPathNotFound;
            return Err(Failure::not_found(reason, "happy path", &name).into());
        };
        let totals = self.totals(&[&Counter::path_group(&name)]).await?;
        Ok(Response::new(happy_path::answer(
            name,
            &milestones,
            &totals,
        )))
    }

    async fn get_customer_journeys(
        &self,
        request: Request<GetCustomerJourneysRequest>,
    ) -> Result<Response<GetCustomerJourneysResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let customer: CustomerId = request.customer_id.parse().map_err(|error| {
            Failure::invalid([Violation::new("customer_id", format!("{error}"))])
        })?;
        if customer.is_account() {
            return Err(Failure::is_account("customer_id", &request.customer_id).into());
        }
        let (customer, state) = self.find_state(customer, &request.after).await?;
        Ok(Response::new(customer::answer(customer, &state.open())))
    }
}

/// A count as answers carry it. Counters of what is there are never negative over all partitions,
/// but may seem so for a moment while a merged customer moves from one to another.
fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
