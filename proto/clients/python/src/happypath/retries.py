"""When a call is made again, and after how long. Nothing here waits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from happypath.errors import HappypathError

# How much longer than the service asks for a caller waits at the most, so that not all come back in one moment.
_SPREAD = 0.25
# Doublings after which any pause is the longest one.
_MOST_DOUBLINGS = 30


@dataclass(frozen=True)
class Retries:
    """How long and how often calls are made again.

    All calls are safe to repeat: those that change something carry a `request_id`, which is the same in each attempt.

    Attributes:
        total: Seconds for all attempts of a call together, where the call names no timeout of its own. Of streams, the seconds
            without any progress.
        send_attempt: Seconds of one attempt to send events: long for a call that takes milliseconds, short for one whose
            answer was lost. Attempts of other calls take what is left of `total`.
        attempts: Attempts at the most; 1 for none but the first.
        first_pause: Seconds before the second attempt, where the service does not say; each pause is twice as long as the
            one before.
        longest_pause: Seconds of the longest of these pauses.
    """

    total: float = 30.0
    send_attempt: float = 10.0
    attempts: int = 20
    first_pause: float = 0.1
    longest_pause: float = 5.0

    def __post_init__(self) -> None:
        if self.total <= 0 or self.send_attempt <= 0 or self.attempts < 1 or self.first_pause < 0 or self.longest_pause < 0:
            raise ValueError("retries: total and send_attempt are above 0, attempts is at least 1, and pauses are not negative")


class Course:
    """The attempts of one call.

    Args:
        retries: The policy.
        total: Seconds for all attempts; None for those of the policy.
        clock: Seconds that only grow.
        chance: A number from 0 to 1.
    """

    def __init__(
        self,
        retries: Retries,
        total: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._retries = retries
        self._total = retries.total if total is None else total
        self._clock = clock
        self._chance = chance
        self.restart()

    def restart(self) -> None:
        """Begins anew, after progress."""
        self._failures = 0
        self._end = self._clock() + self._total

    def time_left(self, most: float | None = None) -> float:
        """Returns the seconds that the next attempt may take, at most `most`."""
        left = max(self._end - self._clock(), 0.0)
        return left if most is None else min(left, most)

    def pause_after(self, error: HappypathError) -> float | None:
        """Returns the seconds to wait before another attempt, or None where there is to be none."""
        self._failures += 1
        if not error.is_retryable or self._failures >= self._retries.attempts:
            return None
        if error.retry_after is not None:
            pause = error.retry_after * (1 + _SPREAD * self._chance())
        else:
            pause = self.own_pause()
        return pause if pause < self.time_left() else None

    def own_pause(self) -> float:
        """Returns a pause that grows with each failure in a row, the half of it by chance."""
        doublings = min(max(self._failures - 1, 0), _MOST_DOUBLINGS)
        longest = min(self._retries.first_pause * 2.0**doublings, self._retries.longest_pause)
        return longest * (0.5 + 0.5 * self._chance())
