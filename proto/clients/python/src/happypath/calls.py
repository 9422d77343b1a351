"""A channel of grpc whose calls carry the key, are made again where that may help, and end with typed errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from happypath import errors
from happypath.events import new_id
from happypath.retries import Course, Retries
from happypath.targets import Target


def named(request: Any) -> Any:
    """Returns the request with a `request_id`, where its contract has one: the same call can be made again then."""
    if "request_id" not in request.DESCRIPTOR.fields_by_name or request.request_id:
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    copy.request_id = new_id()
    return copy


class RetryingChannel(grpc.Channel):
    """What the generated stubs are made on.

    Calls with one answer are made again as `Retries` says; `timeout` bounds all attempts together. Streams are not: what was
    answered before cannot be taken back.
    """

    def __init__(self, target: Target, retries: Retries) -> None:
        self._target, self._retries = target, retries
        if target.credentials is None:
            self._channel = grpc.insecure_channel(target.place, target.options)
        else:
            self._channel = grpc.secure_channel(target.place, target.credentials, target.options)

    def unary_unary(self, method: str, *arguments: Any, **settings: Any) -> Any:
        """Returns the calls of a method with one answer."""
        return _Call(self._channel.unary_unary(method, *arguments, **settings), self._target, self._retries)

    def unary_stream(self, method: str, *arguments: Any, **settings: Any) -> Any:
        """Returns the calls of a method with a stream of answers."""
        return self._stream(self._channel.unary_stream(method, *arguments, **settings))

    def stream_unary(self, method: str, *arguments: Any, **settings: Any) -> Any:
        """Returns the calls of a method with a stream of requests. No contract has one."""
        raise NotImplementedError(method)

    def stream_stream(self, method: str, *arguments: Any, **settings: Any) -> Any:
        """Returns the calls of a method with streams both ways."""
        return self._stream(self._channel.stream_stream(method, *arguments, **settings))

    def _stream(self, inner: Any) -> Callable[..., Answers]:
        def call(request: Any, timeout: float | None = None, metadata: Any = None) -> Answers:
            return Answers(inner(request, timeout=timeout, metadata=(*self._target.metadata(), *(metadata or ()))))

        return call

    def subscribe(self, callback: Any, try_to_connect: bool = False) -> None:
        """Tells how the connection is."""
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Any) -> None:
        """Tells it no more."""
        self._channel.unsubscribe(callback)

    def close(self) -> None:
        """Ends the connections, and the calls that are under way."""
        self._channel.close()

    def __enter__(self) -> RetryingChannel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Call(grpc.UnaryUnaryMultiCallable):  # type: ignore[type-arg]
    """The calls of one method."""

    def __init__(self, inner: Any, target: Target, retries: Retries) -> None:
        self._inner, self._target, self._retries = inner, target, retries

    def __call__(  # type: ignore[override]
        self, request: Any, timeout: float | None = None, metadata: Any = None, *, attempt: float | None = None, **settings: Any
    ) -> Any:
        """Calls, and returns the answer.

        Args:
            request: The request.
            timeout: Seconds for all attempts together.
            metadata: More than the key.
            attempt: Seconds of one attempt at the most.
            **settings: As grpc has them.

        Raises:
            HappypathError: The call failed, and another attempt would not help.
        """
        return self._attempts(request, timeout, metadata, attempt, settings)[0]

    def with_call(  # type: ignore[override]
        self, request: Any, timeout: float | None = None, metadata: Any = None, **settings: Any
    ) -> Any:
        """The same, with what grpc knows of the call."""
        return self._attempts(request, timeout, metadata, None, settings)

    def future(  # type: ignore[override]
        self, request: Any, timeout: float | None = None, metadata: Any = None, **settings: Any
    ) -> Any:
        """Calls once, without waiting: the future has the answer, or the error of grpc."""
        metadata = (*self._target.metadata(), *(metadata or ()))
        return self._inner.future(named(request), timeout=timeout or self._retries.total, metadata=metadata, **settings)

    def _attempts(
        self, request: Any, timeout: float | None, metadata: Any, attempt: float | None, settings: dict[str, Any]
    ) -> Any:
        request = named(request)
        course = Course(self._retries, timeout)
        while True:
            given = (*self._target.metadata(), *(metadata or ()))
            try:
                return self._inner.with_call(request, timeout=course.time_left(attempt), metadata=given, **settings)
            except grpc.RpcError as error:
                failure = errors.of_call(error)
            pause = course.pause_after(failure)
            if pause is None:
                raise failure
            time.sleep(pause)


class Answers(Iterator[Any]):
    """The answers of a stream, which ends with a typed error."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Answers:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise errors.of_call(error) from None

    def cancel(self) -> None:
        """Ends the stream."""
        self._call.cancel()
