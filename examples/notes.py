"""A resource as a class: read, write and delete notes, with URLs built from names.

Run:  python -m webkit -p 8080 examples.notes:init
See:  curl -i -X PUT --data 'buy milk' localhost:8080/notes/1 ; curl localhost:8080/notes
"""

from aiohttp import web

from webkit import Application, View
from webkit.errors import HTTPNoContent, HTTPNotFound

NOTES = web.AppKey("notes", dict[int, str])


class Notes(View):
    """All notes."""

    async def get(self) -> dict[str, str]:
        """List the notes by their URL."""
        return {str(self.url_for("note", id=number)): text for number, text in self.app[NOTES].items()}


class Note(View):
    """One note. HEAD, OPTIONS and 405 come by themselves."""

    async def get(self, id: int) -> str:
        """Give the text."""
        try:
            return self.app[NOTES][id]
        except KeyError:
            raise HTTPNotFound from None

    async def put(self, id: int) -> web.StreamResponse:
        """Write the text, and show where it is."""
        self.app[NOTES][id] = await self.request.text()
        return self.redirect_to("note", id=id)

    async def delete(self, id: int) -> None:
        """Forget the note."""
        self.app[NOTES].pop(id, None)
        raise HTTPNoContent


def init(argv: list[str]) -> Application:
    """Make the application."""
    app = Application()
    app[NOTES] = {}
    app.add_view("/notes", Notes, name="notes")
    app.add_view("/notes/{id:int}", Note, name="note")
    return app
