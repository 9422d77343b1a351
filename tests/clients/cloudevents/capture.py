"""Writes what SDKs send as seeds of the fuzz target: capture.py FOLDER SENDER, where SENDER is the program with the SDK for Rust.

A seed is the body; in binary mode there are lines of `name: value` and an empty line before it, with attributes without `ce-`.
"""

import pathlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import messages
import sdks
from story import story


def node(mode):
    """The requests that the SDK for Node sends."""
    caught = []

    class Handler(BaseHTTPRequestHandler):
        """Takes everything."""

        def do_POST(self):
            """Keeps a request."""
            headers = {name.lower(): value for name, value in self.headers.items()}
            length = int(headers.get("content-length") or 0)
            body = self.rfile.read(length) if length else chunks(self.rfile)
            caught.append((headers, body))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_):
            """Says nothing."""

    listener = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    sdks.with_node(f"http://127.0.0.1:{listener.server_address[1]}", "key", mode, story("tag"))
    listener.shutdown()
    return caught


def chunks(file):
    """A body in chunks."""
    body = b""
    while length := int(file.readline(), 16):
        body += file.read(length)
        file.readline()
    return body


def seed(headers, body, mode):
    """A request as a seed."""
    if mode != "binary":
        return body
    lines = [f"{name.removeprefix('ce-')}: {value}" for name, value in headers.items() if name.startswith(("ce-", "content-type"))]
    return "\n".join(lines).encode() + b"\n\n" + body


def main(folder, sender):
    """Writes all seeds."""
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    events = story("tag")
    for mode in sdks.MODES:
        for name, made in (
            ("python", sdks.python_requests(mode, events)),
            ("node", node(mode)),
            ("rust", sdks.rust_requests(sender, mode, events)),
        ):
            folder.joinpath(f"{name}-{mode}").write_bytes(seed(*made[0], mode))
    valued = [(event, *sdks.value_of(event)) for event in events]
    for mode, name in (("structured", "protobuf"), ("batch", "protobuf-batch")):
        folder.joinpath(name).write_bytes(messages.requests(mode, valued)[0][1])


if __name__ == "__main__":
    main(*sys.argv[1:])
