//! Waits until an installation has come to rest, gathers what it knows, and has it checked against
//! the record.

use std::sync::Mutex;

use proto::engine::v1::Partition;
use proto::identity;
use proto::identity::v1::get_customer_request::Key;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{GetCustomerRequest, Identifier};
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::journey::v1::{GetFlowRequest, GetFlowResponse};
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use proto::segmentation::v1::{
    GetProfileRequest, ListEventNamesRequest, ListSegmentsRequest, Profile,
};
use tonic::{Code, Status};

use super::installation::{Installation, WAIT};
use super::load::{self, PURCHASE, Record, USERS, user_id};
use crate::history::{Customer, History, Loss, Totals};
use crate::suite::{ACTIVATION, IDENTITY, JOURNEY, SEGMENTATION, eventually};

impl Installation {
    /// Waits until everything that was accepted has had all its effects, and fails where the
    /// history has a fault. Returns the history.
    pub(crate) async fn review(&mut self, record: &Mutex<Record>, loss: Option<Loss>) -> History {
        let mut last = String::new();
        // A fault may still come right: a delivery that died with its process is tried again
        // after a minute.
        let history = eventually(async || match self.look(record, loss).await {
            Ok(history) => {
                last = history.faults().join("\n");
                last.is_empty().then_some(history)
            }
            Err(status) => {
                last = format!("{status:?}");
                None
            }
        })
        .await;
        self.assert_running();
        let Some(history) = history else {
            panic!("it does not come right:\n{last}\n{}", self.logs());
        };
        assert!(!history.sent.is_empty(), "there was a load");
        history
    }

    async fn look(&self, record: &Mutex<Record>, loss: Option<Loss>) -> Result<History, Status> {
        self.await_idle().await?;
        let customers = self.customers().await?;
        let totals = self.totals().await?;
        let sent = load::lock(record).sent.clone();
        Ok(History {
            sent,
            arrived: self.hooks.arrived(),
            customers,
            totals,
            wait: WAIT,
            loss,
        })
    }

    async fn customers(&self) -> Result<Vec<Customer>, Status> {
        let mut customers = Vec::with_capacity(USERS);
        for user in 0..USERS {
            let (found, profile) = self.user(user).await?;
            customers.push(customer(found.fragment_ids, &profile));
        }
        Ok(customers)
    }

    /// The customer that a user is, with the profile; empty ones where nobody knows them.
    pub(crate) async fn user(
        &self,
        user: usize,
    ) -> Result<(identity::v1::Customer, Profile), Status> {
        let mut identity = IdentityServiceClient::new(self.channel(IDENTITY));
        let request = GetCustomerRequest {
            key: Some(Key::Identifier(Identifier {
                namespace: "user_id".to_owned(),
                value: user_id(user),
            })),
            after: String::new(),
        };
        let found = match identity.get_customer(request).await {
            Ok(answer) => answer.into_inner().customer.unwrap_or_default(),
            Err(status) if status.code() == Code::NotFound => return Ok(Default::default()),
            Err(status) => return Err(status),
        };
        let mut segmentation = SegmentationServiceClient::new(self.channel(SEGMENTATION));
        let request = GetProfileRequest {
            customer_id: found.customer_id.clone(),
            after: String::new(),
        };
        match segmentation.get_profile(request).await {
            Ok(answer) => Ok((found, answer.into_inner().profile.unwrap_or_default())),
            Err(status) if status.code() == Code::NotFound => Ok((found, Profile::default())),
            Err(status) => Err(status),
        }
    }

    /// The numbers of runs of a journey.
    pub(crate) async fn flow(&self, journey_name: &str) -> Result<GetFlowResponse, Status> {
        let mut journey = JourneyServiceClient::new(self.channel(JOURNEY));
        let request = GetFlowRequest {
            journey: journey_name.to_owned(),
            version: 0,
        };
        Ok(journey.get_flow(request).await?.into_inner())
    }

    async fn totals(&self) -> Result<Totals, Status> {
        let (thank, welcome) = (
            self.flow("thank_buyers").await?,
            self.flow("welcome_buyers").await?,
        );
        let mut segmentation = SegmentationServiceClient::new(self.channel(SEGMENTATION));
        let segments = segmentation
            .list_segments(ListSegmentsRequest::default())
            .await?
            .into_inner()
            .segments;
        let names = segmentation
            .list_event_names(ListEventNamesRequest::default())
            .await?
            .into_inner()
            .events;
        let mut quarantined = 0;
        for service in [SEGMENTATION, JOURNEY, ACTIVATION] {
            let partitions: Vec<Partition> = self.partitions(service).await?;
            quarantined += partitions
                .iter()
                .map(|partition| partition.quarantined_count)
                .sum::<u64>();
        }
        let steps = [&thank, &welcome].into_iter().flat_map(|flow| {
            flow.steps.iter().map(|step| {
                let name = format!("{}/{}", flow.journey, step.step);
                (name, step.in_count, step.out_count, step.present_count)
            })
        });
        Ok(Totals {
            entered: thank.entered_count,
            active: thank.active_count + welcome.active_count,
            completed: completed(&thank),
            steps: steps.collect(),
            welcomed: welcome.entered_count,
            buyers: segments
                .iter()
                .find(|segment| segment.name == "buyers")
                .map_or(0, |segment| segment.member_count),
            purchases: names
                .iter()
                .find(|event| event.name == "purchase")
                .map_or(0, |event| event.count),
            quarantined,
        })
    }
}

/// The number of runs that came to their end.
pub(crate) fn completed(flow: &GetFlowResponse) -> u64 {
    let mut reasons = flow.reasons.iter();
    let completed = reasons.find(|reason| reason.reason == "COMPLETED");
    completed.map_or(0, |reason| reason.count)
}

/// The number of events of a name.
pub(crate) fn count(profile: &Profile, name: &str) -> u64 {
    let event = profile.events.iter().find(|event| event.name == name);
    event.map_or(0, |event| event.count)
}

fn customer(fragment_ids: Vec<String>, profile: &Profile) -> Customer {
    Customer {
        fragment_ids,
        purchases: count(profile, PURCHASE),
        receipts: count(profile, "activation_delivered"),
        recent: profile
            .recent_events
            .iter()
            .filter_map(|event| load::order(&event.event_id))
            .collect(),
    }
}
