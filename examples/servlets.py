"""Plug-ins that are switched on and off while the site runs: each is a servlet, an object that answers below a path.

Run:  python -m webkit -p 8080 examples.servlets:init
See:  curl -X POST localhost:8080/plugins/dice ; curl localhost:8080/dice ; curl -X DELETE localhost:8080/plugins/dice
"""

import random
import time
from typing import Any

from aiohttp import web

from webkit import Application, ServletService, ServletType
from webkit.servlets import AsyncRequest, AsyncResponse, SyncRequest, SyncResponse


class Dice:
    """Rolls dice in the event loop: ``/dice/20`` for one with 20 sides."""

    async def do_async_GET(self, request: AsyncRequest, response: AsyncResponse) -> None:
        """Answer with a number."""
        sides = request.get_sub_path().strip("/") or "6"
        if not (sides.isascii() and sides.isdecimal() and 0 < int(sides) <= 1000):
            raise web.HTTPBadRequest(text="A die has 1 to 1000 sides.")
        await response.send_content(200, str(random.randint(1, int(sides))), "text/plain")  # noqa: S311 - a game

    def bound_to(self, path: str, parameters: dict[str, Any]) -> bool:
        """Agree: from now on requests come."""
        print(f"{path} is on")  # noqa: T201
        return True

    def unbound_from(self, path: str, parameters: dict[str, Any]) -> None:
        """Clean up: no request comes any more, and none is running."""
        print(f"{path} is off")  # noqa: T201


class Report:
    """Takes its time, in a thread: nobody else waits for it."""

    def do_GET(self, request: SyncRequest, response: SyncResponse) -> None:
        """Answer in the end."""
        time.sleep(0.01)
        response.send_content(200, "All is well.", "text/plain")


PLUGINS: dict[str, tuple[type, ServletType]] = {
    "dice": (Dice, ServletType.ASYNC),
    "report": (Report, ServletType.SYNC),
}


def init(argv: list[str]) -> Application:
    """Make the application."""
    app, service = Application(), ServletService()

    @app.get("/plugins")
    async def show() -> list[str]:
        return service.get_registered_paths()

    @app.post("/plugins/{name}")
    async def switch_on(name: str) -> str:
        if name not in PLUGINS:
            raise web.HTTPNotFound
        kind, servlet_type = PLUGINS[name]
        if service.get_servlet(f"/{name}") is None:
            service.register_servlet(f"/{name}", kind(), servlet_type=servlet_type)
        return "on"

    @app.delete("/plugins/{name}")
    async def switch_off(name: str) -> str:
        await service.drain(f"/{name}")
        return "off"

    app.mount("/", service)  # the last: it takes what no route takes
    return app
