"""Litestar, with msgspec, its own way of validation."""

import shutil
from typing import Annotated

import jinja2
from litestar import Litestar, MediaType, get, post
from litestar.concurrency import sync_to_thread
from litestar.contrib.jinja import JinjaTemplateEngine
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Template
from litestar.static_files import create_static_files_router
from litestar.template.config import TemplateConfig

from bench.content import FILES, MESSAGE, ROWS, TEMPLATES, TEXT, User, new_upload

environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, auto_reload=False)


@get("/", media_type=MediaType.TEXT)
async def text() -> str:
    """Answer a text."""
    return TEXT


@get("/json")
async def message() -> dict[str, str]:
    """Answer JSON."""
    return MESSAGE


@get("/users/{id:int}")
async def user(id: int) -> dict[str, int]:
    """Answer what is in the path, as a number."""
    return {"id": id}


@get("/page")
async def page() -> Template:
    """Render the page."""
    return Template("rows.html", context={"title": TEXT, "rows": ROWS}, media_type=MediaType.HTML)


@post("/users", status_code=200)
async def add_user(data: User) -> User:
    """Check a body, and send it back."""
    return data


@post("/upload", status_code=200, request_max_body_size=None)
async def upload(
    data: Annotated[dict[str, UploadFile], Body(media_type=RequestEncodingType.MULTI_PART)],
) -> dict[str, int]:
    """Store the file of a form: Litestar has spooled it to disk, it is copied to where it belongs."""
    with new_upload().open("wb") as target:
        await sync_to_thread(shutil.copyfileobj, data["file"].file, target)
        return {"size": target.tell()}


app = Litestar(
    route_handlers=[
        text,
        message,
        user,
        page,
        add_user,
        upload,
        create_static_files_router("/static", [FILES]),
    ],
    template_config=TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment)),
    openapi_config=None,
)
