"""What nobody should send: each is answered in time, counted by its reason, and events that are set aside can be mended."""

import base64
import gzip
import json
import time
import uuid

from neighbours import GATEWAY, basic, post, request, until

PATH = "/v1/cloudevents"
JSON, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
PROTOBUF, PROTOBUF_BATCH = "application/cloudevents+protobuf", "application/cloudevents-batch+protobuf"
MEBIBYTE = 1 << 20
# The most memory that the server may ever have had, in MiB.
MEMORY_MIB = 400
# How long any of this may take to be answered.
SECONDS = 5


def event(**fields):
    """An event that would be taken as it is, with some fields set or, where they are `None`, left out."""
    made = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/x", "type": "seen", "subject": "somebody", **fields}
    return {name: value for name, value in made.items() if value is not None}


class Sender:
    """Sends for one source, and takes note of what will be counted."""

    def __init__(self, guarded, reader, key, source):
        self.address, self.reader, self.key, self.source = guarded.address, reader, key, source
        self.expected = {}

    def expect(self, reason, count=1):
        """Takes note of what will be counted."""
        self.expected[self.source, reason] = self.expected.get((self.source, reason), 0) + count

    def post(self, kind, body, headers=None):
        """Posts a body of a type."""
        shown = {"content-type": kind} if kind else {"content-type": ""}
        answer = post(self.address, PATH, body, {**shown, **basic(self.key), **(headers or {})})
        assert answer.seconds < SECONDS, answer
        return answer

    def refused(self, what, status, reason, kind, body, headers=None):
        """Posts what is not taken at all."""
        answer = self.post(kind, body, headers)
        assert answer.status == status, f"{what}: {answer}"
        assert len(answer.content["message"]) > 20, f"{what} is not told what is wrong: {answer}"
        self.expect(reason)
        print(f"  {what}: {status}, {answer.content['message'][:90]}")

    def set_aside(self, what, reason, field, bad):
        """Posts an event that cannot be taken beside one that can: the call succeeds, and the event is kept."""
        bad = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
        answer = self.post(BATCH, b"[" + json.dumps(event()).encode() + b"," + bad + b"]")
        assert answer.status == 202, f"{what}: {answer}"
        self.aside(what, reason, field)
        self.expect("ACCEPTED")

    def aside(self, what, reason, field):
        """The newest dead letter says what is wrong."""
        self.expect(reason)
        letter = self.reader.dead_letters(self.source)[0]
        said = {name: value for name, value in letter.items() if name != "payload"}
        assert (letter["reason"], letter.get("field", "")) == (reason, field), f"{what}: {said}"
        assert letter["path"] == PATH, said
        return letter


def everything(guarded, reader, key, source):
    """Sends all of it."""
    sender = Sender(guarded, reader, key, source)
    keys(guarded, key)
    consent(guarded, key)
    calls(sender)
    events(sender)
    binary(sender)
    mended(sender)
    counted(sender)


def keys(guarded, key):
    """A key is shown in any of three ways, and nothing is taken without one."""
    body = json.dumps(event()).encode()
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    for headers, path, status in (
        ({}, PATH, 401),
        ({"authorization": f"Bearer {wrong}"}, PATH, 401),
        ({}, f"{PATH}/{wrong}", 401),
        (basic("unknown"), PATH, 401),
    ):
        answer = post(guarded.address, path, body, {"content-type": JSON, **headers})
        assert answer.status == status and answer.content["message"], (path, answer)
    answer = request(guarded.address, "GET", PATH, b"", basic(key))
    assert answer.status == 405, answer


def consent(guarded, key):
    """A sender that asks whether it may post hears that it may, with a key that may send."""
    asks = {"webhook-request-origin": "events.example.com", "webhook-request-rate": "120", "webhook-request-callback": "http://127.0.0.1:9/x"}
    answer = request(guarded.address, "OPTIONS", f"{PATH}/{key}", b"", asks)
    told = {name: value for name, value in answer.headers.items() if name.startswith("webhook-")}
    expected = {"webhook-allowed-origin": "events.example.com", "webhook-allowed-rate": "*"}
    assert (answer.status, told) == (200, expected) and "POST" in answer.headers["allow"], answer
    answer = request(guarded.address, "OPTIONS", f"{PATH}/nobody", b"", asks)
    assert answer.status == 401 and "webhook-allowed-origin" not in answer.headers, answer
    print("  a sender that asks whether it may post is told, by its key")


def calls(sender):
    """Bodies that are no call."""
    malformed = ("MALFORMED_CALL",)
    for what, kind, body in (
        ("no JSON", JSON, b"{"),
        ("nothing", JSON, b""),
        ("a list that is no batch", JSON, b"[]"),
        ("an object that is no batch", BATCH, b"{}"),
        ("a batch that ends early", BATCH, b"[{}"),
        ("UTF-16", BATCH, "[]".encode("utf-16")),
        ("no protobuf", PROTOBUF, b"\xff\xff"),
        ("a batch of no protobuf", PROTOBUF_BATCH, b"\x0a\xff"),
        ("a batch of half an event", PROTOBUF_BATCH, b"\x0a\x02\x0a\x09"),
    ):
        sender.refused(what, 400, *malformed, kind, body)
    for what, kind in (
        ("plain JSON", "application/json"),
        ("no type", ""),
        ("another format", "application/cloudevents+avro"),
        ("XML", "application/cloudevents+xml"),
    ):
        sender.refused(what, 415, *malformed, kind, b"{}")
    packed = {"content-encoding": "gzip"}
    sender.refused("half of a packed body", 400, *malformed, JSON, gzip.compress(b"{}")[:-8], packed)
    sender.refused("an unknown encoding", 415, *malformed, JSON, b"{}", {"content-encoding": "br"})
    large = "CALL_TOO_LARGE"
    sender.refused("6 MiB", 413, large, JSON, b" " * (6 * MEBIBYTE))
    sender.refused("a bomb", 413, large, JSON, gzip.compress(bytes(256 * MEBIBYTE), 9), packed)
    sender.refused("10,001 events", 413, large, BATCH, b"[" + b"1," * 10_000 + b"1]")
    sender.refused("millions of events", 413, large, PROTOBUF_BATCH, b"\x0a\x00" * (2 * MEBIBYTE))


def events(sender):
    """Events that cannot be taken, each beside one that is."""
    aside, malformed = sender.set_aside, "MALFORMED_EVENT"
    twice = json.dumps(event()).replace('"id"', '"id": "another", "id"').encode()
    for name in ("specversion", "id", "source", "type"):
        aside(f"no {name}", malformed, name, event(**{name: None}))
    aside("another version", malformed, "specversion", event(specversion="0.3"))
    aside("an id that is a number", malformed, "id", event(id=7))
    aside("two ids", malformed, "id", twice)
    aside("no event", malformed, "", b"1")
    aside("nobody", "NO_IDENTIFIER", "", event(subject=None))
    aside("a user that is a list", malformed, "data.userId", event(data={"userId": []}))
    aside("a time that is none", "BAD_TIME", "time", event(time="yesterday"))
    aside("a time in ten years", "BAD_TIME", "time", event(time="2036-11-30T00:00:00Z"))
    aside("a type with a bell", malformed, "type", event(type="se\u0007en"))
    aside("bytes that are no base64", malformed, "data_base64", event(data_base64="?"))
    aside("data and bytes", malformed, "data_base64", event(data=1, data_base64="AA=="))
    brace = base64.b64encode(b"{").decode()
    aside("JSON that is none", malformed, "data", event(datacontenttype="application/json", data_base64=brace))
    aside("bad UTF-8", "BAD_TEXT", "", json.dumps(event(type="X")).replace("X", "\xff").encode("latin-1"))
    aside("40,000 letters", "EVENT_TOO_LARGE", "", event(data={"text": "x" * 40_000}))
    aside("300,000 letters", "EVENT_TOO_LARGE", "", event(data={"text": "x" * 300_000}))
    deep = json.dumps(event(data=0)).replace('"data": 0', '"data": ' + "[" * 10_000 + "]" * 10_000).encode()
    aside("lists in each other", malformed, "data[0]", deep)
    wide = event(**{f"x{number}": 1 for number in range(20_000)})
    aside("20,000 attributes", malformed, "", wide)
    print(f"  events that cannot be taken: {sum(sender.expected.values())} things counted so far")


def binary(sender):
    """Events whose attributes are headers."""
    good = {"ce-specversion": "1.0", "ce-source": "/x", "ce-type": "seen", "ce-subject": "somebody"}

    def send(what, reason, field, headers, body=b"{}", kind="application/json"):
        answer = sender.post(kind, body, {**good, "ce-id": uuid.uuid4().hex, **headers})
        assert answer.status == 202, f"{what}: {answer}"
        sender.aside(what, reason, field)

    send("a space that is none", "BAD_TEXT", "subject", {"ce-subject": "%C0%A0"})
    send("an empty id", "MALFORMED_EVENT", "id", {"ce-id": ""})
    send("another version", "MALFORMED_EVENT", "specversion", {"ce-specversion": "2.0"})
    send("JSON that is none", "MALFORMED_EVENT", "data", {}, b"{")
    send("two data", "MALFORMED_EVENT", "data", {"ce-data": "x"})
    # A file that is compressed stays one: only a header says that a body is.
    photo = gzip.compress(b"photo")
    answer = sender.post("application/gzip", photo, {**good, "ce-id": uuid.uuid4().hex, "ce-subject": "gzip"})
    assert answer.status == 202, answer
    sender.expect("ACCEPTED")

    def arrived():
        customer, _ = sender.reader.customer("user_id", "gzip")
        return sender.reader.profile(customer)["recent_events"]

    (seen,) = until("a compressed file is taken as it is", arrived)
    assert base64.b64decode(seen["properties"]["data_base64"]) == photo, seen


def mended(sender):
    """An event that was set aside is taken once it is mended, and once only, with the same id."""
    tag = uuid.uuid4().hex[:12]
    bad = event(id=tag, subject=None, data={"tag": tag})
    assert sender.post(JSON, bad).status == 202
    letter = sender.aside("an event without a person", "NO_IDENTIFIER", "")
    good = {**bad, "subject": f"user-{tag}"}
    ask = {"ids": {"ids": [letter["id"]]}, "request_id": uuid.uuid4().hex, "payloads": {letter["id"]: json.dumps(good)}}
    taken = sender.reader.call(f"{GATEWAY}/ReplayDeadLetters", ask)
    assert taken["replayed_count"] == 1, taken
    assert sender.post(JSON, good).status == 202
    sender.expect("ACCEPTED", 2)

    def seen():
        customer, _ = sender.reader.customer("user_id", f"user-{tag}")
        return sender.reader.counts(customer)

    counts = until("an event that was mended is taken", seen)
    assert counts == {"seen": 1}, counts


def counted(sender):
    """Waits until all of it is counted by its reason, and nothing else is."""
    deadline = time.monotonic() + 30
    while (found := sender.reader.statistics(sender.source)) != sender.expected:
        assert time.monotonic() < deadline, f"counted {found}, not {sender.expected}"
        time.sleep(0.1)
    print(f"  counted by reason: {found}")
