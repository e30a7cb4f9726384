"""Listening to event streams: as a client that reads, and as one that vanishes or does not."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse
from yarl import URL

from tests.eventsource import EventSource, Message
from tests.serving import PATIENCE_S, Client


class Listener:
    """A client that reads one stream."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.source = EventSource()
        self._told = 0

    async def next(self) -> Message:
        """Wait for the next message."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.source.messages) == self._told:
                if not await self._read():
                    raise EOFError("The stream is over.")
        self._told += 1
        return self.source.messages[self._told - 1]

    async def rest(self) -> list[Message]:
        """Read to the proper end, and give what was not given yet."""
        async with asyncio.timeout(PATIENCE_S):
            while await self._read():
                pass
        rest = self.source.messages[self._told :]
        self._told = len(self.source.messages)
        return rest

    async def comment(self) -> str:
        """Wait for the next comment."""
        count = len(self.source.comments)
        async with asyncio.timeout(PATIENCE_S):
            while len(self.source.comments) == count:
                await self._read()
        return self.source.comments[-1]

    async def _read(self) -> bool:
        piece = await self.response.content.readany()
        self.source.feed(piece)
        return bool(piece)


@asynccontextmanager
async def listening(client: Client, target: str = "/", **options: Any) -> AsyncIterator[Listener]:
    """Open a stream, and close it in the end."""
    async with client.session.get(client.url.join(URL(target)), **options) as response:
        yield Listener(response)


class Deaf:
    """A client that asks for a stream, and reads it when it is told to. It has little room for what it leaves."""

    def __init__(self, url: URL, target: str = "/", headers: str = "") -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.setblocking(False)
        self._url = url
        self._request = f"GET {target} HTTP/1.1\r\nHost: l\r\n{headers}\r\n".encode()

    async def connect(self) -> None:
        """Send the request, and read no more than the first byte of the answer."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            await loop.sock_connect(self._socket, (self._url.host, self._url.port))
            await loop.sock_sendall(self._socket, self._request)
            if await loop.sock_recv(self._socket, 1) != b"H":
                raise ConnectionError("It was not answered.")

    async def read(self) -> bytes:
        """Read to the end, and take the chunks apart (``ConnectionError`` where it was cut off)."""
        data = b"H"
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            while not data.endswith(b"\r\n0\r\n\r\n"):
                piece = await loop.sock_recv(self._socket, 65536)
                if not piece:
                    raise ConnectionResetError("It ended without an end.")
                data += piece
        return without_chunks(data.partition(b"\r\n\r\n")[2])

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave as a process that was killed does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Leave in order."""
        self._socket.close()


def without_chunks(data: bytes) -> bytes:
    """Put the chunks of HTTP/1.1 together."""
    whole = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        whole += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return whole


@asynccontextmanager
async def deaf(url: URL, target: str = "/", headers: str = "") -> AsyncIterator[Deaf]:
    """Open a stream that nobody reads."""
    client = Deaf(url, target, headers)
    try:
        await client.connect()
        yield client
    finally:
        client.close()
