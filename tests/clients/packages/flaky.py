"""Stands between a client and a server, and fails as a script says: as a service that refuses, or as a wire that is cut."""

import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

# Calls at once; a stream takes one for as long as it lasts.
WORKERS = 32
# Seconds of the longest call.
LONGEST_SECONDS = 3_600


def refusal(code, reason, message, delay=None):
    """Returns the status of a service that refuses, with its details encoded."""
    details = [error_details_pb2.ErrorInfo(reason=reason, domain="happypath.dev")]
    if delay is not None:
        whole = int(delay)
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=whole, nanos=int((delay - whole) * 1e9))))
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return code, message, status.SerializeToString()


def abort(context, code, message, details=b""):
    """Ends a call."""
    if details:
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
    context.abort(code, message)


class Flaky(grpc.GenericRpcHandler):
    """Passes calls on, until closed.

    `script` has steps for the calls of a method, by its name and in turn; later calls are passed on. A step is `swallow`, which
    passes a call on and loses its first answer; `hang`, which never answers; `("cut", n)`, which ends a stream after n answers;
    or a refusal.
    """

    def __init__(self, address, script):
        self._script = {method: list(steps) for method, steps in script.items()}
        self._lock = threading.Lock()
        # The calls that came, each with its time.
        self.calls = []
        self._channel = grpc.insecure_channel(address.removeprefix("http://"))
        self._server = grpc.server(ThreadPoolExecutor(WORKERS), handlers=[self])
        self.address = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def service(self, details):
        """Takes a call of any method."""

        def behave(requests, context):
            name = details.method.rpartition("/")[2]
            with self._lock:
                self.calls.append((name, time.monotonic()))
                steps = self._script.get(name) or [None]
                step = steps.pop(0)
            yield from self._answers(step, details, requests, context)

        return grpc.stream_stream_rpc_method_handler(behave)

    def _answers(self, step, details, requests, context):
        if step == "hang":
            has_ended = threading.Event()
            context.add_callback(has_ended.set)
            has_ended.wait()
            return
        if isinstance(step, tuple) and step[0] != "cut":
            abort(context, *step)
        metadata = [(key, value) for key, value in details.invocation_metadata if key == "authorization"]
        # Without a deadline, the remaining time is larger than a timeout may be.
        remaining = context.time_remaining()
        timeout = remaining if remaining is not None and remaining < LONGEST_SECONDS else None
        upstream = self._channel.stream_stream(details.method)(requests, metadata=metadata, timeout=timeout)
        left = step[1] if isinstance(step, tuple) else None
        try:
            for answer in upstream:
                if left == 0:
                    break
                left = left and left - 1
                if step == "swallow":
                    break
                yield answer
        except grpc.RpcError as error:
            trailers = [(key, value) for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin"]
            context.set_trailing_metadata(trailers)
            context.abort(error.code(), error.details())
        finally:
            upstream.cancel()
        if step is not None:
            abort(context, grpc.StatusCode.UNAVAILABLE, "cut off on the way")

    def close(self):
        """Ends it, and the calls that are under way."""
        self._server.stop(None)
        self._channel.close()


class Cutter:
    """Passes bytes on, and resets the first connections after so many bytes of answers each."""

    def __init__(self, address, cuts):
        host, _, port = address.removeprefix("http://").rpartition(":")
        self._server, self._cuts = (host, int(port)), list(cuts)
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            room = self._cuts.pop(0) if self._cuts else None
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._pass_on, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, room), daemon=True).start()

    def _pass_on(self, source, target, room):
        try:
            while data := source.recv(65536):
                if room is not None and len(data) > room:
                    target.sendall(data[:room])
                    break
                room = room and room - len(data)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                # A reset, as of a machine that is gone.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def close(self):
        """Takes no more connections."""
        self._listener.close()
