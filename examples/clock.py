"""A clock that ticks in the browser, and a wall that everybody writes on: two event streams.

Run:  python -m webkit -p 8080 examples.clock:init
See:  http://localhost:8080 ; curl -N 'localhost:8080/ticks?count=3' ; curl -d 'Hello!' localhost:8080/wall
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

from aiohttp import web

from webkit import Application, Broadcast, Event, event_stream, html

PAGE = """<!doctype html>
<title>Clock</title>
<h1>Connecting…</h1>
<form><input name="words" aria-label="Words" autofocus> <button>Say it</button></form>
<ul></ul>
<script>
const [clock, form, wall] = ["h1", "form", "ul"].map(name => document.querySelector(name));
new EventSource("/ticks").onmessage = event => clock.textContent = event.data;
new EventSource("/wall").onmessage = event => {
  wall.prepend(document.createElement("li"));
  wall.firstChild.textContent = event.data;
};
form.onsubmit = event => {
  event.preventDefault();
  fetch("/wall", { method: "POST", body: form.words.value });
  form.reset();
};
</script>
"""


def init(argv: list[str]) -> Application:
    """Make the application."""
    app = Application(client_max_size=1000)
    wall = Broadcast(history=50)

    @app.get("/")
    async def page() -> web.Response:
        return html(PAGE)

    @app.get("/ticks")
    async def tick(count: int = 0) -> AsyncIterator[Event]:
        number = 0
        while number < count or not count:
            number += 1
            yield Event(f"{datetime.now():%H:%M:%S}", id=number)  # noqa: DTZ005 - what the clock on the wall says
            await asyncio.sleep(0 if number == count else 1)

    @app.get("/wall")
    async def listen(request: web.Request, after: str | None = None) -> None:
        # A browser that comes back says itself what it had last.
        async with (
            event_stream(request) as stream,
            wall.subscribe("words", after=stream.last_event_id or after) as words,
        ):
            await stream.send_all(words)

    @app.post("/wall")
    async def say(request: web.Request) -> dict[str, int]:
        await wall.publish("words", await request.text())
        return {"readers": wall.count("words")}

    return app
