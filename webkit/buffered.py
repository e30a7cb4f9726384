"""``Response``: a body that is there as a whole, sent with its headers in one write.

aiohttp makes the headers of every response anew: a multidict, the date, the defaults, the lines. Most responses are
nothing but a status, a content type and a body, so here that is kept as it was given, and the head in front of the body
is put together from bytes that were made before. The rest of what a ``web.Response`` is, its headers above all, is made
when somebody first asks for it (``_complete``); from then on it is aiohttp's in every respect, and so is what it sends.

The short way is open to a response that nobody has touched, to a request on whose way there is nobody but webkit: the
match info of a route says that (``is_quick``). Both ways send the same bytes; ``tests/test_buffered.py`` compares them.
"""

from collections.abc import Coroutine
from http.cookies import SimpleCookie
from typing import Any, Final, cast

import msgspec
from aiohttp import ClientConnectionResetError, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import ContentCoding

from webkit.heads import (
    RULED_IN_ERRORS,
    Head,
    check_attribute,
    check_header,
    has_control,
    head_for,
    headers_in,
    headers_of,
    lines_of,
    put_together,
    reason_of,
)

__all__ = [
    "SENT",
    "Response",
    "answer_as",
    "answer_content",
    "answer_error",
    "answer_json",
    "answer_octets",
    "answer_same",
    "answer_text",
    "check_headers",
]

#: What was sent in the place of a response of aiohttp's (see :func:`answer_as`).
SENT: Final[web.ResponseKey[web.Response]] = web.ResponseKey("webkit.sent", web.Response)

# A larger body is not copied behind its head.
_MAX_COPIED_BYTES: Final = 2**16


class Response(web.Response):
    """aiohttp's ``Response``, faster, and with safe cookies.

    ``set_cookie`` makes cookies ``HttpOnly`` and ``SameSite=Lax``, and ``Secure`` where the request came over TLS;
    each can be said otherwise (``httponly=False``).
    """

    # PERF: the state of a response that is sent the short way, beside aiohttp's, which is not there then. It saves a
    # third of what a response costs, a tenth of a whole request.
    _head: Head | None = None
    _more = b""
    _content = b""
    _answered: BaseRequest | None = None
    _sent = b""
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
        headers: Any = None,
        **options: Any,
    ) -> None:
        more: bytes | None = b""
        if headers:
            more = lines_of(headers.items()) if headers.__class__ is dict else None
        is_plain = more is not None and not options and status.__class__ is int
        if is_plain and (content_type is None or _is_usual(content_type)):
            if body and body.__class__ is bytes and text is None:
                self._head = head_for(status, content_type)
                self._content = body
                self._more = more or b""
                return
            if text.__class__ is str and body is None:
                self._head = head_for(status, (content_type or "text/plain") + "; charset=utf-8")
                self._content = text.encode()
                self._more = more or b""
                return
        super().__init__(body=body, text=text, status=status, headers=headers, content_type=content_type, **options)

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
            if self._answered is not None:
                headers = headers_in(self._sent or put_together(head, self._more, self._content))
            else:
                headers = headers_of(self._more)
                if head.content_type:
                    headers.append((hdrs.CONTENT_TYPE, head.content_type))
                headers += headers_of(head.ending)
            super().__init__(body=self._content, status=head.status, headers=headers)

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Begin the answer to *request* (aiohttp calls this for a response that a handler returns)."""
        if self._answered is not None:
            return None if self._sent else self._answered.writer
        if self._head is not None:
            try:
                # Nobody between here and the client wants to see the response, and no other was begun.
                match_info: Any = request.match_info  # type: ignore[attr-defined]
                is_short = match_info.is_quick and not match_info.is_running and request.keep_alive
            except AttributeError:  # of another router, or of no router at all
                is_short = False
            if is_short and self._head.start and len(self._content) <= _MAX_COPIED_BYTES:
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
        if request is None or head is None or data or self._sent:
            return self._end(data)
        writer: Any = request.writer
        if writer.output_size:
            return self._end(data)
        # PERF: straight to the transport, and no coroutine of its own: 2 % of a request.
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("Cannot write to closing transport")
        self._sent = answer = put_together(head, self._more, self._content)
        transport.write(answer)
        writer.output_size += len(answer)
        writer.set_eof()  # who wants to send another answer to this request sends nothing, as in aiohttp
        return writer.drain()  # type: ignore[no-any-return]

    async def _end(self, data: bytes) -> None:
        if self._sent:
            return
        await self._go_the_long_way()
        await super().write_eof(data)

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data* ahead of the body."""
        if self._sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        await self._go_the_long_way()
        await super().write(data)

    async def drain(self) -> None:
        """Wait for a client that does not read (deprecated by aiohttp: ``write`` does it)."""
        if not self._sent:
            await self._go_the_long_way()
        await super().drain()

    async def _go_the_long_way(self) -> None:
        """Begin once more, in aiohttp's way, where the answer was to go the short one: nothing was sent so far."""
        if self._answered is not None:
            self._complete()
            request, self._answered = self._answered, None
            if self.body is not self._content:
                self.headers.popall(hdrs.CONTENT_LENGTH, None)
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
        return len(self._sent) or super().body_length

    @property
    def output_length(self) -> int:
        """How many bytes were sent since the client was last waited for (deprecated by aiohttp)."""
        if self._answered is None or self._sent:
            return super().output_length
        return self._answered.writer.buffer_size

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
        if self._answered is not None and not self._sent:
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
        for attribute in (expires, domain, path, samesite, version, str(max_age)):
            if attribute is not None:
                check_attribute(name, attribute)
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
        info = "eof" if self._sent else f"{self._answered.method} {self._answered.path} "
        return f"<{type(self).__name__} {self.reason} {info}>"


# PERF: what handlers return becomes a response for each request; to go around __init__ saves 2 % of a request.
_make: Final = Response.__new__
_TEXT: Final = head_for(200, "text/plain; charset=utf-8")
_JSON: Final = head_for(200, "application/json")
_encode_json: Final = msgspec.json.Encoder().encode
_VARYING: Final = b"Vary: Accept\r\n"


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


def answer_error(error: web.HTTPException, shown: tuple[str, bytes] | None) -> Response:
    """Answer as *error*, which is light, does, in the form that was *shown* for it, if one was.

    Raises:
        ValueError: a header has a control character, or is no text.
    """
    content_type, content = shown or (error.headers[hdrs.CONTENT_TYPE], cast("bytes", error.body))
    more = b""
    if len(error.headers) > 1:
        pairs = [(name, content_type if name == hdrs.CONTENT_TYPE else value) for name, value in error.headers.items()]
        lines = lines_of(pairs, ruled=RULED_IN_ERRORS)
        if lines is None:
            raise ValueError(f"{error!r} has a header that is no text.")
        content_type, more = "", lines
    head = head_for(error.status, content_type, _VARYING if shown else b"")
    return _answer_in_place_of(error, head, more, content)


def answer_as(response: web.Response) -> Response | None:
    """Answer as *response*, one of aiohttp's that nobody sees any more, does; ``None`` where it is to be sent itself.

    Raises:
        ValueError: a header has a control character.
    """
    # PERF: a quarter of a request that is answered with a response of aiohttp's.
    body, status, headers = response.body, response.status, response.headers
    content_type, more = headers.get(hdrs.CONTENT_TYPE), b""
    if body.__class__ is not bytes or not (body or content_type) or response.reason != reason_of(status):
        return None
    is_special = response.chunked or response.compression or response.keep_alive is not None or response.cookies
    if is_special or response.prepared or len(response):  # the access log may ask for what is kept in it
        return None
    if len(headers) > 1 or not content_type:
        lines = lines_of(headers.items(), ruled=RULED_IN_ERRORS)
        if lines is None:
            return None
        content_type, more = content_type and "", lines
    return _answer_in_place_of(response, head_for(status, content_type), more, body)


def _answer_in_place_of(response: web.Response, head: Head, more: bytes, content: bytes) -> Response:
    """Give what is sent, and note it in *response*, which is sent once like any other."""
    sent = response[SENT] = _make(Response)
    sent._head = head  # noqa: SLF001
    sent._more = more  # noqa: SLF001
    sent._content = content  # noqa: SLF001
    return sent


def answer_octets(body: bytes) -> Response:
    """Answer with *body* as octets."""
    return Response(body=body)


def answer_content(body: bytes, status: int, content_type: str | None) -> Response:
    """Answer with *body*; *content_type* has no parameters."""
    if not body:
        return Response(body=body, status=status, content_type=content_type)
    response = _make(Response)
    response._head = head_for(status, content_type or None)  # noqa: SLF001
    response._content = body  # noqa: SLF001
    return response


def check_headers(response: web.StreamResponse) -> None:
    """Refuse the headers of a *response* that would not be what they say (``ValueError``)."""
    if getattr(response, "_head", None) is not None:
        return  # a Response that nobody has touched: they were looked at
    headers = response.headers
    # PERF: nearly always there is nothing in all of them.
    if has_control("".join(headers) + "".join(headers.values())):
        for name, value in headers.items():
            check_header(name, value)


def _is_usual(content_type: str) -> bool:
    return bool(content_type) and "charset" not in content_type
