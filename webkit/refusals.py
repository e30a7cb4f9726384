"""Refusing what is wrong as HTTP: as any other error of the application, after which the connection closes.

No middleware sees it: what a middleware asks of a request, such as its ``url``, may be what is wrong with it.
"""

from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict

from webkit.checks import Refusal
from webkit.errors import Problem
from webkit.expect import defer_continue
from webkit.types import Handler

__all__ = ["REFUSAL", "closing", "pass_expectation", "refuse", "speak_http11"]

#: Why a request is refused, for :func:`refuse`.
REFUSAL: Final = web.RequestKey("webkit.refusal", Refusal)


async def refuse(request: web.Request) -> None:
    """Refuse the request for what is noted in it (the handler of a route that nobody sees)."""
    refusal = request[REFUSAL]
    if request.version not in (HttpVersion10, HttpVersion11):
        speak_http11(request)
    raise Problem(refusal.status, detail=refusal.detail)


async def pass_expectation(request: web.Request) -> None:
    """Let a client that waits to be told to send its body wait: nobody will read it."""
    defer_continue(request)


def closing(handler: Handler) -> Handler:
    """Let the connection close after what *handler* answers: nobody knows where the next request begins."""

    async def close(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.force_close()
            raise
        response.force_close()
        return response

    return close


def speak_http11(request: BaseRequest) -> None:
    """Answer *request* as HTTP/1.1, whatever it claims to be: aiohttp would answer ``HTTP/2.0 505``."""
    writer: AbstractStreamWriter = request.writer
    write_headers = writer.write_headers

    async def write(status_line: str, headers: CIMultiDict[str]) -> None:
        headers["Connection"] = "close"
        await write_headers(f"HTTP/1.1 {status_line.partition(' ')[2]}", headers)

    writer.write_headers = write  # type: ignore[method-assign]
