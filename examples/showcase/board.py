"""The pages: the board, one note, writing one and taking one down."""

from aiohttp import web

from examples.showcase import live, notices
from examples.showcase.drafts import LIMITS, Draft, check
from examples.showcase.store import MESSAGES, Message, Messages
from webkit import Application, View, redirect
from webkit.errors import HTTPNotFound, Problem


def add_to(app: Application) -> None:
    """Add the pages to *app*."""
    app.add_view("/", Board, name="board")
    app.add_view("/write", Write, name="write")
    app.add_view("/messages/{id:int}", ReadMessage, name="message")
    app.add_view("/messages/{id:int}/remove", Remove, name="remove")
    app.add_get("/favicon.ico", find_icon)


def read_page_number(text: str) -> int:
    """Read ``?page=2``; what is no number is 0, which is no page."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


class MessageView(View):
    """What the pages share: the messages, and the one that the path names."""

    @property
    def messages(self) -> Messages:
        """The messages on the board."""
        return self.app[MESSAGES]

    async def find(self, id: int) -> Message:
        """Give the message with *id*, or answer 404."""
        message = await self.messages.find(id)
        if message is None:
            raise HTTPNotFound
        return message


class Board(MessageView):
    """All notes, newest first."""

    async def get(self) -> web.StreamResponse:
        """Show one page of the board."""
        newest = await self.messages.get_last_id()
        page = await self.messages.get_page(read_page_number(self.request.query.get("page", "1")))
        if page is None:
            raise HTTPNotFound
        return await self.render("board.html", page=page, newest=newest)


class ReadMessage(MessageView):
    """One note."""

    async def get(self, id: int) -> web.StreamResponse:
        """Show it, with the way to its neighbours."""
        message = await self.find(id)
        newer, older = await self.messages.find_newer(id), await self.messages.find_older(id)
        return await self.render("message.html", message=message, newer=newer, older=older)


class Write(MessageView):
    """The form for a new note."""

    async def get(self) -> web.StreamResponse:
        """Show the form, empty."""
        return await self.render("write.html", draft=Draft(), errors={}, limits=LIMITS)

    async def post(self) -> web.StreamResponse:
        """Pin the note up and show it, or show the form again with what was typed and what is wrong with it."""
        try:
            fields = await self.request.post()
        except (ValueError, LookupError) as error:
            raise Problem(400, detail="The form arrived in a state that nobody can read.") from error
        draft, errors = check(fields)
        if errors:
            return await self.render("write.html", draft=draft, errors=errors, limits=LIMITS, status=422)
        message = await live.post(self.app, draft)
        return notices.leave(self.redirect_to("message", id=message.id), "posted")


class Remove(MessageView):
    """Taking a note down: a page that asks, and the form on it."""

    async def get(self, id: int) -> web.StreamResponse:
        """Ask whether it is meant."""
        return await self.render("remove.html", message=await self.find(id))

    async def post(self, id: int) -> web.StreamResponse:
        """Take it down."""
        if not await live.remove(self.app, id):
            raise HTTPNotFound
        return notices.leave(self.redirect_to("board"), "removed")


async def find_icon(request: web.Request) -> web.StreamResponse:
    """Browsers ask for this address beside pages that name no icon, such as those of the API."""
    return redirect(request.app.router["static"].url_for(path="favicon.svg"), status=302)
