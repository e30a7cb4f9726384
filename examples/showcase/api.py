"""The board as JSON, below ``/api``: the same messages under the same rules."""

from typing import Any

import msgspec
from aiohttp import web

from examples.showcase import live
from examples.showcase.board import MessageView, read_page_number
from examples.showcase.drafts import check
from examples.showcase.store import Message
from webkit import Application, Handler, json_response, url_for
from webkit.errors import HTTPException, HTTPNotFound, Problem


def add_to(app: Application) -> None:
    """Add the API to *app*."""
    api = app.group("/api", middlewares=[answer_in_json])
    api.add_get("", show_index, name="api")
    api.add_view("/messages", MessageList, name="api-messages")
    api.add_view("/messages/{id:int}", OneMessage, name="api-message")


async def answer_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors with a problem document (RFC 9457), whatever the client says it takes."""
    try:
        return await handler(request)
    except HTTPException as error:
        if error.status < 400:
            raise
        document = {"type": "about:blank", "title": error.reason, "status": error.status}
        if isinstance(error, Problem):
            document |= {"detail": error.detail} if error.detail else {}
            document |= error.extensions
        response = json_response(document, status=error.status, content_type="application/problem+json")
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response


async def show_index(request: web.Request) -> dict[str, str]:
    """Say where to go on."""
    return {
        "messages": str(url_for(request, "api-messages")),
        "description": str(url_for(request, "about:api")),
    }


class MessageList(MessageView):
    """All messages."""

    async def get(self) -> dict[str, Any]:
        """Give one page of them, newest first."""
        page = await self.messages.get_page(read_page_number(self.request.query.get("page", "1")))
        if page is None:
            raise Problem(404, detail="There is no such page.")
        return {
            "messages": [describe(self.request, message) for message in page.messages],
            "total": page.total,
            "newer": self.url_of_page(page.number - 1) if page.number > 1 else None,
            "older": self.url_of_page(page.number + 1) if page.number < page.count else None,
        }

    async def post(self) -> web.StreamResponse:
        """Post a message. It must be JSON, which no form of another site can send."""
        if self.request.content_type != "application/json":
            raise Problem(415, detail="Send the message as application/json.")
        try:
            fields = msgspec.json.decode(await self.request.read(), type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Problem(400, detail=f"The body is no JSON object: {error}.") from error
        draft, errors = check(fields)
        if errors:
            raise Problem(422, errors=[{"name": name, "message": message} for name, message in errors.items()])
        message = describe(self.request, await live.post(self.app, draft))
        return json_response(message, status=201, headers={"Location": message["self"]})

    def url_of_page(self, number: int) -> str:
        """Give the address of another page."""
        return str(self.url_for("api-messages", query={"page": number}))


class OneMessage(MessageView):
    """One message."""

    async def get(self, id: int) -> dict[str, Any]:
        """Give it."""
        return describe(self.request, await self.find(id))

    async def delete(self, id: int) -> web.StreamResponse:
        """Take it down."""
        if not await live.remove(self.app, id):
            raise HTTPNotFound
        return web.Response(status=204)


def describe(request: web.Request, message: Message) -> dict[str, Any]:
    """Give *message* as the API shows it, with its addresses as data and as a page."""
    return {
        "id": message.id,
        "title": message.title,
        "text": message.text,
        "author": message.author,
        "posted_at": message.posted_at,
        "self": str(url_for(request, "api-message", id=message.id)),
        "page": str(url_for(request, "message", id=message.id)),
    }
