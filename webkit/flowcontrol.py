"""Flow control: when the kernel sends what was written, as ``aiohttp.web`` let responses choose until 2.3.

Corked, it waits for full packets, until the cork is taken out; undelayed, it sends at once; with neither, it waits for
more as long as something is on its way (Nagle's algorithm). Today every connection is undelayed, and head and body of
a buffered response are one write: a cork is worth its two calls of the kernel only for a body in many pieces.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

__all__ = ["FlowControl", "set_socket_options"]

# Linux has the one, BSD and macOS the other, Windows none: then a cork leaves Nagle's algorithm.
_CORK: Final[int | None] = getattr(socket, "TCP_CORK", getattr(socket, "TCP_NOPUSH", None))


def set_socket_options(transport: asyncio.BaseTransport | None, *, cork: bool, nodelay: bool) -> None:
    """Set the options on the socket of *transport*, where there is one and it speaks TCP."""
    opened = None if transport is None else transport.get_extra_info("socket")
    if opened is None or opened.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    options = [(_CORK, cork), (socket.TCP_NODELAY, nodelay)]
    # What is cleared goes first: a socket has one mode at a time.
    for option, value in sorted(options, key=lambda pair: pair[1]):
        if option is not None:
            with suppress(OSError):  # it is closed already
                opened.setsockopt(socket.IPPROTO_TCP, option, int(value))


class FlowControl(web.StreamResponse):
    """A response that chooses how the kernel sends it: corked, undelayed, or neither.

    It may be chosen before and after ``prepare``. :meth:`restore` brings the connection back, for the next response.
    """

    _is_corked = False
    _is_undelayed = True
    _flowing: asyncio.BaseTransport | None = None

    @property
    def tcp_cork(self) -> bool:
        """Whether only full packets are sent."""
        return self._is_corked

    def set_tcp_cork(self, value: bool) -> None:
        """Send only full packets; what is left goes when it is unset. Setting it unsets ``tcp_nodelay``."""
        self._is_corked = bool(value)
        self._is_undelayed = self._is_undelayed and not value
        self._apply()

    @property
    def tcp_nodelay(self) -> bool:
        """Whether small pieces are sent at once."""
        return self._is_undelayed

    def set_tcp_nodelay(self, value: bool) -> None:
        """Send small pieces at once. Setting it unsets ``tcp_cork``."""
        self._is_undelayed = bool(value)
        self._is_corked = self._is_corked and not value
        self._apply()

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Begin the answer to *request* in the mode that was chosen."""
        if self.prepared:
            return await super().prepare(request)
        self._flowing = request.transport
        self._apply()
        try:
            return await super().prepare(request)
        except BaseException:
            self.restore()  # another response answers
            raise

    def restore(self) -> None:
        """Send what is held back, and leave the connection undelayed."""
        if self._flowing is not None:
            self.set_tcp_nodelay(True)
            self._flowing = None

    def _apply(self) -> None:
        set_socket_options(self._flowing, cork=self._is_corked, nodelay=self._is_undelayed)
