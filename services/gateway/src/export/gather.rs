//! The export of a customer: asks one service after the other, page by page.

use changes::Position;
use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::activation::v1::{GetConsentRequest, ListActivationsRequest};
use proto::gateway::v1::change_service_client::ChangeServiceClient;
use proto::gateway::v1::export_customer_request::Key;
use proto::gateway::v1::{
    ChangeFilter, ExportCustomerRequest, ExportCustomerResponse, GetChangeLogRequest,
    WatchChangesRequest,
};
use proto::identity::v1::account_service_client::AccountServiceClient;
use proto::identity::v1::get_customer_request::Key as CustomerKey;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{
    Customer, GetCustomerRequest, ListMembershipsRequest, list_memberships_request,
};
use proto::journey::v1::GetCustomerJourneysRequest;
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use rpc::ErrorReason;
use tonic::Status;

use super::Asker;
use super::line::{Section, Sender};
use super::subject::{Gathered, PAGE, Subject, found, kept};

/// An export under way.
pub(super) struct Gather {
    subject: Subject<ExportCustomerResponse>,
    customer: Customer,
}

impl Gather {
    /// Finds the customer.
    ///
    /// # Errors
    /// As identity answers.
    pub(super) async fn begin(
        asker: Asker,
        request: ExportCustomerRequest,
        sender: Sender<ExportCustomerResponse>,
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
        Ok(Self {
            subject: Subject::new(asker, customer.customer_id.clone(), sender),
            customer,
        })
    }

    /// Sends all lines.
    ///
    /// # Errors
    /// As the first service that does not answer says: the export is not whole then.
    pub(super) async fn run(mut self) -> Gathered {
        self.subject.tell(Section::Customer, &self.customer).await?;
        self.subject.evidence().await?;
        self.subject.history().await?;
        let profile = self.subject.profile().await?;
        let segments = profile.map(|it| it.memberships).unwrap_or_default();
        self.subject.tell_all(Section::Segment, segments).await?;
        self.accounts().await?;
        self.journeys().await?;
        self.consents().await?;
        self.activations().await?;
        self.subject.events().await?;
        self.changes().await?;
        self.subject.teller.end(Section::OF_CUSTOMER).await
    }

    fn id(&self) -> String {
        self.subject.id.clone()
    }

    async fn accounts(&mut self) -> Gathered {
        let mut client = AccountServiceClient::new(self.subject.asker.calls());
        let mut page_token = String::new();
        loop {
            let message = ListMembershipsRequest {
                key: Some(list_memberships_request::Key::CustomerId(self.id())),
                at: None,
                page_size: PAGE,
                page_token,
            };
            let answer = client.list_memberships(self.subject.asker.asks(message));
            let answer = answer.await?.into_inner();
            self.subject
                .tell_all(Section::Account, answer.memberships)
                .await?;
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }

    async fn journeys(&mut self) -> Gathered {
        let mut client = JourneyServiceClient::new(self.subject.asker.calls());
        let message = GetCustomerJourneysRequest {
            customer_id: self.id(),
            after: String::new(),
        };
        let answer = found(
            client
                .get_customer_journeys(self.subject.asker.asks(message))
                .await,
        )?;
        let Some(answer) = answer else {
            return Ok(());
        };
        self.subject
            .tell_all(Section::Journey, answer.history)
            .await?;
        self.subject
            .tell_all(Section::Journey, answer.arm_assignments)
            .await?;
        self.subject.tell_all(Section::Run, answer.runs).await?;
        self.subject
            .tell_all(Section::HappyPath, answer.happy_paths)
            .await?;
        self.subject
            .tell_all(Section::Position, answer.positions)
            .await
    }

    async fn consents(&mut self) -> Gathered {
        let mut client = ActivationServiceClient::new(self.subject.asker.calls());
        let message = GetConsentRequest {
            customer_id: self.id(),
            after: String::new(),
        };
        let answer = found(client.get_consent(self.subject.asker.asks(message)).await)?;
        let consents = answer.map(|answer| answer.consents).unwrap_or_default();
        self.subject.tell_all(Section::Consent, consents).await
    }

    async fn activations(&mut self) -> Gathered {
        let mut client = ActivationServiceClient::new(self.subject.asker.calls());
        let mut page_token = String::new();
        loop {
            let message = ListActivationsRequest {
                customer_id: self.id(),
                page_size: PAGE,
                page_token,
                after: String::new(),
            };
            let answer = found(
                client
                    .list_activations(self.subject.asker.asks(message))
                    .await,
            )?;
            let Some(answer) = answer else {
                return Ok(());
            };
            self.subject
                .tell_all(Section::Activation, answer.activations)
                .await?;
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }

    /// Reads the log of changes as far as it goes now.
    async fn changes(&mut self) -> Gathered {
        let client = ChangeServiceClient::new(self.subject.asker.calls());
        let mut client = client.max_decoding_message_size(kernel::limits::MESSAGE_BYTES);
        let log = client.get_change_log(self.subject.asker.asks(GetChangeLogRequest {}));
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
        let watch = client
            .watch_changes(self.subject.asker.watches(message))
            .await?;
        let mut watch = watch.into_inner();
        while let Some(message) = watch.message().await? {
            self.subject
                .tell_all(Section::Change, message.changes)
                .await?;
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

impl std::fmt::Debug for Gather {
    /// Leaves out the customer.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gather").finish_non_exhaustive()
    }
}
