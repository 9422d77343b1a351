"""What a source's owner decides: names of events, origins of web pages, and what becomes of events that were set aside."""

import json
import uuid

import browser
import sdks
from calls import device, purchase, story, user
from proxy import Proxy
from reader import GATEWAY, until
from wire import basic, post

APPLY = "happypath.definition.v1.DefinitionService/ApplyDefinitions"
# Events of one call of an SDK that does not split, and bytes of each: 3.4 MB in all.
MANY, LARGE = 110, 30_000


def names_and_origins(guarded, reader, key, source):
    """A source gives events other names, and lets only its own web pages send."""
    definition = {"name": source, "event_names": {"Order Completed": "purchase"}, "origins": ["https://shop.example.com"]}
    reader.call(APPLY, {"request_id": uuid.uuid4().hex, "definitions": [{"source": definition}]})
    tag = uuid.uuid4().hex[:12]
    until("a source names events as it likes", lambda: sent_as(guarded, reader, key, tag, "purchase"))
    before = reader.statistics(source).get((source, "ORIGIN_REFUSED"), 0)
    calls = [{"call": "track", "event": "Seen", "properties": {}}]
    with Proxy(guarded.address) as proxy:
        outcome = browser.visit(proxy.url, key, browser.WAYS["browser"], calls, lambda: proxy.answers)
        statuses = [status for request, status, _ in proxy.answers if request.method == "POST"]
    assert statuses == [403] and "403" in outcome["problems"][0], (statuses, outcome)
    until("a page of another origin is told why not", lambda: refused_more(reader, source, before))


def sent_as(guarded, reader, key, tag, name):
    """Whether an order that an SDK sends counts under a name: replicas hear of definitions within a second."""
    errors = sdks.send("segment-python", guarded.address, key, [purchase(tag)])
    assert not errors, errors
    customer, _ = reader.customer("user_id", user(tag))
    counts = until("the order is counted", lambda: reader.counts(customer))
    return name in counts


def refused_more(reader, source, before):
    """Whether a page was counted that may not send."""
    return reader.statistics(source).get((source, "ORIGIN_REFUSED"), 0) == before + 1


def mended(guarded, reader, key, source):
    """An event that was set aside is taken once it is mended, and once only."""
    tag = uuid.uuid4().hex[:12]
    event = {"type": "track", "event": "Seen", "messageId": tag, "properties": {"tag": tag}}
    answer = post(guarded.address, "/v1/batch", {"batch": [event]}, basic(key))
    assert answer.status == 200, answer
    letter = next(each for each in reader.dead_letters(source) if tag in each["payload"])
    assert letter["reason"] == "NO_IDENTIFIER" and letter["path"] == "/v1/batch", letter
    request = {"ids": {"ids": [letter["id"]]}}
    replay = f"{GATEWAY}/ReplayDeadLetters"
    again = reader.call(replay, {**request, "request_id": uuid.uuid4().hex})
    assert again.get("replayed_count", 0) == 0 and again["refused"][0]["reason"] == "NO_IDENTIFIER", again
    payloads = {letter["id"]: json.dumps({**event, "userId": user(tag)})}
    taken = reader.call(replay, {**request, "request_id": uuid.uuid4().hex, "payloads": payloads})
    assert taken["replayed_count"] == 1, taken
    answer = post(guarded.address, "/v1/batch", {"batch": [{**event, "userId": user(tag)}]}, basic(key))
    assert answer.status == 200, answer
    customer, _ = reader.customer("user_id", user(tag))
    counts = until("a mended event is taken", lambda: reader.counts(customer))
    assert counts == {"Seen": 1}, counts
    assert not any(tag in each["payload"] for each in reader.dead_letters(source))


def large(guarded, reader, key):
    """Batches of SDKs that do not split arrive whole."""
    for name in ("rudder-python", "posthog-python"):
        tag = uuid.uuid4().hex[:12]
        text = {f"text{number}": "x" * (LARGE // 4) for number in range(4)}
        call = {"call": "track", "user": user(tag), "event": "Large", "properties": text}
        with Proxy(guarded.address) as proxy:
            errors = sdks.send(name, proxy.url, key, [call] * MANY)
            assert not errors, (name, errors, proxy.told())
            largest = max(len(request.text) for request in proxy.sent())
        customer, _ = reader.customer("user_id", user(tag))
        until(
            f"{name}: {MANY} large events, as much as {largest // 1024} KiB at once",
            lambda: reader.counts(customer).get("Large") == MANY,
        )


def devices(guarded, reader, key):
    """A device that was never named stays one, and a story that is told again changes nothing."""
    tag = uuid.uuid4().hex[:12]
    for _ in range(2):
        errors = sdks.send("posthog-node", guarded.address, key, story(tag)[:1])
        assert not errors, errors
    customer, names = reader.customer("anonymous_id", device(tag))
    assert names == {("anonymous_id", device(tag))}, names
    until("a device is nobody's yet", lambda: reader.counts(customer) == {"Product Viewed": 2})
