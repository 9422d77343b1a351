"""The servers that one client is tried against: the real one behind others that fail, and some that are not what they seem."""

import socket
from itertools import pairwise

import grpc

from changes import Changes
from flaky import Cutter, Flaky, refusal

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "gone for a moment")
# Seconds that a refusal asks callers to wait.
DELAY_SECONDS = 0.4
# The pause, from 0, that is as long as a refusal asks for.
DELAYED = 2
FULL = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "STREAM_FULL", "the streams are full", DELAY_SECONDS)
CONTENDED = refusal(grpc.StatusCode.ABORTED, "IDENTITY_CONTENDED", "others won")


class Servers:
    """All of them, new for each client, until closed. `addresses` has them by name."""

    def __init__(self, address):
        self.changes = Changes()
        stream_steps = [("cut", 2), ("cut", 0), UNAVAILABLE, "swallow", FULL, ("cut", 5)]
        watch_steps = [("cut", 1), ("cut", 0), UNAVAILABLE, ("cut", 4), FULL, ("cut", 30)]
        self._all = {
            # Answers that are lost, and refusals of all kinds before the fifth attempt is taken.
            "refuses": Flaky(address, {"Ingest": ["swallow", UNAVAILABLE, FULL, CONTENDED]}),
            # The first attempt is never answered; reads never are.
            "hangs": Flaky(address, {"Ingest": ["hang"], "GetCustomer": ["hang"] * 100}),
            "cuts_streams": Flaky(address, {"IngestStream": stream_steps}),
            "cuts_sources": Flaky(address, {"IngestStream": stream_steps}),
            # Connections are reset in the middle of frames, the first before anything was answered.
            "resets": Cutter(address, [20, 100, 300, 900, 1500, 0]),
            "cuts_watches": Flaky(self.changes.address, {"WatchChanges": list(watch_steps)}),
            "cuts_new_watches": Flaky(self.changes.address, {"WatchChanges": list(watch_steps)}),
            "resets_watches": Cutter(self.changes.address, [100, 400, 1000, 3000, 0]),
            # The first stream is never heard of again.
            "silences": Flaky(self.changes.address, {"WatchChanges": ["hang"]}),
            "changes": self.changes,
        }
        self.addresses = {name: server.address for name, server in self._all.items()} | {"server": address, "nobody": nobody()}

    def attempts(self, name, method):
        """Returns the calls of a method that came to a server."""
        return len(self._times(name, method))

    def pauses(self, name, method):
        """Returns the seconds between the calls of a method that came to a server."""
        times = self._times(name, method)
        return [later - earlier for earlier, later in pairwise(times)]

    def connections(self, name):
        """Returns the connections that a server has had."""
        return self._all[name].connections

    def _times(self, name, method):
        return [time for called, time in self._all[name].calls if called == method]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self._all.values():
            server.close()


def nobody():
    """Returns an address of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"
