"""aiohttp's ``WebSocketResponse``, safe as installed: who may connect, how long a client may be silent, how it ends."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from webkit.handshakes import check_handshake, read_origins

__all__ = ["HEARTBEAT_S", "MAX_MESSAGE_BYTES", "WebSocketResponse", "check_closing", "cut_reason", "may_be_sent"]

#: After so many seconds of silence a client is asked whether it is there; it has half as long to answer.
HEARTBEAT_S: Final = 25.0
#: A message of so many bytes closes the connection with 1009.
MAX_MESSAGE_BYTES: Final = 4 * 2**20

_MAX_REASON_BYTES: Final = 123  # a frame of control holds 125, and the code takes two


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

    # PERF: with one attribute more, the dictionary of each would no longer share its keys with all others: 1.5 KiB.
    __slots__ = ("_fault", "_origins")

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
        self._fault: WebSocketError | None = None
        self._origins = read_origins(origins)

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter:
        """Answer the handshake.

        Raises:
            HTTPException: the client is refused.
        """
        if not self.prepared:
            check_handshake(request, self._origins)
        return await super().prepare(request)

    def can_prepare(self, request: BaseRequest) -> web.WebSocketReady:
        """Whether :meth:`prepare` would answer the handshake, and the subprotocol that it would choose."""
        ready = super().can_prepare(request)
        try:
            check_handshake(request, self._origins)
        except web.HTTPException:
            return web.WebSocketReady(ok=False, protocol=None)
        return ready

    async def receive(self, timeout: float | None = None) -> WSMessage:
        """Wait for a message; only one task may, that of the handler.

        Raises:
            TimeoutError: none came within *timeout* seconds.
        """
        message: WSMessage = await super().receive(timeout)
        return self.judge_close(message) if message.type is WSMsgType.CLOSE else message

    def judge_close(self, message: WSMessage) -> WSMessage:
        """Give the close of the client, or the error that its code is."""
        if message.data and not may_be_sent(message.data):
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


def cut_reason(text: str) -> str:
    """Give as much of *text* as a close may say."""
    return text.encode(errors="replace")[:_MAX_REASON_BYTES].decode(errors="ignore")
