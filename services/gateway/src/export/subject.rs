//! The questions that are asked about customers and accounts alike: both are subjects of the same
//! services.

use prost_reflect::ReflectMessage;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::resolution_service_client::ResolutionServiceClient;
use proto::identity::v1::{
    ExplainIdentityRequest, ListEventsRequest, ListHistoryRequest, explain_identity_request,
    list_events_request, list_history_request,
};
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use proto::segmentation::v1::{GetProfileRequest, Profile};
use rpc::ErrorReason;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use super::Asker;
use super::line::{Line, Section, Sender, Teller};

/// Items of a page.
pub(super) const PAGE: u32 = 100;

/// The caller is gone, or a service did not answer.
pub(super) type Gathered = Result<(), Status>;

/// Whoever is exported.
pub(super) struct Subject<L> {
    pub(super) asker: Asker,
    /// The canonical id.
    pub(super) id: String,
    pub(super) teller: Teller<L>,
}

impl<L: Line> Subject<L> {
    /// Begins an export of the subject of an id.
    pub(super) fn new(asker: Asker, id: String, sender: Sender<L>) -> Self {
        if let Ok(id) = id.parse() {
            audit::subject(id);
        }
        Self {
            asker,
            id,
            teller: Teller::new(sender),
        }
    }

    pub(super) async fn tell<M: ReflectMessage>(&mut self, section: Section, one: &M) -> Gathered {
        self.teller.tell(section, one).await
    }

    pub(super) async fn tell_all<M: ReflectMessage>(
        &mut self,
        section: Section,
        all: Vec<M>,
    ) -> Gathered {
        self.teller.tell_all(section, all).await
    }

    pub(super) async fn evidence(&mut self) -> Gathered {
        let mut client = ResolutionServiceClient::new(self.asker.calls());
        let message = ExplainIdentityRequest {
            key: Some(explain_identity_request::Key::CustomerId(self.id.clone())),
        };
        let answer = client.explain_identity(self.asker.asks(message)).await?;
        self.tell_all(Section::Evidence, answer.into_inner().evidence)
            .await
    }

    pub(super) async fn history(&mut self) -> Gathered {
        let mut client = ResolutionServiceClient::new(self.asker.calls());
        let mut page_token = String::new();
        loop {
            let message = ListHistoryRequest {
                key: Some(list_history_request::Key::CustomerId(self.id.clone())),
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

    /// Tells the profile, and returns it; absent until something of the subject was processed.
    pub(super) async fn profile(&mut self) -> Result<Option<Profile>, Status> {
        let mut client = SegmentationServiceClient::new(self.asker.calls());
        let message = GetProfileRequest {
            customer_id: self.id.clone(),
            after: String::new(),
        };
        let answer = found(client.get_profile(self.asker.asks(message)).await)?;
        let profile = answer.and_then(|answer| answer.profile);
        if let Some(profile) = &profile {
            self.tell(Section::Profile, profile).await?;
        }
        Ok(profile)
    }

    pub(super) async fn events(&mut self) -> Gathered {
        let client = IdentityServiceClient::new(self.asker.calls());
        let mut client = client.max_decoding_message_size(kernel::limits::MESSAGE_BYTES);
        let mut page_token = String::new();
        loop {
            let message = ListEventsRequest {
                by: Some(list_events_request::By::CustomerId(self.id.clone())),
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
}

/// The answer of a service, or nothing where it knows nobody of that name.
pub(super) fn found<T>(answer: Result<Response<T>, Status>) -> Result<Option<T>, Status> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}

/// The answer of a log, or nothing where the installation keeps none.
pub(super) fn kept<T>(
    answer: Result<Response<T>, Status>,
    absent: ErrorReason,
) -> Result<Option<T>, Status> {
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

impl<L> std::fmt::Debug for Subject<L> {
    /// Leaves out whose it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}
