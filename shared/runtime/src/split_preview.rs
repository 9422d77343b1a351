//! Asks the services that decide what they could not tell apart, before somebody has an unmerge
//! done.

use engine::{FindError, PlannedSplit};
use kernel::{CustomerId, Owner, ParseIdError};
use proto::engine::v1::PreviewSplitRequest;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use rpc::limits::MESSAGE_BYTES;
use rpc::{Failure, Violation};
use tokio::time::{Instant, timeout_at};

use crate::neighbours::Neighbours;
use crate::peers::Peers;

/// The ways to ask: the engines of this process, and the other services. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SplitPreviews {
    neighbours: Neighbours,
    peers: Peers,
}

/// A service did not say what stays.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    /// It did not answer in time.
    #[error("it did not answer in time")]
    Late,
    /// Its engine, which is in this process, cannot read the customer.
    #[error(transparent)]
    Unread(#[from] FindError),
    /// It cannot be reached, or refuses.
    #[error("it cannot be reached, or refuses")]
    Refused(#[source] Box<tonic::Status>),
}

impl SplitPreviews {
    /// Asks by these ways.
    pub const fn new(neighbours: Neighbours, peers: Peers) -> Self {
        Self { neighbours, peers }
    }

    /// Asks a service what would stay joined, until an instant. Returns each in a sentence.
    ///
    /// # Errors
    /// [`Unasked`].
    pub async fn ask(
        &self,
        service: Owner,
        plan: &PlannedSplit,
        until: Instant,
    ) -> Result<Vec<String>, Unasked> {
        let said = timeout_at(until, self.said(service, plan)).await;
        said.map_err(|_| Unasked::Late)?
    }

    async fn said(&self, service: Owner, plan: &PlannedSplit) -> Result<Vec<String>, Unasked> {
        if let Some(engine) = self.neighbours.engine_of(service) {
            return Ok(engine.what_stays(plan).await?);
        }
        let channel = match service {
            Owner::Identity => &self.peers.identity,
            Owner::Segmentation => &self.peers.segmentation,
            Owner::Journey => &self.peers.journey,
            Owner::Activation => &self.peers.activation,
        };
        let mut client =
            PartitionServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let request = PreviewSplitRequest {
            service: service.name().to_owned(),
            customer_id: plan.customer.to_string(),
            to_customer_id: plan.to.to_string(),
            fragment_ids: plan.fragments.iter().map(ToString::to_string).collect(),
        };
        let answer = client.preview_split(request).await;
        let answer = answer.map_err(|status| Unasked::Refused(Box::new(status)))?;
        Ok(answer.into_inner().sentences)
    }
}

/// Reads a plan.
///
/// # Errors
/// [`rpc::ErrorReason::InvalidArgument`] with every field that is no id.
pub(crate) fn planned_split(request: &PreviewSplitRequest) -> Result<PlannedSplit, Failure> {
    let read = |field: String, text: &str| {
        let id: Result<CustomerId, ParseIdError> = text.parse();
        id.map_err(|error| Failure::invalid([Violation::new(field, error.to_string())]))
    };
    let fragments = request.fragment_ids.iter().enumerate();
    let fragments = fragments.map(|(at, id)| read(format!("fragment_ids[{at}]"), id));
    Ok(PlannedSplit {
        customer: read("customer_id".to_owned(), &request.customer_id)?,
        to: read("to_customer_id".to_owned(), &request.to_customer_id)?,
        fragments: fragments.collect::<Result<_, _>>()?,
    })
}
