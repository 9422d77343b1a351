"""A day of webhooks of CRMs, shops and others: check.py PROGRAM [SEED].

Some thousand posts in the documented shapes, with replays, forgeries, old signatures and bursts, go to a server of their own. At the
end customers and events are read back, and are what a model of the day says: every genuine thing once, and nothing forged.
"""

import collections
import random
import sys
import time
import uuid

import day
import deliver
from model import Model
from neighbours import Guarded, Reader, until
from people import people
from senders import all_senders

APPLY = "happypath.definition.v1.DefinitionService/ApplyDefinitions"
PEOPLE, POSTS = 120, 2200
# The statuses of posts that are not taken, and the reasons by which they are counted.
REFUSED = {
    "forged": (401, "BAD_SIGNATURE"),
    "changed": (401, "BAD_SIGNATURE"),
    "unsigned": (401, "BAD_SIGNATURE"),
    "stale": (401, "STALE_SIGNATURE"),
    "ahead": (401, "STALE_SIGNATURE"),
    "unreadable": (400, "MALFORMED_CALL"),
    "guessed": (401, "KEY_INVALID"),
}


def main(program, seed="14"):
    """Runs everything."""
    print(f"  seed {seed}")
    dice = random.Random(int(seed))
    senders, everybody = all_senders(dice), people(PEOPLE)
    posts = day.plan(dice, senders, everybody, int(time.time()), POSTS)
    with Guarded(program) as guarded:
        reader = Reader(guarded.address, guarded.key)
        for sender in senders:
            sender.key = guarded.write_key(sender.name)
        define(reader, senders)
        started = time.monotonic()
        done = deliver.deliver(guarded.address, posts)
        seconds = time.monotonic() - started
        print(f"  {len(done)} posts in {seconds:.1f} s, {len(done) / seconds:.0f} a second")
        in_time(done)
        expected, model = answered(done)
        until("everything is counted by its reason", lambda: counted(reader) == expected or None)
        until("every genuine thing counts once, and nothing forged does", lambda: model.is_true(reader))
        model.compare(reader)
        letters = collections.Counter({sender.name: len(reader.dead_letters(sender.name)) for sender in senders})
        # What comes again is one letter.
        assert letters == collections.Counter(name for name, _ in model.nobodies), letters
        log = guarded.logged()
        shown = [sender.name for sender in senders if sender.key in log or (sender.secret and sender.secret in log)]
        assert not shown, f"a key or a secret of {shown} is in the log"
        print(f"  {model}; the server never had more than {guarded.memory()} MiB")


def define(reader, senders):
    """Defines the namespaces and the sources."""
    names = enumerate(Model.NAMESPACES, 1)
    namespaces = [{"namespace": {"name": name, "priority": place, "limit": 10}} for place, name in names]
    sources = [{"source": sender.definition()} for sender in senders]
    reader.call(APPLY, {"request_id": uuid.uuid4().hex, "definitions": namespaces + sources})


def in_time(done):
    """Every sender has its answer within the time that it allows."""
    times = collections.defaultdict(list)
    for post, answer in done:
        times[post.sender].append(answer.seconds)
    for sender, seconds in times.items():
        slowest, usual = max(seconds), sorted(seconds)[len(seconds) // 2]
        assert slowest < sender.limit, f"{sender.name} waited for {slowest:.1f} s, and allows {sender.limit} s"
        print(f"  {sender.name}: {len(seconds)} answers, half of them within {usual * 1000:.0f} ms, all within {slowest * 1000:.0f} ms")


def answered(done):
    """Looks at every answer, and returns what has to be counted, and the model of what was taken."""
    expected, model = collections.Counter(), Model()
    for post, answer in done:
        name = post.sender.name
        if not post.fault:
            assert post.sender.is_answer(answer), f"{name}: {answer}"
            expected.update({(name, reason): count for reason, count in model.take(post).items()})
            continue
        status, reason = REFUSED[post.fault]
        assert answer.status == status, f"{name}, {post.fault}: {answer}"
        assert len(answer.body) > 20, f"{name}, {post.fault} is not told what is wrong: {answer}"
        # Whose key it is, nobody knows.
        expected["" if post.fault == "guessed" else name, reason] += 1
    return {place: count for place, count in expected.items() if count}, model


def counted(reader):
    """What was counted, by source and reason."""
    return reader.statistics()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main(*sys.argv[1:])
