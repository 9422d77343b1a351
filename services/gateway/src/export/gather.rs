//! Asks one service after the other, page by page.

use changes::Position;
use prost_reflect::ReflectMessage;
use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::activation::v1::{GetConsentRequest, ListActivationsRequest};
use proto::gateway::v1::change_service_client::ChangeServiceClient;
use proto::gateway::v1::export_customer_request::Key;
use proto::gateway::v1::{
    ChangeFilter, ExportCustomerRequest, ExportCustomerResponse, GetChangeLogRequest,
    WatchChangesRequest,
};
use proto::identity::v1::get_customer_request::Key as CustomerKey;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::resolution_service_client::ResolutionServiceClient;
use proto::identity::v1::{
    Customer, ExplainIdentityRequest, GetCustomerRequest, ListEventsRequest, ListHistoryRequest,
    explain_identity_request, list_events_request, list_history_request,
};
use proto::journey::v1::GetCustomerJourneysRequest;
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::segmentation::v1::GetProfileRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use rpc::ErrorReason;
use tokio::sync::mpsc;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use super::Asker;
use super::line::{Section, end, line};

/// Items of a page.
const PAGE: u32 = 100;

/// An export under way.
pub(super) struct Gather {
    asker: Asker,
    customer: Customer,
    sender: mpsc::Sender<Result<ExportCustomerResponse, Status>>,
    counts: [u64; Section::ALL.len()],
}

/// The caller is gone, or a service did not answer.
type Gathered = Result<(), Status>;

impl Gather {
    /// Finds the customer.
    ///
    /// # Errors
    /// As identity answers.
    pub(super) async fn begin(
        asker: Asker,
        request: ExportCustomerRequest,
        sender: mpsc::Sender<Result<ExportCustomerResponse, Status>>,
    ) -> Result<Self, Status> {
        let key = request.key.map(|key| match key {
            Key::CustomerId(id) => CustomerKey::CustomerId(id),
            Key::Identifier(identifier) => CustomerKey::Identifier(identifier),
        });
        let message = GetCustomerRequest {
            key,
            after: String::new(),
        };
        let mut client = IdentityServiceClient::new(asker.calls());
        let answer = client.get_customer(asker.asks(message)).await?;
        let customer = answer.into_inner().customer.unwrap_or_default();
        if let Ok(id) = customer.customer_id.parse() {
            audit::subject(id);
        }
        Ok(Self {
            asker,
            customer,
            sender,
            counts: [0; Section::ALL.len()],
        })
    }

    /// Sends all lines.
    ///
    /// # Errors
    /// As the first service that does not answer says: the export is not whole then.
    pub(super) async fn run(mut self) -> Gathered {
        let customer = self.customer.clone();
        self.tell(Section::Customer, &customer).await?;
        self.evidence().await?;
        self.history().await?;
        self.profile().await?;
        self.journeys().await?;
        self.consents().await?;
        self.activations().await?;
        self.events().await?;
        self.changes().await?;
        let end = end(&self.counts);
        self.send(end).await
    }

    async fn tell<M: ReflectMessage>(&mut self, section: Section, message: &M) -> Gathered {
        self.counts[section as usize] += 1;
        let line = line(section, message)?;
        self.send(line).await
    }

    async fn tell_all<M: ReflectMessage>(&mut self, section: Section, all: Vec<M>) -> Gathered {
        for message in all {
            self.tell(section, &message).await?;
        }
        Ok(())
    }

    /// Waits until the caller has room for a line.
    async fn send(&self, line: ExportCustomerResponse) -> Gathered {
        let sent = self.sender.send(Ok(line)).await;
        sent.map_err(|_| Status::cancelled("the caller is gone"))
    }

    fn id(&self) -> String {
        self.customer.customer_id.clone()
    }

    async fn evidence(&mut self) -> Gathered {
        let mut client = ResolutionServiceClient::new(self.asker.calls());
        let message = ExplainIdentityRequest {
            key: Some(explain_identity_request::Key::CustomerId(self.id())),
        };
        let answer = client.explain_identity(self.asker.asks(message)).await?;
        self.tell_all(Section::Evidence, answer.into_inner().evidence)
            .await
    }

    async fn history(&mut self) -> Gathered {
        let mut client = ResolutionServiceClient::new(self.asker.calls());
        let mut page_token = String::new();
        loop {
            let message = ListHistoryRequest {
                key: Some(list_history_request::Key::CustomerId(self.id())),
                page_size: PAGE,
                page_token,
            };
            let answer = client.list_history(self.asker.asks(message)).await?;
            let answer = answer.into_inner();
            self.tell_all(Section::History, answer.operations).await?;
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }

    async fn profile(&mut self) -> Gathered {
        let mut client = SegmentationServiceClient::new(self.asker.calls());
        let message = GetProfileRequest {
            customer_id: self.id(),
            after: String::new(),
        };
        let answer = found(client.get_profile(self.asker.asks(message)).await)?;
        let Some(profile) = answer.and_then(|answer| answer.profile) else {
            return Ok(());
        };
        self.tell(Section::Profile, &profile).await?;
        self.tell_all(Section::Segment, profile.memberships).await
    }

    async fn journeys(&mut self) -> Gathered {
        let mut client = JourneyServiceClient::new(self.asker.calls());
        let message = GetCustomerJourneysRequest {
            customer_id: self.id(),
            after: String::new(),
        };
        let answer = found(client.get_customer_journeys(self.asker.asks(message)).await)?;
        let Some(answer) = answer else {
            return Ok(());
        };
        self.tell_all(Section::Journey, answer.history).await?;
        self.tell_all(Section::Journey, answer.arm_assignments)
            .await?;
        self.tell_all(Section::Run, answer.runs).await?;
        self.tell_all(Section::HappyPath, answer.happy_paths)
            .await?;
        self.tell_all(Section::Position, answer.positions).await
    }

    async fn consents(&mut self) -> Gathered {
        let mut client = ActivationServiceClient::new(self.asker.calls());
        let message = GetConsentRequest {
            customer_id: self.id(),
            after: String::new(),
        };
        let answer = found(client.get_consent(self.asker.asks(message)).await)?;
        let consents = answer.map(|answer| answer.consents).unwrap_or_default();
        self.tell_all(Section::Consent, consents).await
    }

    async fn activations(&mut self) -> Gathered {
        let mut client = ActivationServiceClient::new(self.asker.calls());
        let mut page_token = String::new();
        loop {
            let message = ListActivationsRequest {
                customer_id: self.id(),
                page_size: PAGE,
                page_token,
                after: String::new(),
            };
            let answer = found(client.list_activations(self.asker.asks(message)).await)?;
            let Some(answer) = answer else {
                return Ok(());
            };
            self.tell_all(Section::Activation, answer.activations)
                .await?;
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }

    async fn events(&mut self) -> Gathered {
        let client = IdentityServiceClient::new(self.asker.calls());
        let mut client = client.max_decoding_message_size(kernel::limits::MESSAGE_BYTES);
        let mut page_token = String::new();
        loop {
            let message = ListEventsRequest {
                by: Some(list_events_request::By::CustomerId(self.id())),
                page_size: PAGE,
                page_token,
                ..ListEventsRequest::default()
            };
            let answer = client.list_events(self.asker.asks(message)).await;
            let Some(answer) = kept(answer, ErrorReason::EventLogAbsent)? else {
                return Ok(());
            };
            self.tell_all(Section::Event, answer.events).await?;
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }

    /// Reads the log of changes as far as it goes now.
    async fn changes(&mut self) -> Gathered {
        let client = ChangeServiceClient::new(self.asker.calls());
        let mut client = client.max_decoding_message_size(kernel::limits::MESSAGE_BYTES);
        let log = client.get_change_log(self.asker.asks(GetChangeLogRequest {}));
        let log = kept(log.await, ErrorReason::ChangesNotKept)?;
        let Some(log) = log.filter(|log| log.change_count > 0) else {
            return Ok(());
        };
        let newest = place(&log.newest_position);
        let own: Vec<String> = self
            .customer
            .fragment_ids
            .iter()
            .take(200)
            .cloned()
            .collect();
        let message = WatchChangesRequest {
            from_start: true,
            filter: Some(ChangeFilter {
                customer_ids: own,
                ..ChangeFilter::default()
            }),
            ..WatchChangesRequest::default()
        };
        let watch = client.watch_changes(self.asker.watches(message)).await?;
        let mut watch = watch.into_inner();
        while let Some(message) = watch.message().await? {
            self.tell_all(Section::Change, message.changes).await?;
            if place(&message.position) >= newest {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The place of a position in its log; before all for what is none.
fn place(position: &str) -> (u64, u32) {
    let position = position.parse::<Position>();
    position.map_or((0, 0), |it| (it.row, it.index))
}

/// The answer of a service, or nothing where it knows nobody of that name.
fn found<T>(answer: Result<Response<T>, Status>) -> Result<Option<T>, Status> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}

/// The answer of a log, or nothing where the installation keeps none.
fn kept<T>(answer: Result<Response<T>, Status>, absent: ErrorReason) -> Result<Option<T>, Status> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) => {
            let details = status.get_error_details();
            let reason = details.error_info().map(|info| info.reason.as_str());
            match reason == Some(absent.as_str()) {
                true => Ok(None),
                false => Err(status),
            }
        }
    }
}

impl std::fmt::Debug for Gather {
    /// Leaves out the customer.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gather").finish_non_exhaustive()
    }
}
