"""The access log: one line for each answer, compiled once from a format.

The directives are aiohttp's, and Apache's ``%L`` for the request id: ``%a`` address, ``%t`` time, ``%P`` process,
``%r`` request line, ``%s`` status, ``%b`` bytes with the headers, ``%T`` seconds, ``%Tf`` seconds with fraction,
``%D`` microseconds, ``%{Name}i`` request header, ``%{Name}o`` response header, ``%%``. What a client has sent is
escaped, so that it cannot write lines of its own.
"""

import os
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from webkit.errors import ConfigError
from webkit.requests import REQUEST_ID

__all__ = ["REQUEST_LINE", "AccessLogger", "compile_format", "translate_log_format"]

#: The first line of a request that nobody could read.
REQUEST_LINE: Final = web.RequestKey("webkit.request_line", str)

_Directive = Callable[[web.BaseRequest, web.StreamResponse, float], object]

_TOKEN: Final = re.compile(r"%(?:\{([^}]+)\}([io])|(Tf|[atPrsbTDL%]))")

_DIRECTIVES: Final[dict[str, _Directive]] = {
    "a": lambda request, response, seconds: request.remote or "-",
    "t": lambda request, response, seconds: time.strftime("[%d/%b/%Y:%H:%M:%S %z]"),
    "P": lambda request, response, seconds: os.getpid(),
    "r": lambda request, response, seconds: _escape(_request_line(request)),
    "s": lambda request, response, seconds: response.status,
    "b": lambda request, response, seconds: response.body_length,
    "T": lambda request, response, seconds: int(seconds),
    "Tf": lambda request, response, seconds: f"{seconds:.6f}",
    "D": lambda request, response, seconds: int(seconds * 1_000_000),
    "L": lambda request, response, seconds: _escape(request.get(REQUEST_ID, "-")),
    "%": lambda request, response, seconds: "%",
}

# The atoms of the log formats of aiohttp 0.18, and what they are today. The identity of a client was never known.
_ATOMS: Final = {
    "h": "%a",
    "t": "%t",
    "r": "%r",
    "s": "%s",
    "b": "%b",
    "f": "%{Referer}i",
    "a": "%{User-Agent}i",
    "T": "%T",
    "D": "%D",
    "p": "<%P>",
}
_OLD_ATOM: Final = re.compile(r"%\(\{([^}]+)\}([io])\)s|%\((\w+)\)s|%[lu]")


class AccessLogger(AbstractAccessLogger):
    """aiohttp's access logger interface over a compiled format."""

    def __init__(self, logger: Any, log_format: str) -> None:
        super().__init__(logger, log_format)
        self._template, self._directives = compile_format(log_format)

    @property
    def enabled(self) -> bool:
        """Whether anybody reads the log."""
        return bool(self.logger.isEnabledFor(20))

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line of one answer; *time* is how long it took, in seconds."""
        self.logger.info(self._template, *(directive(request, response, time) for directive in self._directives))


@lru_cache(maxsize=16)  # aiohttp makes a logger for each connection
def compile_format(log_format: str) -> tuple[str, tuple[_Directive, ...]]:
    """Give the template for ``logging`` and the functions for its places.

    Raises:
        ConfigError: the format has a directive that there is not.
    """
    directives: list[_Directive] = []
    pieces: list[str] = []
    position = 0
    for token in _TOKEN.finditer(log_format):
        pieces += _literal(log_format[position : token.start()], log_format), "%s"
        position = token.end()
        header, kind, letter = token.groups()
        directives.append(_DIRECTIVES[letter] if letter else _header(header, kind))
    pieces.append(_literal(log_format[position:], log_format))
    return "".join(pieces), tuple(directives)


def translate_log_format(log_format: str) -> str:
    """Translate an access log format of aiohttp 0.18, ``'%(h)s "%(r)s" %(s)s'``, to today's, ``'%a "%r" %s'``.

    What nobody ever filled becomes ``-``, as it was logged; today's directives stay. Write the new one down.
    """

    def translate(atom: re.Match[str]) -> str:
        header, kind, letter = atom.groups()
        return f"%{{{header}}}{kind}" if header else _ATOMS.get(letter, "-")

    return _OLD_ATOM.sub(translate, log_format)


def _request_line(request: web.BaseRequest) -> str:
    # What nobody could read has this method, and is HTTP/1.0 for "/".
    if request.method == "UNKNOWN" and REQUEST_LINE in request:
        return request[REQUEST_LINE]
    return f"{request.method} {request.path_qs} HTTP/{request.version.major}.{request.version.minor}"


def _literal(text: str, log_format: str) -> str:
    if "%" in text:
        known = ", ".join(f"%{letter}" for letter in _DIRECTIVES)
        raise ConfigError(f"The log format {log_format!r} has an unknown directive; there are {known}, %{{Name}}i/o.")
    return text


def _header(name: str, kind: str) -> _Directive:
    if kind == "i":
        return lambda request, response, seconds: _escape(request.headers.get(name, "-"))
    return lambda request, response, seconds: _escape(response.headers.get(name, "-"))


def _escape(text: str) -> str:
    """Make control characters visible, and quotes and backslashes other than those that end a field or an escape."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.encode("unicode_escape", "backslashreplace").decode("ascii").replace('"', '\\"')
