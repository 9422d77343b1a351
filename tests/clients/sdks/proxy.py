"""Stands between an SDK and a server: keeps what is sent, and answers as a script says before it lets requests through.

Without a server behind it, it takes everything, as a server of that dialect would.
"""

import gzip
import http.client
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import instants

# Headers that are for one hop only.
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
# Instants as SDKs write them.
INSTANT = re.compile(r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00))"')


class Listener(ThreadingHTTPServer):
    """A server that says nothing about clients who hang up."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        """Tells what is no mere end of a connection."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Request:
    """A request as it was sent."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.raw = method, path, headers, body

    @property
    def text(self):
        """The text of its body, whatever its headers call it."""
        return (gzip.decompress(self.raw) if self.is_packed else self.raw).decode()

    @property
    def is_packed(self):
        """Whether its body is compressed."""
        return self.raw[:2] == b"\x1f\x8b"

    @property
    def content(self):
        """The JSON of its body."""
        return json.loads(self.text) if self.raw else None

    def by_clock(self, wrong):
        """The same as a sender with a clock that is wrong by so much would have sent it."""

        def moved(match):
            return json.dumps((instants.read(match[1]) + wrong).isoformat())

        body = INSTANT.sub(moved, self.text).encode()
        headers = {name: value for name, value in self.headers.items()}
        for name in headers.keys() & {"PostHog-Request-Timestamp"}:
            headers[name] = (instants.read(headers[name]) + wrong).isoformat()
        return Request(self.method, self.path, headers, gzip.compress(body) if self.is_packed else body)


class Proxy:
    """Listens on a free port of this machine until closed.

    `script` holds answers for the first requests that bring events, in turn: "swallow" passes a request on and loses its
    answer, a pair of a status and headers is answered without passing it on. Requests after these are passed on. With
    `wrong_clock` everything is passed on as a sender would have sent it whose clock is wrong by so much.
    """

    def __init__(self, server=None, script=(), wrong_clock=None):
        self.requests, self.answers = [], []
        self._server, self._script, self._wrong = server, list(script), wrong_clock
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            """Keeps connections, as servers do."""

            protocol_version = "HTTP/1.1"

            def handle_any(self):
                """Takes a request."""
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                proxy._take(self, Request(self.command, self.path, self.headers, body))

            do_GET = do_POST = do_OPTIONS = handle_any

            def log_message(self, *_):
                """Says nothing: the check prints what matters."""

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()

    def _take(self, handler, request):
        if self._wrong is not None and request.raw:
            request = request.by_clock(self._wrong)
        with self._lock:
            self.requests.append(request)
            step = self._script.pop(0) if self._script and request.method == "POST" else None
        if step is None or step == "swallow":
            status, headers, body = self._pass_on(request) if self._server else taken(request)
            if step == "swallow":
                status, headers, body = 500, [], b"lost on the way"
        else:
            (status, headers), body = step, b""
        with self._lock:
            self.answers.append((request, status, body))
        handler.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP:
                handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _pass_on(self, request):
        connection = http.client.HTTPConnection(self._server.removeprefix("http://"), timeout=30)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        connection.request(request.method, request.path, request.raw, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), body

    def events(self):
        """The events that were sent, those of repeated requests again."""
        contents = [request.content for request in self.sent()]
        return [event for content in contents for event in content.get("batch", [content])]

    def accepted(self):
        """The events of requests that were answered with success."""
        with self._lock:
            contents = [request.content for request, status, _ in self.answers if request.method == "POST" and status < 300]
        return [event for content in contents for event in content.get("batch", [content])]

    def told(self):
        """The statuses and texts of all answers, for people."""
        with self._lock:
            return [(request.method, request.path, status, body[:300]) for request, status, body in self.answers]

    def sent(self):
        """The requests that brought events."""
        with self._lock:
            return [request for request in self.requests if request.method == "POST"]

    def close(self):
        """Stops listening."""
        self._listener.shutdown()
        self._listener.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def taken(request):
    """The answer of a server that takes everything."""
    headers = [
        ("content-type", "application/json"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-headers", "authorization, content-type, x-retry-count"),
        ("access-control-expose-headers", "retry-after"),
    ]
    if request.method == "GET":
        key = request.path.split("/")[3]
        answer = {"integrations": {"Segment.io": {"apiKey": key, "apiHost": f"{request.headers['host']}/v1", "protocol": "http"}}}
    elif request.path.startswith("/i/v1/"):
        answer = {"results": {event["uuid"]: {"result": "ok"} for event in request.content["batch"]}}
    else:
        answer = {"success": True}
    return 200, headers, b"" if request.method == "OPTIONS" else json.dumps(answer).encode()
