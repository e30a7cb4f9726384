"""webkit, as it is.

Run:  python -m bench.peers.webkit_app PORT [--access-log]
"""

import sys
from collections.abc import Iterable

from aiohttp import BodyPartReader, web
from aiohttp.web_log import AccessLogger

import webkit
from bench.content import EVENT, FILES, MESSAGE, ROWS, TEMPLATES, TEXT, User, new_upload, seconds_to_tell
from webkit import (
    AbstractWebSocketHandler,
    Application,
    Body,
    Broadcast,
    Middleware,
    Route,
    Static,
    Templates,
    WebSocketSession,
    event_stream,
    template,
)

#: Both write the same into their logs.
LOG_FORMAT = AccessLogger.LOG_FORMAT


async def text() -> str:
    """Answer a text."""
    return TEXT


async def message() -> dict[str, str]:
    """Answer JSON."""
    return MESSAGE


async def user(id: int) -> dict[str, int]:
    """Answer what is in the path, as a number."""
    return {"id": id}


@template("rows.html")
async def page() -> dict[str, object]:
    """Render the page."""
    return {"title": TEXT, "rows": ROWS}


async def add_user(user: Body[User]) -> User:
    """Check a body, and send it back."""
    return user


async def upload(request: web.Request) -> dict[str, int]:
    """Store the file of a form as it comes in."""
    size = 0
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader):
            with new_upload().open("wb") as file:
                while chunk := await part.read_chunk(65536):
                    size += file.write(chunk)
    return {"size": size}


class Echo(AbstractWebSocketHandler):
    """Send each message back."""

    async def ws_message(self, session: WebSocketSession, text: str) -> None:
        """Send it back."""
        await session.send_text(text)


def create_app(middlewares: Iterable[Middleware] = ()) -> Application:
    """Make the application."""
    app = Application(middlewares=middlewares)
    app.use(Templates(TEMPLATES))
    app.add_routes(
        [
            Route("GET", "/", text),
            Route("GET", "/json", message),
            Route("GET", "/users/{id:int}", user),
            Route("GET", "/page", page),
            Route("POST", "/users", add_user),
            Route("POST", "/upload", upload),
        ]
    )
    add_streams(app)
    app.mount("/static", Static(FILES))
    app.mount("/echo", Echo())
    return app


def add_streams(app: Application) -> None:
    """Add the event streams, and what sends an event to all of them."""
    board = Broadcast()

    @app.get("/events")
    async def listen(request: web.Request) -> None:
        async with event_stream(request) as stream, board.subscribe("board") as events:
            await stream.send_all(events)

    @app.post("/events")
    async def tell() -> dict[str, float]:
        return await seconds_to_tell(lambda: board.publish("board", EVENT))


def main() -> None:
    """Serve on the port that is named."""
    port, logs = int(sys.argv[1]), "--access-log" in sys.argv
    webkit.run(create_app(), host="127.0.0.1", port=port, access_log=logs, access_log_format=LOG_FORMAT)


if __name__ == "__main__":
    main()
