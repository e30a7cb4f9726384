"""A transport that goes nowhere: it takes what a server writes, and sends it the same request again and again."""

import asyncio
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

from bench.answers import WrongAnswer

_PATIENCE_S = 60.0
_MOST_TURNS = 1000


class Wire(asyncio.Transport):
    """One connection to the protocol that *connect* makes."""

    def __init__(self, connect: Callable[[], asyncio.Protocol], request: bytes) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._request = request
        self._first = bytearray()
        self._answer_bytes = sys.maxsize  # until the first answer is there
        self._missing = 0
        self._to_send = 0
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._is_closing = False
        self._protocol = connect()
        self._protocol.connection_made(self)

    async def begin(self) -> bytes:
        """Exchange one request, and give the answer, whose length all others have to have (``WrongAnswer``)."""
        self._send()
        for _ in range(_MOST_TURNS):
            await asyncio.sleep(0)
            if is_whole(self._first):
                self._answer_bytes = len(self._first)
                return bytes(self._first)
        raise WrongAnswer(f"{self._request[:80]!r} got no whole answer: {bytes(self._first[:200])!r}")

    async def exchange(self, count: int) -> None:
        """Send *count* requests, each after the answer to the one before (``WrongAnswer``)."""
        self._done = self._loop.create_future()
        self._to_send, self._missing = count - 1, self._answer_bytes
        self._send()
        async with asyncio.timeout(_PATIENCE_S):
            await self._done

    def write(self, data: Any) -> None:
        """Take a part of an answer."""
        self._missing -= len(data)
        if self._missing == 0:
            self._go_on()
        elif self._answer_bytes == sys.maxsize:
            self._first += data
        elif self._missing < 0 and not self._done.done():
            self._done.set_exception(WrongAnswer(f"{self._request[:80]!r} got answers of different lengths."))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Take several parts of an answer."""
        for data in list_of_data:
            self.write(data)

    def _go_on(self) -> None:
        if self._to_send:
            self._to_send -= 1
            self._missing = self._answer_bytes
            # Not at once: the server has more to do for this answer, and would be called from within itself.
            self._loop.call_soon(self._send)
        else:
            self._done.set_result(None)

    def _send(self) -> None:
        self._protocol.data_received(self._request)

    def close(self) -> None:
        """Close the connection, as a real transport does it: in the next turn."""
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self._is_closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Tell addresses, and nothing else."""
        return ("127.0.0.1", 40_000) if name in ("peername", "sockname") else default

    def pause_reading(self) -> None:
        """Do nothing: what comes was asked for."""

    def resume_reading(self) -> None:
        """Do nothing: it was never paused."""


def is_whole(answer: bytes | bytearray) -> bool:
    """Tell whether *answer* has its head and as many bytes as its Content-Length says."""
    head, separator, body = bytes(answer).partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return bool(separator) and length is not None and len(body) >= int(length[1])
