"""Opens a web page in a real browser, whose SDK sends to a server of another origin.

The page is known by what it shows and sends only: nothing drives the browser, which is told an address and stopped.
"""

import json
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler

from proxy import Listener

HERE = pathlib.Path(__file__).parent
SDK = HERE / "node_modules/@segment/analytics-next/dist/umd/index.js"
# How long a page may take, the start of the browser included.
PATIENCE_SECONDS = 60
NAMES = ("chromium", "chromium-browser", "google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


# The ways of the SDK to send: each event by itself, or some of them together.
BATCHES = {"strategy": "batching", "config": {"size": 3, "timeout": 100}}
WAYS = {"browser": {}, "browser-batches": {"integrations": {"Segment.io": {"deliveryStrategy": BATCHES}}}}


def visit(host, key, options, calls, is_over):
    """Opens the page, which makes the calls, and returns what it said came of them once `is_over` says that all arrived."""
    page = Page({"host": host, "key": key, "options": options, "calls": calls})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [
                next(found for name in NAMES if (found := shutil.which(name))),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                # Nothing but this machine is there.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--no-first-run",
                f"--user-data-dir={profile}",
                page.url,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert page.done.wait(PATIENCE_SECONDS), f"the page said nothing within {PATIENCE_SECONDS} s"
            until_over(is_over)
        finally:
            browser.terminate()
            _, complaints = browser.communicate()
            page.close()
    assert not page.outcome.get("failure"), (page.outcome, complaints[-2000:])
    return page.outcome


def until_over(is_over):
    """Waits for what the page leaves to be sent behind its back."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_over():
        assert time.monotonic() < deadline, f"the page did not send all within {PATIENCE_SECONDS} s"
        time.sleep(0.02)


class Page:
    """Serves the page, the SDK and the calls, and takes what came of them."""

    def __init__(self, calls):
        self.outcome, self.done = None, threading.Event()
        page = self

        class Handler(BaseHTTPRequestHandler):
            """A little web shop."""

            def do_GET(self):
                """Shows the page and its parts."""
                parts = {
                    "/": ("text/html", (HERE / "page.html").read_bytes),
                    "/analytics.js": ("text/javascript", SDK.read_bytes),
                    "/calls": ("application/json", json.dumps(calls).encode),
                }
                kind, content = parts.get(self.path, ("text/plain", bytes))
                self.send_response(200 if self.path in parts else 404)
                self.send_header("content-type", kind)
                self.end_headers()
                self.wfile.write(content())

            def do_POST(self):
                """Takes the outcome."""
                page.outcome = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(204)
                self.end_headers()
                page.done.set()

            def log_message(self, *_):
                """Says nothing: the check prints what matters."""

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
