"""How a handler answers with events: it opens a stream, it returns one, or it yields (see :mod:`webkit.binding`)."""

from collections.abc import AsyncIterable, Mapping
from typing import Any, Literal

from aiohttp import web

from webkit.backlogs import LIMIT, Policy
from webkit.eventstreams import EventStream
from webkit.history import History
from webkit.sse import Event

__all__ = ["Events", "as_event", "event_stream"]


def event_stream(
    request: web.Request,
    *,
    history: History | None = None,
    retry: int | None = None,
    limit: int = LIMIT,
    when_slow: Policy | Literal["wait"] = "wait",
    headers: Mapping[str, str] | None = None,
) -> "EventStream":
    """Answer *request* with events: ``async with event_stream(request) as stream: await stream.send("hello")``.

    Args:
        request: what is answered. To HEAD the headers go alone.
        history: what a client that comes back has missed is sent first, as its ``Last-Event-ID`` says.
        retry: after how many milliseconds a client that was cut off comes back.
        limit: how many events wait for a client that reads slower than they come.
        when_slow: what happens then: ``wait`` lets :meth:`EventStream.send` wait for the client, ``drop_oldest``,
            ``coalesce`` and ``close`` do not (see :mod:`webkit.backlogs`).
        headers: more headers.

    Raises:
        ConfigError: *limit* is no positive number, or there is no such policy.
    """
    return EventStream(request, history=history, retry=retry, limit=limit, when_slow=when_slow, headers=headers)


class Events:
    """What a handler returns that looks at its request before it begins: ``return Events(ticks(), retry=5000)``.

    *source* gives the events: a generator, for example. *options* are those of :func:`event_stream`. Of a handler that
    yields, one of these is made, without options.
    """

    def __init__(self, source: AsyncIterable[Any], **options: Any) -> None:
        self._source = source
        self._options = options

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer *request*."""
        async with event_stream(request, **self._options) as stream:
            await stream.send_all(self._source)
        return stream


def as_event(item: Any) -> Event:
    """Give *item* as an event: it is one, or the data of one."""
    return item if isinstance(item, Event) else Event(item)
