"""Every touch of what aiohttp does not promise, with its reason. ``tests/test_aiohttp.py`` fails when one breaks."""

import inspect
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

__all__ = ["has_queued_requests", "limits_of_forms"]

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
