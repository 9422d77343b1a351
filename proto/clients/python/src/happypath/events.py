"""Events as programs write them, and as they are sent."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from happypath.identity.v1 import identity_service_pb2 as identity

Event = identity.Event

# Events in one call of Ingest, as the contract has it.
MOST_EVENTS = 500
# The event of an identification, as tracking SDKs call it.
IDENTIFY = "identify"


def event(
    name: str,
    identifiers: Mapping[str, str],
    *,
    properties: Mapping[str, Any] | None = None,
    traits: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    groups: Mapping[str, str] | None = None,
    time: datetime | None = None,
    event_id: str | None = None,
    sequence: int = 0,
) -> Event:
    """Makes an event.

    Args:
        name: What happened, such as `Order Completed`.
        identifiers: Who it happened to, as namespace to value: `{"user_id": "ada"}`.
        properties: What is known about the event: texts, numbers, truth values, lists, objects, dates and decimals.
        traits: What it tells about the customer. None as a value removes a trait.
        context: Where it comes from, such as a page or a library.
        groups: The groups that the customer acted for, as type to key.
        time: When it happened, with a time zone; None for when it is received.
        event_id: The sender's id, such as the number of an order. Within 24 hours, events of a customer with the same id
            count once. None for a new one; the event keeps it, so that sending the same event again is safe.
        sequence: Its place in a source that is sent as a stream, from 1; 0 outside of such a source.

    Returns:
        The event, as the contracts have it.

    Raises:
        ValueError: A value cannot be sent, such as a time without a zone or a number that is infinite.
        TypeError: A value has no form in JSON.
    """
    made = Event(name=name, identifiers=dict(identifiers), event_id=event_id or new_id(), sequence=sequence)
    if properties is not None:
        made.properties_json = _text("properties", properties)
    if traits is not None:
        made.traits_json = _text("traits", traits)
    if context is not None:
        made.context_json = _text("context", context)
    made.groups.update(groups or {})
    if time is not None:
        made.time.CopyFrom(_instant(time))
    return made


def new_id() -> str:
    """Returns an id that nobody has."""
    return uuid.uuid4().hex


def request(events: Iterable[Event], request_id: str | None, lane: identity.Lane.ValueType) -> identity.IngestRequest:
    """Returns a request to take events, which has a name.

    Raises:
        ValueError: There are no events, or more than one request takes.
    """
    made = identity.IngestRequest(request_id=request_id or new_id(), events=events, lane=lane)
    if not 1 <= len(made.events) <= MOST_EVENTS:
        raise ValueError(
            f"events: {len(made.events)} are given, and a call takes 1 to {MOST_EVENTS}: send more with ingest_stream"
        )
    return made


def _instant(time: datetime) -> Timestamp:
    if time.tzinfo is None:
        raise ValueError(f"time: {time.isoformat()} has no time zone: write datetime.now(timezone.utc), or time.astimezone()")
    made = Timestamp()
    made.FromDatetime(time)
    return made


def _text(field: str, value: Mapping[str, Any]) -> str:
    """Returns an object as JSON, with whole numbers exact."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{field}: {error}") from error


def _plain(value: Any) -> Any:
    """Returns what stands for a value that JSON has no form of."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON: send a text, number, truth value, list or object")
