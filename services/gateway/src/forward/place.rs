//! The place where a call is answered, by its path.

use kernel::Owner;
use proto::activation::v1::activation_service_server::SERVICE_NAME as ACTIVATION;
use proto::definition::v1::definition_service_server::SERVICE_NAME as DEFINITIONS;
use proto::engine::v1::partition_service_server::SERVICE_NAME as PARTITIONS;
use proto::identity::v1::account_service_server::SERVICE_NAME as ACCOUNTS;
use proto::identity::v1::erasure_service_server::SERVICE_NAME as ERASURE;
use proto::identity::v1::identity_service_server::SERVICE_NAME as IDENTITY;
use proto::identity::v1::resolution_service_server::SERVICE_NAME as RESOLUTION;
use proto::journey::v1::journey_service_server::SERVICE_NAME as JOURNEY;
use proto::segmentation::v1::segmentation_service_server::SERVICE_NAME as SEGMENTATION;

/// The place where a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In this process. Paths that nobody has are refused here.
    Here,
    /// By the service that decides.
    Service(Owner),
    /// By the owners of the definitions that it is about.
    Definitions,
    /// By the services whose partitions it is about.
    Partitions,
}

/// Returns the place of the call with this path.
pub(super) fn place_of(path: &str) -> Place {
    let service = path.strip_prefix('/').and_then(|it| it.split_once('/'));
    match service.map(|(service, _)| service) {
        Some(IDENTITY | RESOLUTION | ERASURE | ACCOUNTS) => Place::Service(Owner::Identity),
        Some(SEGMENTATION) => Place::Service(Owner::Segmentation),
        Some(JOURNEY) => Place::Service(Owner::Journey),
        Some(ACTIVATION) => Place::Service(Owner::Activation),
        Some(DEFINITIONS) => Place::Definitions,
        Some(PARTITIONS) => Place::Partitions,
        _ => Place::Here,
    }
}

/// Returns whether the messages of the call with this path are handed on as they are.
pub(crate) fn hands_on(path: &str) -> bool {
    matches!(place_of(path), Place::Service(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_answered_by_who_decides() {
        for (path, expected) in [
            (
                "/happypath.identity.v1.IdentityService/IngestStream",
                Place::Service(Owner::Identity),
            ),
            (
                "/happypath.identity.v1.ResolutionService/ResolveStream",
                Place::Service(Owner::Identity),
            ),
            (
                "/happypath.identity.v1.ErasureService/Erase",
                Place::Service(Owner::Identity),
            ),
            (
                "/happypath.identity.v1.AccountService/PutAccount",
                Place::Service(Owner::Identity),
            ),
            (
                "/happypath.segmentation.v1.SegmentationService/X",
                Place::Service(Owner::Segmentation),
            ),
            (
                "/happypath.journey.v1.JourneyService/",
                Place::Service(Owner::Journey),
            ),
            (
                "/happypath.activation.v1.ActivationService/SetConsent",
                Place::Service(Owner::Activation),
            ),
            (
                "/happypath.definition.v1.DefinitionService/ListDefinitions",
                Place::Definitions,
            ),
            (
                "/happypath.engine.v1.PartitionService/AwaitIdle",
                Place::Partitions,
            ),
            ("/happypath.access.v1.KeyService/CreateKey", Place::Here),
            ("/happypath.audit.v1.AuditService/X", Place::Here),
            ("/happypath.gateway.v1.ChangeService/X", Place::Here),
            ("/happypath.gateway.v1.IntakeService/X", Place::Here),
            ("/happypath.gateway.v1.ExportService/X", Place::Here),
            ("/grpc.health.v1.Health/Check", Place::Here),
            ("/happypath.identity.v1.IdentityService", Place::Here),
            ("happypath.identity.v1.IdentityService/X", Place::Here),
            ("//happypath.identity.v1.IdentityService/X", Place::Here),
            ("/happypath.identity.v1.identityservice/X", Place::Here),
            ("/", Place::Here),
            ("", Place::Here),
        ] {
            assert_eq!(place_of(path), expected, "{path}");
        }
    }
}
