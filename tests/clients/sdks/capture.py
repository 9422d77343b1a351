"""Writes down what the SDKs send, for tests that run without them: capture.py FOLDER.

A file for each SDK, NAME.json, holds its requests in order. `body` is the JSON that was sent, and `encoding` says how it came.
"""

import json
import pathlib
import sys

import browser
import sdks
from proxy import Proxy
from calls import story

KEY = "WRITE_KEY"
KEPT = ("authorization", "content-type", "content-encoding", "user-agent", "origin", "x-retry-count")


def written(request):
    """A request as it is kept: headers that say nothing to a server are left out."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    kept = {name: value for name, value in headers.items() if name in KEPT or name.startswith("posthog-")}
    return {
        "method": request.method,
        "path": request.path,
        "headers": kept,
        "encoding": "gzip" if request.is_packed else "",
        "body": request.content,
    }


def main(folder):
    """Captures every SDK, and the browser in both of its ways to send."""
    calls = story("captured")
    requests = {}
    for sdk in sdks.ALL:
        with Proxy() as proxy:
            errors = sdks.send(sdk, proxy.url, KEY, calls)
            assert not errors, (sdk, errors)
            requests[sdk] = proxy.sent()
    for name, options in browser.WAYS.items():
        with Proxy() as proxy:
            outcome = browser.visit(proxy.url, KEY, options, calls, lambda: len(proxy.events()) >= len(calls))
            assert not outcome["problems"], outcome
            requests[name] = proxy.sent()
    for name, sent in requests.items():
        text = json.dumps([written(request) for request in sent], indent=1, ensure_ascii=False)
        (pathlib.Path(folder) / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
