"""Middlewares: chains that are composed once, and the boundary where an unexpected error becomes a 500.

A middleware is ``async def m(request, handler)``; the first listed is the outermost. The boundary stands outside
the chain, so that middlewares see the exception itself and the client only a reference that is in the log.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from logging import Logger
from typing import Any

from aiohttp import web

from webkit.errors import HTTPGatewayTimeout, InternalServerError, RouteError
from webkit.responses import PREPARED
from webkit.types import Handler, Middleware

__all__ = ["as_aiohttp_middleware", "check_middlewares", "compose", "guard"]


def check_middlewares(middlewares: Iterable[Any]) -> tuple[Middleware, ...]:
    """Give *middlewares* as a tuple.

    Raises:
        RouteError: one of them cannot be called.
    """
    checked = tuple(middlewares)
    for middleware in checked:
        if not callable(middleware):
            raise RouteError(f"{middleware!r} is no middleware; write 'async def middleware(request, handler)'.")
    return checked


def compose(middlewares: Sequence[Middleware], handler: Handler) -> Handler:
    """Put *middlewares* around *handler*: a new handler, with nothing left to decide for a request."""
    # Innermost first: each wrapper must already hold the handler it calls.
    for middleware in reversed(middlewares):
        handler = _wrap(middleware, handler)
    return handler


def _wrap(middleware: Middleware, handler: Handler) -> Handler:
    return lambda request: middleware(request, handler)


def as_aiohttp_middleware(function: Callable[[web.Request, Handler], Any]) -> Any:
    """Give *function* as a middleware for aiohttp's own list, which wants a mark that methods cannot carry."""
    return web.middleware(lambda request, handler: function(request, handler))  # noqa: PLW0108


def guard(handler: Handler, logger: Logger) -> Handler:
    """Put the error boundary around *handler*."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if request.writer.output_size == 0 or error is request.get(PREPARED):
                raise
            _break_off(request, logger, error)
            raise
        except asyncio.CancelledError:
            prepared: web.StreamResponse | None = request.get(PREPARED)
            if prepared is not None and _has_ended(prepared):
                # The server has ended this stream properly and then its handler.
                if (task := asyncio.current_task()) is not None:
                    task.uncancel()
                return prepared
            raise
        except TimeoutError:
            logger.warning("Timeout in %s %s", request.method, request.path)
            raise HTTPGatewayTimeout from None
        except Exception as error:
            raise _answer_for(request, logger, error) from None

    return guarded


def _answer_for(request: web.Request, logger: Logger, error: Exception) -> web.HTTPException:
    """Log *error* and give what the client gets for it."""
    if isinstance(error, ConnectionError) and _is_gone(request):
        return web.HTTPBadRequest(text="The client is gone.")  # nobody reads it, and it is no error of ours
    if request.writer.output_size > 0:
        _break_off(request, logger, error)
        return web.HTTPInternalServerError()
    reference = secrets.token_hex(6)
    logger.error("Error %s in %s %s", reference, request.method, request.path, exc_info=error)
    return InternalServerError(reference)


def _break_off(request: web.Request, logger: Logger, error: Exception) -> None:
    """End a response that went wrong half way: a second one behind it would be taken for its body."""
    logger.error("Error after the response was begun in %s %s", request.method, request.path, exc_info=error)
    if request.transport is not None:
        request.transport.abort()


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _has_ended(response: web.StreamResponse) -> bool:
    # aiohttp forgets the task of a response with its end; there is no other public sign.
    return response.prepared and response.task is None
