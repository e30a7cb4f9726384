"""What old code used and today's aiohttp no longer has, or will not have from 4.0 on.

Each says where it comes from and what to write instead. ``webkit.web`` has all that aiohttp still has.
"""

import re
import warnings
from collections.abc import Callable, Mapping
from inspect import isawaitable
from typing import Any, Final, TypedDict

from aiohttp import HttpVersion, WSMsgType, web

__all__ = [
    "HttpVersion",
    "MsgType",
    "named_routes",
    "register_on_finish",
    "translate_log_format",
    "url",
]


class MsgType:
    """The types of WebSocket messages, ``aiohttp.MsgType`` until 1.0: the members of ``aiohttp.WSMsgType``.

    ``msg.type == MsgType.text`` is ``msg.type is WSMsgType.TEXT`` today; ``WSMsgType`` has lower-case names of its own
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


class OldArguments(TypedDict, total=False):
    """What ``Application(...)`` took in aiohttp 0.21 and takes no more."""

    loop: Any
    router: Any
    handler_factory: Any


_REMEDIES: Final = {
    "router": "An application has its own router: add routes to app.router, or mount another application.",
    "handler_factory": "aiohttp's protocol class is set up by Application(handler_args={...}).",
}
_hints_given: Final[set[str]] = set()


def accept_old_arguments(old: OldArguments) -> None:
    """Take the arguments that ``Application(...)`` no longer has: *loop* with one hint, the others not at all.

    What is ``None`` asks for nothing, and is let through.

    Raises:
        TypeError: an argument cannot be taken, or there never was one of this name.
    """
    for name, value in old.items():
        if name not in OldArguments.__optional_keys__:
            raise TypeError(f"Application() got an unexpected keyword argument {name!r}.")
        if value is not None and name in _REMEDIES:
            raise TypeError(f"Application() no longer takes {name!r}. {_REMEDIES[name]}")
        if value is not None and name not in _hints_given:
            _hints_given.add(name)
            warnings.warn(
                "Application(loop=...) does nothing: the application runs in the loop that serves it. Remove it.",
                DeprecationWarning,
                stacklevel=3,
            )


def named_routes(router: Mapping[str, web.AbstractResource]) -> Mapping[str, web.AbstractResource]:
    """Give the resources of ``app.router`` by name, ``router.named_routes()`` in aiohttp 0.21.

    Write ``app.router.named_resources()``.
    """
    return dict(router)


def register_on_finish(app: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Call ``function(app, *args, **kwargs)`` in the end, ``app.register_on_finish`` in aiohttp 0.21.

    Append a coroutine function to ``app.on_cleanup``, or better a context to ``app.cleanup_ctx``.
    """

    async def finish(finished: Any) -> None:
        result = function(finished, *args, **kwargs)
        if isawaitable(result):
            await result

    app.on_cleanup.append(finish)


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


# The atoms of the log formats of aiohttp 0.18, and what they are today. The identity of a client was never known.
_ATOMS: Final = {
    "h": "%a",
    "t": "%t",
    "r": "%r",
    "s": "%s",
    "b": "%b",
    "f": "%{Referer}i",
    "a": "%{User-Agent}i",
    "T": "%T",
    "D": "%D",
    "p": "<%P>",
}
_OLD_ATOM: Final = re.compile(r"%\(\{([^}]+)\}([io])\)s|%\((\w+)\)s|%[lu]")


def translate_log_format(log_format: str) -> str:
    """Translate an access log format of aiohttp 0.18, ``'%(h)s "%(r)s" %(s)s'``, to today's, ``'%a "%r" %s'``.

    What nobody ever filled becomes ``-``, as it was logged; today's directives stay. Write the new one down.
    """

    def translate(atom: re.Match[str]) -> str:
        header, kind, letter = atom.groups()
        return f"%{{{header}}}{kind}" if header else _ATOMS.get(letter, "-")

    return _OLD_ATOM.sub(translate, log_format)
