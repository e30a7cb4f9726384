"""``Response``: a body that is there as a whole, sent with its headers in one write.

aiohttp makes the headers of every response anew: a multidict, the date, the defaults, the lines. Most responses are
nothing but a status, a content type and a body, so here that is kept as it was given, and the head in front of the body
is put together from bytes that were made before. The rest of what a ``web.Response`` is, its headers above all, is made
when somebody first asks for it (``_complete``); from then on it is aiohttp's in every respect, and so is what it sends.

The short way is open to a response that nobody has touched, to a request on whose way there is nobody but webkit: the
match info of a route says that (``is_quick``). Both ways send the same bytes; ``tests/test_buffered.py`` compares them.
"""

import time
from collections.abc import Coroutine
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any, Final

import msgspec
from aiohttp import ClientConnectionResetError, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import ContentCoding

__all__ = ["Response", "answer_content", "answer_json", "answer_octets", "answer_same", "answer_text"]

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
# What has no body has no short way: 1xx, 204 and 304.
_WITHOUT_BODY: Final = frozenset({*range(100, 200), 204, 304})
# A larger body is not copied behind its head.
_MAX_COPIED_BYTES: Final = 2**16
_OCTETS: Final = "application/octet-stream"


class Head:
    """The head of all responses with one status and content type, as far as it is always the same."""

    __slots__ = ("content_type", "start", "status")

    def __init__(self, status: int, content_type: str | None) -> None:
        if content_type is not None and not content_type.isprintable():
            raise ValueError(f"The content type {content_type!r} has control characters.")
        self.status = status
        self.content_type = content_type
        reason = _REASONS.get(status, "")
        #: Up to the length of the body; empty where there may be none.
        self.start = b""
        if status not in _WITHOUT_BODY:
            lines = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type or _OCTETS}\r\nContent-Length: "
            self.start = lines.encode()


#: Gives the head for a status and a content type.
head_for: Final = lru_cache(maxsize=512)(Head)


class _Clock:
    """What ends the head of every response of one second: the date, and what is always the same."""

    second = 0
    date = ""
    end = b""

    def tick(self, now: int) -> None:
        """Go on to the second *now* of the epoch."""
        self.second = now
        self.date = formatdate(now, usegmt=True)
        self.end = f"\r\nDate: {self.date}\r\nServer: {SERVER_SOFTWARE}\r\n\r\n".encode()


_clock: Final = _Clock()


class Response(web.Response):
    """aiohttp's ``Response``, faster, and with safe cookies.

    ``set_cookie`` makes cookies ``HttpOnly`` and ``SameSite=Lax``, and ``Secure`` where the request came over TLS;
    each can be said otherwise (``httponly=False``).
    """

    # PERF: the state of a response that is sent the short way, beside aiohttp's, which is not there then. It saves a
    # third of what a response costs, a tenth of a whole request.
    _head: Head | None = None
    _content = b""
    _answered: BaseRequest | None = None
    _sent_bytes = 0
    _cookies_to_secure: tuple[str, ...] = ()

    # aiohttp asks every response for it, and a miss would end in __getattr__.
    __http_exception__ = False

    def __init__(
        self,
        *,
        body: Any = None,
        text: str | None = None,
        status: int = 200,
        content_type: str | None = None,
        **options: Any,
    ) -> None:
        if not options and status.__class__ is int and (content_type is None or "charset" not in content_type):
            if body and body.__class__ is bytes and text is None:
                self._head = head_for(status, content_type)
                self._content = body
                return
            if text.__class__ is str and body is None:
                self._head = head_for(status, (content_type or "text/plain") + "; charset=utf-8")
                self._content = text.encode()
                return
        super().__init__(body=body, text=text, status=status, content_type=content_type, **options)

    def __getattr__(self, name: str) -> Any:
        """Give what aiohttp keeps in a response, which is made now (called for what is not there only)."""
        if self._head is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._complete()
        return getattr(self, name)

    def _complete(self) -> None:
        """Become a response of aiohttp's, with what was given; what was sent has the headers that it was sent with."""
        head, self._head = self._head, None
        if head is not None:
            headers = {} if head.content_type is None else {hdrs.CONTENT_TYPE: head.content_type}
            if self._sent_bytes:
                headers.setdefault(hdrs.CONTENT_TYPE, _OCTETS)
                headers[hdrs.CONTENT_LENGTH] = str(len(self._content))
                headers |= {hdrs.DATE: _clock.date, hdrs.SERVER: SERVER_SOFTWARE}
            super().__init__(body=self._content, status=head.status, headers=headers)

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Begin the answer to *request* (aiohttp calls this for a response that a handler returns)."""
        if self._answered is not None:
            return None if self._sent_bytes else request.writer
        if self._head is not None:
            if _is_short(request) and self._head.start and len(self._content) <= _MAX_COPIED_BYTES:
                self._answered = request
                return request.writer
            self._complete()
        if self._cookies_to_secure and request.secure and not self.prepared:
            for name in self._cookies_to_secure:
                self.cookies[name]["secure"] = True
        return await super().prepare(request)

    def write_eof(self, data: bytes = b"") -> Coroutine[Any, Any, None]:
        """Send what is not sent yet, and end the answer.

        Raises:
            ClientConnectionResetError: the client is gone.
        """
        request, head = self._answered, self._head
        if request is None or head is None or data or self._sent_bytes:
            return self._end(data)
        # PERF: straight to the transport, and no coroutine of its own: 2 % of a request.
        writer, transport = request.writer, request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("Cannot write to closing transport")
        now = int(time.time())
        if now != _clock.second:
            _clock.tick(now)
        content = self._content
        answer = b"%b%d%b%b" % (head.start, len(content), _clock.end, content)
        transport.write(answer)
        self._sent_bytes = len(answer)
        writer.output_size += len(answer)
        return writer.drain()

    async def _end(self, data: bytes) -> None:
        if not self._sent_bytes:
            if self._answered is not None:
                await self._go_the_long_way(self._answered)
            await super().write_eof(data)

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data* ahead of the body."""
        if self._answered is not None and not self._sent_bytes:
            await self._go_the_long_way(self._answered)
        await super().write(data)

    async def _go_the_long_way(self, request: BaseRequest) -> None:
        """Begin once more, in aiohttp's way: nothing was sent so far."""
        self._complete()
        self._answered = None
        await super().prepare(request)

    # What aiohttp, the access log and handlers ask of a response that was sent.

    @property
    def prepared(self) -> bool:
        """Whether the answer has begun."""
        return self._answered is not None or super().prepared

    @property
    def status(self) -> int:
        """The status."""
        return super().status if self._head is None else self._head.status

    @property
    def body_length(self) -> int:
        """How many bytes were sent, the headers among them."""
        return self._sent_bytes or super().body_length

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open; ``None`` before that is decided."""
        if self._answered is not None and self._head is not None:
            return True
        kept = super().keep_alive
        return True if kept is None and self._answered is not None else kept

    @property
    def task(self) -> Any:
        """The task that serves the request, until the answer is over."""
        if self._answered is not None and not self._sent_bytes:
            return self._answered.task
        return super().task

    # What looks at the state of aiohttp's, or changes it, in a way that __getattr__ does not see.

    def set_status(self, status: int, reason: str | None = None) -> None:
        """Set status and reason."""
        self._complete()
        super().set_status(status, reason)

    @property
    def body(self) -> Any:
        """The body."""
        return web.Response.body.fget(self) if self._head is None else self._content  # type: ignore[attr-defined]

    @body.setter
    def body(self, body: Any) -> None:
        self._complete()
        web.Response.body.fset(self, body)  # type: ignore[attr-defined]

    @property
    def text(self) -> str | None:
        """The body as text."""
        self._complete()
        return super().text

    @text.setter
    def text(self, text: str) -> None:
        self._complete()
        web.Response.text.fset(self, text)  # type: ignore[attr-defined]

    @property
    def content_length(self) -> int | None:
        """How many bytes the body has."""
        self._complete()
        return super().content_length

    @content_length.setter
    def content_length(self, value: int | None) -> None:
        web.Response.content_length.fset(self, value)  # type: ignore[attr-defined]

    @property
    def cookies(self) -> SimpleCookie:
        """The cookies."""
        self._complete()
        return super().cookies

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        expires: str | None = None,
        domain: str | None = None,
        max_age: int | str | None = None,
        path: str = "/",
        secure: bool | None = None,
        httponly: bool | None = True,
        version: str | None = None,
        samesite: str | None = "Lax",
        partitioned: bool | None = None,
    ) -> None:
        """Set a cookie. ``secure=None`` means: when the request came over TLS."""
        self._complete()
        super().set_cookie(
            name,
            value,
            expires=expires,
            domain=domain,
            max_age=max_age,
            path=path,
            secure=secure,
            httponly=httponly,
            version=version,
            samesite=samesite,
            partitioned=partitioned,
        )
        if secure is None:
            self._cookies_to_secure = (*self._cookies_to_secure, name)

    def enable_compression(self, force: bool | ContentCoding | None = None, strategy: int | None = None) -> None:
        """Compress the body."""
        self._complete()
        super().enable_compression(force, strategy)

    def force_close(self) -> None:
        """Close the connection behind the answer."""
        self._complete()
        super().force_close()

    def __repr__(self) -> str:
        if self._answered is None:
            return super().__repr__()
        return f"<{type(self).__name__} {self.reason} {'eof' if self._sent_bytes else self._answered.rel_url.raw_path}>"


# PERF: what handlers return becomes a response for each request; to go around __init__ saves 2 % of a request.
_make: Final = Response.__new__
_TEXT: Final = head_for(200, "text/plain; charset=utf-8")
_JSON: Final = head_for(200, "application/json")
_encode_json: Final = msgspec.json.Encoder().encode


def answer_text(text: str) -> Response:
    """Answer with *text*."""
    response = _make(Response)
    response._head = _TEXT  # noqa: SLF001
    response._content = text.encode()  # noqa: SLF001
    return response


def answer_json(data: Any) -> Response:
    """Answer with *data* as JSON."""
    response = _make(Response)
    response._head = _JSON  # noqa: SLF001
    response._content = _encode_json(data)  # noqa: SLF001
    return response


def answer_same(response: Response) -> Response | None:
    """Answer with *response*, if it is new and as it was made; ``None`` for any other."""
    return response if response._head is not None and response._answered is None else None  # noqa: SLF001


def answer_octets(body: bytes) -> Response:
    """Answer with *body* as octets."""
    return Response(body=body)


def answer_content(body: bytes, status: int, content_type: str | None) -> Response:
    """Answer with *body*; *content_type* has no parameters."""
    if not body:
        return Response(body=body, status=status, content_type=content_type)
    response = _make(Response)
    response._head = head_for(status, content_type)  # noqa: SLF001
    response._content = body  # noqa: SLF001
    return response


def _is_short(request: BaseRequest) -> bool:
    """Whether nobody between here and the client wants to see the response, and no other was begun."""
    try:
        match_info: Any = request.match_info  # type: ignore[attr-defined]
        return match_info.is_quick and not match_info.is_running and request.keep_alive
    except AttributeError:
        return False  # of another router, or of no router at all
