"""What has to be known at the end of the day, by a model that shares nothing with the server."""

import collections
import datetime


class Model:
    """The people that posts told of, with what happened to them."""

    # Everything by which senders name people, what is kept longest first.
    NAMESPACES = (
        "user_id",
        "email",
        "shopify_id",
        "stripe_id",
        "intercom_id",
        "salesforce_id",
        "hubspot_id",
        "anonymous_id",
    )

    def __init__(self):
        # Everything that happened, once: an event with whom it names and the thing, by sender and number.
        self._happened = {}
        self._told = 0
        # What names nobody, by sender and number.
        self.nobodies = set()

    def take(self, post):
        """Takes note of a post that was taken, and returns how often each reason has to be counted for it."""
        reasons = collections.Counter()
        for thing in post.things:
            event = post.sender.event(thing)
            if event is None:
                reasons["NOT_MAPPED"] += 1
            elif not event[1]:
                reasons["NO_IDENTIFIER"] += 1
                self.nobodies.add((post.sender.name, thing.number))
            else:
                reasons["ACCEPTED"] += 1
                self._happened.setdefault((post.sender.name, thing.number), (*event, thing))
        self._told += reasons["ACCEPTED"]
        return reasons

    def groups(self):
        """People by what names them, each with what happened to them: whoever shares an identifier is one person."""
        parents = {}

        def find(name):
            while parents.setdefault(name, name) != name:
                name = parents[name]
            return name

        for _, names, _ in self._happened.values():
            first = find(names[0])
            for name in names[1:]:
                parents[find(name)] = first
        happened, members = collections.defaultdict(list), collections.defaultdict(set)
        for event, names, thing in self._happened.values():
            happened[find(names[0])].append((event, thing))
        for name in parents:
            members[find(name)].add(name)
        return {frozenset(members[root]): happened[root] for root in members}

    def is_true(self, reader):
        """Whether everything has arrived, by the number of events."""
        found = sum(sum(reader.counts(customer).values()) for customer in reader.customers())
        return found >= len(self._happened)

    def compare(self, reader):
        """Looks at every customer: the same people, the same names, the same events."""
        expected = self.groups()
        found = {}
        for customer, told in reader.customers().items():
            names = frozenset((each["namespace"], each["value"]) for each in told["identifiers"])
            found[names] = reader.profile(customer)
        missing, odd = expected.keys() - found.keys(), found.keys() - expected.keys()
        assert not missing and not odd, f"{len(missing)} people are missing, such as {some(missing)}; {len(odd)} are odd, such as {some(odd)}"
        for names, happened in expected.items():
            look(names, happened, found[names])

    def __str__(self):
        once = len(self._happened)
        return f"{len(self.groups())} people, {once} things that happened, which were told {self._told} times"


def look(names, happened, profile):
    """Compares a profile with what happened: how often, when, and what was said of the person."""
    counts = {event["name"]: int(event["count"]) for event in profile["events"]}
    expected = collections.Counter(event for event, _ in happened)
    assert counts == expected, f"{set(names)}: {counts}, not {dict(expected)}"
    times = collections.Counter((event, thing.time) for event, thing in happened)
    for event in profile["recent_events"]:
        time = datetime.datetime.fromisoformat(event["time"])
        place = event["name"], int(time.timestamp())
        assert times[place] > 0, f"{set(names)}: {event['name']} at {time}"
        times[place] -= 1
    people = {thing.person for _, thing in happened}
    allowed = {
        "first_name": {person.first for person in people},
        "last_name": {person.last for person in people},
        "name": {f"{person.first} {person.last}" for person in people},
        "lead_source": {thing.more.get("source") for _, thing in happened},
        "lifecyclestage": {thing.more.get("propertyValue") for _, thing in happened},
        "city": {"Zürich"},
    }
    traits = profile.get("traits", {})
    wrong = {name: traits[name] for name, values in allowed.items() if name in traits and traits[name] not in values}
    assert not wrong, f"{set(names)}: {wrong}"


def some(things):
    """One of some things, for people."""
    return next(iter(things), None)
