"""One application made of others: a shop with an admin area mounted below it, each with its own middlewares.

Run:  python -m webkit -p 8080 examples.rooms:init
See:  curl -i localhost:8080/admin/stock ; curl -i -H 'X-Key: open' localhost:8080/admin/stock
"""

import secrets
import time

from aiohttp import web

from webkit import Application, Handler, url_for
from webkit.errors import HTTPForbidden


async def show_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell how long an answer took; around everything, mounted applications and 404s too."""
    began = time.perf_counter()
    response = await handler(request)
    response.headers["Server-Timing"] = f"app;dur={(time.perf_counter() - began) * 1000:.1f}"
    return response


async def need_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let only those in who know the key."""
    if not secrets.compare_digest(request.headers.get("X-Key", "").encode(), b"open"):
        raise HTTPForbidden
    return await handler(request)


def make_admin() -> Application:
    """Make the application that is mounted at ``/admin``."""
    admin = Application(middlewares=[need_key])

    @admin.get("/stock", name="stock")
    async def stock(request: web.Request) -> dict[str, str]:
        return {"milk": "3 bottles", "back": str(url_for(request, "home"))}

    return admin


def init(argv: list[str]) -> Application:
    """Make the application."""
    app = Application(middlewares=[show_time])

    @app.get("/", name="home")
    async def home(request: web.Request) -> dict[str, str]:
        return {"stock": str(url_for(request, "admin:stock"))}

    app.mount("/admin", make_admin(), name="admin")
    return app
