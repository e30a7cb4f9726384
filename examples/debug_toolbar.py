"""A site with aiohttp-debugtoolbar at its side while it is written, and without a trace of it otherwise.

Run:  python -m webkit -p 8080 examples.debug_toolbar:init --debug
See:  http://localhost:8080/ and its button at the right, then http://localhost:8080/crash

It needs the package: pip install "webkit[debugtoolbar]"
"""

import aiohttp_debugtoolbar
from aiohttp import web

from webkit import Application, Handler, html
from webkit.debug import is_local
from webkit.errors import HTTPNotFound


async def hide_the_toolbar(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Show what the toolbar has noted, everybody's headers and cookies, on this machine only."""
    if request.path.startswith("/_debugtoolbar") and not is_local(request):
        raise HTTPNotFound
    return await handler(request)


def init(argv: list[str]) -> Application:
    """Make the application."""
    app = Application()

    @app.get("/")
    async def home() -> web.StreamResponse:
        return html("<!DOCTYPE html><html><head><title>Home</title></head><body><h1>Home</h1></body></html>")

    @app.get("/crash")
    async def crash() -> int:
        return 1 // 0

    if app.debug:
        app.middlewares.append(hide_the_toolbar)
        # Errors are left to webkit's own page: the toolbar's runs whatever Python it is sent.
        aiohttp_debugtoolbar.setup(app.aiohttp, intercept_exc=False)
    return app
