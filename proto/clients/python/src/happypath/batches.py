"""The batches of a stream of events: what is sent, what is answered, and what has to be sent again. Nothing here waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from happypath.events import Event, new_id
from happypath.identity.v1 import identity_service_pb2 as identity

# Events in one message of a stream, as the contract has it.
MOST_EVENTS = 1_000
# Events in a message unless a caller says otherwise: few enough that none waits long for the others.
BATCH_SIZE = 200
# Batches without an answer: enough that a service never waits for the next one, and little to send again. Services take 128.
WINDOW = 16


@dataclass(frozen=True)
class RefusedEvent:
    """An event that was refused, with the first of its faults at least.

    Attributes:
        event: The event.
        field: The field at fault, such as `name`; empty for the event as a whole.
        description: What is wrong, and what would be right.
    """

    event: Event
    field: str
    description: str


@dataclass(frozen=True)
class BatchAnswer:
    """What became of a batch of events.

    Attributes:
        events: The events, with the ids that they were sent with.
        accepted_count: How many were taken, replays included.
        replayed_count: How many of these were known already, and had no effect.
        refused: Those that were refused. An event with several faults is there for each of them.
        position: The position of those that were taken: a read that gets it as `after` shows them.
        response: The whole answer.
    """

    events: Sequence[Event]
    accepted_count: int
    replayed_count: int
    refused: Sequence[RefusedEvent]
    position: str
    response: identity.IngestStreamResponse


@dataclass(frozen=True)
class StreamRules:
    """How a stream of events is sent.

    Attributes:
        source: The name of an ordered source, whose events have sequences from 1; empty for none.
        import_name: The name of an import, whose events have ids that are remembered for 30 days; empty for none.
        lane: The lane.
        batch_size: Events in a batch.
        window: Batches that may be without an answer.
    """

    source: str = ""
    import_name: str = ""
    lane: identity.Lane.ValueType = identity.LANE_LIVE
    batch_size: int = BATCH_SIZE
    window: int = WINDOW

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= MOST_EVENTS:
            raise ValueError(f"batch_size: is {self.batch_size}, expected 1 to {MOST_EVENTS}")
        if self.window < 1:
            raise ValueError(f"window: is {self.window}, expected 1 or more")
        if self.source and self.import_name:
            raise ValueError("source, import_name: give one of them: a source is ordered by sequences, an import known by ids")

    def request(self, events: Sequence[Event]) -> identity.IngestStreamRequest:
        """Returns the message of a batch. An event without an id gets one, so that it counts once however often it is sent.

        Raises:
            ValueError: An event of a source has no sequence.
        """
        request = identity.IngestStreamRequest(events=events, source=self.source, lane=self.lane)
        # The field is a keyword of the language.
        setattr(request, "import", self.import_name)
        for event in request.events:
            if self.source and not event.sequence:
                raise ValueError(f"sequence: event {event.name!r} has none: number the events of source {self.source!r} from 1")
            if not event.event_id:
                event.event_id = new_id()
        return request


class Unanswered:
    """The batches that were sent and not answered, oldest first."""

    def __init__(self, rules: StreamRules) -> None:
        self.rules = rules
        self._requests: deque[identity.IngestStreamRequest] = deque()

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[identity.IngestStreamRequest]:
        return iter(tuple(self._requests))

    @property
    def has_room(self) -> bool:
        """True where one more batch may be sent."""
        return len(self._requests) < self.rules.window

    def add(self, events: Sequence[Event]) -> identity.IngestStreamRequest:
        """Takes a batch that is about to be sent, and returns its message."""
        request = self.rules.request(events)
        self._requests.append(request)
        return request

    def take(self, response: identity.IngestStreamResponse) -> BatchAnswer:
        """Takes the answer to the oldest batch."""
        events = self._requests.popleft().events
        if response.refusal:
            refused = [RefusedEvent(event, "", response.refusal) for event in events]
        else:
            refused = [RefusedEvent(events[each.index], each.field, each.description) for each in response.rejected]
        return BatchAnswer(events, response.accepted_count, response.replayed_count, refused, response.position, response)
