"""The error boundary: what becomes of an exception that a handler or a middleware lets go.

Every application has one around its middlewares, so that those see the exception itself. It asks the application's
own error handlers; what they do not take goes on to the application around it. The outermost turns what is left
into a 500, of which the client sees only a reference that is in the log. It does so already where the application has
a handler for that 500 (or the 504 of a timeout), which is asked in turn.

What is the fault of the request's body is a 400 or the like for everybody here from the beginning, and the exception is
its ``__cause__`` (see :mod:`webkit.bodies`). One of the application's own that was raised ``from`` such an exception is
asked for first as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from logging import Logger
from typing import Any, Final

from aiohttp import hdrs, web

from webkit._aiohttp import begin_anew
from webkit.binding import Direct, is_coroutine_function, name_of
from webkit.bodies import causes_of, find_fault, is_cut_off, let_go, streams_of
from webkit.buffered import answer_error
from webkit.errors import ConfigError, HTTPGatewayTimeout, InternalServerError
from webkit.expect import Invitation
from webkit.faults import choose_shown, is_light
from webkit.inflating import BrokenCoding, inflate_body
from webkit.requests import APPLICATION, REQUEST_ID, new_request_id
from webkit.responses import HEADERS_ONLY, LAST_MAKERS, MAKERS, PREPARED, RUNNING, check_response, make_response
from webkit.types import Endpoint, ExpectHandler, Handler

__all__ = ["Boundary", "Run", "meet_expectation", "seen_from"]

# How much of what a client has brought about is shown in a line of the log.
_SHOWN: Final = 300

#: What a route does with a request and its match.
Run = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]


class Boundary:
    """The error boundary of one application, with the error handlers that were registered for it."""

    def __init__(self, wrapped: web.Application, logger: Logger, *, inflates: bool = True) -> None:
        """Stand around *wrapped*; *inflates* is whether compressed bodies are inflated here, where it is outermost."""
        self._wrapped = wrapped
        self._logger = logger
        self._inflates = inflates
        self._handlers: dict[int | type[BaseException], Endpoint] = {}
        self._makers = MAKERS

    def add(self, what: int | type[BaseException], handler: Endpoint) -> None:
        """Answer *what*, a status or an exception class, with ``await handler(request, error)``.

        Raises:
            ConfigError: *what* is no error, has a handler already, or *handler* is no coroutine function.
        """
        is_status = isinstance(what, int) and 400 <= what <= 599
        if not is_status and not (isinstance(what, type) and issubclass(what, Exception)):
            raise ConfigError(f"{what!r} is no error; use a status from 400 to 599 or an exception class.")
        if what in self._handlers:
            raise ConfigError(f"{what!r} is handled by {name_of(self._handlers[what])} already.")
        if not is_coroutine_function(handler):
            raise ConfigError(f"{name_of(handler)} must be 'async def handler(request, error)'.")
        self._handlers[what] = handler

    @property
    def has_handlers(self) -> bool:
        """Whether any error has a handler."""
        return bool(self._handlers)

    def note_around(self, apps: Sequence[web.Application]) -> None:
        """Put another object in the place of a response from now on, if nobody in *apps* sees it."""
        if _see_nothing(apps):
            self._makers = LAST_MAKERS

    def guard(self, handler: Handler) -> Handler:
        """Put the boundary around *handler*."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            self._begin(request)
            request[RUNNING] = True
            try:
                response = await handler(request)
                request[RUNNING] = False
                if isinstance(response, web.StreamResponse) and not isinstance(response, web.HTTPException):
                    check_response(response, request, "a middleware or a handler of aiohttp's router")
                    return response
                return await make_response(response, request, "a middleware")
            except asyncio.CancelledError:
                return await _properly_ended(request)
            except Exception as error:
                return await self._answer(request, error)

        return guarded

    def _begin(self, request: web.Request) -> None:
        if REQUEST_ID not in request:
            request[REQUEST_ID] = new_request_id()
        if hdrs.CONTENT_ENCODING in request.headers and self._inflates and self._is_outermost(request):
            inflate_body(request)

    def enter(self, call: Direct, origin: str) -> Run:
        """Put the boundary around *call*, named *origin*, for a route of webkit's: its match info keeps what is noted.

        It is the one coroutine of ours between aiohttp and the handler, and makes the response of what that returns.
        """
        function, takes_request, takes_values = call

        async def run(request: web.Request, match_info: Any) -> web.StreamResponse:
            match_info.is_running = True
            try:
                # PERF: written out, as the rest of this function is: a call in between is 1 % of a request.
                if not takes_values:
                    result = await (function(request) if takes_request else function())
                elif takes_request:
                    result = await function(request, **match_info.arguments)
                else:
                    result = await function(**match_info.arguments)
                make = self._makers.get(result.__class__)
                if make is not None and match_info.is_quick and (response := make(result)) is not None:
                    return response
                return await make_response(result, request, origin)
            except asyncio.CancelledError:
                return await _properly_ended(request)
            except Exception as error:
                return await self._answer(request, error)
            finally:
                match_info.is_running = False

        return run

    def begin(self, run: Run, inner: Handler) -> Handler:
        """Give what aiohttp calls for a route whose call is *run*.

        *inner* is what a middleware gets that resolves its request once more: no middleware runs twice.
        """

        def begun(request: web.Request) -> Awaitable[web.StreamResponse]:
            match_info: Any = request.match_info
            if match_info.is_running:
                return inner(request)
            self._begin(request)
            return run(request, match_info)

        return begun

    async def _answer_shortly(self, request: web.Request, error: web.HTTPException) -> web.StreamResponse | None:
        """Give a response in the place of *error* where nobody is around who could tell the difference."""
        # PERF: a fifth of what an error costs.
        match_info = request.match_info
        is_quick = getattr(match_info, "is_quick", False) and request.keep_alive
        if not is_quick or self._handlers or not _see_nothing(match_info.apps) or not is_light(error):
            return None
        with suppress(ValueError):
            return answer_error(error, await choose_shown(request, error))
        return None

    async def _answer(self, request: web.Request, error: Exception) -> web.StreamResponse:
        """Give the response for *error*, or raise what the application around this one, or aiohttp, shall see."""
        if not isinstance(error, web.HTTPException):
            self._check_connection(request, error)
            error = self._find_fault(request, error) or error
        elif (response := await self._answer_shortly(request, error)) is not None:
            return response
        await _forget_unsent(request, error)
        try:
            return await self._ask(request, error)
        except web.HTTPException:
            raise
        except Exception as left:
            crash = left  # the error itself, or that of a handler which failed
        final = _http_error_for(request, crash)
        if self._find(final) is None and not self._is_outermost(request):
            raise crash
        self._log(request, crash, final)
        try:
            return await self._ask(request, final)
        except web.HTTPException as answer:
            raise answer from crash
        except Exception as failure:
            self._log(request, failure, final)
            raise InternalServerError(request[REQUEST_ID]) from failure

    async def _ask(self, request: web.Request, error: Exception) -> web.StreamResponse:
        """Answer with an error handler, or raise *error*; a result that is no response gets the status of the error."""
        self._check_connection(request, error)
        if isinstance(error, web.HTTPException):
            check_response(error, request, "a handler or a middleware", verb="raised")
        handler = self._find(error)
        if handler is None:
            raise error
        try:
            result = await handler(request, error)
            if result is error:
                raise error
            response = await make_response(result, request, name_of(handler))
        except Exception as failure:
            self._check_connection(request, failure)
            raise
        if response is not result and not response.prepared:
            _take_over(error, response)
        return response

    def _check_connection(self, request: web.Request, error: Exception) -> None:
        """Raise what ends the connection, where there is no way to answer."""
        if error.__class__ is _Unread or error.__class__ is _Left:
            raise error
        if not isinstance(error, web.HTTPException) and _is_gone(request) and is_cut_off(request, error):
            raise _Left from None
        if request.writer.output_size > 0 and error is not request.get(PREPARED):
            raise self._break_off(request, error)

    def _find_fault(self, request: web.Request, error: Exception) -> web.HTTPException | None:
        """Give the error of the client that *error* is, when it is about the body of *request*."""
        fault = _fault_of(request, error)
        if fault is not None:
            self._log(request, error, fault)
            fault.__cause__ = error
        return fault

    def _log(self, request: web.Request, error: Exception, answer: web.HTTPException) -> None:
        # The path as it was sent: a decoded one could hold a line break.
        method, path = request.method, request.rel_url.raw_path
        if answer.status < 500:
            self._logger.info("The body of %s %s cannot be read: %r", method, path, str(error)[:_SHOWN])
            for cause in causes_of(error):
                let_go(cause)
        elif isinstance(error, TimeoutError):
            self._logger.warning("Timeout in %s %s", method, path)
        else:
            self._logger.error("Error %s in %s %s", request[REQUEST_ID], method, path, exc_info=error)

    def _find(self, error: Exception) -> Endpoint | None:
        """Find the handler for *error*: by its class, then its status, then what it inherits from."""
        if not self._handlers:
            return None
        return next((self._handlers[key] for key in _keys_of(error) if key in self._handlers), None)

    def _is_outermost(self, request: web.Request) -> bool:
        ours = (app for app in request.match_info.apps if APPLICATION in app)
        return next(ours, None) is self._wrapped

    def _break_off(self, request: web.Request, error: Exception) -> web.HTTPException:
        """End a response that went wrong half way: a second one behind it would be taken for its body."""
        path = request.rel_url.raw_path
        if any(find_fault(request, cause) for cause in causes_of(error)):
            self._logger.info("The body of %s %s cannot be read: %r", request.method, path, str(error)[:_SHOWN])
        elif not _is_gone(request):
            self._logger.error("Error after the response began in %s %s", request.method, path, exc_info=error)
        if request.transport is not None:
            request.transport.abort()
        return _Unread()


class _Unread(web.HTTPInternalServerError):
    """What aiohttp is given where the connection is gone: it fails to write it, and keeps quiet about that."""


class _Left(web.HTTPClientError):
    """The same where it was the client who went away in the middle of its body: the access log shows no 5xx."""

    status_code = 499


def _keys_of(error: Exception) -> Iterator[int | type[BaseException]]:
    yield type(error)
    if isinstance(error, web.HTTPException):
        yield error.status
    yield from type(error).__mro__


def _http_error_for(request: web.Request, error: Exception) -> web.HTTPException:
    """Give what a client may know of an exception that is no HTTP error."""
    for cause in causes_of(error):
        fault = _fault_of(request, cause)
        if fault is not None:
            return fault
    return HTTPGatewayTimeout() if isinstance(error, TimeoutError) else InternalServerError(request[REQUEST_ID])


def _fault_of(request: web.Request, error: BaseException) -> web.HTTPException | None:
    """Give the error of the client that *error* is, and end what it leaves behind."""
    fault = find_fault(request, error)
    if fault is None:
        return None
    if isinstance(error, web.RequestPayloadError) and not isinstance(error, BrokenCoding):
        # SECURITY: where the next request begins is anybody's guess. aiohttp would also wait for the rest of the
        # body, only to fail once more.
        fault.force_close()
        request.protocol.close()
        for stream in streams_of(request):
            stream.feed_eof()
    return fault


def _take_over(error: Exception, response: web.StreamResponse) -> None:
    """Give *response* the status and the cookies of *error*, and its headers that are not about the content."""
    if not isinstance(error, web.HTTPException):
        response.set_status(500)
        return
    response.set_status(error.status)
    known = set(response.headers)
    for name, value in error.headers.items():
        if name not in known and not name.lower().startswith("content-"):
            response.headers.add(name, value)
    for name, cookie in error.cookies.items():
        if name not in response.cookies:
            response.cookies[name] = cookie


async def _properly_ended(request: web.Request) -> web.StreamResponse:
    """Give the stream whose handler was cancelled because its response is over; else go on with cancelling."""
    request[RUNNING] = False
    prepared: web.StreamResponse | None = request.get(PREPARED)
    # aiohttp forgets the task of a response with its end; there is no other public sign.
    is_over = prepared is not None and prepared.prepared and (prepared.task is None or HEADERS_ONLY in request)
    if prepared is None or not is_over:
        raise asyncio.CancelledError
    await _go_on()
    return prepared


async def _forget_unsent(request: web.Request, error: Exception) -> None:
    """Forget the response that was begun, where *error* came before anything of it was sent: another can follow."""
    begun = request.get(PREPARED)
    if begun is None or begun is error or not begun.prepared or request.writer.output_size > 0:
        return
    del request[PREPARED]
    begin_anew(request)
    if request.pop(HEADERS_ONLY, False):
        await _go_on()


async def _go_on() -> None:
    """Let the task go on, which was cancelled as no body may follow the headers."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
    # The handler may have been ended by its write before the cancelling came; it would hit the end of the answer.
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)


def _see_nothing(apps: Sequence[web.Application]) -> bool:
    """Whether nobody in *apps*, the applications around a route, sees what the boundary of the innermost answers."""
    return len(apps) == 1 and not apps[0].middlewares


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def meet_expectation(request: web.Request, handler: ExpectHandler) -> web.StreamResponse | None:
    """Call the expect *handler* of a route. Its errors are answered as all others are, but no middleware sees them."""
    if hasattr(request.match_info, "is_quick"):
        request.match_info.is_quick = False  # the headers of the answer may have to say that the connection closes
    invitation = Invitation.of(request)
    invitation.watch()
    try:
        answer = await handler(request)
        invitation.settle(passed=answer is None)
        return answer if answer is None else await make_response(answer, request, name_of(handler))
    except Exception as error:
        invitation.settle(passed=False)
        return await _answer_early(request, error)


async def _answer_early(request: web.Request, error: Exception) -> web.StreamResponse:
    """Ask the boundaries of all applications around *request*, the innermost first."""

    async def fail(_: web.Request) -> web.StreamResponse:
        raise error

    answer: Handler = fail
    for app in reversed(request.match_info.apps):
        if APPLICATION in app:
            answer = seen_from(app, app[APPLICATION].errors.guard(answer))
    return await answer(request)


def seen_from(app: web.Application, handler: Handler) -> Handler:
    """Let *handler* see *app* as ``request.app``, as aiohttp does it for middlewares."""

    async def within(request: web.Request) -> web.StreamResponse:
        match_info = request.match_info
        former, match_info.current_app = match_info.current_app, app
        try:
            return await handler(request)
        finally:
            match_info.current_app = former

    return within
