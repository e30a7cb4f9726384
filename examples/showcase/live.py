"""The live board: a note appears in all open pages, those too that come back after the server was away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from examples.showcase.drafts import Draft
from examples.showcase.store import MESSAGES, Message
from webkit import Application, Broadcast, Event, event_stream

_KEPT = 100

#: Whom it is told when a note is pinned up or taken down.
READERS = web.AppKey("showcase.readers", Broadcast)


def add_to(app: Application) -> None:
    """Add the stream of notes to *app*."""
    app[READERS] = Broadcast(history=_KEPT)
    app.add_get("/live", tell, name="live")
    app.cleanup_ctx.append(remember)


@asynccontextmanager
async def remember(app: Application) -> AsyncIterator[None]:
    """Know the last notes, so that pages get after a restart what they missed: the ids are those of the rows."""
    history = app[READERS].history("notes")
    for message in reversed(await app[MESSAGES].get_newest(_KEPT)):
        history.add(as_event(app, message))
    yield


async def post(app: Application, draft: Draft) -> Message:
    """Pin *draft* up, and tell everybody."""
    message = await app[MESSAGES].add(draft)
    await app[READERS].publish("notes", as_event(app, message))
    return message


async def remove(app: Application, id: int) -> bool:
    """Take a message down, and tell everybody; false if it was not there."""
    was_there = await app[MESSAGES].remove(id)
    if was_there:
        await app[READERS].publish("notes", Event({"id": id}, event="gone"))
    return was_there


def as_event(app: Application, message: Message) -> Event:
    """Give *message* as pages get it."""
    data = {
        "id": message.id,
        "page": str(app.url_for("message", id=message.id)),
        "title": message.title,
        "text": message.text,
        "author": message.author,
        "posted_at": message.posted_at,
    }
    return Event(data, event="pinned", id=message.id)


async def tell(request: web.Request, after: str | None = None) -> None:
    """Send what happens. *after* is the newest note that a page knew when it was made: nothing is missed in between."""
    async with event_stream(request, retry=1000) as stream:
        last_id = stream.last_event_id or after
        # A page that cannot keep up is cut off, comes back, and gets what it has missed.
        async with request.app[READERS].subscribe("notes", after=last_id, when_full="close") as events:
            await stream.send_all(events)
