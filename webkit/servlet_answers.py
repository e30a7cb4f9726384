"""What a service answers by itself: the pages for a bad path, for no servlet and for a crash, and errors as answers."""

import traceback
from collections.abc import Callable, Iterable
from logging import Logger
from uuid import uuid4

from aiohttp import web

from webkit.bodies import find_fault
from webkit.responses import Response
from webkit.servlet_names import BodyTooLargeError
from webkit.servlet_pages import BAD_REQUEST, make_exception_page, make_not_found_page
from webkit.servlet_types import ErrorHandler

__all__ = ["Answers"]


class Answers:
    """The answers of one service."""

    def __init__(
        self,
        logger: Logger,
        registered: Callable[[], Iterable[str]],
        *,
        debug: bool | Callable[[], bool],
        error_handler: ErrorHandler | None,
    ) -> None:
        self._logger = logger
        self._registered = registered
        #: Whether pages show tracebacks and registered paths, or what says so for each page.
        self.debug = debug
        #: What is asked for pages first.
        self.error_handler = error_handler

    @property
    def is_debugging(self) -> bool:
        """Whether the next page shows everything."""
        return self.debug() if callable(self.debug) else self.debug

    def make_not_found_page(self, path: str) -> str:
        """Give the page for *path*, which no servlet answers."""
        handler = self.error_handler
        own = None if handler is None else self._ask(handler.make_not_found_page, path)
        return own or make_not_found_page(path, self._registered() if self.is_debugging else None)

    def make_exception_page(self, path: str, stack: str) -> str:
        """Log a crash at *path* under an id, and give the page that shows the id, or in debug mode *stack*."""
        error_id = uuid4().hex
        self._logger.error("Error %s handling request upon: %s\n%s", error_id, path, stack)
        details = stack if self.is_debugging else f"Error ID: {error_id}"
        handler = self.error_handler
        own = None if handler is None else self._ask(handler.make_exception_page, path, details)
        return own or make_exception_page(path, details)

    def bad_request(self) -> web.StreamResponse:
        """Answer a path that is refused."""
        return _html(BAD_REQUEST, 400)

    def not_found(self, path: str) -> web.StreamResponse:
        """Answer *path*, which no servlet does."""
        return _html(self.make_not_found_page(path), 404)

    def error(self, request: web.Request, path: str, error: Exception) -> web.StreamResponse:
        """Give the answer that *error* is, or raise it for the boundary around, which knows the rest.

        Raises:
            Exception: it is an answer by itself, the fault of the client, or comes after the answer has begun.
        """
        if isinstance(error, web.HTTPException) or request.writer.output_size > 0:
            raise error
        if isinstance(error, BodyTooLargeError):
            return self._refuse_body(path, error)
        is_gone = request.transport is None or request.transport.is_closing()
        if is_gone or find_fault(request, error) is not None:
            raise error
        stack = "".join(traceback.format_exception(error))
        return _html(self.make_exception_page(path, stack), 500)

    def _ask(self, make: Callable[..., str | None], *arguments: str) -> str | None:
        """Give the page that the error handler makes; where it fails the usual one has to do."""
        try:
            return make(*arguments)
        except Exception:
            self._logger.exception("The error handler failed")
            return None

    def _refuse_body(self, path: str, error: BodyTooLargeError) -> web.StreamResponse:
        self._logger.warning(
            "Refused a request body of %d bytes on %s (maximum is %d)", error.size, path, error.max_size
        )
        return Response(status=413, text=f"Maximum request body size {error.max_size} exceeded.")


def _html(page: str, status: int) -> web.StreamResponse:
    return Response(text=page, status=status, content_type="text/html")
