"""Makes calls with one SDK for Python as it is published: send.py SDK HOST KEY, with the calls as JSON on the input.

Only the host is set. Ends with one line of JSON: the errors that the SDK told its program.
"""

import datetime
import json
import logging
import sys

ERRORS = []


def when(call):
    """The time of a call; absent for now."""
    return datetime.datetime.fromisoformat(call["time"]) if "time" in call else None


def common(client, calls):
    """The SDKs of Segment and RudderStack, which have one ancestor."""
    for call in calls:
        ids = {"user_id": call.get("user"), "anonymous_id": call.get("anonymous"), "timestamp": when(call)}
        kind = call["call"]
        if kind == "identify":
            client.identify(traits=call["traits"], **ids)
        elif kind == "track":
            client.track(event=call["event"], properties=call["properties"], **ids)
        elif kind == "page":
            client.page(category=call.get("category"), name=call["name"], properties=call["properties"], **ids)
        elif kind == "screen":
            client.screen(name=call["name"], properties=call["properties"], **ids)
        elif kind == "group":
            client.group(group_id=call["group"], traits=call["traits"], **ids)
        else:
            client.alias(previous_id=call["previous"], user_id=call["user"])
    client.flush()
    client.shutdown()


def segment(host, key, calls):
    """analytics-python of Segment."""
    from segment.analytics.client import Client

    common(Client(key, host=host, on_error=failed), calls)


def rudder(host, key, calls):
    """rudder-sdk-python."""
    from rudderstack.analytics.client import Client

    common(Client(key, host=host, on_error=failed), calls)


def posthog(host, key, calls):
    """posthog-python."""
    from posthog import Posthog

    client = Posthog(key, host=host, on_error=failed)
    for call in calls:
        person = call.get("user") or call.get("anonymous")
        kind = call["call"]
        if kind == "identify":
            # Programs in Python have no devices: whoever was somebody else before is joined by an alias.
            client.set(distinct_id=person, properties=call["traits"])
            client.alias(call["anonymous"], person)
        elif kind == "group":
            client.group_identify("company", call["group"], properties=call["traits"])
        elif kind == "alias":
            client.alias(call["previous"], call["user"])
        else:
            event = call.get("event") or f"${kind.replace('page', 'pageview')}"
            client.capture(event, distinct_id=person, properties=call["properties"], timestamp=when(call))
    client.flush()
    client.shutdown()


def failed(error, batch):
    """Keeps an error, with how many events it lost."""
    ERRORS.append(f"{len(batch)} events: {error}")


def main(sdk, host, key):
    """Makes the calls."""
    logging.disable(logging.CRITICAL)
    send = {"segment-python": segment, "rudder-python": rudder, "posthog-python": posthog, "posthog-python-v1": posthog}
    send[sdk](host, key, json.load(sys.stdin))
    print(json.dumps({"errors": ERRORS}))


if __name__ == "__main__":
    main(*sys.argv[1:])
