"""A room in which everybody hears everybody: a page, and a WebSocket handler behind it.

Run:  python -m webkit -p 8080 examples.talk:init
See:  http://localhost:8080 in two windows
"""

from contextlib import suppress

from webkit import AbstractWebSocketHandler, Application, Response, WebSocketOptions, WebSocketSession, html

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Talk</title>
<form><input autofocus> <button>Say it</button></form>
<ol></ol>
<script>
  const [form, list] = [document.querySelector("form"), document.querySelector("ol")];
  const socket = new WebSocket(location.href.replace("http", "ws") + "talk");
  socket.onmessage = ({data}) => list.append(Object.assign(document.createElement("li"), {textContent: data}));
  form.onsubmit = (event) => {
    event.preventDefault();
    socket.send(form.querySelector("input").value);
    form.reset();
  };
</script>
"""


class Talk(AbstractWebSocketHandler):
    """Passes on what is said. Who reads slowly misses something, and holds nobody up."""

    options = WebSocketOptions(max_message_bytes=1024, when_slow="drop_oldest")

    def __init__(self) -> None:
        self.sessions: set[WebSocketSession] = set()

    async def ws_open(self, session: WebSocketSession, request: object) -> None:
        """Let somebody in."""
        self.sessions.add(session)
        await self.tell(f"{len(self.sessions)} are here.")

    async def ws_message(self, session: WebSocketSession, text: str) -> None:
        """Pass on what somebody says."""
        await self.tell(text)

    async def ws_close(self, session: WebSocketSession, code: int, reason: str) -> None:
        """See somebody off."""
        self.sessions.discard(session)
        await self.tell(f"{len(self.sessions)} are here.")

    async def tell(self, text: str) -> None:
        """Send *text* to everybody."""
        for session in tuple(self.sessions):
            with suppress(OSError):  # it has just left
                await session.send_text(text)


async def show_page() -> Response:
    """Answer with the page."""
    return html(PAGE)


def init(argv: list[str]) -> Application:
    """Make the application."""
    app = Application()
    app.add_get("/", show_page)
    app.mount("/talk", Talk())
    return app
