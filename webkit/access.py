"""The access log: one line for each answer, by webkit's runner, and by aiohttp's where it is told to.

There it is ``web.AppRunner(app.aiohttp, access_log_class=AccessLogger, access_log_format=...)``; what a format may say
is in :mod:`webkit.accessformat`.

The lines go to the standard error, collected and written together (see :mod:`webkit.loglines`): what came within 200 ms
or makes up 64 KiB at once, and the line of a 5xx immediately. Where you have set up logging, they go there instead, as
records; that costs what logging costs, several times as much as making the line. You have where the logger
(``webkit.access``) has a filter, or where it, or a logger above it that its records come to, has a handler that is not
the one of ``webkit.run``, or is that one with a level, a filter or a formatter of yours. A logger is asked when a
connection opens, as it is for its level.
"""

import logging
from typing import Any, Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from webkit.accessformat import compile_format
from webkit.loglines import STANDARD_ERROR, StandardErrorHandler

__all__ = ["AccessLogger"]

# One method for all connections.
_write_line: Final = STANDARD_ERROR.write


class AccessLogger(AbstractAccessLogger):
    """aiohttp's interface of an access logger, over a compiled format.

    Raises:
        ConfigError: the format has a directive that there is not.
    """

    __slots__ = ("_is_collected", "_line_of", "_write")

    def __init__(self, logger: Any, log_format: str) -> None:
        super().__init__(logger, log_format)
        self._line_of = compile_format(log_format)
        self._is_collected = not is_set_up(logger)
        self._write = _write_line if self._is_collected else logger.info

    @property
    def enabled(self) -> bool:
        """Whether anybody reads the log."""
        return bool(self.logger.isEnabledFor(logging.INFO))

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line of one answer; *time* is how long it took, in seconds."""
        try:
            self._write(self._line_of(request, response, time))
            if response.status >= 500 and self._is_collected:
                STANDARD_ERROR.hurry()
        except Exception:
            self.logger.exception("Error in logging")


def is_set_up(logger: Any) -> bool:
    """Whether records of *logger* have somewhere to go that somebody has chosen."""
    if not isinstance(logger, logging.Logger):
        return True  # something like one, such as an adapter
    if logger.filters:
        return True
    around: logging.Logger | None = logger
    while around is not None:
        if not all(_is_untouched(handler) for handler in around.handlers):
            return True
        around = around.parent if around.propagate else None
    return False


def _is_untouched(handler: logging.Handler) -> bool:
    return isinstance(handler, StandardErrorHandler) and handler.is_untouched
