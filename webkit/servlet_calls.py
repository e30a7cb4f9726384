"""Calling a servlet: from a request and a binding to what the servlet answers."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from logging import Logger
from types import CoroutineType
from typing import Any, Final

from aiohttp import hdrs, web

from webkit.servlet_endings import run_to_end
from webkit.servlet_names import BodyTooLargeError, ServletType
from webkit.servlet_registry import ANSWERING, Binding
from webkit.servlet_requests import AsyncRequest, SyncRequest, read_within
from webkit.servlet_responses import AsyncResponse, StreamIsOver
from webkit.servlet_sync import Pool, SyncResponse
from webkit.servlet_websockets import WebSocketAdapter, answer_websocket, is_websocket_handler
from webkit.websocket_options import WebSocketOptions

__all__ = ["NAMES", "OVER", "Calls", "go_on"]


class _Names(dict[str, str]):
    """The names of the methods of asynchronous servlets, by those of HTTP; unusual ones are made, and not kept."""

    def __missing__(self, method: str) -> str:
        return "do_async_" + method


# PERF: made once: Python finds an attribute faster by the same object.
NAMES: Final = _Names({method: sys.intern(f"do_async_{method}") for method in hdrs.METH_ALL})
#: What stands for a coroutine that has ended without waiting for anything.
OVER: Final = object()


class Calls:
    """How the servlets of a service are called."""

    #: What is raised for a body that is too large.
    body_too_large: type[BodyTooLargeError] = BodyTooLargeError
    #: What stands between a WebSocket and its handler.
    websocket_adapter: type[WebSocketAdapter] = WebSocketAdapter

    def __init__(self, logger: Logger, workers: int, websockets: WebSocketOptions | None) -> None:
        self._logger = logger
        #: The threads of synchronous servlets.
        self.pool = Pool(workers)
        self._websockets = websockets
        #: Whether a server cancels its handlers when the client leaves, which no servlet is to notice.
        self.client_cancels = False

    async def call(self, request: web.Request, mount: str, path: str, binding: Binding) -> web.StreamResponse | None:
        """Give what the servlet answers; ``None`` where it has no method for this, or its end has begun."""
        answering = AsyncResponse(request, binding)
        # A servlet that drains itself is known by it, in threads and tasks of its own, too.
        ANSWERING.set(answering)
        binding.active.add(answering)
        try:
            if binding.retired:
                return None
            if not binding.is_async:
                return await self._call_other(request, mount, path, binding)
            method = getattr(binding.servlet, NAMES[request.method], None)
            if method is None:
                return None
            try:
                servlet = method(AsyncRequest(request, mount, path, binding, self.body_too_large), answering)
                # PERF: most servlets wait for nothing, and an answer that is returned costs a fifth less than one that
                # is sent by them. One that does wait must not keep the client waiting, too.
                if servlet.__class__ is CoroutineType and not self.client_cancels:
                    waited = next(servlet.__await__(), OVER)
                    if waited is not OVER:
                        await go_on(servlet, waited, answering)
                else:
                    await answering.send_now()
                    await (run_to_end(request, servlet) if self.client_cancels else servlet)
            except Exception as error:
                if not self.is_answer(error, request, answering):
                    raise
            return answering.response if answering.is_complete else answering.finish()
        finally:
            binding.active.discard(answering)
            if binding.retired:
                binding.settle()

    def is_answer(self, error: Exception, request: web.Request, answering: AsyncResponse) -> bool:
        """Whether there is an answer all the same, behind which nothing else comes."""
        if answering.is_complete:
            path = request.rel_url.raw_path
            self._logger.error("Error after the answer to %s %s", request.method, path, exc_info=error)
            request.protocol.close()
        return answering.is_complete or isinstance(error, StreamIsOver)

    async def _call_other(
        self, request: web.Request, mount: str, path: str, binding: Binding
    ) -> web.StreamResponse | None:
        if binding.type is ServletType.SYNC:
            method = getattr(binding.servlet, "do_" + request.method, None)
            return None if method is None else await self._call_in_thread(method, request, mount, path, binding)
        if not is_websocket_handler(binding.servlet):
            return None
        asked = AsyncRequest(request, mount, path, binding, self.body_too_large)
        return await answer_websocket(self.websocket_adapter(binding.servlet, asked), self._websockets)

    async def _call_in_thread(
        self, method: Callable[..., Any], request: web.Request, mount: str, path: str, binding: Binding
    ) -> web.StreamResponse:
        if self.pool.is_closed:
            return web.Response(status=503, text="Service unavailable")
        body = await read_within(request, binding.max_body_size, self.body_too_large)
        response = SyncResponse()
        # A thread goes on when its request is cancelled: from here on it is the thread that runs.
        running = object()
        binding.active.add(running)
        binding.active.discard(ANSWERING.get())
        ANSWERING.set(running)
        end = partial(_end, binding, running)
        try:
            future = self.pool.run(method, SyncRequest(request, mount, path, binding, body), response)
        except BaseException:
            end()
            raise
        future.add_done_callback(end)
        waiting = asyncio.wrap_future(future)
        await (run_to_end(request, waiting) if self.client_cancels else waiting)
        return response.finish(request.method)


def _end(binding: Binding, running: object, _: object = None) -> None:
    """Note that what *running* stands for is over; called in a thread, too."""
    binding.active.discard(running)
    if binding.retired:
        binding.settle()


async def go_on(servlet: Coroutine[Any, Any, Any], first: Any, answering: AsyncResponse) -> None:
    """Send what is answered so far, and let *servlet* go on, which waits for *first*."""
    try:
        await answering.send_now()
    except BaseException:
        servlet.close()
        raise
    await _Rest(servlet, first)


class _Rest:
    """The rest of a coroutine that has begun, and waits for *first*: awaiting it is awaiting the coroutine."""

    __slots__ = ("_coroutine", "_first")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], first: Any) -> None:
        self._coroutine = coroutine
        self._first = first

    def __await__(self) -> Generator[Any, Any, None]:
        waited = self._first
        while True:
            thrown: BaseException | None = None
            try:
                given = yield waited
            except BaseException as error:  # cancelling among them: it belongs to the coroutine
                thrown = error
            try:
                waited = self._coroutine.send(given) if thrown is None else self._coroutine.throw(thrown)
            except StopIteration:
                return
