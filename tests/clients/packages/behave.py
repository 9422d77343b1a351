"""The installed packages against servers that fail: behave.py ADDRESS PROGRAM NODE HERE TAGS.

It runs in an environment that has the package.
"""

import asyncio
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def main(address, program, node, here, tags):
    """Runs everything. The folder HERE has the modules of this check, and the one beside it a server that asks for keys."""
    sys.path[:0] = [here, str(Path(here).parent / "sdks")]
    import behave_access
    import behave_aio
    import behave_changes
    import behave_sync
    from happypath import Client
    from happypath.definition.v1.definition_service_pb2 import DEFINITION_KIND_SEGMENT, DeleteDefinitionRequest
    from posts import real_post
    from program import Guarded
    from servers import Servers

    tags = json.loads(tags)

    def waiting():
        with Servers(address) as servers:
            behave_sync.check(servers, tags["python"])

    def asynchronous():
        with Servers(address) as servers:
            asyncio.run(behave_aio.check(servers, tags["asyncio"]))

    def others():
        methods = behave_access.contract_methods(Path(here).parents[2] / "proto/api")
        with Client(address) as client:
            # What the quick starts left.
            client.definition.DeleteDefinition(DeleteDefinitionRequest(kind=DEFINITION_KIND_SEGMENT, name="engaged"))
            post = real_post(client, tags["typescript"])
        with Guarded(program) as guarded, Servers(address) as servers:
            narrow = guarded.run("keys", "create", "narrow", "--scope", "events:write")["key"]
            access = {"address": guarded.address, "key": guarded.key, "narrow": narrow}
            behave_access.check(access, methods, post)
            settings = {"addresses": servers.addresses, "methods": methods, "guarded": access, "post": post}
            typescript(servers, node, settings | {"tag": tags["typescript"]})
        behave_changes.check(address, node, tags["changes"])

    # Most of each is waiting.
    with ThreadPoolExecutor() as pool:
        for part in [pool.submit(part) for part in (waiting, asynchronous, others)]:
            part.result()


def typescript(servers, node, settings):
    """Runs the same in TypeScript, and looks at what came to the servers."""
    from servers import DELAY_SECONDS, DELAYED

    done = subprocess.run(
        ["node", "behave.js", json.dumps(settings)], cwd=node, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print(done.stdout, end="")
    if done.returncode != 0:
        raise SystemExit(f"behave.ts ended with {done.returncode}")
    attempts = {name: servers.attempts(name, method) for name, method in EXPECTED}
    assert servers.pauses("refuses", "Ingest")[DELAYED] >= DELAY_SECONDS
    assert attempts == {name: count for (name, _), count in EXPECTED.items()}, attempts
    assert servers.connections("resets") >= 5, servers.connections("resets")


# The calls that come to servers that fail: one for each failure, and one more.
EXPECTED = {
    ("refuses", "Ingest"): 5,
    ("hangs", "Ingest"): 2,
    ("cuts_streams", "IngestStream"): 7,
    ("cuts_sources", "IngestStream"): 7,
    ("cuts_watches", "WatchChanges"): 7,
}


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main(*sys.argv[1:])
