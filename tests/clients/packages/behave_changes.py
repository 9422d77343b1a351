"""Changes of the real service, watched by all clients through a wire that is cut."""

import asyncio
import json
import subprocess
import threading
import time

from happypath import AsyncClient, Client, InvalidRequest, event
from happypath.definition.v1 import definition_service_pb2 as definition

from behave_sync import raised
from flaky import Cutter

# Customers who enter the segment, a few in each call.
CUSTOMERS, AT_ONCE = 300, 10
# Bytes of answers after which connections are cut.
CUTS = [300, 1000, 1500, 2500, 4000, 6000]
# Seconds that all of it may take.
PATIENCE_SECONDS = 60


def check(address, node, tag):
    """Has many people enter a segment, while three clients watch that."""
    segment = f"buyers_{tag}"
    with Client(address) as client:
        client.apply([{"segment": {"name": segment, "expression": f'events("bought_{tag}").exists()'}}])
        # The contract gives replicas a second to hear of it.
        time.sleep(1)
        try:
            watched(address, client, node, tag, segment)
        finally:
            kind = definition.DEFINITION_KIND_SEGMENT
            client.definition.DeleteDefinition(definition.DeleteDefinitionRequest(kind=kind, name=segment))


def watched(address, client, node, tag, segment):
    """Compares what watches saw, that were cut, with what one sees that was not."""
    begin = next(client.watch_changes()).position
    cutters = [Cutter(address, CUTS) for _ in range(3)]
    seen = [[], [], []]
    watchers = [
        lambda: seen[0].extend(by_client(cutters[0].address, segment)),
        lambda: seen[1].extend(asyncio.run(by_async_client(cutters[1].address, begin, segment))),
        lambda: seen[2].extend(by_typescript(node, cutters[2].address, begin, segment)),
    ]
    threads = [threading.Thread(target=watcher, daemon=True) for watcher in watchers]
    for thread in threads:
        thread.start()
    # The first one begins with what changes from then on.
    time.sleep(1)
    for number in range(0, CUSTOMERS, AT_ONCE):
        client.ingest(event(f"bought_{tag}", {"user_id": f"{tag}-{each}"}) for each in range(number, number + AT_ONCE))
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    expected = []
    for batch in client.watch_changes(begin, kinds=["membership"], segments=[segment]):
        expected += [change.id for change in batch.changes]
        if len(expected) >= CUSTOMERS:
            break
    assert len(set(expected)) == CUSTOMERS == len(expected)
    for name, ids, cutter in zip(("Client", "AsyncClient", "TypeScript"), seen, cutters, strict=True):
        assert ids == expected, f"{name} saw {len(ids)} changes, of which {len(set(ids) & set(expected))} are right"
        assert cutter.connections > 2, f"{name} was cut {cutter.connections - 1} times"
        cutter.close()
    raised(InvalidRequest, lambda: next(client.watch_changes("elsewhere")))
    cuts = ", ".join(str(cutter.connections - 1) for cutter in cutters)
    print(
        f"  changes: {CUSTOMERS} people enter a segment, and each is seen once and in order by clients that are cut {cuts} times"
    )


def by_client(address, segment):
    """Returns the ids of changes as the client sees them that waits."""
    ids = []
    with Client(address) as client:
        for batch in client.watch_changes(segments=[segment], kinds=["membership"], max_changes=20):
            ids += [change.id for change in batch.changes]
            if len(ids) >= CUSTOMERS:
                return ids


async def by_async_client(address, position, segment):
    """Returns the ids of changes as the client for asyncio sees them."""
    ids = []
    async with AsyncClient(address) as client:
        async for batch in client.watch_changes(position, segments=[segment], kinds=["membership"], max_changes=20):
            ids += [change.id for change in batch.changes]
            if len(ids) >= CUSTOMERS:
                return ids


def by_typescript(node, address, position, segment):
    """Returns the ids of changes as TypeScript sees them."""
    settings = json.dumps({"address": address, "position": position, "segment": segment, "count": CUSTOMERS})
    done = subprocess.run(["node", "watch.js", settings], cwd=node, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_SECONDS)
    return json.loads(done.stdout)
