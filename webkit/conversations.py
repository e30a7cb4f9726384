"""From a request to ``ws_close``: the life of a WebSocket that a handler holds.

1. What is no handshake is refused, then ``ws_accept`` is asked. Until here the answer is a plain HTTP answer.
2. ``ws_open``, and each message in its order: the next one waits for the callback before it.
3. ``ws_close``, once for each ``ws_open``, whatever happened: the client closed or vanished, a callback crashed, the
   server closed or stops, the task was cancelled. The session is closed by then, on the wire as well or nearly so.

What is wrong is told to ``ws_error`` before that, and to the log: a crash of the application, for which the session is
closed with 1011, and what the client did against the rules (1002, 1007, 1009). A client that vanishes is no error.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

import msgspec
from aiohttp import WSCloseCode, web

from webkit.callables import annotation_of, name_of, parameters_of, without_partials
from webkit.errors import Problem, RouteError
from webkit.fields import can_be_json
from webkit.handshakes import check_handshake, read_origins
from webkit.heartbeats import SessionResponse
from webkit.requests import REQUEST_ID, new_request_id
from webkit.websocket_options import WebSocketOptions
from webkit.websocket_sessions import JSON_FAULTS, WebSocketClosed, WebSocketSession

__all__ = ["WebSocketHandler", "WebSocketRefused", "json_decoder_of", "serve_websocket"]

_DEFAULT: Final = WebSocketOptions()
# How much of what a client has brought about is shown in a line of the log.
_SHOWN: Final = 300


class WebSocketHandler(Protocol):
    """What serves WebSockets: six coroutines.

    A seventh, ``ws_json(session, value: Type)``, gets texts in the place of ``ws_message``, decoded.
    """

    async def ws_accept(self, request: web.Request, /) -> bool:
        """Whether the client may connect."""

    async def ws_open(self, session: WebSocketSession, request: web.Request, /) -> None:
        """Begin: the handshake was answered."""

    async def ws_message(self, session: WebSocketSession, text: str, /) -> None:
        """Take a text."""

    async def ws_binary(self, session: WebSocketSession, data: bytes, /) -> None:
        """Take bytes."""

    async def ws_close(self, session: WebSocketSession, code: int, reason: str, /) -> None:
        """Let go: the session is closed."""

    async def ws_error(self, session: WebSocketSession, error: Exception, /) -> None:
        """Learn what went wrong, before ``ws_close``."""


class WebSocketRefused(Problem, web.HTTPForbidden):
    """``ws_accept`` has said no."""


async def serve_websocket(
    handler: WebSocketHandler,
    request: web.Request,
    options: WebSocketOptions = _DEFAULT,
    *,
    parameters: Mapping[str, Any] | None = None,
    asks: bool = True,
) -> web.WebSocketResponse:
    """Let *handler* serve *request*, from the handshake to ``ws_close``, and give the response, which is over then.

    *parameters* are for ``session.parameters``. With *asks* false ``ws_accept`` is not called: you have done so.

    Raises:
        WebSocketRefused: 403, ``ws_accept`` has said no.
        BadHandshake: 400.
        ForeignOrigin: 403.
        WrongVersion: 426.
    """
    session = await _begin(handler, request, options, parameters, asks=asks)
    # PERF: all in one coroutine, because each one on the way to the client is there for as long as the session.
    try:
        await handler.ws_open(session, request)
        await session.read(_text_callback(handler), handler.ws_binary)
        await _tell_fault(handler, session)
    except (Exception, asyncio.CancelledError) as error:
        await _judge(handler, session, error)
    finally:
        await _leave(handler, session)
    return session.response


async def _begin(
    handler: WebSocketHandler,
    request: web.Request,
    options: WebSocketOptions,
    parameters: Mapping[str, Any] | None,
    *,
    asks: bool,
) -> WebSocketSession:
    """Answer the handshake, or raise what refuses it."""
    check_handshake(request, read_origins(options.origins))
    if asks and not await handler.ws_accept(request):
        raise WebSocketRefused(403, detail="The WebSocket connection is refused.")
    response = SessionResponse(request, options)
    await response.prepare(request)
    response.session = session = WebSocketSession(request, response, options, parameters)
    if response.is_late:
        session.start_closing(WSCloseCode.GOING_AWAY, "Server shutdown")
    return session


async def _judge(handler: WebSocketHandler, session: WebSocketSession, error: BaseException) -> None:
    """Tell a crash from the end of the session and from that of the task, which is to be passed on."""
    if isinstance(error, WebSocketClosed) and error.session is session:
        await _tell_fault(handler, session)
    elif not isinstance(error, asyncio.CancelledError):
        await _crash(handler, session, error)
    elif _is_cancelled():
        if not session.transport.is_closing():  # else the client has left, and aiohttp was told to cancel for that
            session.start_closing(WSCloseCode.GOING_AWAY, "")
        raise error
    else:
        await _crash(handler, session, _not_ours(error))


async def _leave(handler: WebSocketHandler, session: WebSocketSession) -> None:
    code, reason = session.leave()
    try:
        await _call(session, handler.ws_close, code, reason)
    finally:
        await session.finish()
        if isinstance(session.response, SessionResponse):
            session.response.session = None  # they would keep each other alive


def _text_callback(handler: WebSocketHandler) -> Callable[[WebSocketSession, str], Awaitable[None]]:
    """Give what takes texts: ``ws_message``, or ``ws_json`` behind its decoder."""
    on_json = getattr(handler, "ws_json", None)
    if on_json is None:
        return handler.ws_message
    decode = json_decoder_of(on_json)

    async def take_json(session: WebSocketSession, text: str) -> None:
        try:
            value = decode(text)
        except JSON_FAULTS as error:
            session.refuse_json(error)
        else:
            await on_json(session, value)

    return take_json


def json_decoder_of(on_json: Callable[..., Any]) -> Callable[[str], Any]:
    """Give the decoder for the second parameter of *on_json*, by its annotation.

    Raises:
        RouteError: there is no second parameter, or msgspec cannot make its type.
    """
    return _json_decoder_of(getattr(without_partials(on_json), "__func__", on_json))


@lru_cache(maxsize=1024)
def _json_decoder_of(function: Callable[..., Any]) -> Callable[[str], Any]:
    parameters = [name for name in parameters_of(function) if name.name != "self"]
    if len(parameters) < 2:
        raise RouteError(f"{name_of(function)} is 'async def ws_json(self, session, value: Type)'.")
    kind = annotation_of(function, parameters[1])
    kind = Any if kind is inspect.Parameter.empty else kind
    try:
        is_good = can_be_json(msgspec.inspect.type_info(kind))
        decode: Callable[[str], Any] = msgspec.json.Decoder(kind).decode
    except Exception as error:
        raise RouteError(f"{name_of(function)} takes {kind!r}, which msgspec cannot make: {error}.") from None
    if not is_good:
        raise RouteError(f"{name_of(function)} takes {kind!r}, which cannot be made of JSON. Use a Struct.")
    return decode


async def _crash(handler: WebSocketHandler, session: WebSocketSession, error: BaseException) -> None:
    """Log what a callback has let go, tell ``ws_error``, and close with 1011."""
    _log(session, error)
    try:
        await _call(session, handler.ws_error, error)
    finally:
        session.start_closing(WSCloseCode.INTERNAL_ERROR, "")


async def _call(session: WebSocketSession, callback: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """Call one of the last callbacks; what it lets go ends nothing but itself."""
    try:
        await callback(session, *arguments)
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        _log(session, _not_ours(error))
    except Exception as error:
        _log(session, error)


def _log(session: WebSocketSession, error: BaseException) -> None:
    request = session.request
    request.app.logger.error("Error %s in the WebSocket %s", _id_of(request), request.rel_url.raw_path, exc_info=error)


async def _tell_fault(handler: WebSocketHandler, session: WebSocketSession) -> None:
    """Tell what the client did wrong, where that has ended the session."""
    if session.fault is None:
        return
    request, what = session.request, str(session.fault)[:_SHOWN]
    request.app.logger.info("The client of the WebSocket %s breaks the rules: %r", request.rel_url.raw_path, what)
    await _call(session, handler.ws_error, session.fault)


def _id_of(request: web.Request) -> str:
    """Give the id of *request*; one that no application of webkit has seen has none yet."""
    if REQUEST_ID not in request:
        request[REQUEST_ID] = new_request_id()
    return request[REQUEST_ID]


def _is_cancelled() -> bool:
    """Whether it is this task that is to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _not_ours(error: asyncio.CancelledError) -> Exception:
    """Make an error of what was cancelled while a callback waited for it."""
    crash = RuntimeError("A callback waited for something that was cancelled.")
    crash.__cause__ = error
    return crash
