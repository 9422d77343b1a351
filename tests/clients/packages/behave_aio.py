"""The client for asyncio, against servers that fail."""

import asyncio
from typing import Any

from happypath import aio_streams, AsyncClient, DeadlineExceeded, InvalidRequest, OutOfRange, Retries, Unavailable, event
from happypath.identity.v1 import identity_service_pb2 as identity
from happypath.segmentation.v1 import segmentation_service_pb2 as segmentation
from happypath.watching import Watch

from environments import PYTHON
from readmes import piece
from servers import DELAY_SECONDS, DELAYED

# Events of one stream, and in one of its batches.
EVENTS, BATCH = 600, 20


async def check(servers, tag):
    """Tries everything, with names that only this run has."""
    async with AsyncClient(servers.addresses["server"]) as direct:
        await calls(servers, direct, f"{tag}-refused")
        await streams(servers, direct, tag)
        await slow_source(direct, f"{tag}-slow")
    await watches(servers)


async def counted(client, user, name, after):
    """How many events of a name somebody has."""
    known = await client.identity.GetCustomer(
        identity.GetCustomerRequest(identifier=identity.Identifier(namespace="user_id", value=user))
    )
    request = segmentation.GetProfileRequest(customer_id=known.customer.customer_id, after=after)
    profile = (await client.segmentation.GetProfile(request)).profile
    return next((each.count for each in profile.events if each.name == name), 0)


async def calls(servers, direct, user):
    """Calls are made again, deadlines hold, and errors are typed."""
    async with AsyncClient(servers.addresses["refuses"]) as client:
        answer = await client.ingest([event("bought", {"user_id": user})])
    assert servers.attempts("refuses", "Ingest") == 5 and answer.results[0].created
    assert servers.pauses("refuses", "Ingest")[DELAYED] >= DELAY_SECONDS
    async with AsyncClient(servers.addresses["hangs"], retries=Retries(send_attempt=0.5)) as client:
        taken = await client.track("bought", {"user_id": user})
        assert taken.customer_id == answer.results[0].customer_id
        await raised(DeadlineExceeded, client.identity.GetCustomer(identity.GetCustomerRequest(customer_id="x"), timeout=0.7))
    position = (await direct.ingest([event("seen", {"user_id": user})])).position
    assert await counted(direct, user, "bought", position) == 2
    error = await raised(InvalidRequest, direct.track("bad\nname", {"user_id": user}))
    assert [each.field for each in error.violations] == ["events[0].name"], error
    async with AsyncClient(servers.addresses["nobody"], retries=Retries(total=1)) as client:
        await raised(Unavailable, client.identify({"user_id": user}, {"plan": "pro"}))
    print("  AsyncClient: retries, deadlines and errors")


async def streams(servers, direct, tag):
    """Streams that are cut in many places: each event counts once."""
    for name, settings in (
        ("cuts_streams", {}),
        ("cuts_sources", {"source": f"source-{tag}"}),
        ("resets", {"import_name": f"import-{tag}"}),
    ):
        user = f"{tag}-{name}"
        numbers = range(1, EVENTS + 1)
        events = (event("visited", {"user_id": user}, sequence=number if "source" in settings else 0) for number in numbers)
        async with AsyncClient(servers.addresses[name]) as client:
            answers = [answer async for answer in client.ingest_stream(events, batch_size=BATCH, window=4, **settings)]
        assert sum(answer.accepted_count for answer in answers) == EVENTS
        assert await counted(direct, user, "visited", answers[-1].position) == EVENTS, name
    assert servers.attempts("cuts_streams", "IngestStream") == 7
    print(f"  AsyncClient: three streams of {EVENTS} events, cut and reset in 17 places, count each event once")


async def slow_source(direct, user):
    """An event is answered though the next one is not there, and an error of the source comes through."""
    answered = asyncio.Event()

    async def one_by_one():
        for _ in range(3):
            yield event("visited", {"user_id": user})
            await asyncio.wait_for(answered.wait(), 10)
            answered.clear()
        raise ZeroDivisionError

    async def send():
        async for answer in direct.ingest_stream(one_by_one()):
            assert len(answer.events) == 1
            answered.set()

    await raised(ZeroDivisionError, send())
    print("  AsyncClient: events of a slow source are answered one by one")


async def watches(servers):
    """A watch that is cut in many places has every change once, in order."""
    for name, settings in (
        ("cuts_watches", {"position": "fake-150"}),
        ("resets_watches", {"from_start": True}),
        ("cuts_new_watches", {}),
    ):
        seen = []
        async with AsyncClient(servers.addresses[name]) as client:
            async for batch in client.watch_changes(**settings):
                seen += [int(change.id[1:]) for change in batch.changes]
                if len(seen) >= (60 if name == "cuts_new_watches" else 450):
                    break
        assert seen == list(range(seen[0], seen[0] + len(seen))), (name, seen)
        assert seen[0] == {"cuts_watches": 150, "resets_watches": 100}.get(name, seen[0])
    async with AsyncClient(servers.addresses["silences"]) as client:
        silent = aio_streams.watch(client.change.WatchChanges, Watch("fake-150"), Retries(), silence=0.5)
        assert (await anext(silent)).position == "fake-150"
    async with AsyncClient(servers.addresses["changes"]) as client:
        await raised(OutOfRange, anext(client.watch_changes("fake-99")))
    shown: dict[str, Any] = {}
    exec(piece(PYTHON / "README.md", "python", "def follow"), shown)
    await raised(OutOfRange, shown["follow"](servers.addresses["changes"], "fake-99"))
    print("  AsyncClient: three watches, cut and reset in 17 places, see each change once and in order")


async def raised(kind, call):
    """Returns the error that a call raises, which must be of a kind."""
    try:
        answer = await call
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} should have been raised, and the answer was {answer}")
