"""The client of programs that run on asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from happypath import aio_streams
from happypath import events as event_forms
from happypath.aio_calls import RetryingChannel
from happypath.batches import BATCH_SIZE, WINDOW, BatchAnswer, StreamRules
from happypath.definition.v1 import definition_service_pb2 as definition
from happypath.definitions import Definition, apply_request
from happypath.events import IDENTIFY, Event
from happypath.identity.v1 import identity_service_pb2 as identity
from happypath.retries import Retries
from happypath.stubs import AsyncStubs
from happypath.targets import Key, Tls, target
from happypath.watching import ChangeBatch, Watch, change_filter


class AsyncClient(AsyncStubs):
    """Talks to Happypath. Make it where the loop runs, and close it at the end, or use it in an `async with`.

    It does what `happypath.Client` does, with the same arguments, answers and errors. The stubs of all services are attributes:
    `await client.segmentation.GetProfile(...)`.
    """

    def __init__(self, address: str, *, key: Key = None, tls: Tls = None, retries: Retries = Retries()) -> None:
        self._retries = retries
        self._channel = RetryingChannel(target(address, key, tls), retries)
        super().__init__(self._channel)

    async def track(self, name: str, identifiers: Mapping[str, str], **more: Any) -> identity.ResolvedEvent:
        """Tells that something happened to a customer: see `Client.track`."""
        return (await self.ingest([event_forms.event(name, identifiers, **more)])).results[0]

    async def identify(
        self,
        identifiers: Mapping[str, str],
        traits: Mapping[str, Any] | None = None,
        *,
        time: datetime | None = None,
        event_id: str | None = None,
    ) -> identity.ResolvedEvent:
        """Tells what is known about a customer: see `Client.identify`."""
        return await self.track(IDENTIFY, identifiers, traits=traits, time=time, event_id=event_id)

    async def ingest(
        self,
        events: Iterable[Event],
        *,
        request_id: str | None = None,
        lane: identity.Lane.ValueType = identity.LANE_LIVE,
        timeout: float | None = None,
    ) -> identity.IngestResponse:
        """Sends up to 500 events in one call: see `Client.ingest`."""
        request = event_forms.request(events, request_id, lane)
        return await self.identity.Ingest(request, timeout=timeout, attempt=self._retries.send_attempt)  # type: ignore[call-arg]

    def ingest_stream(
        self,
        events: Iterable[Event] | AsyncIterable[Event],
        *,
        source: str = "",
        import_name: str = "",
        lane: identity.Lane.ValueType = identity.LANE_LIVE,
        batch_size: int = BATCH_SIZE,
        window: int = WINDOW,
    ) -> AsyncIterator[BatchAnswer]:
        """Sends any number of events, and yields the answer to each batch: see `Client.ingest_stream`.

        Events may come slowly: a batch is sent when it is full, and 50 ms after its first event at the latest, and answers are
        handed out meanwhile.
        """
        rules = StreamRules(source, import_name, lane, batch_size, window)
        return aio_streams.send(self.identity.IngestStream, events, rules, self._retries)  # type: ignore[arg-type]

    async def apply(
        self, definitions: Iterable[Definition | Mapping[str, Any]], *, validate_only: bool = False, if_match: Iterable[str] = ()
    ) -> Sequence[definition.AppliedDefinition]:
        """Creates or updates definitions, all or none: see `Client.apply`."""
        request = apply_request(definitions, validate_only, if_match)
        return (await self.definition.ApplyDefinitions(request)).applied

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
    ) -> AsyncIterator[ChangeBatch]:
        """Yields what changes for customers, without a gap and without a repeat: see `Client.watch_changes`."""
        filter = change_filter(kinds, segments, journeys, journey_maps, channels, customer_ids)
        state = Watch(position, from_start, filter, max_changes)
        return aio_streams.watch(self.change.WatchChanges, state, self._retries)  # type: ignore[arg-type]

    async def close(self) -> None:
        """Ends the connections."""
        await self._channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
