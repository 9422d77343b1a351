"""Streams that are opened again when they break, for asyncio: events in, changes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any

import grpc

from happypath import errors
from happypath.aio_calls import Answers
from happypath.batches import BatchAnswer, StreamRules, Unanswered
from happypath.events import Event
from happypath.retries import Course, Retries
from happypath.watching import SILENCE_SECONDS, ChangeBatch, Watch

# Seconds for which a batch that is not full waits for more events.
LINGER_SECONDS = 0.05


async def send(
    open_stream: Callable[[], Answers], events: Iterable[Event] | AsyncIterable[Event], rules: StreamRules, retries: Retries
) -> AsyncIterator[BatchAnswer]:
    """Sends events, and yields the answer to each batch, in order.

    Events are read as there is room, while answers are awaited. After a break, everything without an answer is sent again.

    Raises:
        HappypathError: The service refused, or nothing went on for `retries.total` seconds.
    """
    unanswered, course = Unanswered(rules), Course(retries)
    batches = _Batches(events, rules.batch_size)
    answers: Answers | None = None
    reading: asyncio.Task[Any] | None = None
    try:
        while True:
            try:
                if reading is not None and reading.done():
                    answer, reading = reading.result(), None
                    if answer is None:
                        raise errors.make(grpc.StatusCode.UNAVAILABLE, "the stream of events ended")
                    course.restart()
                    yield unanswered.take(answer)
                if unanswered.has_room and (batch := batches.take()):
                    request = unanswered.add(batch)
                    if answers is not None:
                        await answers.write(request)
                if not unanswered and batches.is_over:
                    return
                if unanswered and answers is None:
                    answers = open_stream()
                    for request in unanswered:
                        await answers.write(request)
                if unanswered and answers is not None and reading is None:
                    reading = asyncio.ensure_future(answers.read())
                await _either(reading, batches.pulling() if unanswered.has_room else None)
            except errors.HappypathError as error:
                _end(answers, reading)
                answers = reading = None
                pause = course.pause_after(error)
                if pause is None:
                    raise
                await asyncio.sleep(pause)
    finally:
        _end(answers, reading)
        batches.stop()


async def watch(
    open_stream: Callable[[Any], Answers], state: Watch, retries: Retries, silence: float = SILENCE_SECONDS
) -> AsyncIterator[ChangeBatch]:
    """Yields changes until the caller stops, and comes back after each break, and after `silence` seconds without a message.

    Raises:
        HappypathError: The service refused; OutOfRange where the position is older than what is kept.
    """
    course = Course(retries)
    while True:
        answers = open_stream(state.request())
        try:
            while True:
                try:
                    answer = await asyncio.wait_for(answers.read(), silence)
                except asyncio.TimeoutError:
                    answer = None
                if answer is None:
                    raise errors.make(grpc.StatusCode.UNAVAILABLE, "the stream of changes ended")
                course.restart()
                yield state.take(answer)
        except errors.HappypathError as error:
            # A consumer goes on for as long as it runs: what may pass is waited for.
            pause = course.pause_after(error)
            if pause is None and not error.is_retryable:
                raise
            await asyncio.sleep(max(course.own_pause(), error.retry_after or 0) if pause is None else pause)
        finally:
            answers.cancel()


class _Batches:
    """Collects events into batches, while its caller does something else."""

    def __init__(self, events: Iterable[Event] | AsyncIterable[Event], size: int) -> None:
        self._events = aiter(events) if isinstance(events, AsyncIterable) else _asynchronous(events)
        self._size = size
        self._task: asyncio.Task[list[Event]] | None = None
        self._next: asyncio.Task[Event] | None = None
        self._has_ended = False

    @property
    def is_over(self) -> bool:
        """True where there are no more."""
        return self._has_ended and self._task is None

    def pulling(self) -> asyncio.Task[list[Event]] | None:
        """Returns the task that collects the next batch, or None at the end."""
        if self._task is None and not self._has_ended:
            self._task = asyncio.ensure_future(self._collect())
        return self._task

    def take(self) -> list[Event]:
        """Returns a batch that is ready; an empty one for none.

        Raises:
            Exception: As the iterator of events raises.
        """
        if self._task is None or not self._task.done():
            return []
        batch, self._task = self._task.result(), None
        return batch

    def stop(self) -> None:
        """Reads no more."""
        for task in (self._task, self._next):
            if task is not None:
                task.cancel()

    async def _collect(self) -> list[Event]:
        batch: list[Event] = []
        while len(batch) < self._size:
            if self._next is None:
                self._next = asyncio.ensure_future(_following(self._events))
            await asyncio.wait({self._next}, timeout=LINGER_SECONDS if batch else None)
            if not self._next.done():
                break
            event, self._next = self._next.result(), None
            if event is None:
                self._has_ended = True
                break
            batch.append(event)
        return batch


async def _following(events: AsyncIterator[Event]) -> Any:
    return await anext(events, None)


async def _asynchronous(events: Iterable[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def _either(*tasks: asyncio.Task[Any] | None) -> None:
    """Waits for the first of some tasks."""
    there = [task for task in tasks if task is not None]
    if there:
        await asyncio.wait(there, return_when=asyncio.FIRST_COMPLETED)


def _end(answers: Answers | None, reading: asyncio.Task[Any] | None) -> None:
    if reading is not None:
        reading.cancel()
    if answers is not None:
        answers.cancel()
