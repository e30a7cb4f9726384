"""Bare aiohttp.web, with aiohttp-jinja2 for the page and msgspec for the checked body, as it brings neither.

Run:  python -m bench.peers.aiohttp_app PORT [--access-log]
"""

import asyncio
import json
import logging
import sys
from collections.abc import Iterable

import aiohttp_jinja2
import jinja2
import msgspec
import uvloop
from aiohttp import BodyPartReader, WSMsgType, web
from aiohttp.typedefs import Middleware

from bench.content import EVENT, FILES, MESSAGE, ROWS, TEMPLATES, TEXT, User, new_upload, seconds_to_tell

# json.dumps as it is, but for the blanks: all applications answer the same bytes.
dumps = json.JSONEncoder(separators=(",", ":")).encode
decode_user = msgspec.json.Decoder(User).decode
routes = web.RouteTableDef()


@routes.get("/")
async def text(request: web.Request) -> web.Response:
    """Answer a text."""
    return web.Response(text=TEXT)


@routes.get("/json")
async def message(request: web.Request) -> web.Response:
    """Answer JSON."""
    return web.json_response(MESSAGE, dumps=dumps)


@routes.get("/users/{id}")
async def user(request: web.Request) -> web.Response:
    """Answer what is in the path, as a number."""
    try:
        number = int(request.match_info["id"])
    except ValueError:
        raise web.HTTPNotFound from None
    return web.json_response({"id": number}, dumps=dumps)


@routes.get("/page")
@aiohttp_jinja2.template("rows.html")
async def page(request: web.Request) -> dict[str, object]:
    """Render the page."""
    return {"title": TEXT, "rows": ROWS}


@routes.post("/users")
async def add_user(request: web.Request) -> web.Response:
    """Check a body, and send it back."""
    try:
        added = decode_user(await request.read())
    except msgspec.DecodeError as error:
        raise web.HTTPUnprocessableEntity(text=str(error)) from error
    return web.json_bytes_response(added, dumps=msgspec.json.encode)


@routes.post("/upload")
async def upload(request: web.Request) -> web.Response:
    """Store the file of a form as it comes in, as aiohttp's documentation does it."""
    size = 0
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader):
            with new_upload().open("wb") as file:
                while chunk := await part.read_chunk(65536):
                    size += file.write(chunk)
    return web.json_response({"size": size}, dumps=dumps)


@routes.get("/echo")
async def echo(request: web.Request) -> web.WebSocketResponse:
    """Send each message back, as aiohttp's documentation does it."""
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        if message.type == WSMsgType.TEXT:
            await ws.send_str(message.data)
    return ws


transports: set[asyncio.Transport] = set()


@routes.get("/events")
async def listen(request: web.Request) -> web.StreamResponse:
    """Begin a stream, and keep it open."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    if request.transport is not None:
        transports.add(request.transport)
    await asyncio.get_running_loop().create_future()
    return response


@routes.post("/events")
async def tell(request: web.Request) -> web.Response:
    """Send an event to all streams, by a loop that does nothing else."""

    async def write_to_all() -> None:
        event = f"data: {dumps(EVENT)}\n\n".encode()
        chunk = b"%x\r\n%b\r\n" % (len(event), event)
        for transport in transports:
            transport.write(chunk)

    return web.json_response(await seconds_to_tell(write_to_all))


def create_app(middlewares: Iterable[Middleware] = ()) -> web.Application:
    """Make the application."""
    app = web.Application(middlewares=middlewares)
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(TEMPLATES), auto_reload=False)
    app.add_routes(routes)
    app.router.add_static("/static", FILES)
    return app


def main() -> None:
    """Serve on the port that is named."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    port, logs = int(sys.argv[1]), "--access-log" in sys.argv
    access_log = logging.getLogger("aiohttp.access") if logs else None
    web.run_app(create_app(), host="127.0.0.1", port=port, access_log=access_log, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
