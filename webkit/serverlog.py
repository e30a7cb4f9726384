"""The log of the server: what clients do wrong is one line each, without a traceback, and only so many of them.

aiohttp writes a dozen lines at ERROR for each malformed request. Anybody on the network can send those.
"""

import asyncio
import logging
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from webkit.checks import reason_of

__all__ = ["ServerLog"]

_LINES: Final = 10
_PERIOD_S: Final = 10.0


class ServerLog(logging.LoggerAdapter[logging.Logger]):
    """The logger of aiohttp's connections: at most *lines* in *period_s* seconds for what clients do wrong.

    How many more there were is one line in the end. What is wrong with the server itself is logged as ever.
    """

    def __init__(
        self, logger: logging.Logger | None = None, *, lines: int = _LINES, period_s: float = _PERIOD_S
    ) -> None:
        super().__init__(logger or logging.getLogger("webkit.server"), {})
        self._lines = lines
        self._period_s = period_s
        self._refused = 0

    def refused(self, peer: object, reason: str) -> None:
        """Note that *peer* was refused for *reason*; called inside the event loop."""
        if not self._refused:
            asyncio.get_running_loop().call_later(self._period_s, self._begin_anew)
        self._refused += 1
        if self._refused <= self._lines:
            self.info("A bad request from %s: %s", peer or "-", reason)

    def exception(self, msg: object, *args: object, exc_info: Any = True, **options: Any) -> None:
        """Log an error of the server with its traceback, one of a client as :meth:`refused`."""
        if isinstance(exc_info, HttpProcessingError):
            self.refused(args[0] if args else None, reason_of(exc_info))
        elif isinstance(exc_info, web.RequestPayloadError):
            self.refused(args[0] if args else None, "The body of the request is broken.")
        else:
            super().exception(msg, *args, exc_info=exc_info, **options)

    def _begin_anew(self) -> None:
        missed = self._refused - self._lines
        self._refused = 0
        if missed > 0:
            self.info("%d more bad requests came in these %g seconds.", missed, self._period_s)
