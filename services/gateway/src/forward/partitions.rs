//! Partitions of all services in one place: a call that names a service goes there, and any other
//! to all of them.

use std::sync::Arc;

use futures::future::join_all;
use kernel::Owner;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::engine::v1::partition_service_server::PartitionService;
use proto::engine::v1::{
    AwaitIdleRequest, AwaitIdleResponse, DiscardQuarantinedRecordsRequest,
    DiscardQuarantinedRecordsResponse, GetInstallationRequest, GetInstallationResponse,
    ListPartitionsRequest, ListPartitionsResponse, ListQuarantinedRecordsRequest,
    ListQuarantinedRecordsResponse, PreviewSplitRequest, PreviewSplitResponse,
    RetryQuarantinedRecordsRequest, RetryQuarantinedRecordsResponse,
};
use rpc::limits::MESSAGE_BYTES;
use rpc::{ErrorReason, Failure, validate};
use tonic::{Request, Response, Status};

use super::homes::{Home, Homes, Sender, Way};
use super::pages::Page;
use crate::limits::PARTITIONS_PER_PAGE;

/// The services that work on partitions, in the order of their names, as lists have them.
const BY_NAME: [Owner; 3] = [Owner::Activation, Owner::Journey, Owner::Segmentation];

/// Works on no partition, and asks those who do. Cheap to clone.
#[derive(Clone)]
pub(super) struct Partitions {
    homes: Arc<Homes>,
}

/// Returns the service of a name.
fn owner_of(name: &str) -> Result<Owner, Failure> {
    let owner = Owner::ALL.into_iter().find(|owner| owner.name() == name);
    owner.ok_or_else(|| {
        Failure::not_found(
            ErrorReason::ServiceNotFound,
            "service with partitions",
            name,
        )
    })
}

impl Partitions {
    pub(super) const fn new(homes: Arc<Homes>) -> Self {
        Self { homes }
    }

    fn client(&self, owner: Owner) -> PartitionServiceClient<Way> {
        let way = self.homes.way(Home::Service(owner));
        PartitionServiceClient::new(way).max_decoding_message_size(MESSAGE_BYTES)
    }

    async fn list(
        &self,
        sender: &Sender,
        request: &ListPartitionsRequest,
    ) -> Result<ListPartitionsResponse, Status> {
        let sizes = (request.page_size, PARTITIONS_PER_PAGE);
        let mut page = Page::begin(&BY_NAME, Owner::name, &request.page_token, sizes)?;
        let mut partitions = Vec::new();
        while let Some(ask) = page.ask() {
            let asked = ListPartitionsRequest {
                service: ask.home.name().to_owned(),
                page_size: ask.size,
                page_token: ask.token,
            };
            let answer = self
                .client(ask.home)
                .list_partitions(sender.asks(asked))
                .await;
            let answer = Home::Service(ask.home).said(answer)?;
            let count = answer.partitions.len();
            partitions.extend(answer.partitions);
            let bytes = partitions.iter().map(prost::Message::encoded_len).sum();
            let next = page.take(Owner::name, (count, bytes), answer.next_page_token);
            if let Some(next_page_token) = next {
                return Ok(ListPartitionsResponse {
                    partitions,
                    next_page_token,
                });
            }
        }
        Ok(ListPartitionsResponse {
            partitions,
            next_page_token: String::new(),
        })
    }

    async fn await_idle_at(
        &self,
        sender: &Sender,
        owner: Owner,
    ) -> Result<AwaitIdleResponse, Status> {
        let asked = AwaitIdleRequest {
            service: owner.name().to_owned(),
        };
        let answer = self.client(owner).await_idle(sender.asks(asked)).await;
        Home::Service(owner).said(answer)
    }

    /// Waits until nothing is left to do anywhere. One service's last commit may be another one's
    /// next record, in a circle: only a whole round in which nobody committed proves that all are
    /// idle.
    async fn await_all_idle(&self, sender: &Sender) -> Result<AwaitIdleResponse, Status> {
        let mut last = None;
        loop {
            let mut commit_count = 0_u64;
            for owner in BY_NAME {
                let answer = self.await_idle_at(sender, owner).await?;
                commit_count = commit_count.saturating_add(answer.commit_count);
            }
            if last == Some(commit_count) {
                return Ok(AwaitIdleResponse { commit_count });
            }
            last = Some(commit_count);
        }
    }

    /// Tells what the services that answer say together. This process is none of their workers.
    async fn installation(&self, sender: &Sender) -> Result<GetInstallationResponse, Status> {
        let answers = Owner::ALL.map(|owner| async move {
            let asked = sender.asks(GetInstallationRequest {});
            let answer = self.client(owner).get_installation(asked).await;
            Home::Service(owner).said(answer)
        });
        let mut all: Option<GetInstallationResponse> = None;
        let mut failure = None;
        for answer in join_all(answers).await {
            match (answer, &mut all) {
                (Err(status), _) => failure = Some(status),
                (Ok(answer), None) => all = Some(answer),
                (Ok(answer), Some(all)) => {
                    all.services.extend(answer.services);
                    all.workers.extend(answer.workers);
                }
            }
        }
        match (all, failure) {
            (Some(mut all), _) => {
                let mut services = Owner::ALL.map(Owner::name).to_vec();
                services.push(Home::Here.name());
                services.retain(|name| {
                    *name == Home::Here.name() || all.services.iter().any(|own| own == name)
                });
                all.services = services.into_iter().map(str::to_owned).collect();
                let key = |it: &proto::engine::v1::Worker| (it.service.clone(), it.name.clone());
                all.workers.sort_by_key(key);
                all.workers.dedup_by_key(|it| key(it));
                Ok(all)
            }
            (None, Some(status)) => Err(status),
            (None, None) => Err(Failure::internal("there are no services").into()),
        }
    }
}

#[tonic::async_trait]
impl PartitionService for Partitions {
    async fn list_partitions(
        &self,
        request: Request<ListPartitionsRequest>,
    ) -> Result<Response<ListPartitionsResponse>, Status> {
        let (sender, request) = Sender::of(request);
        validate(&request)?;
        if request.service.is_empty() {
            return self.list(&sender, &request).await.map(Response::new);
        }
        let owner = owner_of(&request.service)?;
        let answer = self
            .client(owner)
            .list_partitions(sender.asks(request))
            .await;
        Home::Service(owner).said(answer).map(Response::new)
    }

    async fn list_quarantined_records(
        &self,
        request: Request<ListQuarantinedRecordsRequest>,
    ) -> Result<Response<ListQuarantinedRecordsResponse>, Status> {
        let (sender, request) = Sender::of(request);
        validate(&request)?;
        let owner = owner_of(&request.service)?;
        let mut client = self.client(owner);
        let answer = client.list_quarantined_records(sender.asks(request)).await;
        Home::Service(owner).said(answer).map(Response::new)
    }

    async fn retry_quarantined_records(
        &self,
        request: Request<RetryQuarantinedRecordsRequest>,
    ) -> Result<Response<RetryQuarantinedRecordsResponse>, Status> {
        let (sender, request) = Sender::of(request);
        validate(&request)?;
        let owner = owner_of(&request.service)?;
        let mut client = self.client(owner);
        let answer = client.retry_quarantined_records(sender.asks(request)).await;
        Home::Service(owner).said(answer).map(Response::new)
    }

    async fn discard_quarantined_records(
        &self,
        request: Request<DiscardQuarantinedRecordsRequest>,
    ) -> Result<Response<DiscardQuarantinedRecordsResponse>, Status> {
        let (sender, request) = Sender::of(request);
        validate(&request)?;
        let owner = owner_of(&request.service)?;
        let mut client = self.client(owner);
        let answer = client
            .discard_quarantined_records(sender.asks(request))
            .await;
        Home::Service(owner).said(answer).map(Response::new)
    }

    async fn preview_split(
        &self,
        request: Request<PreviewSplitRequest>,
    ) -> Result<Response<PreviewSplitResponse>, Status> {
        let (sender, request) = Sender::of(request);
        validate(&request)?;
        let owner = owner_of(&request.service)?;
        let answer = self.client(owner).preview_split(sender.asks(request)).await;
        Home::Service(owner).said(answer).map(Response::new)
    }

    async fn get_installation(
        &self,
        request: Request<GetInstallationRequest>,
    ) -> Result<Response<GetInstallationResponse>, Status> {
        let (sender, request) = Sender::of(request);
        validate(&request)?;
        self.installation(&sender).await.map(Response::new)
    }

    async fn await_idle(
        &self,
        request: Request<AwaitIdleRequest>,
    ) -> Result<Response<AwaitIdleResponse>, Status> {
        let (sender, request) = Sender::of(request);
        validate(&request)?;
        if request.service.is_empty() {
            return self.await_all_idle(&sender).await.map(Response::new);
        }
        let owner = owner_of(&request.service)?;
        self.await_idle_at(&sender, owner).await.map(Response::new)
    }
}
