"""The generated stubs of all services, by the names of the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from happypath.access.v1.key_service_pb2_grpc import KeyServiceStub
from happypath.activation.v1.activation_service_pb2_grpc import ActivationServiceStub
from happypath.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from happypath.definition.v1.definition_service_pb2_grpc import DefinitionServiceStub
from happypath.engine.v1.partition_service_pb2_grpc import PartitionServiceStub
from happypath.gateway.v1.change_service_pb2_grpc import ChangeServiceStub
from happypath.gateway.v1.export_service_pb2_grpc import ExportServiceStub
from happypath.gateway.v1.intake_service_pb2_grpc import IntakeServiceStub
from happypath.identity.v1.account_service_pb2_grpc import AccountServiceStub
from happypath.identity.v1.erasure_service_pb2_grpc import ErasureServiceStub
from happypath.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from happypath.identity.v1.resolution_service_pb2_grpc import ResolutionServiceStub
from happypath.journey.v1.journey_service_pb2_grpc import JourneyServiceStub
from happypath.segmentation.v1.segmentation_service_pb2_grpc import SegmentationServiceStub

if TYPE_CHECKING:
    from happypath.access.v1.key_service_pb2_grpc import KeyServiceAsyncStub
    from happypath.activation.v1.activation_service_pb2_grpc import ActivationServiceAsyncStub
    from happypath.audit.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from happypath.definition.v1.definition_service_pb2_grpc import DefinitionServiceAsyncStub
    from happypath.engine.v1.partition_service_pb2_grpc import PartitionServiceAsyncStub
    from happypath.gateway.v1.change_service_pb2_grpc import ChangeServiceAsyncStub
    from happypath.gateway.v1.export_service_pb2_grpc import ExportServiceAsyncStub
    from happypath.gateway.v1.intake_service_pb2_grpc import IntakeServiceAsyncStub
    from happypath.identity.v1.account_service_pb2_grpc import AccountServiceAsyncStub
    from happypath.identity.v1.erasure_service_pb2_grpc import ErasureServiceAsyncStub
    from happypath.identity.v1.identity_service_pb2_grpc import IdentityServiceAsyncStub
    from happypath.identity.v1.resolution_service_pb2_grpc import ResolutionServiceAsyncStub
    from happypath.journey.v1.journey_service_pb2_grpc import JourneyServiceAsyncStub
    from happypath.segmentation.v1.segmentation_service_pb2_grpc import SegmentationServiceAsyncStub

_STUBS = {
    "account": AccountServiceStub,
    "activation": ActivationServiceStub,
    "audit": AuditServiceStub,
    "change": ChangeServiceStub,
    "definition": DefinitionServiceStub,
    "erasure": ErasureServiceStub,
    "export": ExportServiceStub,
    "identity": IdentityServiceStub,
    "intake": IntakeServiceStub,
    "journey": JourneyServiceStub,
    "key": KeyServiceStub,
    "partition": PartitionServiceStub,
    "resolution": ResolutionServiceStub,
    "segmentation": SegmentationServiceStub,
}


class Stubs:
    """Stubs whose calls wait for their answers."""

    account: AccountServiceStub
    activation: ActivationServiceStub
    audit: AuditServiceStub
    change: ChangeServiceStub
    definition: DefinitionServiceStub
    erasure: ErasureServiceStub
    export: ExportServiceStub
    identity: IdentityServiceStub
    intake: IntakeServiceStub
    journey: JourneyServiceStub
    key: KeyServiceStub
    partition: PartitionServiceStub
    resolution: ResolutionServiceStub
    segmentation: SegmentationServiceStub

    def __init__(self, channel: Any) -> None:
        for name, stub in _STUBS.items():
            setattr(self, name, stub(channel))


class AsyncStubs:
    """Stubs whose calls are awaited."""

    account: AccountServiceAsyncStub
    activation: ActivationServiceAsyncStub
    audit: AuditServiceAsyncStub
    change: ChangeServiceAsyncStub
    definition: DefinitionServiceAsyncStub
    erasure: ErasureServiceAsyncStub
    export: ExportServiceAsyncStub
    identity: IdentityServiceAsyncStub
    intake: IntakeServiceAsyncStub
    journey: JourneyServiceAsyncStub
    key: KeyServiceAsyncStub
    partition: PartitionServiceAsyncStub
    resolution: ResolutionServiceAsyncStub
    segmentation: SegmentationServiceAsyncStub

    def __init__(self, channel: Any) -> None:
        for name, stub in _STUBS.items():
            setattr(self, name, stub(channel))
