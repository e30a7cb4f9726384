"""JSON bodies as bytes: of the right type, within the limit, and at once where there is nothing to wait for."""

from typing import Final

from aiohttp import hdrs, web

from webkit._aiohttp import take_body
from webkit.errors import Problem

__all__ = ["read_json_body", "take_json_body"]

#: What nearly every client says.
_USUAL_TYPES: Final = frozenset(
    f"application/json{parameter}"
    for parameter in ("", "; charset=utf-8", ";charset=utf-8", "; charset=UTF-8", ";charset=UTF-8")
)
_CHARSETS: Final = {"utf-8", "utf8", "us-ascii"}


def take_json_body(request: web.Request) -> bytes | None:
    """Give the body if it is here as a whole and there is nothing to say against it, else ``None``: read it then.

    A small one mostly is: it came with its head.
    """
    if request.headers.get(hdrs.CONTENT_TYPE) not in _USUAL_TYPES:
        return None
    limit = request.client_max_size
    return take_body(request) if request.content.total_bytes < limit or not limit else None


async def read_json_body(request: web.Request, *, is_required: bool) -> bytes:
    """Read the body, empty where there is none and it is not required.

    Raises:
        Problem: 415 for one of another type or charset.
        HTTPRequestEntityTooLarge: it is larger than the application takes.
    """
    said = request.headers.get(hdrs.CONTENT_TYPE)
    if said in _USUAL_TYPES:
        return await request.read()
    if not request.can_read_body and not is_required:
        return b""
    media_type = request.content_type.lower()
    if said is None or not (media_type == "application/json" or media_type.endswith("+json")):
        what = "no type" if said is None else media_type
        raise Problem(415, detail=f"The body must be application/json; the request says {what}.")
    if (request.charset or "utf-8").lower() not in _CHARSETS:
        raise Problem(415, detail="JSON is sent as UTF-8; the request says another charset.")
    return await request.read()
