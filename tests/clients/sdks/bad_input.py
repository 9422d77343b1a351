"""What nobody should send: each is answered in the sender's own words and in time, counted by its reason, and harms no others."""

import gzip
import itertools
import json
import threading
import time
import uuid
import zlib

from wire import basic, chunk, post, request, stream

# Batches of the dialects: where they go, and how an event stands in one.
SEGMENT, POSTHOG, POSTHOG_V1 = "/v1/batch", "/batch/", "/i/v1/analytics/events"
MEBIBYTE = 1 << 20
# The most memory that the server may ever have had, in MiB: far below what all that it was sent at once unpacks to.
MEMORY_MIB = 512
# Those who send bombs at once, one after another.
BESIEGERS = 6
# How long a server may wait for somebody who sends slowly.
SLOW_SECONDS = 60


def track(**fields):
    """An event that would be taken as it is, with some fields set or, where they are `None`, left out."""
    event = {"type": "track", "event": "Seen", "userId": "somebody", "messageId": str(uuid.uuid4()), **fields}
    return {name: value for name, value in event.items() if value is not None}


def capture(**fields):
    """The same as PostHog's SDKs write it."""
    event = {"event": "Seen", "distinct_id": "somebody", "uuid": str(uuid.uuid4()), "properties": {}, **fields}
    return {name: value for name, value in event.items() if value is not None}


def shown(path, key):
    """How a key is shown on a path: headers, and what stands in the body."""
    if path == POSTHOG:
        return {}, {"api_key": key}
    if path == POSTHOG_V1:
        return {"authorization": f"Bearer {key}"}, {}
    return basic(key), {}


class Senders:
    """Calls of one source to a server, whose statistics tell what was counted."""

    def __init__(self, address, reader, key, source):
        self.address, self.reader, self.key, self.source = address, reader, key, source
        self.expected = {}

    def expect(self, reason, count=1, source=None):
        """Takes note of what will be counted."""
        place = (self.source if source is None else source, reason)
        self.expected[place] = self.expected.get(place, 0) + count

    def refused(self, what, answer, statuses, reason, source=None):
        """Looks at the answer to a call that is not taken at all."""
        assert answer.status in statuses, f"{what}: {answer}"
        words = json.dumps(answer.content)
        assert len(words) > 20, f"{what} is not told what is wrong: {answer}"
        self.expect(reason, source=source)
        print(f"  {what}: {answer.status} after {answer.seconds * 1000:.0f} ms, {words[:110]}")

    def set_aside(self, what, path, event, reason):
        """Sends an event that cannot be taken beside one that can: the call succeeds, and the event is kept."""
        headers, body = shown(path, self.key)
        good = track() if path == SEGMENT else capture()
        bad = event if isinstance(event, bytes) else json.dumps(event).encode()
        around, _, end = json.dumps({**body, "batch": [good]}).encode().rpartition(b"]")
        answer = post(self.address, path, around + b"," + bad + b"]" + end, headers)
        assert answer.status == 200, f"{what}: {answer}"
        self.expect("ACCEPTED")
        self.expect(reason)
        return answer


def wrong_keys(senders, other_key):
    """Keys that are missing, unknown, mistyped, or of another source than the call."""
    address = senders.address
    for path, event in ((SEGMENT, track()), (POSTHOG, capture()), (POSTHOG_V1, capture())):
        for what, key, reason in (
            ("unknown", "phc_" + "x" * 43, "KEY_INVALID"),
            ("mistyped", senders.key[:-1] + ("0" if senders.key[-1] != "0" else "1"), "KEY_INVALID"),
        ):
            headers, body = shown(path, key)
            answer = post(address, path, {**body, "batch": [event]}, headers)
            senders.refused(f"a key that is {what}, {path}", answer, (401,), reason, source="")
        answer = post(address, path, {"batch": [event]})
        senders.refused(f"no key, {path}", answer, (401,), "KEY_MISSING", source="")
    # A key of another source beside one's own: nobody knows whose events these are.
    answer = post(address, SEGMENT, {"writeKey": other_key, "batch": [track()]}, basic(senders.key))
    senders.refused("keys of two sources", answer, (401,), "KEY_INVALID", source="")
    event = track(writeKey=other_key)
    senders.set_aside("an event with a key of another source", SEGMENT, event, "OTHER_KEY")


def bombs(senders):
    """Bodies that are much larger than they seem, or than anything may be."""
    zeros = gzip.compress(bytes(256 * MEBIBYTE), 9)
    for path in (SEGMENT, POSTHOG, POSTHOG_V1):
        headers, body = shown(path, senders.key)
        packed = {**headers, "content-encoding": "gzip"}
        answer = post(senders.address, path, zeros, packed)
        source = "" if path == POSTHOG else None
        what = f"{len(zeros) // 1024} KiB that unpack to 256 MiB, {path}"
        senders.refused(what, answer, (413,), "CALL_TOO_LARGE", source)
        answer = post(senders.address, path, gzip.compress(zeros), packed)
        senders.refused(f"a packed bomb in a bomb, {path}", answer, (400,), "MALFORMED_CALL", source)
    headers, _ = shown(SEGMENT, senders.key)
    senders.set_aside("a million lists in each other", SEGMENT, b"[" * MEBIBYTE + b"]" * MEBIBYTE, "MALFORMED_EVENT")
    wide = "{" + ",".join(f'"k{number}":{number}' for number in range(200_000)) + "}"
    wide = json.dumps(track(properties=0)).replace(": 0", f": {wide}").encode()
    senders.set_aside("200,000 properties", SEGMENT, wide, "EVENT_TOO_LARGE")


def endless(senders):
    """Bodies that go on, with a length and without."""
    headers, _ = shown(SEGMENT, senders.key)
    part = b"x" * 65536
    length = {"content-length": str(100 * MEBIBYTE)}
    answer, sent = stream(senders.address, SEGMENT, {**headers, **length}, itertools.repeat(part, 1600))
    senders.refused(f"a line of 100 MiB, of which {sent // 1024} KiB were sent", answer, (413,), "CALL_TOO_LARGE")
    parts = itertools.chain([chunk(b'{"batch":["')], itertools.repeat(chunk(part)))
    answer, sent = stream(senders.address, SEGMENT, {**headers, "transfer-encoding": "chunked"}, parts)
    senders.refused(f"a body without end, of which {sent // 1024} KiB were sent", answer, (413,), "CALL_TOO_LARGE")
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    # What was flushed in full says nothing of what came before: the same bytes may follow each other for ever.
    first, again = (chunk(packer.compress(bytes(MEBIBYTE)) + packer.flush(zlib.Z_FULL_FLUSH)) for _ in range(2))
    parts = itertools.chain([first], itertools.repeat(again))
    packed = {**headers, "transfer-encoding": "chunked", "content-encoding": "gzip"}
    answer, sent = stream(senders.address, SEGMENT, packed, parts)
    senders.refused(f"the same packed, of which {sent // 1024} KiB were sent", answer, (413,), "CALL_TOO_LARGE")


def slow(senders, count):
    """So many who send a byte now and then. Returns a function that waits for their answers."""
    headers, _ = shown(SEGMENT, senders.key)
    answers = []

    def bytes_now_and_then():
        while True:
            yield b" "
            time.sleep(0.2)

    def send():
        length = {"content-length": "1000000"}
        answers.append(stream(senders.address, SEGMENT, {**headers, **length}, bytes_now_and_then(), SLOW_SECONDS))

    threads = [threading.Thread(target=send, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()

    def wait():
        for thread in threads:
            thread.join()
        assert len(answers) == count, f"{count - len(answers)} slow senders were not answered within {SLOW_SECONDS} s"
        for answer, _ in answers:
            assert answer.status == 408 and answer.content, answer
        senders.expect("SLOW_CALL", count)
        answer, sent = answers[0]
        said = f"{answer.status} after {answer.seconds:.0f} s, {answer.body[:100]}"
        print(f"  {count} slow senders, each after {sent} bytes: {said}")

    return wait


def texts(senders):
    """Bodies that are no JSON, no text, no call, or say two things at once."""
    headers, _ = shown(SEGMENT, senders.key)
    address = senders.address
    for what, body in (
        ("no JSON", b"{"),
        ("nothing", b""),
        ("a number", b"1"),
        ("bad UTF-8 around the events", b'{"batch": [], "x": "\xff\xfe"}'),
        ("UTF-16", '{"batch": []}'.encode("utf-16")),
        ("something behind the end", b'{"batch": []} {}'),
        ("two lists", b'{"batch": [], "batch": []}'),
        ("no list", b'{"batch": {}}'),
    ):
        answer = post(address, SEGMENT, body, headers)
        senders.refused(what, answer, (400,), "MALFORMED_CALL")
    broken = gzip.compress(b'{"batch": []}')
    faulty = broken[:12] + b"\xff\xff" + broken[14:]
    for what, body in (("half of a packed body", broken[:-8]), ("a packed body with a fault", faulty)):
        answer = post(address, SEGMENT, body, {**headers, "content-encoding": "gzip"})
        senders.refused(what, answer, (400,), "MALFORMED_CALL")
    answer = post(address, SEGMENT, {"batch": [track(messageId=None)] * 10_001}, headers)
    senders.refused("10,001 events", answer, (413,), "CALL_TOO_LARGE")
    for method, path, statuses in (("GET", SEGMENT, (405,)), ("POST", "/v1/bitch", (404,)), ("PUT", "/v1/track", (405,))):
        answer = request(address, method, path, b"", headers)
        assert answer.status in statuses and 300 > len(answer.body) > 0, f"{method} {path}: {answer}"


def events(senders):
    """Events that cannot be taken, each beside one that is."""
    twice = json.dumps(track()).replace('"event"', '"userId": "another", "event"').encode()
    half = json.dumps(track(event="x")).replace('"x"', '"\\ud800"').encode()
    aside = senders.set_aside
    aside("an event with two ids of one name", SEGMENT, twice, "MALFORMED_EVENT")
    aside("no event", SEGMENT, 1, "MALFORMED_EVENT")
    aside("an unknown type", SEGMENT, track(type="charge"), "UNKNOWN_TYPE")
    aside("nobody's event", SEGMENT, track(userId=None), "NO_IDENTIFIER")
    aside("nobody's event", POSTHOG, capture(distinct_id=None), "NO_IDENTIFIER")
    nobody = capture(distinct_id=None)
    results = aside("nobody's event", POSTHOG_V1, nobody, "NO_IDENTIFIER").content["results"]
    assert sorted(each["result"] for each in results.values()) == ["ok", "warning"], results
    assert results[nobody["uuid"]]["result"] == "warning", results
    aside("an event without a name", SEGMENT, track(event=None), "MALFORMED_EVENT")
    aside("a name with a bell", SEGMENT, track(event="Se\u0007en"), "MALFORMED_EVENT")
    aside("half a character", SEGMENT, half, "MALFORMED_EVENT")
    aside("bad UTF-8", SEGMENT, json.dumps(track(event="x")).replace('"x"', '"\xff"').encode("latin-1"), "BAD_TEXT")
    aside("an id of 1,000 characters", SEGMENT, track(userId="x" * 1000), "MALFORMED_EVENT")
    aside("a time that is none", SEGMENT, track(timestamp="yesterday"), "BAD_TIME")
    aside("a time of before there were any", SEGMENT, track(timestamp="1969-07-20T20:17:40Z"), "BAD_TIME")
    aside("a time of next century", SEGMENT, track(timestamp="2126-11-30T00:00:00Z"), "BAD_TIME")
    aside("properties that are none", SEGMENT, track(properties=[1]), "MALFORMED_EVENT")
    aside("an event of 40 KB", SEGMENT, track(properties={f"p{number}": "x" * 4000 for number in range(10)}), "EVENT_TOO_LARGE")
    aside("a text of 40 KB", SEGMENT, track(properties={"text": "x" * 40_000}), "EVENT_TOO_LARGE")
    letters = senders.reader.dead_letters(senders.source)
    assert letters and all(letter["reason"] and letter["description"] and letter["payload"] for letter in letters), letters
    print(f"  {len(letters)} events were set aside, such as: {letters[-1]['reason']}, {letters[-1]['description'][:90]}")


def besieged(address, key, measure):
    """Measures something while several of a source send bombs and lines without end, as fast as they are answered."""
    ended, faults = threading.Event(), []
    headers = basic(key)
    zeros = gzip.compress(bytes(64 * MEBIBYTE), 9)
    deep = b'{"batch": [' + b"[" * MEBIBYTE + b"]" * MEBIBYTE + b"]}"
    long = {**headers, "content-length": str(100 * MEBIBYTE)}

    def besiege():
        while not ended.is_set():
            answers = [
                post(address, SEGMENT, zeros, {**headers, "content-encoding": "gzip"}),
                stream(address, SEGMENT, long, itertools.repeat(b"x" * 65536, 1600))[0],
                post(address, SEGMENT, deep, headers),
            ]
            # Those who send too much at once may be asked to wait.
            if any(answer.status not in (200, 413, 429) for answer in answers):
                faults.append(answers)

    threads = [threading.Thread(target=besiege) for _ in range(BESIEGERS)]
    for thread in threads:
        thread.start()
    try:
        return measure()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        assert not faults, faults[0]


class Neighbour:
    """Another sender, who sends one event after another and takes the time of each."""

    def __init__(self, address, key):
        self._address, self._key, self._times, self._ended = address, key, [], threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self):
        while not self._ended.wait(0.01):
            answer = post(self._address, "/v1/track", track(userId="neighbour"), basic(self._key))
            assert answer.status == 200, answer
            self._times.append(answer.seconds)

    def median(self, least=1):
        """Half of the calls since the last time took no longer, in seconds; of so many at the least."""
        while len(self._times) < least and self._thread.is_alive():
            time.sleep(0.01)
        times, self._times = sorted(self._times), []
        assert len(times) >= least, "the other sender could not send"
        return times[len(times) // 2]

    def close(self):
        """Stops sending."""
        self._ended.set()
        self._thread.join()


def counted(senders):
    """Waits until all that was refused is counted by its reason, and nothing else is."""

    def look():
        return {place: count for place, count in senders.reader.statistics().items() if place[0] in ("", senders.source)}

    deadline = time.monotonic() + 30
    while (found := look()) != senders.expected:
        assert time.monotonic() < deadline, f"counted {found}, not {senders.expected}"
        time.sleep(0.1)
    print(f"  counted by reason: {found}")
