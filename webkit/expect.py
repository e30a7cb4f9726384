"""Expectations: what becomes of ``Expect: 100-continue``, with which a client waits to be told to send its body.

A route's ``expect_handler``, ``async def handler(request)``, is called where the header is there, before any
middleware. It returns nothing, and the request goes on; or a response, or raises an HTTP error, and that is the answer.
No middleware sees it; error handlers and error pages do. These are ready for ``expect_handler=refuse_above(2**20)``:

* :func:`when_read`, which every route has that says no other: the client is told to send its body when somebody first
  waits for it. Middlewares, limits, 404 and 405 answer before that, and then no body is ever sent.
* :func:`accept`: the client is told at once.
* :func:`refuse_above`, :func:`require_authorization`: the client is refused at once, or else told when somebody waits.
* :func:`all_of`: several of them, one after the other.

An own handler that lets a request pass says what is to be done: it awaits :func:`send_continue`, calls
:func:`defer_continue`, or writes ``HTTP/1.1 100 Continue`` itself, with two line ends, as old ones do.

A client that is answered without having been told to send its body might send it all the same, and nobody could tell it
from the next request: the connection is closed. HTTP/1.0 knows no expectations; there the header is ignored.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import HttpVersion10, hdrs, web
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict

from webkit._aiohttp import before_headers, before_waiting
from webkit.errors import HTTPExpectationFailed, HTTPLengthRequired, HTTPRequestEntityTooLarge, HTTPUnauthorized
from webkit.responses import PREPARED, is_running
from webkit.types import ExpectHandler

__all__ = [
    "Invitation",
    "accept",
    "all_of",
    "defer_continue",
    "expects_continue",
    "refuse_above",
    "require_authorization",
    "send_continue",
    "when_read",
]

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# A client that sends its body although it was refused is read for half a second, or until it is gone.
_LINGER_TURNS: Final = 25
_TURN_S: Final = 0.02
# What reads a body as a whole, and fails with 413 above the limit of the application.
_READS_ALL: Final = {BaseRequest.read.__code__, BaseRequest.post.__code__}


class Invitation:
    """The ``100 Continue`` of one request, that is sent once, or never."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._content = request.content
        self._is_deferred = False
        self._is_sent = False

    @staticmethod
    def of(request: web.Request) -> "Invitation":
        """Give the one of *request*."""
        invitation: Invitation | None = request.get(_INVITATION)
        if invitation is None:
            invitation = request[_INVITATION] = Invitation(request)
        return invitation

    def watch(self) -> None:
        """Close the connection behind an answer that comes before the invitation."""
        if self._request.version > HttpVersion10:
            before_headers(self._request, self._before_headers)

    def settle(self, *, passed: bool) -> None:
        """Take up what an expect handler has done by itself; *passed* is whether it lets the request go on."""
        writer = self._request.writer
        if PREPARED not in self._request:
            # Whatever it has written is no response; one can follow.
            self._is_sent = self._is_sent or writer.output_size > 0
            writer.output_size = 0
        # It may have written to the transport, where nobody sees it.
        self._is_sent = self._is_sent or (passed and not self._is_deferred)

    def defer(self) -> None:
        """Send it when somebody waits for the body."""
        if not self._is_sent and not self._is_deferred and self._request.version > HttpVersion10:
            self._is_deferred = True
            before_waiting(self._content, self._before_waiting)

    def send(self) -> None:
        """Send it, unless it was sent, the answer has begun, or the client is gone."""
        request = self._request
        is_late = request.writer.output_size > 0 or request.version <= HttpVersion10
        if not self._is_sent and not is_late and request.transport is not None:
            self._is_sent = True
            request.transport.write(_CONTINUE)

    def _before_waiting(self) -> bool:
        if not self._has_begun:  # a client that has begun to send its body does not wait
            self._check_length()
            self.send()
        return True

    def _check_length(self) -> None:
        """Refuse what ``request.read()`` would refuse when it has read that much; a stream may be longer."""
        length, limit = self._request.content_length, self._request.client_max_size
        if length is None or hdrs.CONTENT_ENCODING in self._request.headers:
            return
        if 0 < limit < length and _reads_all():
            raise HTTPRequestEntityTooLarge(max_size=limit, actual_size=length)

    async def _before_headers(self, headers: CIMultiDict[str]) -> None:
        request = self._request
        if self._is_sent or self._content.is_eof() or self._has_begun:
            return
        response = request[PREPARED]
        if is_running(request) and response.status < 300:
            self.send()  # a handler that answers while it reads
            return
        headers[hdrs.CONNECTION] = "close"
        response.force_close()
        request.protocol.close()  # what comes now is thrown away
        before_waiting(self._content, self._before_lingering)

    def _before_lingering(self) -> bool:
        """End the waiting for the body, with which aiohttp begins when it has answered, after a moment.

        A client that has seen the answer closes the connection. To close it while one still sends would throw away
        what it has not seen yet.
        """
        request = self._request
        transport = request.transport
        if transport is not None and transport.can_write_eof() and request[PREPARED].task is None:
            transport.write_eof()
        self._linger(_LINGER_TURNS)
        return True

    def _linger(self, turns: int) -> None:
        if turns == 0 or self._request.transport is None:
            self._content.feed_eof()
        else:
            asyncio.get_running_loop().call_later(_TURN_S, self._linger, turns - 1)

    @property
    def _has_begun(self) -> bool:
        return self._content.total_raw_bytes > 0


_INVITATION: Final = web.RequestKey("webkit.invitation", Invitation)


async def send_continue(request: web.Request) -> None:
    """Tell the client to send its body, if it waits for that and was not told yet."""
    Invitation.of(request).send()


def defer_continue(request: web.Request) -> None:
    """Tell the client to send its body when somebody first waits for it."""
    Invitation.of(request).defer()


def expects_continue(request: web.Request) -> bool:
    """Say whether the client of *request* waits to be told to send its body; in HTTP/1.0 it never does.

    Raises:
        HTTPExpectationFailed: it expects something else.
    """
    said = ",".join(request.headers.getall(hdrs.EXPECT, []))
    expectations = {item.strip(" \t").lower() for item in said.split(",")} - {""}
    if request.version <= HttpVersion10 or not expectations:
        return False
    if expectations != {"100-continue"}:
        # SECURITY: bytes that are no text could not be written into the answer.
        raise HTTPExpectationFailed(text=f"Unknown Expect: {said}" if said.isprintable() and said.isascii() else None)
    return True


async def when_read(request: web.Request) -> None:
    """Tell the client to send its body when somebody first waits for it. Every route has this one by default.

    Raises:
        HTTPExpectationFailed: it expects something else.
    """
    if expects_continue(request):
        defer_continue(request)


async def accept(request: web.Request) -> None:
    """Tell the client to send its body at once.

    Raises:
        HTTPExpectationFailed: it expects something else.
    """
    if expects_continue(request):
        await send_continue(request)


def refuse_above(limit_bytes: int, *, allow_unknown: bool = False) -> ExpectHandler:
    """Give an expect handler that refuses a body of more than *limit_bytes* with 413.

    It knows what ``Content-Length`` says; a body that comes in chunks has none, and is refused with 411 unless
    *allow_unknown*.
    """

    async def refuse(request: web.Request) -> None:
        await when_read(request)
        length = request.content_length
        if length is not None and length > limit_bytes:
            raise HTTPRequestEntityTooLarge(max_size=limit_bytes, actual_size=length)
        if length is None and request.body_exists and not allow_unknown:
            raise HTTPLengthRequired

    return refuse


def require_authorization(
    check: Callable[[web.Request], bool | Awaitable[bool]] | None = None, *, challenge: str = "Bearer"
) -> ExpectHandler:
    """Give an expect handler that refuses a request without the header ``Authorization`` with 401.

    ``check(request)`` says whether the header is good; it may be a coroutine function. *challenge* is what
    ``WWW-Authenticate`` says. A client need not send ``Expect``: a middleware has to ask the same.
    """

    async def require(request: web.Request) -> None:
        await when_read(request)
        is_good: bool | Awaitable[bool] = hdrs.AUTHORIZATION in request.headers
        if is_good and check is not None:
            is_good = check(request)
            if inspect.isawaitable(is_good):
                is_good = await is_good
        if not is_good:
            raise HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: challenge})

    return require


def all_of(*handlers: ExpectHandler) -> ExpectHandler:
    """Give an expect handler that asks *handlers* one after the other, until one refuses."""

    async def ask(request: web.Request) -> web.StreamResponse | None:
        for handler in handlers:
            answer = await handler(request)
            if answer is not None:
                return answer
        return None

    return ask


def _reads_all() -> bool:
    """Whether it is ``request.read()``, or what is made of it, that waits: looked up in the calls that led here."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code in _READS_ALL:
            return True
        frame = frame.f_back
    return False
