"""A webhook receiver, as a customer of the product would run one: it trusts nothing but the signature.

The first delivery is answered with 503, so that every run sees a retry too.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError


class Receiver:
    """Listens on a free port of this machine until closed."""

    def __init__(self):
        self.requests = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """Keeps what arrives."""

            def do_POST(self):
                """Takes a delivery; the first one is turned away."""
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append(({key.lower(): value for key, value in self.headers.items()}, body))
                self.send_response(503 if len(receiver.requests) == 1 else 204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Says nothing: the check prints what matters."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()


def verified(secret, headers, body):
    """The content of a delivery whose signature the public library accepts."""
    return Webhook(secret).verify(body, headers)


def is_forgery(secret, headers, body):
    """Whether the public library refuses the delivery."""
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return True
    return False
