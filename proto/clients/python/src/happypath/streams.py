"""Streams that are opened again when they break: events in, changes out."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import grpc

from happypath import errors
from happypath.batches import BatchAnswer, StreamRules, Unanswered
from happypath.calls import Answers
from happypath.events import Event
from happypath.retries import Course, Retries
from happypath.watching import SILENCE_SECONDS, ChangeBatch, Watch


def send(
    open_stream: Callable[[Iterator[Any]], Answers], events: Iterable[Event], rules: StreamRules, retries: Retries
) -> Iterator[BatchAnswer]:
    """Sends events, and yields the answer to each batch, in order.

    Events are read as there is room. After a break, everything without an answer is sent again.

    Raises:
        HappypathError: The service refused, or nothing went on for `retries.total` seconds.
    """
    unanswered = Unanswered(rules)
    batches = _batches(events, rules.batch_size)
    course = Course(retries)
    is_reading = True
    while is_reading or unanswered:
        outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for request in unanswered:
            outbox.put(request)
        answers: Answers | None = None
        try:
            while is_reading or unanswered:
                while is_reading and unanswered.has_room:
                    batch = next(batches, None)
                    is_reading = batch is not None
                    if batch is not None:
                        outbox.put(unanswered.add(batch))
                if not unanswered:
                    return
                # Nothing is opened for no events.
                answers = answers or open_stream(iter(outbox.get, None))
                answer = next(answers, None)
                if answer is None:
                    raise errors.make(grpc.StatusCode.UNAVAILABLE, "the stream of events ended")
                course.restart()
                yield unanswered.take(answer)
        except errors.HappypathError as error:
            _pause(course, error)
        finally:
            # Ends the thread that waits for requests.
            outbox.put(None)
            if answers is not None:
                answers.cancel()


def watch(
    open_stream: Callable[[Any], Answers], state: Watch, retries: Retries, silence: float = SILENCE_SECONDS
) -> Iterator[ChangeBatch]:
    """Yields changes until the caller stops, and comes back after each break, and after `silence` seconds without a message.

    Raises:
        HappypathError: The service refused; OutOfRange where the position is older than what is kept.
    """
    course = Course(retries)
    while True:
        answers = open_stream(state.request())
        try:
            while True:
                answer = _next_in_time(answers, silence)
                course.restart()
                yield state.take(answer)
        except errors.HappypathError as error:
            # A consumer goes on for as long as it runs: what may pass is waited for.
            pause = course.pause_after(error)
            if pause is None and not error.is_retryable:
                raise
            time.sleep(max(course.own_pause(), error.retry_after or 0) if pause is None else pause)
        finally:
            answers.cancel()


def _next_in_time(answers: Answers, silence: float) -> Any:
    """Returns the next answer of a stream that should never be silent for long."""
    is_silent = threading.Event()

    def give_up() -> None:
        is_silent.set()
        answers.cancel()

    timer = threading.Timer(silence, give_up)
    timer.daemon = True
    timer.start()
    try:
        answer = next(answers, None)
    except errors.HappypathError:
        if not is_silent.is_set():
            raise
        answer = None
    finally:
        timer.cancel()
    if answer is None:
        raise errors.make(grpc.StatusCode.UNAVAILABLE, "the stream of changes ended")
    return answer


def _batches(events: Iterable[Event], size: int) -> Iterator[list[Event]]:
    rest = iter(events)
    while batch := list(islice(rest, size)):
        yield batch


def _pause(course: Course, error: errors.HappypathError) -> None:
    pause = course.pause_after(error)
    if pause is None:
        raise error
    time.sleep(pause)
