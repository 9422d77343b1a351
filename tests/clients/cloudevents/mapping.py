"""What a source's owner decides: which events mean what, and whom they are about."""

import json
import uuid

from neighbours import GATEWAY, basic, post, until

APPLY = "happypath.definition.v1.DefinitionService/ApplyDefinitions"
PATH = "/v1/cloudevents"
KIND = "application/cloudevents+json"


def mapped(guarded, reader, key, source):
    """Events of a CRM, which name people in a way of its own, are set aside, and taken once a mapping says what they mean."""
    tag = uuid.uuid4().hex[:12]
    event = {
        "specversion": "1.0",
        "id": tag,
        "source": "/crm",
        "type": "com.crm.deal.won",
        "time": "2026-11-29T08:00:00Z",
        "owner": "team7",
        "data": {"contact": {"mail": f"{tag}@example.com"}, "amount": 120.5, "stage": "won"},
    }
    answer = send(guarded, key, event)
    assert answer.status == 202, answer
    (letter,) = reader.dead_letters(source)
    assert letter["reason"] == "NO_IDENTIFIER", letter
    mapping = {
        "when": 'item.type == "com.crm.deal.won"',
        "name": '"deal_won"',
        "identifiers": {"email": "item.data.contact.mail"},
        "properties": {"total": "item.data.amount", "team": "item.owner"},
        "traits": {"stage": "item.data.stage"},
    }
    definition = {"name": source, "cloud_events": [mapping]}
    reader.call(APPLY, {"request_id": uuid.uuid4().hex, "definitions": [{"source": definition}]})
    ask = {"ids": {"ids": [letter["id"]]}}
    replay = f"{GATEWAY}/ReplayDeadLetters"
    until(
        "an event that was set aside is taken once a mapping says what it means",
        lambda: reader.call(replay, {**ask, "request_id": uuid.uuid4().hex}).get("replayed_count"),
    )
    answer = send(guarded, key, event)
    assert answer.status == 202, answer

    def seen():
        customer, _ = reader.customer("email", f"{tag}@example.com")
        return reader.profile(customer)

    profile = until("it is of whom the mapping says", seen)
    assert profile["traits"] == {"stage": "won"}, profile
    (one,) = profile["recent_events"]
    assert one["name"] == "deal_won" and one["properties"] == {"total": 120.5, "team": "team7"}, one
    assert one["time"].startswith("2026-11-29T08:00:00"), one
    # What no mapping is for has the defaults.
    plain = {**event, "id": f"{tag}-2", "type": "com.crm.note", "subject": f"user-{tag}"}
    assert send(guarded, key, plain).status == 202
    until("what no mapping is for has the defaults", lambda: reader.customer("user_id", f"user-{tag}"))


def send(guarded, key, event):
    """Posts an event."""
    return post(guarded.address, PATH, json.dumps(event).encode(), {"content-type": KIND, **basic(key)})
