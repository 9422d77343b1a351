"""The generated stubs of all services, by the names of the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from happypath.access.v1.key_service_pb2_grpc import KeyServiceStub
from happypath.activation.v1.activation_service_pb2_grpc import ActivationServiceStub
from happypath.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from happypath.definition.v1.definition_service_pb2_grpc import DefinitionServiceStub
from happypath.engine.v1.partition_service_pb2_grpc import PartitionServiceStub
from happypath.gateway.v1.change_service_pb2_grpc import ChangeServiceStub
from happypath.gateway.v1.intake_service_pb2_grpc import IntakeServiceStub
from happypath.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from happypath.journey.v1.journey_service_pb2_grpc import JourneyServiceStub
from happypath.segmentation.v1.segmentation_service_pb2_grpc import SegmentationServiceStub

if TYPE_CHECKING:
    from happypath.access.v1.key_service_pb2_grpc import KeyServiceAsyncStub
    from happypath.activation.v1.activation_service_pb2_grpc import ActivationServiceAsyncStub
    from happypath.audit.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from happypath.definition.v1.definition_service_pb2_grpc import DefinitionServiceAsyncStub
    from happypath.engine.v1.partition_service_pb2_grpc import PartitionServiceAsyncStub
    from happypath.gateway.v1.change_service_pb2_grpc import ChangeServiceAsyncStub
    from happypath.gateway.v1.intake_service_pb2_grpc import IntakeServiceAsyncStub
    from happypath.identity.v1.identity_service_pb2_grpc import IdentityServiceAsyncStub
    from happypath.journey.v1.journey_service_pb2_grpc import JourneyServiceAsyncStub
    from happypath.segmentation.v1.segmentation_service_pb2_grpc import SegmentationServiceAsyncStub

_STUBS = {
    "activation": ActivationServiceStub,
    "audit": AuditServiceStub,
    "change": ChangeServiceStub,
    "definition": DefinitionServiceStub,
    "identity": IdentityServiceStub,
    "intake": IntakeServiceStub,
    "journey": JourneyServiceStub,
    "key": KeyServiceStub,
    "partition": PartitionServiceStub,
    "segmentation": SegmentationServiceStub,
}


class Stubs:
    """Stubs whose calls wait for their answers."""

    activation: ActivationServiceStub
    audit: AuditServiceStub
    change: ChangeServiceStub
    definition: DefinitionServiceStub
    identity: IdentityServiceStub
    intake: IntakeServiceStub
    journey: JourneyServiceStub
    key: KeyServiceStub
    partition: PartitionServiceStub
    segmentation: SegmentationServiceStub

    def __init__(self, channel: Any) -> None:
        for name, stub in _STUBS.items():
            setattr(self, name, stub(channel))


class AsyncStubs:
    """Stubs whose calls are awaited."""

    activation: ActivationServiceAsyncStub
    audit: AuditServiceAsyncStub
    change: ChangeServiceAsyncStub
    definition: DefinitionServiceAsyncStub
    identity: IdentityServiceAsyncStub
    intake: IntakeServiceAsyncStub
    journey: JourneyServiceAsyncStub
    key: KeyServiceAsyncStub
    partition: PartitionServiceAsyncStub
    segmentation: SegmentationServiceAsyncStub

    def __init__(self, channel: Any) -> None:
        for name, stub in _STUBS.items():
            setattr(self, name, stub(channel))
