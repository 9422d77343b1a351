"""The SDKs that are tried, each in a process of its own, as their programs would run them."""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
# How long one SDK may take to send a story, its retries included.
PATIENCE_SECONDS = 60

SEGMENT = ("segment-node", "segment-python")
RUDDER = ("rudder-node", "rudder-python")
# Those of PostHog have two ways to send, of which programs choose the second one.
POSTHOG = ("posthog-node", "posthog-python", "posthog-node-v1", "posthog-python-v1")
ALL = SEGMENT + RUDDER + POSTHOG


def send(sdk, host, key, calls):
    """Makes the calls with an SDK that knows nothing but the host and the key, and returns the errors that it told."""
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    if sdk.endswith("-v1"):
        environment["POSTHOG_CAPTURE_MODE"] = "v1"
    program = ["node", HERE / "send.mjs"] if "-node" in sdk else [sys.executable, HERE / "send.py"]
    done = subprocess.run(
        [*program, sdk, host, key],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        env=environment,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, f"{sdk} ended with {done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout.splitlines()[-1])["errors"]
