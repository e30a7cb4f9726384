"""What the board says about itself: an application of its own, mounted at ``/about``.

Its pages come from the templates of the application around it, and link there by name.
"""

from typing import Any

from aiohttp import web

from examples.showcase.drafts import LIMITS
from examples.showcase.store import MESSAGES, PAGE_SIZE
from webkit import Application, template


def make_app() -> Application:
    """Make the application."""
    app = Application()
    app.add_get("", show_about, name="index")
    app.add_get("/api", show_api, name="api")
    return app


@template("about/index.html")
async def show_about(request: web.Request) -> dict[str, Any]:
    """Tell what the board is, and how it is made."""
    return {"count": await request.config_dict[MESSAGES].count()}


@template("about/api.html")
async def show_api() -> dict[str, Any]:
    """Describe the API by examples that can be pasted into a terminal."""
    return {"limits": LIMITS, "page_size": PAGE_SIZE}
