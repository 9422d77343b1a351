"""Sends what no SDK would: bytes over a connection, with an eye on when the answer comes."""

import base64
import http.client
import json
import select
import socket
import time

# How long an answer may take, of whatever is sent. Slow senders have their own.
DEADLINE_SECONDS = 10


class Answer:
    """An answer, and how long it took."""

    def __init__(self, status, headers, body, seconds):
        self.status, self.headers, self.body, self.seconds = status, headers, body, seconds

    @property
    def content(self):
        """The JSON of its body."""
        assert "json" in self.headers.get("content-type", ""), f"no JSON: {self}"
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:500]!r} after {self.seconds:.2f} s"


def basic(key):
    """The header by which an SDK shows its key."""
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def request(address, method, path, body=b"", headers=None):
    """Makes a call as it should be made, whatever its body is."""
    started = time.monotonic()
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=DEADLINE_SECONDS)
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    try:
        connection.request(method, path, body, {"content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, fields, answer.read(), time.monotonic() - started)
    finally:
        connection.close()


def post(address, path, body, headers=None):
    """Makes a call that brings something."""
    return request(address, "POST", path, body, headers)


def stream(address, path, headers, parts, seconds=DEADLINE_SECONDS):
    """Sends the parts of a body one after another until there is an answer, and returns that with how much was sent."""
    started, sent = time.monotonic(), 0
    host, port = address.removeprefix("http://").split(":")
    head = {"host": f"{host}:{port}", "content-type": "application/json", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode())
        try:
            for part in parts:
                assert time.monotonic() - started < seconds, f"{path} was not answered within {seconds} s, and {sent} bytes"
                if select.select([connection], [], [], 0)[0]:
                    break
                connection.sendall(part)
                sent += len(part)
        except (BrokenPipeError, ConnectionResetError):
            # The server has ended it. Whether it said why shows below.
            pass
        return read(connection, started), sent


def read(connection, started):
    """Reads the answer of a connection."""
    answer = http.client.HTTPResponse(connection)
    try:
        answer.begin()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, fields, answer.read(), time.monotonic() - started)
    except (ConnectionError, http.client.HTTPException, TimeoutError) as error:
        return Answer(0, {}, repr(error).encode(), time.monotonic() - started)


def chunk(content):
    """A chunk of a body without a length."""
    return b"%x\r\n%s\r\n" % (len(content), content)
