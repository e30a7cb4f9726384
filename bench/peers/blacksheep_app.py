"""BlackSheep, with pydantic for the checked body, as its documentation does it."""

from typing import Annotated

import jinja2
from blacksheep import Application, Request, Response, get, html, json, post, text
from pydantic import BaseModel, Field

from bench.content import FILES, MESSAGE, ROWS, TEMPLATES, TEXT, new_upload

environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, auto_reload=False)
app = Application()
app.serve_files(FILES, root_path="static")


class User(BaseModel):
    """What is posted."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    age: Annotated[int, Field(ge=0, le=150)]
    tags: Annotated[list[str], Field(max_length=10)]


@get("/")
async def show_text() -> Response:
    """Answer a text."""
    return text(TEXT)


@get("/json")
async def message() -> Response:
    """Answer JSON."""
    return json(MESSAGE)


@get("/users/{id}")
async def user(id: int) -> Response:
    """Answer what is in the path, as a number."""
    return json({"id": id})


@get("/page")
async def page() -> Response:
    """Render the page. BlackSheep's own renderer wants another ending than that of the template that all share."""
    return html(environment.get_template("rows.html").render(title=TEXT, rows=ROWS))


@post("/users")
async def add_user(user: User) -> Response:
    """Check a body, and send it back."""
    return json(user)


@post("/upload")
async def upload(request: Request) -> Response:
    """Store the file of a form as it comes in."""
    size = 0
    async for part in request.multipart_stream():
        with new_upload().open("wb") as file:  # not save_to(), which writes below the current folder only
            async for chunk in part.stream():
                size += file.write(chunk)
    return json({"size": size})
