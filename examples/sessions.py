"""A site that knows who you are: aiohttp-session keeps it in an encrypted cookie.

Run:  python -m webkit -p 8080 examples.sessions:init
See:  curl -c jar -d name=Ada localhost:8080/login ; curl -b jar -c jar localhost:8080/ ; curl -b jar localhost:8080/
"""

import secrets
from dataclasses import dataclass

from aiohttp import web
from aiohttp_session import get_session, new_session, setup
from aiohttp_session.cookie_storage import EncryptedCookieStorage

from webkit import Application, FormBody, View, redirect_to
from webkit.errors import HTTPForbidden


@dataclass
class SignIn:
    """The form of a visitor who signs in."""

    name: str


async def home(request: web.Request) -> str:
    """Greet who signed in, and count the visits."""
    session = await get_session(request)
    session["visits"] = session.get("visits", 0) + 1
    return f"Hello, {session.get('name', 'stranger')}! This is visit {session['visits']}."


class Login(View):
    """Signing in."""

    async def post(self, form: FormBody[SignIn]) -> web.StreamResponse:
        """Begin a new session: what somebody else may have left in the old one is gone."""
        session = await new_session(self.request)
        session["name"] = form.name
        return self.redirect_to("home")


async def logout(request: web.Request) -> web.StreamResponse:
    """Forget everything."""
    (await get_session(request)).invalidate()
    return redirect_to(request, "home")


def make_diary() -> Application:
    """Make an application that is mounted below: the session is there, too."""
    diary = Application()

    @diary.get("/")
    async def read(request: web.Request) -> dict[str, str]:
        session = await get_session(request)
        if "name" not in session:
            raise HTTPForbidden
        return {"diary of": session["name"]}

    return diary


def init(argv: list[str]) -> Application:
    """Make the application. The key is new with each start; keep yours in a file, or everybody has to sign in again."""
    app = Application()
    # Behind TLS add secure=True. EncryptedCookieStorage needs: pip install "aiohttp-session[secure]"
    setup(app.aiohttp, EncryptedCookieStorage(secrets.token_bytes(32), samesite="Lax", max_age=86_400))
    app.add_get("/", home, name="home")
    app.add_view("/login", Login)
    app.add_post("/logout", logout)
    app.mount("/diary", make_diary())
    return app
