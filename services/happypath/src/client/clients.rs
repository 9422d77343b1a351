//! Clients of the services, each where its service is.

use proto::access::v1::key_service_client::KeyServiceClient;
use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::audit::v1::audit_service_client::AuditServiceClient;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::engine::v1::{ListPartitionsRequest, Partition};
use proto::gateway::v1::change_service_client::ChangeServiceClient;
use proto::gateway::v1::export_service_client::ExportServiceClient;
use proto::gateway::v1::intake_service_client::IntakeServiceClient;
use proto::identity::v1::account_service_client::AccountServiceClient;
use proto::identity::v1::erasure_service_client::ErasureServiceClient;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::resolution_service_client::ResolutionServiceClient;
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use rpc::PeerChannel;
use tonic_health::pb::health_client::HealthClient;

use super::{Connection, ServiceName, ask};
use crate::failure::Failure;
use crate::limits::PAGE_SIZE;

impl Connection {
    /// A client of identity.
    pub(crate) fn identity(&self) -> Result<IdentityServiceClient<PeerChannel>, Failure> {
        Ok(IdentityServiceClient::new(
            self.channel(ServiceName::Identity)?,
        ))
    }

    /// A client of resolution.
    pub(crate) fn resolution(&self) -> Result<ResolutionServiceClient<PeerChannel>, Failure> {
        Ok(ResolutionServiceClient::new(
            self.channel(ServiceName::Identity)?,
        ))
    }

    /// A client of accounts.
    pub(crate) fn accounts(&self) -> Result<AccountServiceClient<PeerChannel>, Failure> {
        let client = AccountServiceClient::new(self.channel(ServiceName::Identity)?);
        Ok(client.max_decoding_message_size(kernel::limits::MESSAGE_BYTES))
    }

    /// A client of erasures.
    pub(crate) fn erasures(&self) -> Result<ErasureServiceClient<PeerChannel>, Failure> {
        Ok(ErasureServiceClient::new(
            self.channel(ServiceName::Identity)?,
        ))
    }

    /// A client of exports.
    pub(crate) fn exports(&self) -> Result<ExportServiceClient<PeerChannel>, Failure> {
        let client = ExportServiceClient::new(self.channel(ServiceName::Gateway)?);
        Ok(client.max_decoding_message_size(kernel::limits::MESSAGE_BYTES))
    }

    /// A client of segmentation.
    pub(crate) fn segmentation(&self) -> Result<SegmentationServiceClient<PeerChannel>, Failure> {
        Ok(SegmentationServiceClient::new(
            self.channel(ServiceName::Segmentation)?,
        ))
    }

    /// A client of journey.
    pub(crate) fn journey(&self) -> Result<JourneyServiceClient<PeerChannel>, Failure> {
        Ok(JourneyServiceClient::new(
            self.channel(ServiceName::Journey)?,
        ))
    }

    /// A client of activation.
    pub(crate) fn activation(&self) -> Result<ActivationServiceClient<PeerChannel>, Failure> {
        Ok(ActivationServiceClient::new(
            self.channel(ServiceName::Activation)?,
        ))
    }

    /// A client of the intake: dead letters and statistics.
    pub(crate) fn intake(&self) -> Result<IntakeServiceClient<PeerChannel>, Failure> {
        let client = IntakeServiceClient::new(self.channel(ServiceName::Gateway)?);
        Ok(client
            .max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
            .max_encoding_message_size(kernel::limits::MESSAGE_BYTES))
    }

    /// A client of the log of changes.
    pub(crate) fn changes(&self) -> Result<ChangeServiceClient<PeerChannel>, Failure> {
        let client = ChangeServiceClient::new(self.channel(ServiceName::Gateway)?);
        Ok(client.max_decoding_message_size(kernel::limits::MESSAGE_BYTES))
    }

    /// A client of the definitions of a service.
    pub(crate) fn definitions(
        &self,
        service: ServiceName,
    ) -> Result<DefinitionServiceClient<PeerChannel>, Failure> {
        Ok(DefinitionServiceClient::new(self.channel(service)?)
            .max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
            .max_encoding_message_size(kernel::limits::MESSAGE_BYTES))
    }

    /// A client of the audit log in the database of a service.
    pub(crate) fn audit(
        &self,
        service: ServiceName,
    ) -> Result<AuditServiceClient<PeerChannel>, Failure> {
        let client = AuditServiceClient::new(self.channel(service)?);
        Ok(client.max_decoding_message_size(kernel::limits::MESSAGE_BYTES))
    }

    /// A client of the partitions of a service.
    pub(crate) fn partitions(
        &self,
        service: ServiceName,
    ) -> Result<PartitionServiceClient<PeerChannel>, Failure> {
        Ok(PartitionServiceClient::new(self.channel(service)?))
    }

    /// The partitions that the process of a service works on; where `of` is not empty, only those
    /// of the service that it names.
    pub(crate) async fn list_partitions(
        &self,
        process: ServiceName,
        of: &str,
    ) -> Result<Vec<Partition>, Failure> {
        let mut client = self.partitions(process)?;
        let mut partitions = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListPartitionsRequest {
                service: of.to_owned(),
                page_size: PAGE_SIZE,
                page_token,
            };
            let page = client.list_partitions(ask(request)).await?.into_inner();
            partitions.extend(page.partitions);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(partitions);
            }
        }
    }

    /// A client of the health of the process of a service.
    pub(crate) fn health(
        &self,
        service: ServiceName,
    ) -> Result<HealthClient<PeerChannel>, Failure> {
        Ok(HealthClient::new(self.channel(service)?))
    }

    /// A client of the keys of the installation, which every process serves.
    pub(crate) fn keys(&self) -> Result<KeyServiceClient<PeerChannel>, Failure> {
        Ok(KeyServiceClient::new(self.channel(ServiceName::Identity)?))
    }
}
