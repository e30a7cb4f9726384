"""One time that iPOPO's HTTP service serves: a service of servlets, the rules around it, and the thread they run in.

What differs from a service of webkit's own is here: exceptions and types by iPOPO's names, its order of answers, what
WebSocket handlers are told.
"""

import logging
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Final, Protocol

from aiohttp import WSCloseCode, web
from pelix import http
from pelix.security import (
    ANONYMOUS,
    AccessDenied,
    AuthenticationFailed,
    AuthenticationRequired,
    Subject,
    get_current_subject,
    run_as,
)

from webkit.ipopo_access import Access, Rules, make_refusal
from webkit.ipopo_settings import Settings
from webkit.ipopo_sockets import addresses_of, bind_one_port
from webkit.ipopo_thread import ServerThread
from webkit.run import new_event_loop
from webkit.servlet_names import BodyTooLargeError
from webkit.servlet_requests import AsyncRequest, SyncRequest
from webkit.servlet_responses import AsyncResponse
from webkit.servlet_routing import Routing, Serve
from webkit.servlet_service import ServletService
from webkit.servlet_sync import SyncResponse
from webkit.servlet_websockets import WebSocketAdapter
from webkit.websocket_options import WebSocketOptions
from webkit.websocket_sessions import WebSocketSession

__all__ = ["Helpers", "Serving"]

# iPOPO waits so long for a start; one that takes longer is a failure.
_START_S: Final = 10.0
# Requests that run when the service stops may take so long; then they are cancelled, and the rest takes moments.
_GRACE_S: Final = 5.0
_STOP_S: Final = 12.0

# Whose request it is that this code runs for, in the loop or in a thread.
_SERVED_BY: "Final[ContextVar[Serving | None]]" = ContextVar("webkit.ipopo.served_by", default=None)

_AS_BEFORE: Final = nullcontext()

# iPOPO lets pages of every origin connect. A handler that wants it otherwise looks at the request in ws_accept.
_WEBSOCKETS: Final = WebSocketOptions(origins="*")

# A servlet that asks for the type of what it is given finds iPOPO's.
http.AbstractHTTPServletRequest.register(SyncRequest)
http.AbstractHTTPServletResponse.register(SyncResponse)
http.AbstractAsyncHTTPServletRequest.register(AsyncRequest)
http.AbstractAsyncHTTPServletResponse.register(AsyncResponse)


class Helpers(Rules, Protocol):
    """What a service is told by its component, anew at each request: iPOPO changes it while the service serves."""

    @property
    def error_handler(self) -> http.ErrorHandler | None:
        """Who makes the pages of errors."""

    @property
    def debug(self) -> bool:
        """Whether pages of errors show everything."""


class Serving:
    """A service in its thread; it starts and stops once."""

    def __init__(self, settings: Settings, name: str | None, logger: logging.Logger, helpers: Helpers) -> None:
        self._settings = settings
        self._helpers = helpers
        self._logger = logger
        self._access = Access(helpers, logger, is_https=settings.uses_tls)
        self._thread = ServerThread(f"webkit {name}", self._open, self._close, new_loop=new_event_loop)
        self.service = ServletService(
            name=name,
            extra=settings.extra,
            max_body_size=settings.max_body_size,
            case_sensitive_paths=settings.case_sensitive_paths,
            debug=lambda: helpers.debug,
            error_handler=_ErrorPages(helpers),
            logger=logger,
            around=self._around,
            websockets=_WEBSOCKETS,
        )
        self.service.calls.body_too_large = _TooLarge
        self.service.calls.websocket_adapter = _WebSocketAdapter

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had, or (``TimeoutError``) it takes longer than ten seconds.
            ConfigError: the files for TLS do not fit.
        """
        self._thread.start(_START_S)

    def stop(self) -> bool:
        """End streams at once, and give other requests five seconds; false where it has not ended after all.

        A servlet that stops its own service is not waited for, as it waits itself: the service ends when it is through.
        """
        return self._thread.stop(0.0 if _SERVED_BY.get() is self else _STOP_S)

    async def _open(self) -> None:
        settings = self._settings
        sockets = () if settings.port else bind_one_port(await addresses_of(settings.address))
        try:
            await self.service.start(
                settings.address,
                settings.port,
                sockets=sockets,
                grace_s=_GRACE_S,
                tls_cert=settings.cert_file,
                tls_key=settings.key_file,
                tls_password=settings.key_password,
            )
        except BaseException:
            for opened in sockets:
                opened.close()
            raise

    async def _close(self) -> None:
        try:
            await self.service.stop()
        except Exception:
            self._logger.exception("Error stopping the HTTP server")
        finally:
            self._access.close()

    async def _around(self, request: web.Request, routing: Routing, serve: Serve) -> web.StreamResponse:
        """Answer other origins, then those without credentials; the others come in."""
        _SERVED_BY.set(self)
        answer = self._access.answer_origin(request, routing)
        if answer is not None:
            return answer
        if routing.error is not None:
            return await serve(request, routing)
        subject: Subject = ANONYMOUS
        if not self._access.is_open(routing):
            decision = await self._access.authenticate(request, routing)
            if decision.refused:
                return self._access.ask_for_credentials(routing)
            subject = decision.subject
        # PERF: most requests are anonymous, as the server itself is: to enter run_as for them is 3 of 60 µs.
        is_as_before = subject is get_current_subject()
        try:
            with _AS_BEFORE if is_as_before else run_as(subject):
                return await serve(request, routing)
        except (AuthenticationRequired, AuthenticationFailed, AccessDenied) as error:
            if request.writer.output_size > 0:
                raise  # the answer has begun: another one cannot follow
            return make_refusal(403) if isinstance(error, AccessDenied) else self._access.ask_for_credentials(routing)
        except http.BodyTooLargeError as error:
            if isinstance(error, BodyTooLargeError):
                raise
            raise _TooLarge(error.size, error.max_size) from error  # of iPOPO's read_body()


class _TooLarge(BodyTooLargeError, http.BodyTooLargeError):
    """A body is too large: servlets catch it by iPOPO's name."""

    def __init__(self, size: int, max_size: int) -> None:
        # The one of the two classes would call the other, with arguments that it does not take.
        Exception.__init__(self, f"Request body is too large: {size} bytes, maximum is {max_size}")
        self.size, self.max_size = size, max_size


class _WebSocketAdapter(WebSocketAdapter):
    """Tells handlers of an end what iPOPO tells them: the code of the client, whoever closed first, and no reason."""

    async def ws_close(self, session: WebSocketSession, code: int, reason: str) -> None:
        """Pass on the end, when the client has said its part."""
        await session.close()
        await super().ws_close(session, session.peer_code or WSCloseCode.ABNORMAL_CLOSURE, "Session closed")


class _ErrorPages:
    """The pages of errors of whichever handler is there at the moment."""

    def __init__(self, helpers: Helpers) -> None:
        self._helpers = helpers

    def make_not_found_page(self, path: str) -> str | None:
        """Give the page of the handler, if there is one."""
        handler = self._helpers.error_handler
        return None if handler is None else handler.make_not_found_page(path)

    def make_exception_page(self, path: str, stack: str) -> str | None:
        """Give the page of the handler, if there is one."""
        handler = self._helpers.error_handler
        return None if handler is None else handler.make_exception_page(path, stack)
