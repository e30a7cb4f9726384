"""A line at the top of the next page: "Your note is up." It travels in a cookie and is shown once."""

from typing import Any

from aiohttp import web

from webkit import Handler

_COOKIE = "notice"
# The cookie holds the key only: whoever sets it cannot put words into the page.
NOTICES = {
    "posted": "Your note is up.",
    "hung": "Your picture hangs on the wall.",
    "on": "It is on, and answers at once.",
    "off": "It is off. Whatever it had begun, it has finished.",
    "removed": "The note is down. The pin went back into the tin.",
}


def leave(response: web.StreamResponse, notice: str) -> web.StreamResponse:
    """Let the next page show *notice*, a key of ``NOTICES``."""
    response.set_cookie(_COOKIE, notice, max_age=60, httponly=True, samesite="Lax")
    return response


async def add_notice(request: web.Request) -> dict[str, Any]:
    """Give templates ``notice``: the line to show, or ``None``."""
    return {"notice": NOTICES.get(request.cookies.get(_COOKIE, ""))}


async def show_once(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Forget the notice with the page that shows it."""
    response = await handler(request)
    if _COOKIE in request.cookies and response.content_type == "text/html":
        response.del_cookie(_COOKIE)
    return response
