"""Falcon (ASGI), with msgspec for JSON, as its documentation advises, and for the checked body."""

import falcon
import falcon.asgi
import falcon.media
import jinja2
import msgspec

from bench.content import FILES, MESSAGE, ROWS, TEMPLATES, TEXT, User, new_upload

environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, auto_reload=False)
decode_user = msgspec.json.Decoder(User).decode


class Text:
    """``/``"""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer a text."""
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = TEXT


class Message:
    """``/json``"""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer JSON."""
        resp.media = MESSAGE


class OneUser:
    """``/users/{id}``"""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, id: int) -> None:
        """Answer what is in the path, as a number."""
        resp.media = {"id": id}


class Users:
    """``/users``"""

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Check a body, and send it back."""
        try:
            resp.media = decode_user(await req.stream.read())
        except msgspec.DecodeError as error:
            raise falcon.HTTPUnprocessableEntity(description=str(error)) from error


class Page:
    """``/page``"""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Render the page."""
        resp.content_type = falcon.MEDIA_HTML
        resp.text = environment.get_template("rows.html").render(title=TEXT, rows=ROWS)


class Upload:
    """``/upload``"""

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Store the file of a form as it comes in."""
        size = 0
        async for part in await req.get_media():
            with new_upload().open("wb") as file:
                async for chunk in part.stream:
                    size += file.write(chunk)
        resp.media = {"size": size}


app = falcon.asgi.App()
handler = falcon.media.JSONHandler(dumps=msgspec.json.encode, loads=msgspec.json.decode)
app.req_options.media_handlers[falcon.MEDIA_JSON] = handler
app.resp_options.media_handlers[falcon.MEDIA_JSON] = handler
app.add_route("/", Text())
app.add_route("/json", Message())
app.add_route("/users/{id:int}", OneUser())
app.add_route("/users", Users())
app.add_route("/page", Page())
app.add_route("/upload", Upload())
app.add_static_route("/static", FILES)
