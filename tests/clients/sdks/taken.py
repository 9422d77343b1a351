"""Everything that SDKs send arrives once, and means what was meant.

Each SDK sends its story through a proxy that loses the first answer and refuses the second request for a while, as networks and
busy servers do, so that it sends again what is already there.
"""

import datetime
import uuid
from concurrent.futures import ThreadPoolExecutor

import browser
import instants
import sdks
from calls import COMPANY, NAME, ORDER, device, email, old, purchase, story, user
from proxy import Proxy
from reader import Refused, until

# SDKs that run at once: more would only wait for each other.
AT_ONCE = 4
LOST = "swallow"
BUSY = (429, [("retry-after", "1")])
# How wrong the clocks of senders are.
WRONG = {"slow": datetime.timedelta(days=-3 * 365), "fast": datetime.timedelta(days=3 * 365)}


def stories(address, reader, keys):
    """Has every SDK and the browser send their stories, and looks at all that came of it."""
    before = set(reader.customers())
    tags = {name: uuid.uuid4().hex[:12] for name in (*sdks.ALL, *browser.WAYS)}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sent = {name: pool.submit(send, name, address, keys[name], tags[name]) for name in tags}
        for name, outcome in sent.items():
            proxy = outcome.result()
            look(reader, name, tags[name], proxy)
    made = {customer for customer in reader.customers() if customer not in before}
    known = {reader.customer("user_id", user(tag))[0] for tag in tags.values()}
    assert made == known, f"{len(made - known)} customers are nobody: {[reader.customers()[one] for one in made - known]}"
    print(f"  {len(tags)} stories made {len(made)} customers: groups and aliases made none")


def one(address, reader):
    """An SDK of each dialect that shows a key which nobody made."""
    for name in ("segment-python", "posthog-python"):
        tag = uuid.uuid4().hex[:12]
        look(reader, name, tag, send(name, address, "any", tag))


def send(name, address, key, tag):
    """Sends a story, and returns the proxy that it went through."""
    calls = story(tag)
    with Proxy(address, [LOST, BUSY]) as proxy:
        if name in browser.WAYS:
            count = len(calls)
            outcome = browser.visit(proxy.url, key, browser.WAYS[name], calls, lambda: len(ids(proxy.accepted())) >= count)
            problems = outcome["problems"]
        else:
            problems = sdks.send(name, proxy.url, key, calls)
        assert not problems, f"{name} told its program {problems}; the server said {proxy.told()}"
        assert len(proxy.events()) > len(ids(proxy.events())), f"{name} sent nothing again"
        return proxy


def ids(events):
    """The ids that senders gave to their events."""
    return {event.get("messageId") or event["uuid"] for event in events}


def look(reader, name, tag, proxy):
    """Looks at everything that a story has to leave behind."""
    customer, names = reader.customer("user_id", user(tag))
    expected = {("user_id", user(tag)), ("user_id", old(tag)), ("email", email(tag))}
    assert names >= expected, f"{name}: {expected - names} is missing in {names}"
    # Groups of PostHog's SDKs are updated in nobody's name.
    count = len(ids(proxy.events())) - (name in sdks.POSTHOG)
    said = f"{name}: {len(proxy.sent())} requests, and {count} events that count once"
    counts = until(said, lambda: counted(reader, customer, count))
    assert sum(counts.values()) == count, f"{name}: {counts}"
    assert all(counts.get(event) == 1 for event in ("Product Viewed", "Order Completed", "Signed Up")), f"{name}: {counts}"
    profile = reader.profile(customer)
    traits = profile["traits"]
    expected = {"name": NAME, "plan": "pro", "logins": 19, "score": 19.5, "vip": True, "email": email(tag)}
    expected |= {"address.city": "Zürich", "address.zip": "08001"}
    assert expected.items() <= traits.items(), f"{name}: {traits}"
    assert not traits.keys() & (COMPANY.keys() - {"name"}), f"{name}: the group told of the customer, {traits}"
    assert reader.is_true(customer, "profile.logins == 19 && profile.score > 19.25"), f"{name}: a number is none"
    events = {event["name"]: event for event in profile["recent_events"]}
    order = events["Order Completed"]["properties"]
    assert ORDER.items() <= order.items(), f"{name}: {order}"
    times = {event.get("event"): when(event) for event in proxy.events()}
    for event in ("Product Viewed", "Order Completed"):
        time = events[event]["time"]
        assert instants.read(time) == times[event], f"{name}: {event} at {time}, not {times[event]}"


def counted(reader, customer, count):
    """The counts of a customer once they are so many."""
    counts = reader.counts(customer)
    return counts if sum(counts.values()) >= count else None


def when(event):
    """The time of an event as its sender wrote it."""
    return instants.read(event.get("timestamp") or event["originalTimestamp"])


def clocks(address, reader, keys):
    """Clocks that are wrong by years tell when things happened all the same, and what a program says of the past stays."""
    began = instants.now()
    past = "2024-02-29T12:00:00+00:00"

    def sends(name, what, wrong):
        tag = uuid.uuid4().hex[:12]
        with Proxy(address, wrong_clock=wrong) as proxy:
            errors = sdks.send(name, proxy.url, keys[name], [purchase(tag, past if wrong is None else None)])
            assert not errors, f"{name}, {what}: {errors}"
        return name, what, tag

    cases = [(name, what, wrong) for name in sdks.ALL for what, wrong in {**WRONG, "right": None}.items()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, what, tag in pool.map(lambda case: sends(*case), cases):
            customer, _ = reader.customer("user_id", user(tag))
            profile = until(f"{name}: a clock is {what}", lambda: seen(reader, customer))
            time = instants.read(profile["recent_events"][-1]["time"])
            if what == "right":
                assert time == instants.read(past), f"{name}: {time}"
            else:
                # A difference that the network made is not told from one of clocks.
                assert began <= time + datetime.timedelta(seconds=5), f"{name}, {what}: {time}, sent after {began}"
                assert time <= instants.now(), f"{name}, {what}: {time}"


def seen(reader, customer):
    """The profile of a customer once it has an event."""
    try:
        profile = reader.profile(customer)
    except Refused:
        return None
    return profile if profile.get("recent_events") else None
