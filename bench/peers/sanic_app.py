"""Sanic, with msgspec for the checked body, as it brings nothing for that."""

import jinja2
import msgspec
from sanic import HTTPResponse, Request, Sanic, html, json, raw, text
from sanic.exceptions import BadRequest

from bench.content import FILES, MESSAGE, ROWS, TEMPLATES, TEXT, User, new_upload

environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, auto_reload=False)
decode_user = msgspec.json.Decoder(User).decode
app = Sanic("bench")
app.static("/static", FILES)


@app.get("/")
async def show_text(request: Request) -> HTTPResponse:
    """Answer a text."""
    return text(TEXT)


@app.get("/json")
async def message(request: Request) -> HTTPResponse:
    """Answer JSON."""
    return json(MESSAGE)


@app.get("/users/<id:int>")
async def user(request: Request, id: int) -> HTTPResponse:
    """Answer what is in the path, as a number."""
    return json({"id": id})


@app.get("/page")
async def page(request: Request) -> HTTPResponse:
    """Render the page."""
    return html(environment.get_template("rows.html").render(title=TEXT, rows=ROWS))


@app.post("/users")
async def add_user(request: Request) -> HTTPResponse:
    """Check a body, and send it back."""
    try:
        added = decode_user(request.body)
    except msgspec.DecodeError as error:
        raise BadRequest(str(error)) from error
    return raw(msgspec.json.encode(added), content_type="application/json")


@app.post("/upload")
async def upload(request: Request) -> HTTPResponse:
    """Store the file of a form, which Sanic keeps in memory."""
    size = new_upload().write_bytes(request.files["file"][0].body)
    return json({"size": size})
