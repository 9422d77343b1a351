//! A client that records consents, each until it is acknowledged, and asks for them afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::activation::v1::{GetConsentRequest, SetConsentRequest};
use tokio::task::JoinHandle;
use tonic::Request;

use crate::faults::installation::{Installation, channel};
use crate::faults::load::USERS;
use crate::suite::{ACTIVATION, PATIENCE, PAUSE, eventually};

/// Customers who consent, at the most.
const CUSTOMERS: usize = 30;
/// Consents of which something can be said, at the least, also on a slow machine.
const SOME: usize = 5;
/// The time that the client waits for an answer before it asks again.
const ANSWER: Duration = Duration::from_secs(5);

/// A consent that was acknowledged.
#[derive(Debug)]
pub(super) struct Given {
    customer_id: String,
    purpose: String,
}

/// Customers who consent to one purpose after another until they are told to stop.
pub(super) struct Consents {
    task: JoinHandle<Vec<Given>>,
    is_stopped: Arc<AtomicBool>,
}

impl Consents {
    /// Begins with customers who are known.
    pub(super) async fn start(installation: &Installation) -> Self {
        let mut customers = Vec::new();
        for user in 0..USERS {
            if customers.len() == CUSTOMERS {
                break;
            }
            let (customer, _) = installation.user(user).await.expect("an answer");
            if !customer.customer_id.is_empty() {
                customers.push(customer.customer_id);
            }
        }
        let is_stopped = Arc::new(AtomicBool::new(false));
        let url = installation.services[ACTIVATION].url();
        let task = tokio::spawn(consent(url, customers, Arc::clone(&is_stopped)));
        Self { task, is_stopped }
    }

    /// Asks for nothing new, and returns what was acknowledged.
    pub(super) async fn stop(self) -> Vec<Given> {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.task.await.expect("no panic")
    }
}

async fn consent(url: String, customers: Vec<String>, is_stopped: Arc<AtomicBool>) -> Vec<Given> {
    let mut client = ActivationServiceClient::new(channel(&url));
    let mut given = Vec::new();
    for (number, customer_id) in customers.iter().cycle().enumerate() {
        if is_stopped.load(Ordering::Relaxed) {
            break;
        }
        let purpose = format!("purpose_{number}");
        let wish = SetConsentRequest {
            request_id: purpose.clone(),
            customer_id: customer_id.clone(),
            purpose: purpose.clone(),
            granted: true,
            ..SetConsentRequest::default()
        };
        let begun = Instant::now();
        loop {
            let mut request = Request::new(wish.clone());
            request.set_timeout(ANSWER);
            match client.set_consent(request).await {
                Ok(_) => break,
                Err(status) => assert!(begun.elapsed() < PATIENCE, "still refused: {status:?}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
        given.push(Given {
            customer_id: customer_id.clone(),
            purpose,
        });
        tokio::time::sleep(PAUSE).await;
    }
    given
}

/// Waits until every consent that was acknowledged is in effect, once.
pub(super) async fn are_given(installation: &Installation, all: &[Given]) {
    assert!(all.len() > SOME, "{} consents", all.len());
    let mut client = ActivationServiceClient::new(installation.channel(ACTIVATION));
    for given in all {
        let mut last = Vec::new();
        let found = eventually(async || {
            let request = GetConsentRequest {
                customer_id: given.customer_id.clone(),
                after: String::new(),
            };
            let answer = client.get_consent(request).await.ok()?.into_inner();
            last = answer.consents;
            let own = last.iter().filter(|it| it.purpose == given.purpose);
            let own: Vec<bool> = own.map(|it| it.granted).collect();
            (own == [true]).then_some(())
        });
        let is_there = found.await.is_some();
        assert!(is_there, "{given:?} is missing among {last:?}");
    }
}
