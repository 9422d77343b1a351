"""The client of programs that wait for answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from happypath import events as event_forms
from happypath import streams
from happypath.batches import BATCH_SIZE, WINDOW, BatchAnswer, StreamRules
from happypath.calls import RetryingChannel
from happypath.definition.v1 import definition_service_pb2 as definition
from happypath.definitions import Definition, apply_request
from happypath.events import IDENTIFY, Event
from happypath.identity.v1 import identity_service_pb2 as identity
from happypath.retries import Retries
from happypath.stubs import Stubs
from happypath.targets import Key, Tls, target
from happypath.watching import ChangeBatch, Watch, change_filter


class Client(Stubs):
    """Talks to Happypath. Threads may share one; close it at the end, or use it in a `with`.

    The stubs of all services are attributes: `client.segmentation.GetProfile(...)`. Their calls with one answer are made again as
    `retries` says, whatever they do: those that change something get a `request_id`.

    Args:
        address: `https://happypath.example`, `http://127.0.0.1:7400`, or `host:port`.
        key: An API key or a token, or a function that returns one before each call. None where the service asks for none.
        tls: True, authorities in PEM, or credentials of grpc for mutual TLS; None goes by the address.
        retries: How long and how often calls are made again.

    Raises:
        ValueError: The address is none.
    """

    def __init__(self, address: str, *, key: Key = None, tls: Tls = None, retries: Retries = Retries()) -> None:
        self._retries = retries
        self._channel = RetryingChannel(target(address, key, tls), retries)
        super().__init__(self._channel)

    def track(self, name: str, identifiers: Mapping[str, str], **more: Any) -> identity.ResolvedEvent:
        """Tells that something happened to a customer.

        Args:
            name: What happened.
            identifiers: Who it happened to: `{"user_id": "ada"}`.
            **more: As `happypath.event` has them: `properties`, `traits`, `time`, `event_id` and others.

        Returns:
            The event as it was taken, with the customer that it belongs to.

        Raises:
            InvalidRequest: The event is wrong; `violations` say where.
            HappypathError: It could not be sent. It may have been taken all the same, unless the error says otherwise.
        """
        return self.ingest([event_forms.event(name, identifiers, **more)]).results[0]

    def identify(
        self,
        identifiers: Mapping[str, str],
        traits: Mapping[str, Any] | None = None,
        *,
        time: datetime | None = None,
        event_id: str | None = None,
    ) -> identity.ResolvedEvent:
        """Tells what is known about a customer, and joins those whom the identifiers name. Returns and raises as `track`."""
        return self.track(IDENTIFY, identifiers, traits=traits, time=time, event_id=event_id)

    def ingest(
        self,
        events: Iterable[Event],
        *,
        request_id: str | None = None,
        lane: identity.Lane.ValueType = identity.LANE_LIVE,
        timeout: float | None = None,
    ) -> identity.IngestResponse:
        """Sends up to 500 events in one call.

        Args:
            events: The events, made by `happypath.event`.
            request_id: A name for this call, to make it again later: the very same events are taken once. None for a new one.
            lane: `LANE_BULK` for what may wait.
            timeout: Seconds for all attempts together.

        Returns:
            The events that were taken in `results`, those that were refused in `rejected`.

        Raises:
            InvalidRequest: All events were refused.
            HappypathError: They could not be sent.
            ValueError: There are none, or too many.
        """
        request = event_forms.request(events, request_id, lane)
        return self.identity.Ingest(request, timeout=timeout, attempt=self._retries.send_attempt)  # type: ignore[call-arg]

    def ingest_stream(
        self,
        events: Iterable[Event],
        *,
        source: str = "",
        import_name: str = "",
        lane: identity.Lane.ValueType = identity.LANE_LIVE,
        batch_size: int = BATCH_SIZE,
        window: int = WINDOW,
    ) -> Iterator[BatchAnswer]:
        """Sends any number of events, and yields the answer to each batch: nothing is sent unless answers are read.

        Events are read as there is room, and a stream that breaks is opened again: each event counts once, by its id, or by its
        sequence in a source. An iterator that waits for its next event holds up the answers; `AsyncClient` does not.

        Args:
            events: The events.
            source: An ordered source, whose events have a `sequence` from 1: what was taken before is skipped, for ever.
            import_name: An import, in whatever order: events whose ids were taken before are skipped, for 30 days.
            lane: `LANE_BULK` for what may wait.
            batch_size: Events in a batch.
            window: Batches that may be without an answer.

        Raises:
            HappypathError: The service refused, or nothing went on for `retries.total` seconds.
            ValueError: A number is out of its range, or an event of a source has no sequence.
        """
        rules = StreamRules(source, import_name, lane, batch_size, window)
        return streams.send(self.identity.IngestStream, events, rules, self._retries)  # type: ignore[arg-type]

    def apply(
        self, definitions: Iterable[Definition | Mapping[str, Any]], *, validate_only: bool = False, if_match: Iterable[str] = ()
    ) -> Sequence[definition.AppliedDefinition]:
        """Creates or updates definitions, all or none.

        Args:
            definitions: Each as a YAML document has it: `{"segment": {"name": "paying", "expression": ...}}`.
            validate_only: Checks everything and changes nothing.
            if_match: The etag that each must have; none for whatever it is.

        Returns:
            What became of each.

        Raises:
            InvalidRequest: Something is wrong with them; `violations` list everything.
            Contended: One of them is not what `if_match` says.
            ValueError: One has a field that its contract does not have.
        """
        return self.definition.ApplyDefinitions(apply_request(definitions, validate_only, if_match)).applied

    def watch_changes(
        self,
        position: str = "",
        *,
        from_start: bool = False,
        kinds: Iterable[str] = (),
        segments: Iterable[str] = (),
        journeys: Iterable[str] = (),
        journey_maps: Iterable[str] = (),
        channels: Iterable[str] = (),
        customer_ids: Iterable[str] = (),
        max_changes: int = 0,
    ) -> Iterator[ChangeBatch]:
        """Yields what changes for customers, until the caller stops.

        It comes back by itself after a break, without a gap and without a repeat.

        Args:
            position: The position of the batch that was dealt with last; empty for from now on.
            from_start: True to begin with the oldest change that is kept.
            kinds: Which kinds: `membership`, `transition`, `position`, `activation`, `merge`. None for all.
            segments: Of memberships, those of these segments.
            journeys: Of transitions and activations, those of these journeys.
            journey_maps: Of positions, those in these maps.
            channels: Of activations, those through these channels.
            customer_ids: Those of these customers.
            max_changes: Changes in a batch at the most; 0 for 1,000.

        Raises:
            OutOfRange: The position is older than what is kept: read the state of things anew, then begin without one.
            HappypathError: The service refused.
            ValueError: There is no such kind.
        """
        filter = change_filter(kinds, segments, journeys, journey_maps, channels, customer_ids)
        state = Watch(position, from_start, filter, max_changes)
        return streams.watch(self.change.WatchChanges, state, self._retries)  # type: ignore[arg-type]

    def close(self) -> None:
        """Ends the connections."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
