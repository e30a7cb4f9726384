"""The chat: rooms whose visitors talk over WebSockets. What was said last is kept, as long as the server runs."""

import itertools
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from aiohttp import WSCloseCode, web

from examples.showcase.drafts import tidy_line
from webkit import AbstractWebSocketHandler, Application, View, WebSocketOptions, WebSocketSession
from webkit.errors import HTTPNotFound, HTTPServiceUnavailable

MOST_LETTERS = 500
MOST_LETTERS_OF_NAME = 40
#: How many visitors a room holds, and how many of the last messages it remembers.
MOST_PEOPLE = 200
MOST_REMEMBERED = 50

# Who says more than a few things at once is asked to wait, and who goes on like that has to leave.
_BURST = 5
_PER_SECOND = 1.0
_PATIENCE = 20


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """What a browser sends."""

    name: Annotated[str, msgspec.Meta(max_length=MOST_LETTERS_OF_NAME)]
    text: Annotated[str, msgspec.Meta(max_length=MOST_LETTERS)]


class Message(msgspec.Struct):
    """What was said in a room. The ids go up, so that a page shows nothing twice."""

    id: int
    name: str
    text: str
    at: str


@dataclass(slots=True)
class Pace:
    """How fast one visitor talks: a bucket of ``_BURST`` messages, which fills up again."""

    left: float = _BURST
    since: float = field(default_factory=time.monotonic)
    refused: int = 0

    def allows_one(self) -> bool:
        """Say whether one more message may be said now."""
        now = time.monotonic()
        self.left = min(_BURST, self.left + (now - self.since) * _PER_SECOND)
        self.since = now
        if self.left < 1:
            self.refused += 1
            return False
        self.left -= 1
        return True


@dataclass(slots=True, eq=False)
class Room:
    """One room: who is there, and what was said."""

    key: str
    title: str
    about: str
    people: set[WebSocketSession] = field(default_factory=set)
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=MOST_REMEMBERED))

    async def tell(self, event: dict[str, Any]) -> None:
        """Tell everybody in the room; nobody waits for one who reads slowly."""
        text = msgspec.json.encode(event).decode()
        for person in tuple(self.people):
            with suppress(OSError):  # it has just left
                await person.send_text(text)


class Rooms:
    """The rooms, in the order in which they are shown."""

    def __init__(self) -> None:
        rooms = (
            Room("hallway", "The hallway", "Whoever passes by."),
            Room("garden", "The garden", "Whose turn is it to water the tomatoes?"),
            Room("kitchen", "The kitchen", "Recipes, and who has borrowed the large pot."),
        )
        self._by_key = {room.key: room for room in rooms}

    def __iter__(self) -> Iterator[Room]:
        return iter(self._by_key.values())

    def find(self, key: str) -> Room:
        """Give the room with *key*, or answer 404."""
        if key not in self._by_key:
            raise HTTPNotFound
        return self._by_key[key]


ROOMS = web.AppKey("examples.showcase.rooms", Rooms)


class Talk(AbstractWebSocketHandler):
    """The WebSockets of all rooms."""

    options = WebSocketOptions(max_message_bytes=2**12, when_slow="drop_oldest", queue_messages=MOST_REMEMBERED)

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._ids = itertools.count(time.time_ns() // 1_000_000)  # they go up across a restart too

    async def ws_accept(self, request: web.Request, room: str) -> bool:
        """Let visitors in until the room is full."""
        if len(self._rooms.find(room).people) >= MOST_PEOPLE:
            raise HTTPServiceUnavailable(headers={"Retry-After": "60"})
        return True

    async def ws_open(self, session: WebSocketSession, request: web.Request, room: str) -> None:
        """Show what was said before, and tell the others that somebody has come."""
        here = self._rooms.find(room)
        session.state["pace"] = Pace()
        await session.send_json({"kind": "before", "messages": list(here.messages)})
        here.people.add(session)
        await here.tell({"kind": "people", "count": len(here.people)})

    async def ws_json(self, session: WebSocketSession, said: Said, room: str) -> None:
        """Pass on what somebody says."""
        pace: Pace = session.state["pace"]
        name, text = tidy_line(said.name), tidy_line(said.text)
        if not pace.allows_one():
            await session.send_json({"kind": "refused", "why": "Not so fast: wait a moment, please."})
            if pace.refused > _PATIENCE:
                await session.close(WSCloseCode.POLICY_VIOLATION, "Too many messages")
        elif not (_can_be_seen(name) and _can_be_seen(text)):
            await session.send_json({"kind": "refused", "why": "Say who you are, and something."})
        else:
            here = self._rooms.find(room)
            message = Message(next(self._ids), name, text, datetime.now(UTC).isoformat(timespec="seconds"))
            here.messages.append(message)
            await here.tell({"kind": "said", "message": message})

    async def ws_close(self, session: WebSocketSession, code: int, reason: str, room: str) -> None:
        """Tell the others that somebody has left."""
        here = self._rooms.find(room)
        here.people.discard(session)
        await here.tell({"kind": "people", "count": len(here.people)})


def _can_be_seen(text: str) -> bool:
    """Say whether there is more to *text* than blanks and letters of no width."""
    return any(letter.isprintable() and not letter.isspace() for letter in text)


class Chat(View):
    """The pages: all rooms, and one of them."""

    async def get(self, room: str | None = None) -> web.StreamResponse:
        """Show them."""
        rooms = self.app[ROOMS]
        if room is None:
            return await self.render("chat/rooms.html", rooms=rooms)
        limits = {"text": MOST_LETTERS, "name": MOST_LETTERS_OF_NAME}
        return await self.render("chat/room.html", room=rooms.find(room), rooms=rooms, limits=limits)


def add_to(app: Application) -> None:
    """Add the chat to *app*."""
    app[ROOMS] = rooms = Rooms()
    app.add_view("/chat", Chat, name="chat")
    app.add_view("/chat/{room}", Chat, name="room")
    app.add_websocket("/chat/{room}/talk", Talk(rooms), name="talk")
