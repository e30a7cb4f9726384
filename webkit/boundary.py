"""The error boundary: what becomes of an exception that a handler or a middleware lets go.

Every application has one around its middlewares, so that those see the exception itself. It asks the application's
own error handlers; what they do not take goes on to the application around it. The outermost turns what is left
into a 500, of which the client sees only a reference that is in the log. It does so already where the application has
a handler for that 500 (or the 504 of a timeout), which is asked in turn.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from logging import Logger

from aiohttp import web

from webkit.binding import is_coroutine_function, name_of
from webkit.errors import ConfigError, HTTPGatewayTimeout, InternalServerError, Problem
from webkit.requests import APPLICATION, REQUEST_ID, new_request_id
from webkit.responses import HEADERS_ONLY, PREPARED, RUNNING, check_response, make_response
from webkit.types import Endpoint, Handler

__all__ = ["Boundary"]


class Boundary:
    """The error boundary of one application, with the error handlers that were registered for it."""

    def __init__(self, wrapped: web.Application, logger: Logger) -> None:
        self._wrapped = wrapped
        self._logger = logger
        self._handlers: dict[int | type[BaseException], Endpoint] = {}

    def add(self, what: int | type[BaseException], handler: Endpoint) -> None:
        """Answer *what*, a status or an exception class, with ``await handler(request, error)``.

        Raises:
            ConfigError: *what* is no error, has a handler already, or *handler* is no coroutine function.
        """
        is_status = isinstance(what, int) and 400 <= what <= 599
        if not is_status and not (isinstance(what, type) and issubclass(what, Exception)):
            raise ConfigError(f"{what!r} is no error; use a status from 400 to 599 or an exception class.")
        if what in self._handlers:
            raise ConfigError(f"{what!r} is handled by {name_of(self._handlers[what])} already.")
        if not is_coroutine_function(handler):
            raise ConfigError(f"{name_of(handler)} must be 'async def handler(request, error)'.")
        self._handlers[what] = handler

    def guard(self, handler: Handler) -> Handler:
        """Put the boundary around *handler*."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if REQUEST_ID not in request:
                request[REQUEST_ID] = new_request_id()
            request[RUNNING] = True
            try:
                response = await handler(request)
                request[RUNNING] = False
                if isinstance(response, web.StreamResponse) and not isinstance(response, web.HTTPException):
                    check_response(response, request, "a middleware or a handler of aiohttp's router")
                    return response
                return await make_response(response, request, "a middleware")
            except asyncio.CancelledError:
                return await _properly_ended(request)
            except Exception as error:
                return await self._answer(request, error)

        return guarded

    async def _answer(self, request: web.Request, error: Exception) -> web.StreamResponse:
        """Give the response for *error*, or raise what the application around this one, or aiohttp, shall see."""
        try:
            return await self._ask(request, error)
        except web.HTTPException:
            raise
        except Exception as left:
            crash = left  # the error itself, or that of a handler which failed
        final = _http_error_for(crash, request)
        if self._find(final) is None and not self._is_outermost(request):
            raise crash
        self._log(request, crash)
        try:
            return await self._ask(request, final)
        except web.HTTPException as answer:
            raise answer from crash
        except Exception as failure:
            self._log(request, failure)
            raise InternalServerError(request[REQUEST_ID]) from failure

    async def _ask(self, request: web.Request, error: Exception) -> web.StreamResponse:
        """Answer with an error handler, or raise *error*; a result that is no response gets the status of the error."""
        self._check_connection(request, error)
        if isinstance(error, web.HTTPException):
            check_response(error, request, "a handler or a middleware", verb="raised")
        handler = self._find(error)
        if handler is None:
            raise error
        try:
            result = await handler(request, error)
            if result is error:
                raise error
            response = await make_response(result, request, name_of(handler))
        except Exception as failure:
            self._check_connection(request, failure)
            raise
        if response is not result and not response.prepared:
            _take_over(error, response)
        return response

    def _check_connection(self, request: web.Request, error: Exception) -> None:
        """Raise what ends the connection, where there is no way to answer."""
        if isinstance(error, _Unread):
            raise error
        if request.writer.output_size > 0 and error is not request.get(PREPARED):
            raise self._break_off(request, error)
        if isinstance(error, ConnectionError) and _is_gone(request):
            raise _Unread from None
        if isinstance(error, web.RequestPayloadError):
            # SECURITY: where the next request begins is anybody's guess. aiohttp would also wait for the rest of the
            # body, only to fail once more.
            request.protocol.close()
            request.content.feed_eof()

    def _log(self, request: web.Request, error: Exception) -> None:
        # The path as it was sent: a decoded one could hold a line break.
        method, path = request.method, request.rel_url.raw_path
        if isinstance(error, TimeoutError):
            self._logger.warning("Timeout in %s %s", method, path)
        elif isinstance(error, web.RequestPayloadError):
            self._logger.info("The body of %s %s cannot be read: %r", method, path, str(error))
        else:
            self._logger.error("Error %s in %s %s", request[REQUEST_ID], method, path, exc_info=error)

    def _find(self, error: Exception) -> Endpoint | None:
        """Find the handler for *error*: by its class, then its status, then what it inherits from."""
        if not self._handlers:
            return None
        return next((self._handlers[key] for key in _keys_of(error) if key in self._handlers), None)

    def _is_outermost(self, request: web.Request) -> bool:
        ours = (app for app in request.match_info.apps if APPLICATION in app)
        return next(ours, None) is self._wrapped

    def _break_off(self, request: web.Request, error: Exception) -> web.HTTPException:
        """End a response that went wrong half way: a second one behind it would be taken for its body."""
        if not _is_gone(request):
            path = request.rel_url.raw_path
            self._logger.error("Error after the response began in %s %s", request.method, path, exc_info=error)
        if request.transport is not None:
            request.transport.abort()
        return _Unread()


class _Unread(web.HTTPInternalServerError):
    """What aiohttp is given where the connection is gone: it fails to write it, and keeps quiet about that."""


def _keys_of(error: Exception) -> Iterator[int | type[BaseException]]:
    yield type(error)
    if isinstance(error, web.HTTPException):
        yield error.status
    yield from type(error).__mro__


def _http_error_for(error: Exception, request: web.Request) -> web.HTTPException:
    """Give what a client may know of an exception that is no HTTP error."""
    if isinstance(error, TimeoutError):
        return HTTPGatewayTimeout()
    if isinstance(error, web.RequestPayloadError):
        broken = Problem(400, detail="The body of the request is broken.")
        broken.force_close()
        return broken
    return InternalServerError(request[REQUEST_ID])


def _take_over(error: Exception, response: web.StreamResponse) -> None:
    """Give *response* the status of *error*, and what its headers say beside the content: ``Allow``, ``Location``."""
    if not isinstance(error, web.HTTPException):
        response.set_status(500)
        return
    response.set_status(error.status)
    known = set(response.headers)
    for name, value in error.headers.items():
        if name not in known and not name.lower().startswith("content-"):
            response.headers.add(name, value)


async def _properly_ended(request: web.Request) -> web.StreamResponse:
    """Give the stream whose handler was cancelled because its response is over; else go on with cancelling."""
    request[RUNNING] = False
    prepared: web.StreamResponse | None = request.get(PREPARED)
    # aiohttp forgets the task of a response with its end; there is no other public sign.
    is_over = prepared is not None and prepared.prepared and (prepared.task is None or HEADERS_ONLY in request)
    if prepared is None or not is_over:
        raise asyncio.CancelledError
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
    # The handler may have been ended by its write before the cancelling came; it would hit the end of the answer.
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    return prepared


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
