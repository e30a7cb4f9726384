"""WebSockets as routes: a class with callbacks or one coroutine, and the parameters that they take.

A callback takes its own arguments first, by position, and behind them what it wants of the request, as the method of a
View does: parameters of the path by name, ``Query[...]``, ``Header[...]``, ``Cookie[...]``. All of that is converted
before the handshake, so what does not fit is answered as it is everywhere else (404, 422).
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import Any, Final, cast

from aiohttp import web

from webkit.callables import annotation_of, is_coroutine_function, name_of, parameters_of
from webkit.conversations import WebSocketHandler, json_decoder_of, serve_websocket
from webkit.errors import RouteError
from webkit.types import Route
from webkit.websocket_options import WebSocketOptions
from webkit.websocket_sessions import WebSocketSession

__all__ = ["AbstractWebSocketHandler", "WebSocketEndpoint"]

# The callbacks, and the arguments of their own.
_CALLBACKS: Final[Mapping[str, tuple[str, ...]]] = {
    "ws_accept": ("request",),
    "ws_open": ("session", "request"),
    "ws_message": ("session", "text"),
    "ws_binary": ("session", "data"),
    "ws_json": ("session", "value"),
    "ws_close": ("session", "code", "reason"),
    "ws_error": ("session", "error"),
}
_REQUIRED: Final = tuple(name for name in _CALLBACKS if name != "ws_json")
_BY_POSITION: Final = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
_ANY_NUMBER: Final = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}

# What callbacks want of the request, by the name of the callback.
_Wanted = Mapping[str, tuple[inspect.Parameter, ...]]


class AbstractWebSocketHandler:
    """A handler of WebSockets: override what you need, and mount an instance, ``app.mount("/chat", Chat())``.

    One instance serves all of its sessions. A method may take parameters of the path and of the request behind its own
    arguments: ``async def ws_open(self, session, request, room: str)`` for ``@app.websocket("/chat/{room}")``. A method
    ``async def ws_json(self, session, value: Type)`` gets the texts in the place of ``ws_message``, decoded by msgspec;
    what does not fit closes with 1007.
    """

    #: How its WebSockets are held.
    options = WebSocketOptions()

    # "*args: Any, **kwargs: Any" lets a type checker accept methods that take parameters of the path.

    async def ws_accept(self, request: web.Request, /, *args: Any, **kwargs: Any) -> bool:
        """Whether the client may connect; if not it gets a 403. An HTTP error that is raised is answered as it is."""
        return True

    async def ws_open(self, session: WebSocketSession, request: web.Request, /, *args: Any, **kwargs: Any) -> None:
        """Begin: the handshake was answered."""

    async def ws_message(self, session: WebSocketSession, text: str, /, *args: Any, **kwargs: Any) -> None:
        """Take a text. The next message waits until this is done."""

    async def ws_binary(self, session: WebSocketSession, data: bytes, /, *args: Any, **kwargs: Any) -> None:
        """Take bytes. The next message waits until this is done."""

    async def ws_close(self, session: WebSocketSession, code: int, reason: str, /, *args: Any, **kwargs: Any) -> None:
        """Let go: called once for each ``ws_open``, when the session is closed and nothing can be sent any more.

        *code* and *reason* are those of who closed first: 1000 and the like, 1001 when the server stops, 1005 for a
        client that gave none, 1006 for one that vanished, 1011 after a crash.
        """

    async def ws_error(self, session: WebSocketSession, error: Exception, /, *args: Any, **kwargs: Any) -> None:
        """Learn what went wrong, before ``ws_close``: what a callback let go, or what the client did wrong.

        A crash is in the log already, and the session is still open: it can be told something.
        """

    def routes(self) -> Iterator[Route]:
        """Give the one route, for ``app.mount(path, handler)``."""
        yield Route("GET", "", WebSocketEndpoint(self))


class WebSocketEndpoint:
    """A WebSocket handler as the endpoint of a route.

    Args:
        handler: an object with the callbacks, a class of such, which is called without arguments, or a coroutine
            function whose first parameter is the session.
        options: how the WebSockets are held; those of the handler if not given.

    Raises:
        RouteError: a callback is missing, is no coroutine function, or takes what nobody gives.
    """

    def __init__(self, handler: Any, options: WebSocketOptions | None = None) -> None:
        self.__module__, _, self.__qualname__ = name_of(handler).rpartition(".")
        self._handler, self._wanted = _read_handler(handler)
        self._options: WebSocketOptions = options or getattr(self._handler, "options", None) or WebSocketOptions()
        #: What binding reads: the request, and what all callbacks together want of it.
        self.__signature__ = _signature_of(self._wanted)

    async def __call__(self, request: web.Request, /, **values: Any) -> web.StreamResponse:
        """Serve one WebSocket."""
        handler = self._handler
        if self._wanted:
            handler = _with_values(handler, self._wanted, {"request": request, **values})
        parameters = getattr(request.match_info, "arguments", request.match_info)
        return await serve_websocket(handler, request, self._options, parameters=parameters)


class _CoroutineHandler(AbstractWebSocketHandler):
    """One coroutine in the place of the callbacks; the session is closed when it returns."""

    def __init__(self, function: Callable[..., Awaitable[Any]]) -> None:
        self._function = function

    async def ws_open(self, session: WebSocketSession, request: web.Request, /, *args: Any, **kwargs: Any) -> None:
        """Run the coroutine."""
        await self._function(session, **kwargs)
        await session.close()


def _read_handler(handler: Any) -> tuple[WebSocketHandler, _Wanted]:
    """Give an object with the callbacks, and what each of them wants of the request."""
    if isinstance(handler, type):
        handler = handler()
    missing = [name for name in _REQUIRED if not callable(getattr(handler, name, None))]
    if missing and is_coroutine_function(handler):
        wanted = _wanted_by(handler, ("session",))
        return _CoroutineHandler(handler), {"ws_open": wanted} if wanted else {}
    if missing:
        raise RouteError(
            f"{handler!r} handles no WebSockets: it has no {', '.join(missing)}. Inherit from "
            "AbstractWebSocketHandler, or write 'async def handler(session)'."
        )
    callbacks = {name: getattr(handler, name) for name in _CALLBACKS if hasattr(handler, name)}
    if "ws_json" in callbacks:
        json_decoder_of(callbacks["ws_json"])
    wanted_by = {name: _wanted_by(callback, _CALLBACKS[name]) for name, callback in callbacks.items()}
    return handler, {name: wanted for name, wanted in wanted_by.items() if wanted}


def _wanted_by(callback: Callable[..., Any], own: tuple[str, ...]) -> tuple[inspect.Parameter, ...]:
    """Give what *callback* takes behind its *own* arguments; what would take any is none that it wants."""
    name = name_of(callback)
    if not is_coroutine_function(callback):
        raise RouteError(f"{name} must be a coroutine function without 'yield': 'async def'.")
    parameters = parameters_of(callback)
    by_position = [parameter for parameter in parameters if parameter.kind in _BY_POSITION]
    takes_any = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    if len(by_position) < len(own) and not takes_any:
        raise RouteError(f"{name} is called with ({', '.join(own)}), which it does not take.")
    extra = [parameter for parameter in parameters if parameter not in by_position[: len(own)]]
    return tuple(_read_parameter(callback, parameter) for parameter in extra if parameter.kind not in _ANY_NUMBER)


def _read_parameter(callback: Callable[..., Any], parameter: inspect.Parameter) -> inspect.Parameter:
    what = f"{parameter.name!r} of {name_of(callback)}"
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise RouteError(f"{what} is passed by its name. Drop the '/'.")
    try:
        annotation = annotation_of(callback, parameter)
    except Exception:
        raise RouteError(
            f"The annotation {parameter.annotation!r} of {what} cannot be resolved when the route is added. Define its "
            "names in the module, and before the route."
        ) from None
    return parameter.replace(annotation=annotation, kind=parameter.KEYWORD_ONLY)


def _signature_of(wanted: _Wanted) -> inspect.Signature:
    """Give the signature of a handler that gets the request, and what the callbacks want of it."""
    found: dict[str, inspect.Parameter] = {}
    for parameter in chain.from_iterable(wanted.values()):
        known = found.setdefault(parameter.name, parameter)
        annotations = {known.annotation, parameter.annotation} - {parameter.empty}
        if len(annotations) > 1:
            raise RouteError(
                f"{parameter.name!r} is annotated as {' and '.join(map(repr, annotations))}: make them agree."
            )
        if known.annotation is parameter.empty:
            found[parameter.name] = parameter
    found.pop("request", None)
    request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_ONLY, annotation=web.Request)
    return inspect.Signature([request, *found.values()])


def _with_values(handler: WebSocketHandler, wanted: _Wanted, values: Mapping[str, Any]) -> WebSocketHandler:
    """Give the callbacks of *handler*, with what they want of the request filled in."""
    callbacks = {name: getattr(handler, name) for name in _CALLBACKS if hasattr(handler, name)}
    for name, parameters in wanted.items():
        given = {parameter.name: values[parameter.name] for parameter in parameters}
        callbacks[name] = partial(callbacks[name], **given)
    return cast(WebSocketHandler, SimpleNamespace(**callbacks))
