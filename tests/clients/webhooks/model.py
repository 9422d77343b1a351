"""What has to be known at the end of the day, by a model that shares nothing with the server."""

import collections


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
        # Everything that happened, once: an event and whom it names, by sender and number.
        self._happened = {}
        self._taken = 0

    def take(self, post):
        """Takes note of a post that was taken, and returns how many events it brought."""
        events = {thing.number: post.sender.event(thing) for thing in post.things}
        events = {number: event for number, event in events.items() if event}
        for number, event in events.items():
            self._happened.setdefault((post.sender.name, number), event)
        self._taken += len(events)
        return len(events)

    def groups(self):
        """People by what names them, each with the counts of their events: whoever shares an identifier is one person."""
        parents = {}

        def find(name):
            while parents.setdefault(name, name) != name:
                name = parents[name]
            return name

        for _, names in self._happened.values():
            first = find(names[0])
            for name in names[1:]:
                parents[find(name)] = first
        counts, members = collections.defaultdict(collections.Counter), collections.defaultdict(set)
        for event, names in self._happened.values():
            counts[find(names[0])][event] += 1
        for name in parents:
            members[find(name)].add(name)
        return {frozenset(members[root]): dict(counts[root]) for root in members}

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
            found[names] = reader.counts(customer)
        missing, odd = expected.keys() - found.keys(), found.keys() - expected.keys()
        assert not missing and not odd, f"{len(missing)} people are missing, such as {some(missing)}; {len(odd)} are odd, such as {some(odd)}"
        wrong = {names: (counts, found[names]) for names, counts in expected.items() if found[names] != counts}
        assert not wrong, f"{len(wrong)} people have other events than happened, such as {some(wrong.items())}"

    def __str__(self):
        once = len(self._happened)
        return f"{len(self.groups())} people, {once} things that happened, which were told {self._taken} times"


def some(things):
    """One of some things, for people."""
    return next(iter(things), None)
