"""WebSockets with safe defaults: who may connect, how long a client may be silent, and what may be sent at the end.

A browser lets the page of any site open a WebSocket to any other, and sends the cookies of that other with it. Nobody
but the server looks at the ``Origin`` of such a request: what is not of the same scheme, host and port as the request
itself is refused, unless origins are listed. Programs that are no browser send none, and are let in.

What a proxy says of scheme and host is not believed here: behind one that speaks TLS, list the origins.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any, Final

from aiohttp import HttpVersion11, WebSocketError, WSCloseCode, WSMessage, WSMsgType, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from webkit.errors import ConfigError, Problem

__all__ = [
    "BadHandshake",
    "ForeignOrigin",
    "WebSocketResponse",
    "WrongVersion",
    "check_closing",
    "is_welcome",
    "may_be_sent",
]

#: After so many seconds of silence a client is asked whether it is there; it has half as long to answer.
HEARTBEAT_S: Final = 25.0
#: A message of so many bytes closes the connection with 1009.
MAX_MESSAGE_BYTES: Final = 4 * 2**20

_VERSION: Final = "13"
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")  # 16 bytes
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._~!$&'()*+,;=%-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_PORTS: Final = {"http": "80", "https": "443"}
_EVERYBODY: Final = "*"
_MAX_REASON_BYTES: Final = 123  # a frame of control holds 125, and the code takes two

_Origin = tuple[str, str, str | None]


class BadHandshake(Problem, web.HTTPBadRequest):
    """The request does not ask for a WebSocket, or not as RFC 6455 wants it."""


class ForeignOrigin(Problem, web.HTTPForbidden):
    """The page that wants to connect belongs to another site."""


class WrongVersion(Problem, web.HTTPUpgradeRequired):
    """The client speaks another version of the protocol than 13."""


class WebSocketResponse(web.WebSocketResponse):
    """aiohttp's ``WebSocketResponse`` with safe defaults.

    ``await ws.prepare(request)`` raises what refuses the client, before the handshake: 403 for a foreign origin, 426
    for a wrong version, 400 for anything that is no handshake.

    Args:
        origins: the pages that may connect, such as ``("https://app.example.org",)``: these alone, so name your own
            too; ``"*"`` for all. Without it those of the same scheme, host and port as the request.
        heartbeat: seconds of silence after which a client has to answer a ping; ``None`` for no pings.
        max_msg_size: bytes of a message that close the connection with 1009; 0 for any size.
        protocols: the subprotocols that the server speaks, the preferred one first.
        options: the other arguments of aiohttp's, such as ``timeout``, ``receive_timeout``, ``autoping``, ``compress``.

    Raises:
        ConfigError: one of *origins* is no origin.
    """

    def __init__(
        self,
        *,
        origins: str | Collection[str] | None = None,
        heartbeat: float | None = HEARTBEAT_S,
        max_msg_size: int = MAX_MESSAGE_BYTES,
        protocols: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(heartbeat=heartbeat, max_msg_size=max_msg_size, protocols=tuple(protocols), **options)
        listed = (origins,) if isinstance(origins, str) else origins
        self._fault: WebSocketError | None = None
        self._origins = None if listed is None else _read_origins(tuple(listed))

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter:
        """Answer the handshake.

        Raises:
            HTTPException: the client is refused.
        """
        if not self.prepared:
            self._check(request)
        return await super().prepare(request)

    def can_prepare(self, request: BaseRequest) -> web.WebSocketReady:
        """Whether :meth:`prepare` would answer the handshake, and the subprotocol that it would choose."""
        ready = super().can_prepare(request)
        try:
            self._check(request)
        except web.HTTPException:
            return web.WebSocketReady(ok=False, protocol=None)
        return ready

    async def receive(self, timeout: float | None = None) -> WSMessage:
        """Wait for a message; only one task may, that of the handler.

        Raises:
            TimeoutError: none came within *timeout* seconds.
        """
        message: WSMessage = await super().receive(timeout)
        if message.type is WSMsgType.CLOSE and message.data and not may_be_sent(message.data):
            self._fault = WebSocketError(WSCloseCode.PROTOCOL_ERROR, f"Invalid close code: {message.data}")
            return WSMessage(WSMsgType.ERROR, self._fault, None)
        return message

    def exception(self) -> BaseException | None:
        """Give what ended the connection, where it was not closed in order."""
        return self._fault or super().exception()

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes | str = b"", drain: bool = True) -> bool:
        """Close with *code* and the reason *message*, and wait for the answer; false where it is closed already.

        Raises:
            ValueError: *code* is reserved, or *message* is longer than 123 bytes.
        """
        check_closing(code, message)
        if code == WSCloseCode.OK and self.close_code and not may_be_sent(self.close_code):
            # aiohttp answers the close of the client here; this one was none that a client may send.
            code = WSCloseCode.PROTOCOL_ERROR
        reason = message.encode() if isinstance(message, str) else message
        return await super().close(code=code, message=reason, drain=drain)

    def _check(self, request: BaseRequest) -> None:
        _check_handshake(request)
        sent = request.headers.getall("Origin", [])
        own = f"{request.scheme}://{request.host}"
        if not is_welcome(sent, own, self._origins):
            raise ForeignOrigin(
                403,
                detail=f"Pages of {', '.join(sent)!r} may not connect to {own}. "
                "WebSocketResponse(origins=...) lists those that may.",
            )


def is_welcome(sent: Collection[str], own: str, listed: Collection[_Origin] | None) -> bool:
    """Whether a request with the ``Origin`` headers *sent* may connect to the site *own*, ``"https://example.org"``.

    *listed* are the origins that may; empty for all, ``None`` for *own* alone.
    """
    if not sent or (listed is not None and not listed):
        return True
    origin = _read_origin(next(iter(sent))) if len(sent) == 1 else None
    return origin is not None and (origin == _read_origin(own) if listed is None else origin in listed)


def may_be_sent(code: int) -> bool:
    """Whether *code* may stand in a close frame: the others mean "there was none", or nothing yet."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def check_closing(code: int, message: bytes | str) -> None:
    """Refuse what cannot be sent at the end.

    Raises:
        ValueError: *code* is reserved, or *message* is too long or no UTF-8.
    """
    if not may_be_sent(code):
        raise ValueError(
            f"{int(code)} is no code to close with. Choose 1000 (done), 1001 (going away), another of 1000-1003 and "
            "1007-1014, or one of your own from 3000 to 4999."
        )
    try:
        text = message if isinstance(message, str) else message.decode()
        size = len(text.encode())
    except UnicodeError:
        raise ValueError(f"The message of a close is text in UTF-8, which {message!r} is not.") from None
    if size > _MAX_REASON_BYTES:
        raise ValueError(f"The message of a close has at most {_MAX_REASON_BYTES} bytes, not {size}: {text!r}.")


def _check_handshake(request: BaseRequest) -> None:
    """Refuse what is no handshake of RFC 6455, section 4.2.1."""
    headers = request.headers
    if headers.get("Upgrade", "").strip().lower() != "websocket" or request.version < HttpVersion11:
        raise BadHandshake(400, detail="This address speaks WebSocket only: connect with a WebSocket client.")
    if request.method != "GET":
        raise BadHandshake(400, detail=f"A WebSocket begins with GET, not with {request.method}.")
    if "upgrade" not in (token.strip().lower() for token in ",".join(headers.getall("Connection", ())).split(",")):
        raise BadHandshake(400, detail="A WebSocket begins with 'Connection: Upgrade'.")
    if headers.getall("Sec-WebSocket-Version", []) != [_VERSION]:
        raise WrongVersion(
            426,
            detail=f"The server speaks version {_VERSION} of the WebSocket protocol.",
            headers={"Sec-WebSocket-Version": _VERSION, "Upgrade": "websocket", "Connection": "Upgrade"},
        )
    keys = headers.getall("Sec-WebSocket-Key", [])
    if len(keys) != 1 or not _KEY.fullmatch(keys[0].strip()):
        raise BadHandshake(400, detail="Sec-WebSocket-Key is not the Base64 of 16 bytes.")


def _read_origin(text: str) -> _Origin | None:
    """Give scheme, host and port; ``None`` for what is no origin, such as the ``null`` of a sandboxed page."""
    found = _ORIGIN.fullmatch(text.strip().lower())
    if found is None:
        return None
    scheme, host, port = found.groups()
    return scheme, host, port.lstrip("0") if port else _PORTS.get(scheme)


@lru_cache(maxsize=256)
def _read_origins(listed: tuple[str, ...]) -> tuple[_Origin, ...]:
    """Give the origins *listed*, none where all are meant."""
    if _EVERYBODY in listed:
        return ()
    origins = tuple(map(_read_origin, listed))
    if not origins or None in origins:
        wrong = listed[origins.index(None)] if origins else ()
        raise ConfigError(
            f"{wrong!r} is no origin. Write WebSocketResponse(origins=['https://app.example.org']): scheme, host and "
            "perhaps a port, and nothing behind them; or origins='*' for all."
        )
    return tuple(origin for origin in origins if origin is not None)
