"""What nobody should send: each is answered with what is wrong with it, in time, and the server goes on."""

import time

import grpc

from server import DEADLINE_SECONDS, Refused
from story import APPLY, GET_DEFINITION, INGEST

CHECK = "happypath.segmentation.v1.SegmentationService/CheckExpression"
PREVIEW = "happypath.activation.v1.ActivationService/PreviewTemplate"
LIST_CUSTOMERS = "happypath.identity.v1.IdentityService/ListCustomers"

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def bad_requests(server, tag):
    """Everything that is wrong is told at once, by field, with a reason for machines."""
    events = [{"name": "pur\nchase"}, {"event_id": "x" * 101, "name": "purchase", "identifiers": {"user_id": tag}}]
    refused = server.refusal(INGEST, {"events": events})
    assert refused.code is INVALID, refused
    assert (refused.reason, refused.domain) == ("INVALID_REQUEST", "happypath.dev"), refused
    expected = {"events[0].name", "events[0].identifiers", "events[1].event_id"}
    assert set(refused.fields) == expected, refused.violations
    assert all(description for _, description in refused.violations), refused.violations

    segment = {"name": f"bad_{tag}", "expression": "profile.plan == "}
    send = {"channel": f"no_such_{tag}", "template": f"none_{tag}", "purpose": "x"}
    journey = {
        "name": f"bad_{tag}",
        "entry": {"triggers": [{"event": "purchase"}], "reentry": "REENTRY_NEVER"},
        "steps": [{"id": "thank", "send": send}],
    }
    definitions = [{"segment": segment}, {"journey": journey}]
    refused = server.refusal(APPLY, {"request_id": f"bad-{tag}", "definitions": definitions})
    assert refused.code is INVALID and refused.reason in ("DEFINITION_INVALID", "INVALID_REQUEST"), refused
    for field in (
        "definitions[0].segment.expression",
        "definitions[1].journey.steps[0].send.channel",
        "definitions[1].journey.steps[0].send.template",
    ):
        assert field in refused.fields, (field, refused.violations)
    absent = server.refusal(GET_DEFINITION, {"kind": "DEFINITION_KIND_JOURNEY", "name": f"bad_{tag}"})
    assert (absent.code, absent.reason) == (grpc.StatusCode.NOT_FOUND, "DEFINITION_NOT_FOUND"), absent
    print("  bad requests name every fault, and nothing of them was applied")


def many_faults(server, tag):
    """Many faults are INVALID_ARGUMENT in what a client takes by default: the first of them, and the count of the rest."""
    refused = server.refusal(INGEST, {"events": [{"name": "\x1b", "identifiers": {"user_id": tag}}] * 80})
    assert (refused.code, refused.reason) == (INVALID, "INVALID_REQUEST"), refused
    assert refused.fields[:2] == ["events[0].name", "events[1].name"], refused.violations
    assert len(refused.fields) + refused.more == 80, (len(refused.fields), refused.more)

    send = {"channel": f"no_such_{tag}", "template": f"none_{tag}", "purpose": "x"}
    journeys = [
        {
            "journey": {
                "name": f"lost_{tag}_{number}",
                "entry": {"triggers": [{"event": "purchase"}], "reentry": "REENTRY_NEVER"},
                "steps": [{"id": "thank", "send": send}],
            }
        }
        for number in range(30)
    ]
    refused = server.refusal(APPLY, {"request_id": f"lost-{tag}", "definitions": journeys})
    assert (refused.code, refused.reason) == (INVALID, "DEFINITION_INVALID"), refused
    assert refused.fields[0] == "definitions[0].journey.steps[0].send.channel", refused.violations
    assert len(refused.fields) + refused.more == 60, (len(refused.fields), refused.more)
    print(f"  80 bad names and 30 bad journeys: the first faults are told, and {refused.more} more are counted")


def unreadable_definition(server, tag):
    """A definition whose bytes cannot be read refuses the request, by its place, and nothing is applied."""
    good = field(2, field(2, field(1, f"good_{tag}".encode()) + field(3, b"has(profile.x)")))
    no_text = field(2, field(2, field(1, b"\xff") + field(3, b"has(profile.x)")))
    request = field(1, f"unread-{tag}".encode()) + good + no_text
    refusal = refused("a definition that is no text", server, APPLY, request)
    assert refusal.fields == ["definitions[1].segment.name"], refusal.violations
    absent = server.refusal(GET_DEFINITION, {"kind": "DEFINITION_KIND_SEGMENT", "name": f"good_{tag}"})
    assert absent.code is grpc.StatusCode.NOT_FOUND, absent


def hostile_events(server, tag):
    """Events that are too deep, too large or too many."""
    nested = raw_ingest(tag, deep_struct(10_000))
    refused("a property nested 10,000 deep", server, INGEST, nested)
    event = {"name": "purchase", "identifiers": {"user_id": f"hostile-{tag}"}}
    deep = {**event, "properties_json": '{"a":' * 40 + "1" + "}" * 40}
    refusal = refused("a property nested 40 deep", server, INGEST, {"events": [deep]})
    assert any(field.startswith("events[0].properties") for field in refusal.fields), refusal.violations
    large = {**event, "properties": {f"p{number}": "x" * 1_000 for number in range(40)}}
    refused("an event of 40 kB", server, INGEST, {"events": [large]})
    wide = {**event, "properties": {f"p{number}": number for number in range(500)}}
    refused("500 properties", server, INGEST, {"events": [wide]})
    refused("501 events", server, INGEST, {"events": [event] * 501})
    refused("4,000,000 empty events", server, INGEST, field(2, b"") * 4_000_000)
    refused("bytes that are no message", server, INGEST, b"\xff" * 1_000)
    refused("a page token that nobody gave out", server, LIST_CUSTOMERS, {"page_token": "AAAA" * 100})


def hostile_texts(server):
    """Expressions and templates that would cost more than they may."""
    for what, expression in (
        ("a sum of 2,000 terms", "+".join(["1"] * 2_000)),
        ("4,000 open parentheses", "(" * 4_000),
        ("16,000 open parentheses", "((((" * 4_000),
        ("4,000 negations", "!" * 4_000),
        ("a list in a list in a list", "[" * 4_000),
        ("a text that does not end", '"' + "x" * 4_000),
        ("control characters", "\x00\x1b" * 1_000),
    ):
        mistaken(what, server, expression)
    refused("a template that never ends", server, PREVIEW, {"text": {"body": "{% for i in range(1000000000) %}x{% endfor %}"}})
    refused("a template that grows", server, PREVIEW, {"text": {"body": '{{ "x" * 1000000000 }}'}})


def refused(what, server, method, request):
    """The refusal of a request, which must be INVALID_ARGUMENT and come in time."""
    started = time.monotonic()
    refusal = server.refusal(method, request)
    seconds = time.monotonic() - started
    assert refusal.code is INVALID, f"{what}: {refusal}"
    survived(what, server, seconds, refusal.message)
    return refusal


def mistaken(what, server, expression):
    """A check that must find mistakes, or refuse the request as a whole."""
    started = time.monotonic()
    try:
        answer = server.call(CHECK, {"expression": expression})
    except Refused as refusal:
        assert refusal.code is INVALID, f"{what}: {refusal}"
        said = refusal.message
    else:
        assert answer.get("errors"), f"{what}: {answer}"
        said = answer["errors"][0]["message"]
    survived(what, server, time.monotonic() - started, said)


def survived(what, server, seconds, said):
    """The answer came in time, and the server still says that it serves."""
    assert seconds < DEADLINE_SECONDS / 2, f"{what} took {seconds:.1f} s"
    assert server.health() == "SERVING", what
    print(f"  {what}: {seconds * 1000:.0f} ms, {said[:120]!r}")


def raw_ingest(tag, properties):
    """An IngestRequest of one event, made by hand: no library writes properties so deep."""
    identifiers = field(1, b"user_id") + field(2, f"hostile-{tag}".encode())
    return field(2, field(2, b"purchase") + field(4, identifiers) + field(5, properties))


def deep_struct(depth):
    """A google.protobuf.Struct in a Struct, so many deep. From the inside out, so that no byte is copied twice."""
    inner = b"\x20\x01"
    parts, size = [inner], len(inner)
    for level in range(depth):
        if level:
            size = prepend(parts, 5, size, b"")
        size = prepend(parts, 2, size, field(1, b"a"))
        size = prepend(parts, 1, size, b"")
    return b"".join(reversed(parts))


def prepend(parts, number, size, before):
    """Wraps what there is as a field, after another field; returns the new size."""
    head = before + tag_of(number) + varint(size)
    parts.append(head)
    return size + len(head)


def field(number, content):
    """A field of bytes."""
    return tag_of(number) + varint(len(content)) + content


def tag_of(number):
    """The tag of a field with a length."""
    return bytes([number << 3 | 2])


def varint(number):
    """A number as protobuf writes it."""
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)
