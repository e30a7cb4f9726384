"""Calling a servlet: from a request and a binding to what the servlet answers."""

from asyncio import current_task
from collections.abc import Callable
from logging import Logger
from typing import Any

from aiohttp import web

from webkit.servlet_names import BodyTooLargeError, ServletType
from webkit.servlet_registry import Binding
from webkit.servlet_requests import AsyncRequest, SyncRequest, read_within
from webkit.servlet_responses import AsyncResponse, StreamIsOver
from webkit.servlet_sync import Pool, SyncResponse
from webkit.servlet_websockets import WebSocketAdapter, answer_websocket, is_websocket_handler
from webkit.websocket_options import WebSocketOptions

__all__ = ["Calls"]


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

    async def call(self, request: web.Request, mount: str, path: str, binding: Binding) -> web.StreamResponse | None:
        """Give what the servlet answers; ``None`` where it has no method for this, or its end has begun."""
        # The task stands for the request, which cannot be in a set; a servlet that drains itself is known by it.
        task = current_task()
        binding.active.add(task)
        try:
            if binding.retired:
                return None
            if binding.type is ServletType.ASYNC:
                method = getattr(binding.servlet, "do_async_" + request.method, None)
                if method is None:
                    return None
                response = AsyncResponse(request, binding)
                try:
                    await method(AsyncRequest(request, mount, path, binding, self.body_too_large), response)
                    return response.finish()
                except StreamIsOver:
                    return response.finish()
                except Exception as error:
                    if not response.is_complete:
                        raise
                    return self._end_late(request, response, error)
            if binding.type is ServletType.SYNC:
                method = getattr(binding.servlet, "do_" + request.method, None)
                return None if method is None else await self._call_in_thread(method, request, mount, path, binding)
            if not is_websocket_handler(binding.servlet):
                return None
            asked = AsyncRequest(request, mount, path, binding, self.body_too_large)
            return await answer_websocket(self.websocket_adapter(binding.servlet, asked), self._websockets)
        finally:
            binding.finish(task)

    def _end_late(self, request: web.Request, response: AsyncResponse, error: Exception) -> web.StreamResponse:
        """Log what went wrong behind an answer that is whole: the client has it, and nothing else comes after it."""
        path = request.rel_url.raw_path
        self._logger.error("Error after the answer to %s %s", request.method, path, exc_info=error)
        request.protocol.close()
        return response.finish()

    async def _call_in_thread(
        self, method: Callable[..., Any], request: web.Request, mount: str, path: str, binding: Binding
    ) -> web.StreamResponse:
        if self.pool.is_closed:
            return web.Response(status=503, text="Service unavailable")
        body = await read_within(request, binding.max_body_size, self.body_too_large)
        response = SyncResponse()
        await self.pool.run(method, SyncRequest(request, mount, path, binding, body), response)
        return response.finish(request.method)
