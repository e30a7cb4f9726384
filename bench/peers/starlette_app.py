"""Starlette, with msgspec for the checked body, as it brings nothing for that."""

import shutil

import jinja2
import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.websockets import WebSocket, WebSocketDisconnect

from bench.content import FILES, MESSAGE, ROWS, TEMPLATES, TEXT, User, new_upload

environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, auto_reload=False)
templates = Jinja2Templates(env=environment)
decode_user = msgspec.json.Decoder(User).decode


async def text(request: Request) -> Response:
    """Answer a text."""
    return PlainTextResponse(TEXT)


async def message(request: Request) -> Response:
    """Answer JSON."""
    return JSONResponse(MESSAGE)


async def user(request: Request) -> Response:
    """Answer what is in the path, as a number."""
    return JSONResponse({"id": request.path_params["id"]})


async def page(request: Request) -> Response:
    """Render the page."""
    return templates.TemplateResponse(request, "rows.html", {"title": TEXT, "rows": ROWS})


async def add_user(request: Request) -> Response:
    """Check a body, and send it back."""
    try:
        added = decode_user(await request.body())
    except msgspec.DecodeError as error:
        raise HTTPException(422, str(error)) from error
    return Response(msgspec.json.encode(added), media_type="application/json")


async def upload(request: Request) -> Response:
    """Store the file of a form: Starlette has spooled it to disk, it is copied to where it belongs."""
    async with request.form() as form:
        file = form["file"]
        if not isinstance(file, UploadFile):
            raise HTTPException(422, "There is no file.")
        with new_upload().open("wb") as target:
            await run_in_threadpool(shutil.copyfileobj, file.file, target)
            return JSONResponse({"size": target.tell()})


async def echo(websocket: WebSocket) -> None:
    """Send each message back."""
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        pass


app = Starlette(
    routes=[
        Route("/", text),
        Route("/json", message),
        Route("/users/{id:int}", user),
        Route("/page", page),
        Route("/users", add_user, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        WebSocketRoute("/echo", echo),
        Mount("/static", StaticFiles(directory=FILES)),
    ]
)
