"""How far an upload is, for another request to ask: ``app.mount("/progress", UploadProgress())``.

The client makes up a token, such as ``crypto.randomUUID()``, sends its form to ``/pictures?progress=TOKEN`` and asks
``/progress/TOKEN`` meanwhile. Whoever knows the token may ask, so it has to be one that nobody guesses. What is known
is in the memory of one process.
"""

import asyncio
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from aiohttp import web

from webkit.errors import ConfigError, HTTPNotFound, Problem
from webkit.responses import json_response
from webkit.types import Route

if TYPE_CHECKING:
    from webkit.application import Application

__all__ = ["Progress", "UploadProgress", "progress_for"]

_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
_PARAMETER: Final = "progress"


@dataclass(slots=True)
class Progress:
    """How far one upload is. *total* is ``None`` where the client has not said how much it sends."""

    total: int | None = None
    received: int = 0
    state: Literal["receiving", "done", "failed"] = "receiving"
    seconds: float = 0.0  # since it has begun, up to the last bytes
    _began: float = field(default_factory=time.monotonic, repr=False)

    @property
    def bytes_per_second(self) -> float:
        """How fast it came, over the whole time."""
        return self.received / self.seconds if self.seconds else 0.0

    def add(self, count: int) -> None:
        """Note that *count* bytes have come."""
        self.received += count
        self.seconds = time.monotonic() - self._began

    def end(self, state: Literal["done", "failed"]) -> None:
        """Note how it ended; what was said first stays."""
        if self.state == "receiving":
            self.state = state

    def as_dict(self) -> dict[str, Any]:
        """Give it as what JSON is made of."""
        return {
            "state": self.state,
            "received": self.received,
            "total": self.total,
            "seconds": round(self.seconds, 3),
            "bytes_per_second": round(self.bytes_per_second),
        }


class UploadProgress:
    """The uploads under way of an application, by the tokens of their clients.

    Mounted, it answers ``GET /TOKEN``. *keep_s* is how long the end of an upload can be asked for, *entries* how many
    uploads are known at once: what comes then is taken, but nobody knows how far it is.
    """

    def __init__(self, *, keep_s: float = 60.0, entries: int = 1000) -> None:
        self._keep_s = keep_s
        self._entries = entries
        self._known: dict[str, Progress] = {}

    def setup(self, app: "Application") -> None:
        """Let the uploads of *app* be known (``app.mount`` and ``app.use`` call it)."""
        if UPLOADS in app.aiohttp:
            raise ConfigError("The application has an UploadProgress already; one is enough for all of its uploads.")
        app[UPLOADS] = self

    def routes(self) -> Iterable[Route]:
        """Give the route by which progress is asked for."""
        return [Route("GET", "/{token}", self._show)]

    def find(self, token: str) -> Progress | None:
        """Give the progress of the upload with *token*, ``None`` where there is none or it ended long ago."""
        return self._known.get(token)

    def begin(self, token: str, total: int | None) -> Progress:
        """Note that an upload begins.

        Raises:
            Problem: 400 for a token that could be guessed, 409 for one of an upload under way.
        """
        if not _SHAPE.fullmatch(token):
            raise Problem(400, detail=f"?{_PARAMETER}= takes a token of 16 to 64 letters, digits, '-' and '_'.")
        former = self._known.get(token)
        if former is not None and former.state == "receiving":
            raise Problem(409, detail=f"An upload with this ?{_PARAMETER}= is under way already.")
        if former is None and len(self._known) >= self._entries:
            self._forget_one()
        progress = Progress(total)
        if former is not None or len(self._known) < self._entries:
            self._known[token] = progress
        return progress

    def end(self, token: str, progress: Progress) -> None:
        """Note that an upload is over, one way or the other, and forget it some time later."""
        progress.end("failed")
        asyncio.get_running_loop().call_later(self._keep_s, self._forget, token, progress)

    def _forget(self, token: str, progress: Progress) -> None:
        if self._known.get(token) is progress:
            del self._known[token]

    def _forget_one(self) -> None:
        """Make room: forget what ended first."""
        ended = next((token for token, known in self._known.items() if known.state != "receiving"), None)
        if ended is not None:
            del self._known[ended]

    async def _show(self, token: str) -> web.Response:
        progress = self.find(token)
        if progress is None:
            raise HTTPNotFound
        return json_response(progress.as_dict(), headers={"Cache-Control": "no-store"})


#: The uploads that can be asked for, of an application.
UPLOADS: Final = web.AppKey("webkit.uploads", UploadProgress)


def progress_for(request: web.Request) -> Progress:
    """Give the progress of the upload that *request* is, known to others where its client and application want it.

    Raises:
        Problem: the client's token is no good.
    """
    uploads = request.config_dict.get(UPLOADS)
    token = request.query.get(_PARAMETER)
    task = asyncio.current_task()
    if uploads is None or token is None or task is None:
        return Progress(request.content_length)
    progress = uploads.begin(token, request.content_length)
    task.add_done_callback(lambda _: uploads.end(token, progress))
    return progress
