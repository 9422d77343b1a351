//! Somebody who asks all services all the time, as clients do: what is refused is asked again, at
//! the next node of the service.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::activation::v1::GetConsentRequest;
use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::identity::v1::get_customer_request::Key;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{GetCustomerRequest, Identifier};
use proto::journey::v1::GetFlowRequest;
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::segmentation::v1::GetProfileRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use rpc::PeerChannel;
use tokio::task::JoinSet;
use tonic::{Code, Request, Status};

use super::fleet::now_ms;
use crate::faults::installation::channel_with;
use crate::faults::load::user_id;
use crate::suite::{ACTIVATION, IDENTITY, JOURNEY, NAMES, SEGMENTATION};

/// The tries of a question of a client with a usual policy: as many as gRPC allows at the most.
pub(super) const TRIES: usize = 5;
/// The time that an answer may take before it is asked again.
const ANSWER: Duration = Duration::from_secs(2);
/// The pause before a question is asked again, and between two questions.
const PAUSE: Duration = Duration::from_millis(100);
/// A customer whom nobody was ever told of: what is asked about them is answered all the same.
const STRANGER: &str = "018f3b1e-0000-7000-8000-000000000001";

/// A question, and what it was refused with before it was answered.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) service: &'static str,
    pub(super) begin_ms: i64,
    pub(super) end_ms: i64,
    pub(super) refusals: Vec<Status>,
}

/// Readers of all services, until they are dropped.
pub(super) struct Readers {
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Readers {
    /// Begins to ask: `urls` has the nodes of each service.
    pub(super) fn start(urls: [Vec<String>; NAMES.len()], key: Option<&str>) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let mut tasks = JoinSet::new();
        for (service, urls) in urls.into_iter().enumerate() {
            let nodes = urls.iter().map(|url| channel_with(url, key)).collect();
            tasks.spawn(read(service, nodes, Arc::clone(&asked)));
        }
        Self {
            asked,
            _tasks: tasks,
        }
    }

    /// All questions that were answered so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }
}

fn lock(asked: &Mutex<Vec<Asked>>) -> MutexGuard<'_, Vec<Asked>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn read(service: usize, nodes: Vec<PeerChannel>, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut next = 0;
    loop {
        let begin_ms = now_ms();
        let mut refusals = Vec::new();
        while let Err(status) = ask(service, &nodes[next % nodes.len()]).await {
            refusals.push(status);
            next += 1;
            tokio::time::sleep(PAUSE).await;
        }
        lock(&asked).push(Asked {
            service: NAMES[service],
            begin_ms,
            end_ms: now_ms(),
            refusals,
        });
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks a service something that needs its stores.
async fn ask(service: usize, node: &PeerChannel) -> Result<(), Status> {
    let answer = match service {
        IDENTITY => {
            let identifier = Identifier {
                namespace: "user_id".to_owned(),
                value: user_id(0),
            };
            let request = GetCustomerRequest {
                key: Some(Key::Identifier(identifier)),
                after: String::new(),
            };
            let mut client = IdentityServiceClient::new(node.clone());
            client.get_customer(timely(request)).await.map(drop)
        }
        SEGMENTATION => {
            let request = GetProfileRequest {
                customer_id: STRANGER.to_owned(),
                after: String::new(),
            };
            let mut client = SegmentationServiceClient::new(node.clone());
            client.get_profile(timely(request)).await.map(drop)
        }
        JOURNEY => {
            let request = GetFlowRequest {
                journey: "thank_buyers".to_owned(),
                version: 0,
            };
            let mut client = JourneyServiceClient::new(node.clone());
            client.get_flow(timely(request)).await.map(drop)
        }
        ACTIVATION => {
            let request = GetConsentRequest {
                customer_id: STRANGER.to_owned(),
                after: String::new(),
            };
            let mut client = ActivationServiceClient::new(node.clone());
            client.get_consent(timely(request)).await.map(drop)
        }
        _ => unreachable!("there are four services"),
    };
    match answer {
        Err(status) if status.code() == Code::NotFound => Ok(()),
        other => other,
    }
}

fn timely<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(ANSWER);
    request
}
