"""Compressed request bodies: inflated while somebody reads them, and no further.

aiohttp's own parser inflates what comes in, whether it is wanted or not, does not notice that a gzip body was cut, and
refuses a request whose coding it knows but cannot read. So it is told to leave bodies alone, and here is what stands in
for ``request.content`` then:

* Bytes are inflated when a reader waits for them, in pieces of at most 256 KiB, and others get their turn in between.
  ``read()``, ``json()`` and ``post()`` count inflated bytes against their limit. What nobody reads is thrown away as
  it came.
* Beyond the first MiB a body inflates to at most 100 times its size, for those who read ``request.content`` too: 413.
* A body that is cut or damaged is an error: 400. One in a coding that nobody knows, or in several, is refused when it
  is read: 415, with ``Accept-Encoding``.
"""

import asyncio
import importlib
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Protocol

from aiohttp import StreamReader, hdrs, web

from webkit._aiohttp import PulledReader, replace_content
from webkit.errors import Problem

__all__ = ["BrokenCoding", "Inflater", "inflate_body", "known_codings"]

_PIECE: Final = 2**18
_SLICE: Final = 2**14  # how much is given to a decompressor at once: what it does not take, it copies
_FREE: Final = 2**20
_RATIO: Final = 100
# RFC 9659 lets zstd in HTTP ask for 8 MiB of memory, and no more.
_WINDOW_LOG: Final = 23


class BrokenCoding(web.RequestPayloadError):
    """A compressed body that is cut or damaged. The connection is all right: the next request can be read."""


class Inflater(Protocol):
    """Inflates one body."""

    def inflate(self, data: bytes, limit: int) -> tuple[bytes, int]:
        """Give about *limit* bytes at most, and how much of *data* was taken: less than nothing to give it back.

        Raises any exception for bad data.
        """

    @property
    def needs_data(self) -> bool:
        """Whether it has given all that comes of what it has taken."""

    @property
    def is_at_end(self) -> bool:
        """Whether the body may end here."""


class _Zlib:
    """gzip and deflate. Several of them may follow one another in a body."""

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._object: Any = None
        self.needs_data = True

    @property
    def is_at_end(self) -> bool:
        return self._object is None or bool(self._object.eof)

    def inflate(self, data: bytes, limit: int) -> tuple[bytes, int]:
        if self.is_at_end:
            if not data:
                self.needs_data = True
                return b"", 0
            if self._window_bits == zlib.MAX_WBITS and data[0] & 15 != 8:
                # Old clients send deflate without the header that RFC 9110 asks for.
                self._window_bits = -zlib.MAX_WBITS
            self._object = zlib.decompressobj(self._window_bits)
        inflated = self._object.decompress(data, limit)
        rest = self._object.unconsumed_tail or self._object.unused_data
        self.needs_data = bool(rest) or len(inflated) < limit
        return inflated, len(data) - len(rest)


class _Zstd:
    """zstd, by the module of Python 3.14 or by ``backports.zstd``. Several frames may follow one another."""

    def __init__(self, zstd: Any) -> None:
        self._zstd = zstd
        self._object: Any = None

    @property
    def is_at_end(self) -> bool:
        return self._object is None or bool(self._object.eof)

    @property
    def needs_data(self) -> bool:
        return self.is_at_end or bool(self._object.needs_input)

    def inflate(self, data: bytes, limit: int) -> tuple[bytes, int]:
        if self.is_at_end:
            if not data:
                return b"", 0
            window = self._zstd.DecompressionParameter.window_log_max
            self._object = self._zstd.ZstdDecompressor(options={window: _WINDOW_LOG})
        inflated = self._object.decompress(data, limit)
        return inflated, len(data) - len(self._object.unused_data)


class _Brotli:
    """br, by ``brotli`` or ``brotlicffi``, from 1.2 on."""

    def __init__(self, brotli: Any) -> None:
        self._object = brotli.Decompressor()

    @property
    def is_at_end(self) -> bool:
        return bool(self._object.is_finished())

    @property
    def needs_data(self) -> bool:
        return bool(self._object.can_accept_more_data())

    def inflate(self, data: bytes, limit: int) -> tuple[bytes, int]:
        return self._object.process(data, output_buffer_limit=limit), len(data)


@cache
def known_codings() -> Mapping[str, Callable[[], Inflater]]:
    """Give what makes an inflater, by the names of the codings that this Python can read."""
    known: dict[str, Callable[[], Inflater]] = {
        "gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
        "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    }
    brotli = _import("brotli") or _import("brotlicffi")
    # SECURITY: older ones have no limit for what they give at once.
    if brotli is not None and hasattr(brotli.Decompressor, "can_accept_more_data"):
        known["br"] = lambda: _Brotli(brotli)
    zstd = _import("compression.zstd") or _import("backports.zstd")
    if zstd is not None:
        known["zstd"] = lambda: _Zstd(zstd)
    return known


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def inflate_body(request: web.Request) -> None:
    """Let *request*, which has a ``Content-Encoding``, read its body inflated, unless aiohttp inflates it already."""
    content = request.content
    coding = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING)).strip(" \t,").lower().removeprefix("x-")
    is_inflated = not request.body_exists or content.total_compressed_bytes is not None
    if not is_inflated and coding not in {"", "identity"}:
        replace_content(request, _Body(content, coding).reader)


class _Body:
    """A compressed body that is being read."""

    def __init__(self, source: StreamReader, coding: str) -> None:
        self.reader = PulledReader(source, self._fetch)
        self.reader.total_compressed_bytes = self._taken = 0
        self._source = source
        self._coding = coding
        self._inflater: Inflater | None = None
        self._waiting = b""  # what has come, taken up to the position
        self._position = 0
        self._given = 0

    async def _fetch(self) -> bytes:
        """Give the next bytes, ``b""`` at the end.

        Raises:
            BrokenCoding: the body is cut or damaged.
            Problem: 413 where it inflates too much, 415 where nobody knows its coding.
        """
        inflater = self._inflater = self._inflater or _make_inflater(self._coding)
        piece = b""
        while not piece:
            if self._taken:
                await asyncio.sleep(0)
            if self._position == len(self._waiting) and inflater.needs_data:
                self._waiting, self._position = await self._source.readany(), 0
                if not self._waiting:
                    self._check_end(inflater)
                    return b""
            piece = self._inflate(inflater)
        return piece

    def _inflate(self, inflater: Inflater) -> bytes:
        end = self._position + _SLICE if inflater.needs_data else self._position
        data = self._waiting[self._position : end]
        try:
            piece, taken = inflater.inflate(data, _PIECE)
        except Exception as error:
            raise BrokenCoding(f"it is no {self._coding} data ({error})") from error
        if not piece and not taken and (data or not inflater.needs_data):
            raise BrokenCoding(f"the {self._coding} data does not go on")  # else this would never end
        self._position += taken
        self._taken += taken
        self._given += len(piece)
        self.reader.total_compressed_bytes = self._taken
        if self._given > max(_FREE, _RATIO * self._taken):
            raise Problem(413, detail=f"The body inflates to more than {_RATIO} times its size.")
        return piece

    def _check_end(self, inflater: Inflater) -> None:
        if self._taken and not inflater.is_at_end:
            raise BrokenCoding(f"the {self._coding} data is cut")


def _make_inflater(coding: str) -> Inflater:
    known = known_codings()
    if coding not in known:
        names = ", ".join(known)
        detail = f"The body has the content coding {coding[:60]!r}; known are {names}."
        raise Problem(415, detail=detail, headers={hdrs.ACCEPT_ENCODING: names})
    return known[coding]()
