"""Responses: short forms for the usual ones, and what a handler's return value becomes."""

from collections.abc import Awaitable, Callable
from dataclasses import is_dataclass
from functools import lru_cache
from http.cookies import SimpleCookie
from typing import Any, Final, Protocol, runtime_checkable

import msgspec
from aiohttp import web
from yarl import URL

from webkit.buffered import (
    SENT,
    Response,
    answer_as,
    answer_json,
    answer_octets,
    answer_same,
    answer_text,
    check_headers,
)

__all__ = [
    "HEADERS_ONLY",
    "LAST_MAKERS",
    "MAKERS",
    "PREPARED",
    "RUNNING",
    "Renderable",
    "Response",
    "add_cookie",
    "check_response",
    "html",
    "is_running",
    "json_response",
    "make_response",
    "redirect",
]

#: Whether the handler of a request still runs, so that a stream which it has begun can be ended by cancelling it.
RUNNING: Final = web.RequestKey("webkit.running", bool)
#: Whether the response is over with its headers, whatever the handler still wants to write.
HEADERS_ONLY: Final = web.RequestKey("webkit.headers_only", bool)
#: The response that was prepared for a request, so that a handler which streamed may return nothing.
PREPARED: Final = web.RequestKey("webkit.prepared", web.StreamResponse)

# Classes may be made at run time: so many go the short way.
_MOST_KINDS: Final = 1024

_encode_json = msgspec.json.Encoder().encode


@runtime_checkable
class Renderable(Protocol):
    """A handler's result that knows how to become a response, such as what ``@template`` returns."""

    def respond(self, request: web.Request) -> Awaitable[web.StreamResponse]:
        """Give the response for *request*."""


def html(markup: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with *markup* as HTML. It is sent as it is: escape what came from outside, or use a template."""
    return Response(text=markup, status=status, headers=headers, content_type="text/html")


def json_response(
    data: Any, *, status: int = 200, headers: dict[str, str] | None = None, content_type: str = "application/json"
) -> Response:
    """Answer with *data* as JSON (msgspec: dictionaries, lists, dataclasses, Structs, dates, UUIDs, ...)."""
    return Response(body=_encode_json(data), status=status, headers=headers, content_type=content_type)


def redirect(location: str | URL, *, status: int = 303) -> Response:
    """Answer with a redirect to *location*; 303 makes the browser GET it, which is right after a form.

    Raises:
        ValueError: *status* is none of 301, 302, 303, 307 and 308.
    """
    if status not in {301, 302, 303, 307, 308}:
        raise ValueError(f"{status} is no redirect with a location; use 301, 302, 303, 307 or 308.")
    return Response(status=status, headers={"Location": str(URL(location))})


def add_cookie(
    response: web.StreamResponse,
    name: str,
    value: str,
    *,
    max_age_s: int | None = None,
    path: str = "/",
    secure: bool = False,
    http_only: bool = True,
    same_site: str = "Lax",
) -> None:
    """Add a cookie from within ``on_response_prepare``.

    ``response.set_cookie`` is lost there: aiohttp renders the cookies before it sends the signal.
    """
    cookie: SimpleCookie = SimpleCookie()
    cookie[name] = value
    morsel = cookie[name]
    morsel["path"] = path
    morsel["samesite"] = same_site
    morsel["httponly"] = http_only
    morsel["secure"] = secure
    if max_age_s is not None:
        morsel["max-age"] = str(max_age_s)
    response.headers.add("Set-Cookie", morsel.OutputString())


def _answer_own(response: web.Response) -> web.Response | None:
    """Answer with *response*, one of aiohttp's, if it is new (``ValueError`` for its headers)."""
    if response.prepared or len(response):  # what it keeps may tell that it was sent
        return None
    check_headers(response)
    return response


#: What becomes of the usual results, by their class, where nobody has begun to answer: the short way through
#: :func:`make_response`. ``None`` is for what needs a closer look.
MAKERS: Final[dict[type, Callable[[Any], web.Response | None]]] = {
    str: answer_text,
    bytes: answer_octets,
    dict: answer_json,
    list: answer_json,
    Response: answer_same,
    web.Response: _answer_own,
}
#: The same for who is the last to see the response, so that it can be another object.
LAST_MAKERS: Final[dict[type, Callable[[Any], web.Response | None]]] = {**MAKERS, web.Response: answer_as}


@lru_cache(maxsize=1024)
def _find_maker(kind: type) -> Callable[[Any], web.Response | None] | None:
    """Give what makes responses of all results of one class; most classes of an application are Structs."""
    is_record = issubclass(kind, msgspec.Struct) or is_dataclass(kind)
    if not is_record or issubclass(kind, Renderable) or hasattr(kind, "__html__"):
        return MAKERS.get(kind)
    if len(MAKERS) < _MOST_KINDS:
        MAKERS[kind] = LAST_MAKERS[kind] = answer_json  # PERF: 2 % of a request that answers with a Struct
    return answer_json


async def make_response(result: Any, request: web.Request, origin: str) -> web.StreamResponse:
    """Turn what a handler gave back into a response.

    A response stays itself; ``dict``, ``list``, dataclass and ``msgspec.Struct`` become JSON; an object with
    ``__html__`` HTML; ``str`` plain text (a formatted string sent as HTML is an XSS hole); ``bytes`` octets; ``None``
    the response that the handler has prepared for this request.

    Raises:
        HTTPException: the handler returned one.
        TypeError: anything else, or a response that cannot answer *request*; the message names the handler (*origin*).
    """
    make = _find_maker(result.__class__)
    if make is not None and getattr(request.match_info, "is_quick", False) and (quick := make(result)) is not None:
        return quick
    if isinstance(result, web.HTTPException):
        raise result
    if isinstance(result, web.StreamResponse):
        response = result
    elif isinstance(result, Renderable):
        response = await result.respond(request)
    else:
        response = _convert(result, request, origin)
    check_response(response, request, origin)
    return response


def is_running(request: web.Request) -> bool:
    """Whether the handler of *request* still runs: a match info of webkit's knows it, for others it is noted."""
    return getattr(request.match_info, "is_running", False) or bool(request.get(RUNNING))


def check_response(response: web.StreamResponse, request: web.Request, origin: str, *, verb: str = "returned") -> None:
    """Refuse a response that cannot answer *request*.

    Raises:
        TypeError: it was sent to another request, or this request has begun to send another one.
        ValueError: a header of it has a control character.
    """
    begun: web.StreamResponse | None = request.get(PREPARED)
    if response is begun:
        return
    was_replaced = not isinstance(response, Response) and SENT in response
    if was_replaced or (response.prepared and _is_of_another(response, request)):
        # aiohttp would send nothing for it, and the client would wait for ever.
        raise TypeError(f"{origin} {verb} a response that was sent already. Make a new one for each request.")
    # One that went the short way was noted by nobody.
    has_begun = begun.prepared if begun is not None else request.writer.output_size > 0 and not response.prepared
    if has_begun:
        raise TypeError(f"{origin} {verb} another response than the one that it had begun to send.")
    if not response.prepared:
        check_headers(response)


def _convert(result: Any, request: web.Request, origin: str) -> web.StreamResponse:
    if hasattr(result, "__html__"):
        return html(str(result.__html__()))
    if isinstance(result, str):
        return Response(text=result)
    if isinstance(result, bytes | bytearray | memoryview):
        return Response(body=bytes(result))
    if isinstance(result, dict | list | msgspec.Struct) or (is_dataclass(result) and not isinstance(result, type)):
        return json_response(result)
    begun: web.StreamResponse | None = request.get(PREPARED)
    if result is None and begun is not None:
        return begun
    raise TypeError(_bad_result(result, origin))


def _is_of_another(response: web.StreamResponse, request: web.Request) -> bool:
    """Whether a response that was prepared was prepared for another request."""
    if response.task is None:  # it has ended
        return request.writer.output_size == 0
    return response.task is not request.task


def _bad_result(result: Any, origin: str) -> str:
    if result is None:
        return f"{origin} returned None. Return a response, a str, a dict, a list, ... or raise HTTPNoContent()."
    return (
        f"{origin} returned {result!r} ({type(result).__name__}), which is no response. Return a response, a str "
        "(text), a dict or list (JSON), bytes, or html(...)."
    )
