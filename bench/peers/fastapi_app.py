"""FastAPI, with its own serialization and validation by pydantic."""

import shutil
from typing import Annotated

import jinja2
from fastapi import FastAPI, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field

from bench.content import FILES, MESSAGE, ROWS, TEMPLATES, TEXT, new_upload

environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, auto_reload=False)
templates = Jinja2Templates(env=environment)
app = FastAPI()


class User(BaseModel):
    """What is posted."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    age: Annotated[int, Field(ge=0, le=150)]
    tags: Annotated[list[str], Field(max_length=10)]


@app.get("/", response_class=PlainTextResponse)
async def text() -> str:
    """Answer a text."""
    return TEXT


@app.get("/json")
async def message() -> dict[str, str]:
    """Answer JSON."""
    return MESSAGE


@app.get("/users/{id}")
async def user(id: int) -> dict[str, int]:
    """Answer what is in the path, as a number."""
    return {"id": id}


@app.get("/page", response_class=HTMLResponse)
async def page(request: Request) -> HTMLResponse:
    """Render the page."""
    return templates.TemplateResponse(request, "rows.html", {"title": TEXT, "rows": ROWS})


@app.post("/users")
async def add_user(user: User) -> User:
    """Check a body, and send it back."""
    return user


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, int]:
    """Store the file of a form: FastAPI has spooled it to disk, it is copied to where it belongs."""
    with new_upload().open("wb") as target:
        await run_in_threadpool(shutil.copyfileobj, file.file, target)
        return {"size": target.tell()}


app.mount("/static", StaticFiles(directory=FILES))
