"""webkit's own server: aiohttp's, with connections that tell what is wrong with a request, and close properly.

Between aiohttp's connection and its parser stands a :class:`_Parser`, which sees every byte that comes, every request
that is read, and every error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from http import HTTPStatus
from typing import Any, Final

from aiohttp import EMPTY_PAYLOAD, StreamReader, web
from aiohttp.http import HttpProcessingError
from aiohttp.web_request import BaseRequest

from webkit._aiohttp import has_queued_requests, wrap_parser
from webkit.accessformat import REQUEST_LINE
from webkit.checks import Limits, Refusal, explain, request_line_of
from webkit.errors import ConfigError, HTTPNotImplemented
from webkit.framing import BadFraming, Framing
from webkit.refusals import speak_http11
from webkit.requests import APPLICATION
from webkit.serverlog import ServerLog

__all__ = ["Connection", "Server"]

_BLANK: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
# What all headers of a request may have together, where one alone may not have more.
_HEAD_BYTES: Final = 64 * 1024
# As aiohttp has them; they are promises, and stand here so that they stay.
_LIMITS: Final = {"max_line_size": 8190, "max_field_size": 8190, "max_headers": 128}
# A client that still sends is read for so long after it was refused, or it would not see the answer.
_LINGER_S: Final = 0.5
_POLL_S: Final = 0.02
_SHOWN: Final = 200
# A request with its body, of those that are fed as they come.
_SMALL: Final = 8 * 1024

# The requests with their bodies, whether the protocol has switched, and what belongs to the new one.
_Result = tuple[Sequence[tuple[Any, StreamReader]], bool, bytes]

_NOTHING: Final[_Result] = ((), False, b"")
# Of the parser in Python the last one: it reads numbers of any length, and cannot.
_FAILURES: Final = (BadFraming, HttpProcessingError, ValueError)


class Server(web.Server):
    """aiohttp's low-level server (``web.Server``) with :class:`Connection` for each client.

    *options* are those of aiohttp's protocol class, such as ``keepalive_timeout`` or ``max_field_size``. With
    *is_for_application* the handler is that of a ``web.Application``, which knows nothing of ``CONNECT``.

    Raises:
        ConfigError: there is no such option.
    """

    def __init__(
        self,
        handler: Callable[[BaseRequest], Awaitable[web.StreamResponse]],
        *,
        request_factory: Callable[..., BaseRequest] | None = None,
        handler_cancellation: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
        is_for_application: bool = False,
        **options: Any,
    ) -> None:
        self._is_for_application = is_for_application
        self._keeps_alive = True
        log = options.get("logger")
        options["logger"] = log if isinstance(log, ServerLog) else ServerLog(log)
        self._options = _LIMITS | options
        super().__init__(
            handler, request_factory=request_factory, handler_cancellation=handler_cancellation, loop=loop, **options
        )
        try:
            self()
        except TypeError as error:
            raise ConfigError(f"aiohttp's protocol does not take this in handler_args: {error}") from None

    def __call__(self) -> "Connection":
        """Make what serves one connection (``loop.create_server`` calls this)."""
        loop = asyncio.get_running_loop()
        made = Connection(self, loop=loop, refuses_connect=self._is_for_application, **self._options)
        if not self._keeps_alive:
            made.stop_keeping_alive()
        return made

    def stop_keeping_alive(self) -> None:
        """Close each connection with its next answer, if the client has sent nothing more meanwhile."""
        self._keeps_alive = False
        for connection in self.connections:
            if isinstance(connection, Connection):
                connection.stop_keeping_alive()


class Connection(web.RequestHandler):
    """aiohttp's protocol for one connection, whose malformed requests have the right status and one line in the log."""

    def __init__(
        self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, refuses_connect: bool = False, **options: Any
    ) -> None:
        super().__init__(manager, loop=loop, **options)
        limits = _limits(self.max_line_size, self.max_field_size, self.max_headers)
        wrap_parser(self, partial(_Parser, limits=limits, connection=self if refuses_connect else None))

    def stop_keeping_alive(self) -> None:
        """Close the connection with the next answer, if the client has sent nothing more meanwhile."""
        # PERF: here and below, a method that overrides would be called for all answers.
        self.finish_response = self._finish_and_close  # type: ignore[method-assign]

    def refuse_connect(self) -> None:
        """Answer with 501 where nobody takes the ``CONNECT`` that comes next."""
        self.finish_response = self._finish_connect  # type: ignore[method-assign]

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what could not be read, or what a plain application of aiohttp let through."""
        if isinstance(exc, ConnectionError) and not self.connected:
            return web.Response(status=499)  # the client has left; nobody gets this
        if isinstance(exc, web.RequestPayloadError):
            exc = _Refused(Refusal(400, "The body of the request is broken."), b"")
        if not isinstance(exc, _Refused) or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        self.logger.refused(request.remote, exc.refusal.detail)  # type: ignore[attr-defined]
        if exc.line:
            request[REQUEST_LINE] = exc.line.decode("latin-1")
        speak_http11(request)
        title = HTTPStatus(exc.refusal.status).phrase
        answer = web.Response(status=exc.refusal.status, text=f"{exc.refusal.status}: {title}\n{exc.refusal.detail}")
        answer.force_close()
        self.finish_response = self._finish_last  # type: ignore[method-assign]
        return answer

    async def _finish_and_close(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.StreamResponse) and not has_queued_requests(self):
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    async def _finish_connect(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        # aiohttp's router knows no path to look for: nobody was asked.
        if isinstance(request, web.Request) and request.method == "CONNECT" and _is_miss(resp):
            application = request.match_info.apps[0].get(APPLICATION)
            if application is not None:
                resp = await application.answer_unrouted(request, resp)
            if _is_miss(resp):
                resp = HTTPNotImplemented()
                resp.force_close()
        return await super().finish_response(request, resp, start_time)

    async def _finish_last(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer, and read on for a moment: to close at once would throw away what the client has not seen."""
        finished = await super().finish_response(request, resp, start_time)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _LINGER_S
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()
        while self.connected and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
        return finished


def _is_miss(response: web.StreamResponse) -> bool:
    return isinstance(response, web.HTTPException) and response.status == 404


class _Refused(HttpProcessingError):
    """A request that the parser refuses; *line* is its first line, as far as it is known."""

    def __init__(self, refusal: Refusal, line: bytes) -> None:
        super().__init__(code=refusal.status, message=refusal.detail)
        self.refusal = refusal
        self.line = line


@cache
def _limits(line: int, field: int, headers: int) -> Limits:
    """Give the limits of a head; all connections of a server have the same."""
    return Limits(line, field, headers, max(_HEAD_BYTES, 2 * line, 2 * field))


class _Parser:
    """aiohttp's parser, beside which :class:`Framing` counts. What it does not override is the parser's own.

    Each idle connection has one, so there is little in it: a framing only from the first data on that needs it.
    """

    __slots__ = (
        "_connection",
        "_feed",
        "_has_failed",
        "_limits",
        "_parser",
        "_payload",
        "_used_framing",
        "message_consumed",
        "set_upgraded",
    )

    def __init__(self, parser: Any, limits: Limits, connection: Connection | None = None) -> None:
        self._parser = parser
        self._connection = connection
        self._limits = limits
        self._used_framing: Framing | None = None
        self._payload: StreamReader | None = None
        self._has_failed = False
        # PERF: as the parser has them, since each request comes here. Before 3.14.4 it is told of nothing it has given,
        # and of each answer that nothing was upgraded.
        self.set_upgraded: Callable[[bool], None] = parser.set_upgraded
        self._feed: Callable[[bytes], _Result] = parser.feed_data
        self.message_consumed: Callable[[], None] | None = getattr(parser, "message_consumed", None)

    @property
    def _framing(self) -> Framing:
        if self._used_framing is None:
            self._used_framing = Framing(self._limits.head)
        return self._used_framing

    def feed_eof(self) -> Any:
        """Do what the parser does."""
        return self._parser.feed_eof()

    def pause_reading(self) -> None:
        """Do what the parser does."""
        self._parser.pause_reading()

    def feed_data(self, data: bytes) -> _Result:
        """Read *data*, and give the requests that begin in it with their bodies, as the parser does."""
        framing = self._used_framing
        begun = data
        try:
            if framing is None or framing.is_between:
                # PERF: nearly every packet is one head, whose request has no body.
                end = data.find(_BLANK)
                if 0 < end == len(data) - 4 <= self._limits.head:
                    result = self._feed(data)
                    if result[0] and result[0][-1][1] is EMPTY_PAYLOAD:
                        return result
                    return self._follow(result, data)
                return self._feed_several(data, end)
            begun = framing.begun(data)
            return self._feed_framed(data)
        except _FAILURES as error:
            raise self._refuse(error, begun) from error

    def _feed_several(self, data: bytes, end: int) -> _Result:
        """Read what is not just one head; the first, if any, ends at *end*."""
        if data:
            text = data.lower() if len(data) <= _SMALL else b"close"
            # SECURITY: whether there is a next request, and where it begins, depends on these.
            # PERF: "in" for bytes asks for a number first, which takes three times as long as to find.
            find = text.find
            if find(b"close") >= 0 or find(b" http/1.0") >= 0 or find(b"upgrade") >= 0 or find(b"connect ", 0, 8) == 0:
                return self._feed_framed(data)
        result = self._feed(data)
        if not result[0]:
            return self._follow(result, data) if data else result
        payload = result[0][-1][1]
        # What has come so far is complete requests where nothing is behind the last one, not even part of a head.
        if payload is EMPTY_PAYLOAD:
            is_whole = data.endswith(_BLANK) and data.count(_BLANK) == len(result[0])
        else:
            is_whole = len(result[0]) == 1 and payload.is_eof()
            is_whole = is_whole and (payload.total_raw_bytes == len(data) - end - 4 or data.endswith(_LAST_CHUNK))
        return result if is_whole else self._follow(result, data)

    def _follow(self, result: _Result, data: bytes) -> _Result:
        """Note where *data* leaves off; it was fed, and had nothing of what must be known before."""
        self._note(result)
        if not result[1]:
            self._framing.feed(data)
        return result

    def _feed_framed(self, data: bytes) -> _Result:
        if self._has_failed:
            return _NOTHING
        end = self._framing.feed(data)
        result = self._feed(data[:end])
        self._note(result)
        return result if end == len(data) else self._go_on(result, data[end:])

    def _go_on(self, result: _Result, data: bytes) -> _Result:
        """Decide on *data* behind a request behind which there may be nothing."""
        messages, has_switched, tail = result
        if has_switched:
            return messages, True, tail + data
        if self._framing.is_over:
            return messages, False, b""
        # It asked for another protocol, and was not understood: here is the next request.
        end = self._framing.feed(data)
        if end < len(data) and not self._framing.is_over:
            raise BadFraming(400, "Another request for another protocol may not follow before the answer.")
        more = self._feed(data[:end])
        self._note(more)
        return [*messages, *more[0]], more[1], more[2]

    def _note(self, result: _Result) -> None:
        if result[0] and result[0][-1][1] is not EMPTY_PAYLOAD:
            head, self._payload = result[0][-1]
            if head.url is None:  # CONNECT as HTTP/0.9; aiohttp would crash
                raise BadFraming(400, "The address is missing.")
            if self._connection is not None and head.method == "CONNECT":
                self._connection.refuse_connect()
        if result[1]:
            # What follows belongs to another protocol; where the application declines that, it comes here again.
            self._used_framing = None

    def _refuse(self, error: Exception, begun: bytes) -> _Refused:
        """Give the error for aiohttp, and fail a body that will never be complete: somebody may wait for it."""
        if isinstance(error, BadFraming):
            refusal = error.refusal
        elif isinstance(error, HttpProcessingError):
            refusal = explain(error, begun, self._limits)
        else:
            refusal = Refusal(400, "The request is malformed.")
        self._framing.end()
        self._has_failed = True
        if self._payload is not None and not self._payload.is_eof():
            broken = web.RequestPayloadError(refusal.detail)
            self._payload.set_exception(broken)
            # Who has just been woken by the end of a chunk, without any data, waits again and does not look.
            asyncio.get_running_loop().call_soon(self._payload.set_exception, broken)
        return _Refused(refusal, request_line_of(begun)[:_SHOWN])
