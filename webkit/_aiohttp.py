"""Every touch of what aiohttp does not promise, with its reason. ``tests/test_aiohttp.py`` fails when one breaks."""

import inspect
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

__all__ = ["has_queued_requests", "limits_of_forms", "take_full_names"]

_KNOWS_FIELDS = "client_max_fields" in inspect.signature(web.Application).parameters


def has_queued_requests(connection: RequestHandler) -> bool:
    """Whether the client has sent more requests on *connection* than were begun (pipelining).

    While the server stops, an answer says ``Connection: close`` only when nothing is queued behind it: aiohttp drops
    what is, and has no public way to ask.
    """
    return bool(connection._messages)


def limits_of_forms(client_max_fields: int) -> dict[str, Any]:
    """Give the argument that limits the fields of a form; aiohttp knows it since 3.14.4."""
    return {"client_max_fields": client_max_fields} if _KNOWS_FIELDS else {}


def take_full_names(domain: web.AbstractResource) -> None:
    """Let *domain*, which ``add_domain`` gave, match ``example.org.`` as well as ``example.org``.

    Both are the same host (RFC 3986, 3.2.2). aiohttp compares texts, and takes no rule but its own.
    """
    rule: Any = domain.get_info()["rule"]
    match = rule.match_domain

    def match_domain(host: str) -> bool:
        name, colon, port = host.partition(":")
        return bool(match(name.removesuffix(".") + colon + port))

    rule.match_domain = match_domain
