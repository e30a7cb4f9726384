"""Where the messages are kept: one SQLite file, opened at startup and closed at the end."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiosqlite
from aiohttp import web

from examples.showcase.drafts import Draft
from examples.showcase.seeds import SEEDS
from webkit import Application, ConfigError

PAGE_SIZE = 9

_SCHEMA = """
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    author TEXT NOT NULL,
    posted_at INTEGER NOT NULL -- seconds since 1970
)
"""
_COLUMNS = "id, title, text, author, posted_at"
_INSERT = "INSERT INTO messages (title, text, author, posted_at) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Message:
    """A message on the board."""

    id: int
    title: str
    text: str
    author: str
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the messages, newest first: page *number* of *count*; *total* messages are on the board."""

    messages: list[Message]
    number: int
    count: int
    total: int


class Messages:
    """The messages. Every change is one statement, so that no other request gets into the middle of it."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def count(self) -> int:
        """How many messages are on the board."""
        ((count,),) = await self._fetch("SELECT count(*) FROM messages")
        return int(count)

    async def get_page(self, number: int) -> Page | None:
        """Give one page, or ``None`` beyond the last; the first is always there, and may be empty."""
        total = await self.count()
        count = max(1, -(-total // PAGE_SIZE))
        if not 1 <= number <= count:
            return None
        query = f"SELECT {_COLUMNS} FROM messages ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608 - constants
        rows = await self._fetch(query, PAGE_SIZE, (number - 1) * PAGE_SIZE)
        return Page([_read(row) for row in rows], number, count, total)

    async def get_newest(self, count: int) -> list[Message]:
        """Give up to *count* messages, newest first."""
        query = f"SELECT {_COLUMNS} FROM messages ORDER BY id DESC LIMIT ?"  # noqa: S608 - constants
        return [_read(row) for row in await self._fetch(query, count)]

    async def get_last_id(self) -> int:
        """Give the highest id that a message ever had, 0 if there was none."""
        ((last,),) = await self._fetch("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'messages'")
        return int(last)

    async def find(self, id: int) -> Message | None:
        """Give one message, or ``None``."""
        return await self._find_one("WHERE id = ?", id)

    async def find_newer(self, id: int) -> Message | None:
        """Give the message posted next after the one with *id*."""
        return await self._find_one("WHERE id > ? ORDER BY id", id)

    async def find_older(self, id: int) -> Message | None:
        """Give the message posted last before the one with *id*."""
        return await self._find_one("WHERE id < ? ORDER BY id DESC", id)

    async def add(self, draft: Draft) -> Message:
        """Post *draft*."""
        now = int(datetime.now(UTC).timestamp())
        (row,) = await self._fetch(f"{_INSERT} RETURNING {_COLUMNS}", draft.title, draft.text, draft.author, now)
        return _read(row)

    async def remove(self, id: int) -> bool:
        """Take a message off the board; false if it was not there."""
        return bool(await self._fetch("DELETE FROM messages WHERE id = ? RETURNING id", id))

    async def _find_one(self, where: str, id: int) -> Message | None:
        rows = await self._fetch(f"SELECT {_COLUMNS} FROM messages {where} LIMIT 1", id)  # noqa: S608 - constants
        return _read(rows[0]) if rows else None

    async def _fetch(self, query: str, *values: Any) -> list[sqlite3.Row]:
        return list(await self._connection.execute_fetchall(query, values))


#: The messages of the application.
MESSAGES = web.AppKey("showcase.messages", Messages)


@asynccontextmanager
async def keep_messages(app: Application, database: Path) -> AsyncIterator[None]:
    """Open the file *database* while the application runs; make and fill it on the first start."""
    try:
        await asyncio.to_thread(_prepare, database)
    except sqlite3.Error as error:
        raise ConfigError(f"{str(database)!r} cannot be used: {error}. Name another file: --database PATH.") from error
    # Every statement commits by itself: the connection is shared by all requests.
    async with aiosqlite.connect(database, isolation_level=None) as connection:
        app[MESSAGES] = Messages(connection)
        yield


def _prepare(database: Path) -> None:
    """Make the table and its first notes where they are missing; blocks."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        # Immediate: of two processes that start together, one makes the table, and the other waits and finds it.
        connection.execute("BEGIN IMMEDIATE")
        ((version,),) = connection.execute("PRAGMA user_version")
        if version == 0:
            connection.execute(_SCHEMA)
            now = datetime.now(UTC)
            for hours, draft in SEEDS:
                posted_at = int((now - timedelta(hours=hours)).timestamp())
                connection.execute(_INSERT, (draft.title, draft.text, draft.author, posted_at))
            connection.execute("PRAGMA user_version = 1")
        connection.execute("COMMIT")


def _read(row: sqlite3.Row) -> Message:
    id, title, text, author, posted_at = row
    return Message(id, title, text, author, datetime.fromtimestamp(posted_at, UTC))
