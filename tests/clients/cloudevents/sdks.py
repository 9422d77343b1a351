"""Three public SDKs, and the public protobuf messages, each in every mode that it has."""

import base64
import datetime
import json
import pathlib
import subprocess

import messages
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from neighbours import basic, post

HERE = pathlib.Path(__file__).parent
PATH = "/v1/cloudevents"
BATCH = {"content-type": "application/cloudevents-batch+json"}
MODES = ("binary", "structured", "batch")
# How long one SDK may take to send a story.
PATIENCE_SECONDS = 60


def taken(answer):
    """Every post is answered as the specification says: it is taken, and the answer brings no event back."""
    assert (answer.status, answer.body) == (202, b""), answer


def value_of(event):
    """The data of an event, with its type."""
    if "text" in event:
        return event["text"], "text/plain"
    if "bytes" in event:
        return base64.b64decode(event["bytes"]), "application/octet-stream"
    return event["data"], "application/json"


def with_python(address, key, mode, events):
    """The SDK for Python, with the key as Bearer."""
    shown = {"authorization": f"Bearer {key}"}
    for headers, body in python_requests(mode, events):
        taken(post(address, PATH, body, {**headers, **shown}))


def python_requests(mode, events):
    """The requests that the SDK for Python makes."""
    built = [python_event(event) for event in events]
    if mode == "batch":
        # The SDK writes events one by one: a batch is the list of what it writes.
        written = [json.loads(to_structured(event, JSONFormat()).body) for event in built]
        return [(BATCH, json.dumps(written).encode())]
    write = to_binary if mode == "binary" else to_structured
    written = [write(event, JSONFormat()) for event in built]
    return [(message.headers, message.body) for message in written]


def python_event(event):
    """Builds an event as a user of the SDK does."""
    data, kind = value_of(event)
    attributes = {name: event[name] for name in ("id", "source", "type", "subject")}
    attributes |= {"specversion": "1.0", "datacontenttype": kind, **event.get("extensions", {})}
    if "time" in event:
        attributes["time"] = datetime.datetime.fromisoformat(event["time"])
    return CloudEvent(attributes=attributes, data=data)


def with_node(address, key, mode, events):
    """The SDK for Node, which sends by itself, with the key in the address."""
    done = subprocess.run(
        ["node", HERE / "send.mjs", f"{address}{PATH}/{key}", mode],
        input=json.dumps(events),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, f"it ended with {done.returncode}: {done.stderr[-2000:]}"


def with_rust(sender):
    """The SDK for Rust, in a program that writes what it makes, with the key as Basic."""

    def send(address, key, mode, events):
        for headers, body in rust_requests(sender, mode, events):
            taken(post(address, PATH, body, {**headers, **basic(key)}))

    return send


def rust_requests(sender, mode, events):
    """The requests that the SDK for Rust makes."""
    groups = [events] if mode == "batch" else [[event] for event in events]
    lines = "".join(json.dumps({"mode": mode, "events": group}) + "\n" for group in groups)
    done = subprocess.run([sender], input=lines, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, f"it ended with {done.returncode}: {done.stderr[-2000:]}"
    written = [json.loads(line) for line in done.stdout.splitlines()]
    return [(each["headers"], base64.b64decode(each["body"])) for each in written]


def with_protobuf(address, key, mode, events):
    """The public messages, written by the public runtime."""
    shown = {"authorization": f"Bearer {key}"}
    for headers, body in messages.requests(mode, [(event, *value_of(event)) for event in events]):
        taken(post(address, PATH, body, {**headers, **shown}))
