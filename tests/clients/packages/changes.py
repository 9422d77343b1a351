"""A service of changes whose log is known in advance, to see that a watch misses nothing and gets nothing twice."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from happypath.gateway.v1 import change_pb2, change_service_pb2, change_service_pb2_grpc

from flaky import abort, refusal

# The oldest change that is kept, and how many there are at first.
OLDEST, FIRST = 100, 600
# Seconds from one new change to the next.
PACE_SECONDS = 0.02


class Changes(change_service_pb2_grpc.ChangeServiceServicer):
    """Serves changes `c100` and later, and makes new ones, until closed. The position behind `c100` is `fake-101`."""

    def __init__(self):
        self._began = time.monotonic()
        self._server = grpc.server(ThreadPoolExecutor(32))
        change_service_pb2_grpc.add_ChangeServiceServicer_to_server(self, self._server)
        self.address = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def _end(self):
        return FIRST + int((time.monotonic() - self._began) / PACE_SECONDS)

    def WatchChanges(self, request, context):  # noqa: N802 - the name of the contract.
        """Streams changes in messages of one to seven, and begins with one that has only a position."""
        at = self._begin(request, context)
        has_ended = threading.Event()
        context.add_callback(has_ended.set)
        yield change_service_pb2.WatchChangesResponse(position=f"fake-{at}")
        while not has_ended.is_set():
            until = min(at + 1 + at % 7, self._end())
            made = [change_pb2.Change(id=f"c{number}", customer_id="somebody") for number in range(at, until)]
            for change in made:
                change.membership.segment, change.membership.is_member = "engaged", True
            at = max(at, until)
            yield change_service_pb2.WatchChangesResponse(changes=made, position=f"fake-{at}")
            if not made:
                has_ended.wait(PACE_SECONDS)

    def _begin(self, request, context):
        if not request.position:
            return OLDEST if request.from_start else self._end()
        place, _, number = request.position.partition("-")
        if place != "fake":
            abort(
                context, *refusal(grpc.StatusCode.INVALID_ARGUMENT, "POSITION_INVALID", "the position is of another installation")
            )
        if int(number) < OLDEST:
            abort(
                context, *refusal(grpc.StatusCode.OUT_OF_RANGE, "CHANGES_OUT_OF_RANGE", "the position is older than what is kept")
            )
        return int(number)

    def close(self):
        """Ends it."""
        self._server.stop(None)
