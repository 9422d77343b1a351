"""Client of Happypath: events in, changes out, and every service, with types, retries and idempotency.

`Client` waits for answers, `AsyncClient` is for asyncio. Messages of the contracts are in `happypath.<service>.v1`, such as
`happypath.segmentation.v1.segmentation_service_pb2`. `happypath.webhooks` verifies what Happypath posts.
"""

from happypath.aio import AsyncClient
from happypath.batches import BatchAnswer, RefusedEvent
from happypath.client import Client
from happypath.errors import (
    AlreadyExists,
    Contended,
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    HappypathError,
    InvalidRequest,
    NotFound,
    OutOfRange,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    Violation,
)
from happypath.events import Event, event
from happypath.retries import Retries
from happypath.watching import ChangeBatch
from happypath.webhooks import Delivery, WebhookRefused

__all__ = [
    "AlreadyExists",
    "AsyncClient",
    "BatchAnswer",
    "ChangeBatch",
    "Client",
    "Contended",
    "DeadlineExceeded",
    "Delivery",
    "Event",
    "Exhausted",
    "FailedPrecondition",
    "HappypathError",
    "InvalidRequest",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "RefusedEvent",
    "Retries",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Violation",
    "WebhookRefused",
    "event",
]
