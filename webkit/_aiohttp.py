"""Every touch of what aiohttp does not promise, with its reason. ``tests/test_aiohttp.py`` fails when one breaks."""

from aiohttp.web_protocol import RequestHandler

__all__ = ["has_queued_requests"]


def has_queued_requests(connection: RequestHandler) -> bool:
    """Whether the client has sent more requests on *connection* than were begun (pipelining).

    While the server stops, an answer says ``Connection: close`` only when nothing is queued behind it: aiohttp drops
    what is, and has no public way to ask.
    """
    return bool(connection._messages)
