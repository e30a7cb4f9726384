"""What old code used and today's aiohttp no longer has, or will not have from 4.0 on: ``from webkit import compat``.

Each says where it comes from and what to write instead. ``webkit.web`` has all that aiohttp still has.
"""

import inspect
import types
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

from aiohttp import HttpVersion, WSMsgType, web

from webkit.accessformat import translate_log_format
from webkit.byhand import RequestHandlerFactory, finish, make_handler
from webkit.oldapplication import register_on_finish
from webkit.oldresponses import Message, Response, StreamResponse, WebSocketResponse

__all__ = [
    "HttpVersion",
    "Message",
    "MsgType",
    "RequestHandlerFactory",
    "Response",
    "StreamResponse",
    "WebSocketResponse",
    "coroutine",
    "finish",
    "make_handler",
    "named_routes",
    "register_on_finish",
    "translate_log_format",
    "url",
]


class MsgType:
    """The types of WebSocket messages, ``aiohttp.MsgType`` until 1.0: the members of ``aiohttp.WSMsgType``.

    ``msg.tp == MsgType.text`` is ``msg.type is WSMsgType.TEXT`` today; ``WSMsgType`` has lower-case names of its own
    until aiohttp 4.0.
    """

    continuation = CONTINUATION = WSMsgType.CONTINUATION
    text = TEXT = WSMsgType.TEXT
    binary = BINARY = WSMsgType.BINARY
    ping = PING = WSMsgType.PING
    pong = PONG = WSMsgType.PONG
    close = CLOSE = WSMsgType.CLOSE
    closing = CLOSING = WSMsgType.CLOSING
    closed = CLOSED = WSMsgType.CLOSED
    error = ERROR = WSMsgType.ERROR


def coroutine(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Make a coroutine function of a generator with ``yield from``, ``asyncio.coroutine`` until Python 3.10.

    Write ``async def`` and ``await``.
    """
    if inspect.iscoroutinefunction(function):
        return function
    # What it awaits with "yield from" are coroutines, which only a generator with this mark may.
    mark: Callable[..., Any] = types.coroutine
    run = mark(function) if inspect.isgeneratorfunction(function) else function

    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        result = run(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return call


def named_routes(router: Mapping[str, web.AbstractResource]) -> Mapping[str, web.AbstractResource]:
    """Give the resources of ``app.router`` by name, ``router.named_routes()`` in aiohttp 0.21.

    Write ``app.router.named_resources()``.
    """
    return dict(router)


def url(
    resource: web.AbstractResource,
    *,
    parts: Mapping[str, Any] | None = None,
    filename: str | None = None,
    query: Mapping[str, Any] | str | None = None,
) -> str:
    """Give the URL of *resource* as a string, ``resource.url(...)`` in aiohttp 0.21, for resources of aiohttp's own.

    webkit's have the method. Write ``webkit.url_for(request, name, ...)``.

    Raises:
        KeyError: a part is missing.
    """
    texts = {name: str(value) for name, value in (parts or {}).items()}
    if filename is not None:
        texts["filename"] = filename
    found = resource.url_for(**texts)
    if isinstance(query, str):
        query = query.removeprefix("?")
    return str(found.with_query(query) if query else found)
