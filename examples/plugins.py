"""Plug-ins: applications that are switched on and off while the server runs, each with its own start and end.

Run:  python -m webkit -p 8080 examples.plugins:init
See:  curl -X PUT localhost:8080/plugins/echo ; curl localhost:8080/echo/hi ; curl -X DELETE localhost:8080/plugins/echo
"""

from collections.abc import AsyncIterator, Callable

from aiohttp import web

from webkit import Application
from webkit.errors import HTTPConflict, HTTPNotFound


def make_counter() -> Application:
    """Make a plug-in that counts, from its start to its end."""
    counter = Application()
    counts: list[int] = []

    async def run(counter: Application) -> AsyncIterator[None]:
        counts.append(0)
        yield
        print("The counter ends at", counts.pop())  # noqa: T201

    counter.cleanup_ctx.append(run)

    @counter.get("/")
    async def count(request: web.Request) -> dict[str, int]:
        counts[0] += 1
        return {"count": counts[0]}

    return counter


def make_echo() -> Application:
    """Make a plug-in that gives back what it gets."""
    echo = Application()

    @echo.get("/{text}")
    async def say(request: web.Request, text: str) -> str:
        return text

    return echo


# A plug-in lives once: what is switched on is made anew. Nothing but these can be, whatever a request says.
PLUGINS: dict[str, Callable[[], Application]] = {"counter": make_counter, "echo": make_echo}


def init(argv: list[str]) -> Application:
    """Make the application."""
    app = Application()

    @app.get("/plugins")
    async def show(request: web.Request) -> dict[str, bool]:
        return {name: f"/{name}" in app.hot_mounts for name in PLUGINS}

    @app.put("/plugins/{name}")
    async def switch_on(request: web.Request, name: str) -> str:
        if name not in PLUGINS:
            raise HTTPNotFound
        if f"/{name}" in app.hot_mounts:
            raise HTTPConflict(text="It is on already.")
        await app.hot_mount(f"/{name}", PLUGINS[name]())
        return "on"

    @app.delete("/plugins/{name}")
    async def switch_off(request: web.Request, name: str) -> str:
        if f"/{name}" not in app.hot_mounts:
            raise HTTPNotFound
        await app.hot_unmount(f"/{name}")
        return "off"

    return app
