"""A client of WebSockets and HTTP that sends whatever it is told: bytes over one connection, and frames of any kind."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from yarl import URL

from tests.serving import PATIENCE_S

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

HANDSHAKE: Final[Mapping[str, str | None]] = {
    "Host": "example.org",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer, its headers by their names in lower case."""

    status: int
    headers: dict[str, str]
    body: str


class RawConnection:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, data: bytes) -> RawAnswer:
        """Send *data*, a request, and read the answer; of a 101 the head alone."""
        self.writer.write(data)
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            start, *lines = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return RawAnswer(int(start.split(" ", 2)[1]), headers, body.decode())

    async def shake(
        self, target: str = "/", *, start: str = "GET {} HTTP/1.1", more: str = "", **changes: str | None
    ) -> RawAnswer:
        """Ask for a WebSocket. *changes* replace headers (``None`` leaves one out), *more* are further lines."""
        headers = {**HANDSHAKE, **{name.replace("_", "-"): value for name, value in changes.items()}}
        lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
        request = f"{start.format(target)}\r\n{''.join(lines)}{more}\r\n"
        return await self.ask(request.encode("latin-1"))

    def send_frame(self, kind: int, payload: bytes = b"") -> None:
        """Send a frame, masked with zeros: a client must mask, and nobody says with what."""
        size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xff" + struct.pack("!Q", len(payload))
        self.writer.write(bytes([0x80 | kind]) + size + bytes(4) + payload)

    def send_close(self, code: int, reason: str = "") -> None:
        """Send the frame that closes with *code*, allowed or not."""
        self.send_frame(CLOSE, struct.pack("!H", code) + reason.encode())

    async def read_frame(self) -> tuple[int, bytes]:
        """Give kind and content of the next frame."""
        async with asyncio.timeout(PATIENCE_S):
            first, size = await self.reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(size)

    async def read_close(self) -> tuple[int, str]:
        """Give code and reason of the frame that closes; it must be the next."""
        kind, payload = await self.read_frame()
        assert kind == CLOSE
        return struct.unpack("!H", payload[:2])[0], payload[2:].decode()


@asynccontextmanager
async def connect(url: URL) -> AsyncIterator[RawConnection]:
    """Open a connection to the server at *url*."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.close()
