"""WebSocket handlers in tests: one that notes what happens to it, and clients that vanish."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.rawsockets import RawConnection
from tests.serving import PATIENCE_S
from webkit import AbstractWebSocketHandler, Application, WebSocketOptions, WebSocketSession


class Seen(list[Any]):
    """What has happened, and waiting for more."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = asyncio.Event()

    def note(self, *what: Any) -> None:
        """Add *what*, one thing as it is and more as a tuple."""
        self.append(what[0] if len(what) == 1 else what)
        self._changed.set()

    async def until(self, is_there: Callable[[list[Any]], bool]) -> None:
        """Wait until *is_there* says so."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_there(self):
                self._changed.clear()
                await self._changed.wait()

    async def until_closed(self, count: int = 1) -> None:
        """Wait until ``ws_close`` was called *count* times."""
        await self.until(lambda seen: len(self.closes) >= count)

    @property
    def closes(self) -> list[tuple[Any, ...]]:
        """Code and reason of each ``ws_close``."""
        return [what[1:] for what in self if isinstance(what, tuple) and what[0] == "close"]

    @property
    def errors(self) -> list[Any]:
        """What each ``ws_error`` was told."""
        return [what[1] for what in self if isinstance(what, tuple) and what[0] == "error"]

    def count(self, what: Any) -> int:
        """How often a callback was called, by its name."""
        return sum(each == what or (isinstance(each, tuple) and each[0] == what) for each in self)


class Noting(AbstractWebSocketHandler):
    """Notes each call, and answers a text with itself; *does*, by the name of a callback, is awaited in it."""

    def __init__(self, **does: Any) -> None:
        self.seen = Seen()
        self.does = does
        self.sessions: list[WebSocketSession] = []

    def held(self, **options: Any) -> "Noting":
        """Give itself, held as *options* say."""
        self.options = WebSocketOptions(**options)
        return self

    async def _act(self, name: str, *arguments: Any) -> Any:
        act = self.does.get(name)
        return None if act is None else await act(*arguments)

    async def ws_accept(self, request: web.Request, /) -> bool:
        answer = await self._act("accept", request)
        return True if answer is None else bool(answer)

    async def ws_open(self, session: WebSocketSession, request: web.Request, /) -> None:
        self.sessions.append(session)
        self.seen.note("open")
        await self._act("open", session)

    async def ws_message(self, session: WebSocketSession, text: str, /) -> None:
        self.seen.note("message", text)
        if "message" in self.does:
            await self._act("message", session, text)
        else:
            await session.send_text(text)

    async def ws_binary(self, session: WebSocketSession, data: bytes, /) -> None:
        self.seen.note("binary", data)
        if "binary" in self.does:
            await self._act("binary", session, data)
        else:
            await session.send_binary(data)

    async def ws_close(self, session: WebSocketSession, code: int, reason: str, /) -> None:
        self.seen.note("close", code, reason)
        await self._act("close", session)

    async def ws_error(self, session: WebSocketSession, error: Exception, /) -> None:
        self.seen.note("error", error)
        await self._act("error", session)


def make_app(handler: Any, path: str = "/ws") -> Application:
    """An application that has nothing but *handler*."""
    app = Application()
    app.mount(path, handler)
    return app


def reset(connection: RawConnection) -> None:
    """Break the connection off as a crashed client does: with RST, without a word."""
    opened = connection.writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.writer.transport.abort()


def stall(connection: RawConnection) -> None:
    """Read nothing any more."""
    connection.writer.transport.pause_reading()  # type: ignore[attr-defined]


async def crash(*_: Any) -> None:
    """Do what a callback with a bug does."""
    raise ValueError("a bug")
