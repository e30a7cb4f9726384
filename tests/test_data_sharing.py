"""Applications, requests and responses as mappings: typed keys, the strings of old code, and what comes too late."""

from collections.abc import MutableMapping
from typing import Any, Final

import pytest
from aiohttp import web

from tests.processes import run_python
from tests.serving import Serve
from webkit import Application, RouteError
from webkit.types import Handler

LIMIT: Final = web.AppKey("limit", int)
USER: Final = web.RequestKey("user", str)
SIZE: Final = web.ResponseKey("size", int)


async def test_typed_keys_carry_values_from_the_start_to_the_answer(serve: Serve) -> None:
    """AW-120, AW-121."""

    async def share(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[USER] = "Ada"
        response = await handler(request)
        response.headers["X-Size"] = str(response[SIZE])
        return response

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.Response(text=f"{request[USER]} {request.app[LIMIT]}")
        response[SIZE] = 7
        return response

    app = Application(middlewares=[share])
    app[LIMIT] = 3
    app.add_get("/", handle)
    client = await serve(app)
    answer = await client.get("/")
    assert (answer.text, answer.headers["X-Size"]) == ("Ada 3", "7")
    assert (app[LIMIT], app.aiohttp[LIMIT], list(app)) == (3, 3, [LIMIT])


REQUEST_KEYS = """
import asyncio, logging
from aiohttp.test_utils import make_mocked_request
from webkit import Application

app = Application()
app["db"] = "the database"  # no hint: old code is right to
for _ in range(3):
    request = make_mocked_request("GET", "/")
    request["user"] = "Ada"
    request["other"] = "Bob"
print(app["db"], request["user"], request["other"])
"""


def test_strings_are_keys_too_with_one_hint_for_each_of_a_request() -> None:
    printed, hints = run_python(REQUEST_KEYS)
    assert printed == "the database Ada Bob\n"
    assert hints.count("NotAppKeyWarning") == 2
    assert "<string>:10: NotAppKeyWarning: It is recommended to use web.RequestKey instances for keys." in hints
    assert "<string>:11: NotAppKeyWarning" in hints


def test_the_hint_is_hidden_from_users_of_a_program() -> None:
    _, hints = run_python("import warnings; warnings.resetwarnings()\nimport aiohttp.web\n" + REQUEST_KEYS)
    assert hints == ""


def test_an_application_is_a_mapping_that_compares_by_identity_and_is_always_true() -> None:
    """AW-122."""
    app: Any = Application()
    assert isinstance(app, MutableMapping)
    assert app == app
    assert app != Application()
    assert (len(app), bool(app), dict(app)) == (0, True, {})
    app["key"] = 1
    app.update(other=2)
    assert (len(app), set(app), app.pop("other"), "other" in app) == (2, {"key", "other"}, 2, False)
    del app["key"]
    with pytest.raises(KeyError):
        app["key"]


async def test_the_state_of_a_serving_application_is_fixed_and_what_lies_in_it_is_not(serve: Serve) -> None:
    """AW-120."""
    app = Application()
    app["sockets"] = []
    await serve(app)
    with pytest.raises(RuntimeError, match="put an object there whose content you change"):
        app["late"] = 1
    app["sockets"].append("new")
    assert app.aiohttp["sockets"] == ["new"]


# A key, or a path whose slash was forgotten


def test_a_path_without_its_slash_is_refused_where_a_handler_is_decorated() -> None:
    app = Application()
    adders: list[Any] = [app, app.router]
    for adder in adders:
        with pytest.raises(RouteError, match=r"A path starts with '/': write '/users' instead of 'users'\."):

            @adder.get("users")  # type: ignore[untyped-decorator]
            async def show_users(request: web.Request) -> str:
                return "users"

        with pytest.raises(RouteError, match=r"write '/users/\{id\}'"):

            @adder.get(  # type: ignore[untyped-decorator]
                "users/{id}",
            )
            async def show_user(request: web.Request) -> str:
                return "user"

        with pytest.raises(RouteError, match="write '/named'"):
            adder.get("named", name="named")


def test_a_key_is_looked_up_whether_it_is_there_or_not() -> None:
    app: Any = Application()
    app["users"] = ["Ada"]
    found = app.get("users", None)
    assert (found, app.get("nobody", "default"), app.get("nobody")) == (["Ada"], "default", None)
    assert app.router.get("nobody") is None
    assert app.router.get("nobody", "default") == "default"
