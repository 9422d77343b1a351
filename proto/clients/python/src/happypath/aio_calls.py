"""A channel of grpc.aio whose calls carry the key, are made again where that may help, and end with typed errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from happypath import errors
from happypath.calls import named
from happypath.retries import Course, Retries
from happypath.targets import Target


class RetryingChannel(grpc.aio.Channel):
    """What the generated stubs are made on; calls are awaited, streams are iterated."""

    def __init__(self, target: Target, retries: Retries) -> None:
        self._target, self._retries = target, retries
        if target.credentials is None:
            self._channel = grpc.aio.insecure_channel(target.place, target.options)
        else:
            self._channel = grpc.aio.secure_channel(target.place, target.credentials, target.options)

    def unary_unary(self, method: str, *arguments: Any, **settings: Any) -> Any:
        """Returns the calls of a method with one answer, which are made again as `Retries` says."""
        inner = self._channel.unary_unary(method, *arguments, **settings)

        async def call(
            request: Any, timeout: float | None = None, metadata: Any = None, *, attempt: float | None = None, **settings: Any
        ) -> Any:
            request = named(request)
            course = Course(self._retries, timeout)
            while True:
                given = (*self._target.metadata(), *(metadata or ()))
                try:
                    return await inner(request, timeout=course.time_left(attempt), metadata=given, **settings)
                except grpc.aio.AioRpcError as error:
                    failure = errors.of_call(error)
                pause = course.pause_after(failure)
                if pause is None:
                    raise failure
                await asyncio.sleep(pause)

        return call

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
        def call(request: Any = None, timeout: float | None = None, metadata: Any = None) -> Answers:
            return Answers(inner(request, timeout=timeout, metadata=(*self._target.metadata(), *(metadata or ()))))

        return call

    async def close(self, grace: float | None = None) -> None:
        """Ends the connections; calls under way have `grace` seconds."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Tells how the connection is."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits until that is different."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits until there is a connection."""
        await self._channel.channel_ready()

    async def __aenter__(self) -> RetryingChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Answers:
    """The answers of a stream, which ends with a typed error; and the requests, where it has a stream of those."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __aiter__(self) -> Answers:
        return self

    async def __anext__(self) -> Any:
        answer = await self.read()
        if answer is None:
            raise StopAsyncIteration
        return answer

    async def read(self) -> Any:
        """Returns the next answer, or None at the end."""
        try:
            answer = await self._call.read()
            if answer is not grpc.aio.EOF:
                return answer
            # An iterator of grpc raises what a stream ended with; reading alone does not.
            if await self._call.code() is not grpc.StatusCode.OK:
                raise await self._failure()
            return None
        except grpc.aio.AioRpcError as error:
            raise errors.of_call(error) from None

    async def write(self, request: Any) -> None:
        """Sends a request, once there is room.

        Raises:
            HappypathError: The stream has ended.
        """
        try:
            await self._call.write(request)
        except grpc.aio.AioRpcError as error:
            raise errors.of_call(error) from None
        except asyncio.InvalidStateError:
            raise await self._failure() from None

    async def done_writing(self) -> None:
        """Says that there are no more requests."""
        await self._call.done_writing()

    def cancel(self) -> None:
        """Ends the stream."""
        self._call.cancel()

    async def _failure(self) -> errors.HappypathError:
        code, details, trailers = await self._call.code(), await self._call.details(), await self._call.trailing_metadata()
        return errors.of_call(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers or grpc.aio.Metadata(), details))
