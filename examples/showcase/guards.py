"""What protects visitors: forms are taken from this site only, and browsers are told what these pages may do."""

from collections.abc import Mapping

from aiohttp import web

from webkit import Handler
from webkit.errors import Problem

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}

_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    # Not "no-referrer": with it, browsers that only know Origin would send "null" with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


def is_from_here(method: str, headers: Mapping[str, str]) -> bool:
    """Say whether a request comes from this site itself, or changes nothing.

    Browsers say it in Sec-Fetch-Site, older ones in Origin. What sends neither is no browser, and has nobody's
    cookies to abuse.
    """
    if method in _SAFE_METHODS:
        return True
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("Origin")
    if origin is None:
        return True
    authority = origin.partition("://")[2].lower()
    return authority != "" and authority == headers.get("Host", "").lower()


async def refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what another site makes a visitor's browser send."""
    if not is_from_here(request.method, request.headers):
        raise Problem(403, detail="This was sent from another site, so nothing was done.")
    return await handler(request)


async def add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that are the same for every answer, where the answer has none of its own."""
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
