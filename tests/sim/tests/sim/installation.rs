//! All services in one process, and clients of their public API. It knows nothing of scenarios.

use happypath::dev::{self, Options, Running};
use kernel::Timestamp;
use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::convert::timestamp;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::definition::v1::{ApplyDefinitionsRequest, Definition};
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::engine::v1::{AwaitIdleRequest, ListQuarantinedRecordsRequest};
use proto::identity::v1::AdvanceClockRequest;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

/// The services that keep partitions.
const ENGINES: [&str; 3] = ["segmentation", "journey", "activation"];

/// All services, running, and clients of them.
pub(crate) struct Installation {
    running: Running,
    pub(crate) identity: IdentityServiceClient<Channel>,
    pub(crate) segmentation: SegmentationServiceClient<Channel>,
    pub(crate) journey: JourneyServiceClient<Channel>,
    pub(crate) activation: ActivationServiceClient<Channel>,
    definitions: DefinitionServiceClient<Channel>,
    partitions: PartitionServiceClient<Channel>,
}

impl Installation {
    /// Starts all services.
    pub(crate) async fn start(options: &Options) -> Self {
        let config = options.config().expect("the options are valid");
        let running = dev::start(config).await.expect("all services start");
        let endpoint = Endpoint::from_shared(running.url()).expect("a URL");
        let channel = endpoint
            .connect()
            .await
            .expect("the services accept connections");
        Self {
            running,
            identity: IdentityServiceClient::new(channel.clone()),
            segmentation: SegmentationServiceClient::new(channel.clone()),
            journey: JourneyServiceClient::new(channel.clone()),
            activation: ActivationServiceClient::new(channel.clone()),
            definitions: DefinitionServiceClient::new(channel.clone()),
            partitions: PartitionServiceClient::new(channel),
        }
    }

    /// Applies definitions, and says what became of each: `journey welcome 1`.
    pub(crate) async fn apply(&mut self, definitions: Vec<Definition>) -> Vec<String> {
        let request = ApplyDefinitionsRequest {
            request_id: request_id(),
            definitions,
            ..ApplyDefinitionsRequest::default()
        };
        let applied = taken(self.definitions.apply_definitions(request).await).applied;
        let word = |name: &str| name.trim_start_matches("DEFINITION_KIND_").to_lowercase();
        applied
            .iter()
            .map(|one| {
                let kind = word(one.kind().as_str_name());
                format!("{kind} {} v{}", one.name, one.version)
            })
            .collect()
    }

    /// Moves the virtual clock of every partition, and waits for what that causes.
    pub(crate) async fn advance(&mut self, time: Timestamp) {
        let time = Some(timestamp(time));
        taken(
            self.identity
                .advance_clock(AdvanceClockRequest { time })
                .await,
        );
        self.settle().await;
    }

    /// Waits until nothing is under way in any service: two answers with no commit between them.
    pub(crate) async fn settle(&mut self) {
        let mut seen = None;
        loop {
            let commits = taken(
                self.partitions
                    .await_idle(AwaitIdleRequest::default())
                    .await,
            )
            .commit_count;
            if seen == Some(commits) {
                return;
            }
            seen = Some(commits);
        }
    }

    /// Ends the services, and fails where a record was set aside.
    pub(crate) async fn stop(mut self) {
        for service in ENGINES {
            let request = ListQuarantinedRecordsRequest {
                service: service.to_owned(),
                ..ListQuarantinedRecordsRequest::default()
            };
            let answer = taken(self.partitions.list_quarantined_records(request).await);
            let reasons: Vec<&str> = answer
                .records
                .iter()
                .map(|record| record.reason.as_str())
                .collect();
            assert!(
                reasons.is_empty(),
                "{service} set records aside: {reasons:?}"
            );
        }
        self.running
            .stop()
            .await
            .expect("the services end in order");
    }
}

/// The answer; a refusal is a mistake of the scenario, told with every violation.
pub(crate) fn taken<T>(answer: Result<Response<T>, Status>) -> T {
    match answer {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            let details = status.get_error_details();
            let violations = details
                .bad_request()
                .map_or(&[][..], |bad| &bad.field_violations);
            let violations: Vec<String> = violations
                .iter()
                .map(|violation| format!("\n  {}: {}", violation.field, violation.description))
                .collect();
            panic!(
                "{:?}: {}{}",
                status.code(),
                status.message(),
                violations.concat()
            )
        }
    }
}

/// The id of a request that is made once.
pub(crate) fn request_id() -> String {
    Uuid::now_v7().to_string()
}
