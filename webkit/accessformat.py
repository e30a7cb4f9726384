"""What a line of the access log says: one function for each format, compiled once.

The directives are aiohttp's, and some more of Apache's:

========================= =========================================================================
``%a``                    address of the client
``%t``, ``%{FORMAT}t``    when the request came; as ``strftime`` writes it, ``%{iso}t`` as RFC 3339 does
``%r``                    first line of the request, as it was sent
``%m``, ``%U``, ``%q``    its method, its path, its query with the ``?``
``%H``                    its protocol
``%s``                    status
``%b``                    bytes of the answer with its headers
``%T``, ``%Tf``, ``%D``   how long it took: seconds, seconds with fraction, microseconds
``%{Name}i``              header of the request
``%{Name}o``              header of the answer
``%L``                    id of the request
``%P``                    process
``%%``                    a percent sign
========================= =========================================================================

The names of aiohttp 0.18 are taken too: ``%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"``.

The format ``json`` is short for ``JSON_FORMAT``: each line is a JSON object. A format of your own that begins with
``{`` is taken for JSON, too. What is not there is ``-``.

What a client has sent is escaped, so that it cannot write lines or fields of its own: line breaks of any kind, other
control characters, quotes and backslashes, as Python writes them, in JSON as JSON does.
"""

import os
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from time import localtime, strftime, time
from typing import Any, Final, TypeAlias

from aiohttp import HttpVersion11, web
from multidict import istr

from webkit.errors import ConfigError
from webkit.requests import REQUEST_ID

__all__ = ["JSON_FORMAT", "REQUEST_LINE", "LineOf", "compile_format", "translate_log_format"]

#: The first line of a request that nobody could read.
REQUEST_LINE: Final = web.RequestKey("webkit.request_line", str)

#: What the format ``json`` is.
JSON_FORMAT: Final = (
    '{"time": "%{iso}t", "remote": "%a", "request": "%r", "method": "%m", "path": "%U", "query": "%q", "status": %s, '
    '"bytes": %b, "seconds": %Tf, "id": "%L", "referer": "%{Referer}i", "user_agent": "%{User-Agent}i"}'
)

#: Makes the line, without its end, from the request, the response, and how many seconds it took.
LineOf: TypeAlias = Callable[[web.BaseRequest, web.StreamResponse, float], str]

_TOKEN: Final = re.compile(r"%(?:\{([^}]+)\}([iot])|(Tf|[atPrmUqHsbTDL%]))")

# Expressions, out of which the function for the whole line is made.
_OURS: Final = {
    "P": "getpid()",
    "s": "response.status",
    "b": "response.body_length",
    "T": "round(seconds)",
    "Tf": "'%.6f' % seconds",
    "D": "round(seconds * 1_000_000)",
    "%": "'%'",
}
# SECURITY: a client has a say in these.
_FOREIGN: Final = {
    "a": "request.remote or '-'",
    # PERF: written out for what nearly all send.
    "r": "request.method + ' ' + request.raw_path + ' HTTP/1.1'"
    " if request.version is HTTP_11 and request.method != 'UNKNOWN' else request_line(request)",
    "m": "request.method",
    "U": "target_of(request).partition('?')[0]",
    "q": "''.join(target_of(request).partition('?')[1:])",
    "H": "protocol_of(request)",
    "L": "request.get(request_id, '-')",
}
_HEADERS_OF: Final = {"i": "request", "o": "response"}
_CLF: Final = "[%d/%b/%Y:%H:%M:%S %z]"
_KNOWN: Final = ("a", "t", "P", "r", "s", "b", "T", "Tf", "D", "L", "m", "U", "q", "H", "%")

# The atoms of the log formats of aiohttp 0.18, and what they are today. The identity of a client was never known.
_ATOMS: Final = {
    "h": "%a",
    "l": "-",
    "u": "-",
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
_OLD_ATOM: Final = re.compile(r"%%|%\(\{([^}]+)\}([io])\)s|%\((\w+)\)s|%([lu])")


@lru_cache(maxsize=16)  # aiohttp makes a logger for each connection
def compile_format(log_format: str) -> LineOf:
    """Give the function that makes the line of one answer.

    Raises:
        ConfigError: the format has a directive that there is not.
    """
    return _Compiler(log_format).compile()


def translate_log_format(log_format: str) -> str:
    """Translate an access log format of aiohttp 0.18, ``'%(h)s "%(r)s" %(s)s'``, to today's, ``'%a "%r" %s'``.

    What nobody ever filled becomes ``-``, as it was logged; today's directives stay. Write the new one down.
    """
    return _OLD_ATOM.sub(lambda atom: _translate(atom) or "-", log_format)


def _translate(atom: re.Match[str]) -> str | None:
    header, kind, *letters = atom.groups()
    if atom[0] == "%%":
        return "%%"
    return f"%{{{header}}}{kind}" if header else _ATOMS.get(letters[0] or letters[1])


class _Compiler:
    """One format on its way to a function."""

    def __init__(self, log_format: str) -> None:
        self._format = log_format
        self._source = JSON_FORMAT if log_format == "json" else log_format
        self._source = _OLD_ATOM.sub(lambda atom: _translate(atom) or atom[0], self._source)
        self._names: dict[str, Any] = {
            "escape": _escape_for_json if self._source.startswith("{") else _escape,
            "HTTP_11": HttpVersion11,
            "getpid": os.getpid,
            "now": time,
            "protocol_of": _protocol_of,
            "request_id": REQUEST_ID,
            "request_line": _request_line,
            "target_of": _target_of,
        }
        self._literals: list[str] = []
        #: What stands between the literals, and whether it must be escaped.
        self._values: list[tuple[str, bool]] = []

    def compile(self) -> LineOf:
        """Give the function for the format (``ConfigError``)."""
        position = 0
        for token in _TOKEN.finditer(self._source):
            self._add_literal(self._source[position : token.start()])
            self._values.append(self._express(token))
            position = token.end()
        self._add_literal(self._source[position:])
        escaped = self._make(
            self._line(f"escape({value})" if is_foreign else value for value, is_foreign in self._values)
        )
        literal = "".join(self._literals)
        if not literal.isprintable():
            return escaped
        # PERF: hardly a line has anything to escape, and a look at the whole of it is enough to know.
        self._names["escaped"] = escaped
        counts = {mark: literal.count(mark) for mark in ('"', "\\")}
        checks = [f"line.count({mark!r}) == {n}" if n else f"{mark!r} not in line" for mark, n in counts.items()]
        is_plain = " and ".join([f"(line := {self._line(value for value, _ in self._values)}).isprintable()", *checks])
        return self._make(f"line if {is_plain} else escaped(request, response, seconds)")

    def _express(self, token: re.Match[str]) -> tuple[str, bool]:
        """Give the expression for a directive, and whether a client has a say in its value."""
        argument, kind, letter = token.groups()
        if letter in _OURS:
            return _OURS[letter], False
        if letter in _FOREIGN:
            return _FOREIGN[letter], True
        name = f"name_{len(self._names)}"
        if kind in _HEADERS_OF:
            self._names[name] = istr(argument)
            return f"{_HEADERS_OF[kind]}.headers.get({name}, '-')", True
        self._names[name] = lru_cache(maxsize=64)(_clock(argument or _CLF))
        return f"{name}(int(now() - seconds))", False

    def _add_literal(self, text: str) -> None:
        if "%" in text:
            known = ", ".join(f"%{letter}" for letter in _KNOWN)
            raise ConfigError(
                f"The log format {self._format!r} has an unknown directive; "
                f"there are {known}, %{{Name}}i, %{{Name}}o, %{{Format}}t."
            )
        self._literals.append(text)

    def _line(self, values: Iterable[str]) -> str:
        """Give the expression for the whole line; Python compiles a template with its values like an f-string."""
        return f"{'%s'.join(self._literals)!r} % ({''.join(f'{value}, ' for value in values)})"

    def _make(self, expression: str) -> LineOf:
        # SECURITY: of the format there is nothing in the expression but its literal text, as a literal.
        return eval(f"lambda request, response, seconds: {expression}", self._names)  # type: ignore[no-any-return]  # noqa: S307


def _clock(time_format: str) -> Callable[[int], str]:
    """Give the function that writes a time, in seconds since 1970, in the zone of this machine."""
    if time_format == "iso":
        return lambda second: datetime.fromtimestamp(second).astimezone().isoformat()
    return lambda second: strftime(time_format, localtime(second))


def _request_line(request: web.BaseRequest) -> str:
    # What nobody could read has this method, and is for "/".
    if request.method == "UNKNOWN" and REQUEST_LINE in request:
        return request[REQUEST_LINE]
    return f"{request.method} {request.raw_path} {_protocol_of(request)}"


def _protocol_of(request: web.BaseRequest) -> str:
    version = request.version
    return f"HTTP/{version.major}.{version.minor}"


def _target_of(request: web.BaseRequest) -> str:
    return "-" if request.method == "UNKNOWN" and REQUEST_LINE in request else request.raw_path


def _escape(text: str) -> str:
    """Make control characters visible, and quotes and backslashes other than those that end a field or an escape."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.encode("unicode_escape", "backslashreplace").decode("ascii").replace('"', '\\"')


def _escape_for_json(text: str) -> str:
    return encode_basestring_ascii(text)[1:-1]
