"""The plan of a day: what happens to whom, the posts that tell of it, and those that nobody should send."""

import dataclasses
import time

from people import Person
from senders import Sender

DAY_SECONDS = 24 * 3600
# What is changed in a body after it was signed: a sum, or somebody's address.
FORGER = "forger@example.com"
# A secret that is none of any sender's.
FORGED = "whsec_Zm9yZ2VkZm9yZ2Vk"


@dataclasses.dataclass(frozen=True)
class Thing:
    """Something that happened to somebody."""

    sender: Sender
    number: int
    kind: str
    person: Person
    # Seconds since the epoch.
    time: int
    more: dict


@dataclasses.dataclass(frozen=True)
class Post:
    """A post of a sender, made the moment it is sent, and what becomes of it."""

    sender: Sender
    things: tuple
    # How it differs from what is genuine, such as `forged`; empty for a genuine one.
    fault: str = ""
    attempt: int = 0
    # Whether somebody caught a genuine post, and sends the same bytes again.
    is_caught: bool = False
    # The bytes of a genuine post, once it was made.
    bytes: dict = dataclasses.field(default_factory=dict, compare=False)

    @property
    def path(self):
        """Where it is sent to."""
        path, key = self.sender.path, self.sender.key
        # Whoever does not know the key can only guess one.
        return path.replace(key, wrong_key(key)) if self.fault == "guessed" else path

    def made(self):
        """Its headers and its body."""
        if self.is_caught and self.bytes:
            return self.bytes["made"]
        headers, body = self._made()
        if not self.fault:
            self.bytes["made"] = headers, body
        return headers, body

    def _made(self):
        sender, ago = self.sender, {"stale": 600, "ahead": -600}.get(self.fault, 0)
        secret = FORGED if self.fault == "forged" else None
        headers, body = sender.post(self.things, self.attempt, secret, ago)
        if self.fault == "changed":
            body = body.replace(self.things[0].person.email.encode(), FORGER.encode()) + b" "
        elif self.fault == "unsigned":
            headers = {name: value for name, value in headers.items() if not is_shown(name)}
        elif self.fault == "guessed":
            headers = {name: value.replace(sender.key, wrong_key(sender.key)) for name, value in headers.items()}
        elif self.fault == "unreadable":
            body = body[: len(body) // 2]
            headers = sender.headers(self.things, body, sender.secret, int(time.time()))
        return headers, body


def wrong_key(key):
    """A key that nobody made."""
    return key[:-1] + ("0" if key[-1] != "0" else "1")


def is_shown(name):
    """Whether a header shows that a post is of its sender."""
    return any(word in name for word in ("signature", "hmac"))


def plan(random, senders, people, now, count):
    """So many genuine posts of the last day, in the order in which they are sent, with replays and what nobody
    should send among them."""
    begin = now - DAY_SECONDS
    times = sorted(random.randrange(DAY_SECONDS) for _ in range(count))
    number, posts = 0, []
    for offset in times:
        sender = random.choice(senders)
        size = random.choices((1, 2, 5, sender.most), (12, 6, 3, 1))[0] if sender.most > 1 else 1
        things = []
        for _ in range(size):
            number += 1
            things.append(happened(random, sender, number, random.choice(people), begin + offset))
        posts.append(Post(sender, tuple(things)))
    bad = [post for original in posts for post in wrong(random, original)]
    return shuffled(random, posts + again(random, posts) + bad)


def happened(random, sender, number, person, at):
    """Something that a sender tells of."""
    kind = random.choices(list(sender.kinds), list(sender.kinds.values()))[0]
    more = {}
    if kind.startswith("orders/"):
        more = {"total": f"{random.randrange(100, 100_000) / 100:.2f}"}
    elif kind == "contact.propertyChange":
        values = {"lifecyclestage": ("lead", "customer"), "hs_lead_status": ("NEW", "OPEN"), "email": (person.email,)}
        name = random.choice(list(values))
        more = {"propertyName": name, "propertyValue": random.choice(values[name])}
    elif sender.preset == "stripe":
        more = {"amount": random.randrange(100, 100_000)}
    elif sender.preset == "salesforce_outbound":
        more = {"source": random.choice(("Web", "Phone & Fax", "Word of <mouth>"))}
    elif sender.preset == "salesforce":
        more = {"priority": random.choice(("Low", "High"))}
    elif not sender.preset:
        more = {"price": random.randrange(10, 200)}
    return Thing(sender, number, kind, person, at, more)


def again(random, posts):
    """Posts that are sent again: some whose answer was lost, and some that somebody caught."""
    some = random.sample(posts, len(posts) // 5)
    caught = [dataclasses.replace(post, is_caught=True) for post in some[::2]]
    return caught + [dataclasses.replace(post, attempt=random.choice((1, 2))) for post in some[1::2]]


def wrong(random, post):
    """What nobody should send, made of a genuine post now and then."""
    if random.random() > 0.25:
        return
    sender = post.sender
    faults = ["unreadable", "guessed"]
    if sender.is_signed:
        faults += ["forged", "changed", "unsigned"] + ["stale", "ahead"] * sender.is_timed
    fault = random.choice(faults)
    things = post.things
    if fault != "unreadable":
        # It would count if it were taken: nothing that happened has these numbers.
        things = tuple(dataclasses.replace(thing, number=thing.number + 500_000) for thing in things)
    yield Post(sender, things, fault)


def shuffled(random, posts):
    """Posts as a network delivers them: near their turn, some much later."""
    places = [(place + random.uniform(0, 40) + (random.random() < 0.05) * random.uniform(0, len(posts)), place) for place in range(len(posts))]
    return [posts[place] for _, place in sorted(places)]
