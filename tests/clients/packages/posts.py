"""A post as Happypath makes it: defined by the client, caused by an event, and taken by a receiver that listens to it."""

import base64
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from happypath.definition.v1 import definition_service_pb2 as definition

# How long a post may take to come.
PATIENCE_SECONDS = 30


def real_post(client, tag):
    """Returns the body and headers of a delivery, and the secret that signs it. What it defines is deleted again."""
    came, posts = threading.Event(), []

    class Handler(BaseHTTPRequestHandler):
        """Keeps what comes."""

        def do_POST(self):  # noqa: N802 - the name of the library.
            """Takes a post."""
            posts.append((self.rfile.read(int(self.headers["content-length"])).decode(), dict(self.headers)))
            self.send_response(204)
            self.end_headers()
            came.set()

        def log_message(self, *_):
            """Says nothing."""

    receiver = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    secret = f"whsec_{base64.b64encode(os.urandom(32)).decode()}"
    url = f"http://127.0.0.1:{receiver.server_address[1]}/"
    names = {kind: f"{kind}_{tag}" for kind in ("channel", "template", "journey")}
    client.apply(definitions(names, url, secret))
    try:
        # Replicas hear of definitions within a second, so that the first events may come too early.
        end = time.monotonic() + PATIENCE_SECONDS
        while not came.wait(0.2) and time.monotonic() < end:
            client.track(f"joined_{tag}", {"user_id": f"{tag}-{time.monotonic_ns()}"})
        assert posts, f"no post came within {PATIENCE_SECONDS} s"
    finally:
        receiver.shutdown()
        receiver.server_close()
        for kind in ("journey", "template", "channel"):
            number = definition.DefinitionKind.Value(f"DEFINITION_KIND_{kind.upper()}")
            client.definition.DeleteDefinition(definition.DeleteDefinitionRequest(kind=number, name=names[kind]))
    return {"body": posts[0][0], "headers": {name.lower(): value for name, value in posts[0][1].items()}, "secret": secret}


def definitions(names, url, secret):
    """A journey that greets whoever joins."""
    send = {"channel": names["channel"], "template": names["template"], "purpose": "transactional"}
    event = names["journey"].replace("journey", "joined")
    entry = {"triggers": [{"event": event}], "reentry": "REENTRY_NEVER"}
    return [
        {"channel": {"name": names["channel"], "webhook": {"url": url, "secret": secret, "allow_private_network": True}}},
        {"template": {"name": names["template"], "text": {"body": "Grüß Gott"}}},
        {"journey": {"name": names["journey"], "entry": entry, "steps": [{"id": "greet", "send": send}]}},
    ]
