"""Delivers posts as senders do: many at once, in bursts, over connections that are kept, with an eye on when answers come."""

import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from neighbours import Answer

# Posts that are under way at once in a burst, and otherwise.
BURST, USUAL = 12, 3
# Posts of one burst, and between two of them.
BURST_POSTS, USUAL_POSTS = 300, 500


class Line:
    """The connections to a server, one for each thread."""

    def __init__(self, address):
        self._address, self._own = address.removeprefix("http://"), threading.local()

    def post(self, path, headers, body, limit):
        """Posts, and returns the answer with the time that it took."""
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection(self._address, timeout=limit)
        if connection.sock is not None:
            connection.sock.settimeout(limit)
        started = time.monotonic()
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, answer.read(), time.monotonic() - started)
        except (http.client.HTTPException, OSError):
            connection.close()
            raise


def deliver(address, posts):
    """Delivers posts in their order, in bursts and between them, and returns each with its answer."""
    line, done = Line(address), []
    place, is_burst = 0, False
    while place < len(posts):
        some = posts[place : place + (BURST_POSTS if is_burst else USUAL_POSTS)]
        with ThreadPoolExecutor(BURST if is_burst else USUAL) as pool:
            done += pool.map(lambda post: sent(line, post), some)
        place, is_burst = place + len(some), not is_burst
    return done


def sent(line, post):
    """Sends one post as its sender would: again where it is asked to come again."""
    while True:
        headers, body = post.made()
        answer = line.post(post.path, headers, body, post.sender.limit)
        if answer.status not in (429, 503):
            return post, answer
        time.sleep(min(float(answer.headers.get("retry-after", 1)), 2))
