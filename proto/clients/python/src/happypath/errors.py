"""Errors of calls, with what the services tell of them: reason, remedy, faults of fields, and when to try again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped, unused-ignore]

from happypath.reasons import REMEDIES

# The domain of the reasons of the services.
DOMAIN = "happypath.dev"
# The trailer that carries google.rpc.Status.
_DETAILS = "grpc-status-details-bin"
# The metadata of a reason that counts violations which are left out.
_MORE = "more_violations"
# What helps where no service gave a reason.
_CODE_REMEDIES = {
    grpc.StatusCode.UNAVAILABLE: "Check that the service runs at this address, and whether it wants TLS.",
    grpc.StatusCode.UNIMPLEMENTED: "The process at this address does not run that service: check the address.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Try again, and allow more time.",
}


@dataclass(frozen=True)
class Violation:
    """One fault of a request.

    Attributes:
        field: The path of the field, such as `events[0].name`; empty for the whole request.
        description: What is wrong, and what would be right.
    """

    field: str
    description: str


class HappypathError(Exception):
    """A call that failed.

    Attributes:
        code: The status of the call.
        message: What went wrong, for people.
        reason: The reason in UPPER_SNAKE, such as `CUSTOMER_NOT_FOUND`; empty where no service gave one.
        remedy: What the caller can do about it; empty where nobody can tell.
        violations: The faults of single fields.
        more_violations: How many faults are not listed.
        retry_after: Seconds after which another attempt may work; None where the service did not say.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        # As arguments, so that an error can be sent to another process.
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.reason = ""
        self.remedy = _CODE_REMEDIES.get(code, "")
        self.violations: tuple[Violation, ...] = ()
        self.more_violations = 0
        self.retry_after: float | None = None

    def __str__(self) -> str:
        lines = [f"{self.reason or self.code.name}: {self.message}"]
        lines += [f"  {each.field or 'the request'}: {each.description}" for each in self.violations]
        if self.more_violations:
            lines.append(f"  and {self.more_violations} more")
        if self.remedy:
            lines.append(self.remedy)
        return "\n".join(lines)

    @property
    def is_retryable(self) -> bool:
        """True where the same request may work after a while."""
        if self.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return True
        if self.code is grpc.StatusCode.ABORTED:
            return self.reason != "ETAG_MISMATCH"
        if self.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            # Without a word of the service it is a message that is too large for this client.
            return bool(self.reason) or self.retry_after is not None
        # What a connection does that is cut; a service that fails gives a reason.
        return self.code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN) and not self.reason


class InvalidRequest(HappypathError):
    """The request breaks a rule: correct what `violations` list."""


class NotFound(HappypathError):
    """It is not there."""


class AlreadyExists(HappypathError):
    """There is another one with that name."""


class FailedPrecondition(HappypathError):
    """The system is not in a state for it."""


class Unauthenticated(HappypathError):
    """The key is missing, wrong or has ended."""


class PermissionDenied(HappypathError):
    """The key lacks a scope."""


class Contended(HappypathError):
    """Others changed the same at the same time."""


class Exhausted(HappypathError):
    """There is no room at the moment, or the caller has made more calls than it may."""


class OutOfRange(HappypathError):
    """What is asked for is not kept any more, such as changes behind an old position."""


class Unavailable(HappypathError):
    """Nobody answers at the moment."""


class DeadlineExceeded(HappypathError):
    """It took longer than the caller wanted to wait."""


class Unimplemented(HappypathError):
    """The process at this address does not run that service."""


_CLASSES: dict[grpc.StatusCode, type[HappypathError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.ABORTED: Contended,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Exhausted,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRange,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
}


def make(code: grpc.StatusCode, message: str) -> HappypathError:
    """Returns the error of a status."""
    return _CLASSES.get(code, HappypathError)(code, message)


def of_call(call: Any) -> HappypathError:
    """Returns the error with which a call of grpc ended."""
    code = call.code() or grpc.StatusCode.UNKNOWN
    error = make(code, call.details() or code.name)
    for key, value in call.trailing_metadata() or ():
        if key == _DETAILS:
            _read(error, value)
    return error


def _read(error: HappypathError, encoded: bytes) -> None:
    """Takes over what the details of a status tell. Details that cannot be read tell nothing."""
    status = status_pb2.Status()
    try:
        status.ParseFromString(encoded)
    except Exception:  # noqa: BLE001 - each implementation of protobuf has an error of its own.
        return
    bad, info, retry = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(bad):
            error.violations = tuple(Violation(each.field, each.description) for each in bad.field_violations)
        elif detail.Unpack(info) and info.domain == DOMAIN:
            error.reason = info.reason
            error.remedy = REMEDIES.get(info.reason, error.remedy)
            more = info.metadata.get(_MORE, "")
            error.more_violations = int(more) if more.isdigit() else 0
        elif detail.Unpack(retry):
            error.retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
