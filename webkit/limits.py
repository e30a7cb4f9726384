"""Limits: how much of what kind one request may send, and how its files are treated."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from aiohttp import web

from webkit._aiohttp import limit_body
from webkit.errors import ConfigError, Problem

__all__ = ["Limits", "check_length", "limits_of", "take_limits"]

_TYPE: Final = re.compile(r"[a-z]+/(\*|[a-z0-9!#$&^_.+-]+)|\.[a-z0-9]+")
_SIZES: Final = ("body", "field", "file", "fields", "files", "part_header", "memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a route takes: ``@app.post("/pictures", limits=Limits(body=50 * 2**20, types=("image/png", "image/gif")))``.

    What is larger is refused with 413, a file of another type with 415. Without *body* it is the ``client_max_size`` of
    the application; it holds for every body, JSON too.

    Raises:
        ConfigError: two of them contradict each other, or one is no limit.
    """

    body: int | None = None  # bytes of the whole request body
    field: int = 2**20  # bytes of one field that is no file
    file: int | None = None  # bytes of one file; None: as many as the body may have
    fields: int = 1000  # how many fields
    files: int = 100  # how many files
    part_header: int = 8192  # bytes of the headers of one part
    memory: int = 2**22  # bytes held in memory: of all fields together (413 above), and of small files (then on disk)
    types: Sequence[str] = ()  # of files: "image/png", "image/*", or an extension as ".blend"; none named: any
    sha256: bool = False  # whether the SHA-256 of each file is made on the way

    def __post_init__(self) -> None:
        for name in _SIZES:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise ConfigError(f"Limits({name}={value!r}): a limit is a number, 1 or more.")
        if isinstance(self.types, str):
            raise ConfigError(f"Limits(types={self.types!r}): write types=({self.types!r},).")
        for known in self.types:
            if not _TYPE.fullmatch(known):
                raise ConfigError(f"Limits(types=...): {known!r} is none; write 'image/png', 'image/*' or '.blend'.")
        if self.file is not None and self.file > (self.body or 0):
            raise ConfigError(
                f"Limits(file={self.file}, body={self.body}): a file cannot be larger than the body that brings it. "
                f"Write body={self.file + 2**20}, or more for several files."
            )
        if self.field > self.memory:
            raise ConfigError(f"Limits(field={self.field}, memory={self.memory}): fields are held in memory; raise it.")


_USUAL: Final = Limits()


def limits_of(request: web.Request) -> Limits:
    """Give the limits of the route that *request* came to; the usual ones if it has none."""
    limits: Limits | None = getattr(request.match_info.route, "limits", None)
    return limits or _usual_limits(getattr(request, "client_max_fields", _USUAL.fields))


def take_limits(request: web.Request, match: web.UrlMappingMatchInfo | None) -> None:
    """Let the limit of the route that was found hold for whoever reads the body of *request*."""
    limits: Limits | None = None if match is None else getattr(match.route, "limits", None)
    if limits is not None and limits.body is not None:
        limit_body(request, limits.body)


def check_length(request: web.Request, limits: Limits) -> int | None:
    """Give how many bytes the body may have, ``None`` for any number.

    Raises:
        Problem: 413 for a request that says itself that it has more.
    """
    most = limits.body or request.client_max_size or None
    length = request.content_length
    if most is not None and length is not None and length > most:
        raise Problem(413, detail=f"The body has {length} bytes; at most {most} are taken.")
    return most


@cache
def _usual_limits(fields: int) -> Limits:
    """Give the limits of a route without any; aiohttp counts the fields of forms since 3.14.4, and 0 is no limit."""
    return Limits(fields=fields or sys.maxsize, files=min(fields or sys.maxsize, _USUAL.files))
