"""What every SDK sends: an order, a note and a photo of one person."""

import base64

SOURCE = "/shop"
TIME = "2026-11-29T18:30:00.250Z"
TOTAL = 19.5
NOTE = "two words, ü and €"
PHOTO = b"\x89PNG\xff\x00"
# Letters that no header may have as they are, which SDKs encode that know the binding.
REGION = "eu west"


def user(tag):
    """The id of the person."""
    return f"user-{tag}"


def email(tag):
    """Their address."""
    return f"{tag}@example.com"


def story(tag, region=REGION):
    """The events, as plain values. Each SDK builds them in its own way."""
    order = {"userId": user(tag), "email": email(tag), "total": TOTAL, "note": NOTE, "lines": [{"sku": "0042"}]}
    return [
        {
            "id": f"{tag}-1",
            "source": SOURCE,
            "type": "order.placed",
            "subject": "orders/0042",
            "time": TIME,
            "extensions": {"region": region},
            "data": order,
        },
        {"id": f"{tag}-2", "source": SOURCE, "type": "note.added", "subject": user(tag), "text": NOTE},
        {
            "id": f"{tag}-3",
            "source": SOURCE,
            "type": "photo.added",
            "subject": user(tag),
            "bytes": base64.b64encode(PHOTO).decode(),
        },
    ]


def look(reader, until, name, tag):
    """Looks at everything that the story has to leave behind, each thing once, however often it was sent."""
    expected = {"order.placed": 1, "note.added": 1, "photo.added": 1}

    def counted():
        customer, _ = reader.customer("user_id", user(tag))
        counts = reader.counts(customer)
        return customer if sum(counts.values()) >= len(expected) else None

    customer = until(f"{name}: arrived", counted)
    assert reader.counts(customer) == expected, f"{name}: {reader.counts(customer)}"
    _, names = reader.customer("user_id", user(tag))
    # The subject of the order is no person, since its data names one.
    assert names == {("user_id", user(tag)), ("email", email(tag))}, f"{name}: {names}"
    events = {event["name"]: event for event in reader.profile(customer)["recent_events"]}
    order = events["order.placed"]
    assert order["time"].startswith(TIME[:23]), f"{name}: {order}"
    properties = order["properties"]
    assert properties["total"] == TOTAL and properties["note"] == NOTE, f"{name}: {properties}"
    note, photo = (events[kind]["properties"] for kind in ("note.added", "photo.added"))
    assert note == {"data": NOTE}, f"{name}: {note}"
    assert base64.b64decode(photo["data_base64"]) == PHOTO, f"{name}: {photo}"
    return customer
