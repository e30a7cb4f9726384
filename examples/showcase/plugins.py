"""The helpers of the house: servlets that are switched on and off while the site runs.

Each answers below ``/helpers`` as long as it is on. What can be switched on is a list of ours: a visitor only chooses.
"""

import random
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from examples.showcase import notices
from webkit import Application, ServletService, ServletType, View
from webkit.errors import HTTPNotFound
from webkit.servlets import AsyncRequest, AsyncResponse

_SERVICE = web.AppKey("helpers", ServletService)


class Stairs:
    """Draws who sweeps the stairs."""

    about = "Draws the floor that sweeps the stairs today."

    async def do_async_GET(self, request: AsyncRequest, response: AsyncResponse) -> None:
        """Name a floor."""
        floor = random.choice(["The ground floor", "The first floor", "The attic"])  # noqa: S311 - a game
        await response.send_content(200, f"{floor} sweeps the stairs today.", "text/plain")


class Clock:
    """Tells the time, and how long it has been on."""

    about = "Tells what time it is in the hallway, and since when it ticks."

    def __init__(self) -> None:
        self._since = datetime.now(UTC)

    async def do_async_GET(self, request: AsyncRequest, response: AsyncResponse) -> None:
        """Tell the time."""
        text = f"It is {datetime.now(UTC):%H:%M:%S} UTC. I tick since {self._since:%H:%M:%S}."
        await response.send_content(200, text, "text/plain")


HELPERS: dict[str, type[Stairs] | type[Clock]] = {"stairs": Stairs, "clock": Clock}


def add_to(app: Application) -> None:
    """Add the page and the place of the helpers to *app*; all of them are off."""
    app[_SERVICE] = ServletService()
    app.add_view("/plugins", Plugins, name="plugins")
    app.mount("/helpers", app[_SERVICE])


class Plugins(View):
    """The switches."""

    async def get(self) -> web.StreamResponse:
        """Show what is on and what is off."""
        service = self.app[_SERVICE]
        helpers = [
            {"name": name, "about": kind.about, "is_on": service.get_servlet(f"/{name}") is not None}
            for name, kind in HELPERS.items()
        ]
        return await self.render("plugins/index.html", helpers=helpers)

    async def post(self) -> web.StreamResponse:
        """Switch one on or off, as the form says: twice the same changes nothing."""
        form: Any = await self.request.post()
        name, service = str(form.get("name", "")), self.app[_SERVICE]
        if name not in HELPERS:
            raise HTTPNotFound
        is_on = service.get_servlet(f"/{name}") is not None
        if form.get("switch") == "on":
            if not is_on:
                service.register_servlet(f"/{name}", HELPERS[name](), servlet_type=ServletType.ASYNC)
            return notices.leave(self.redirect_to("plugins"), "on")
        if is_on:
            await service.drain(f"/{name}")
        return notices.leave(self.redirect_to("plugins"), "off")
