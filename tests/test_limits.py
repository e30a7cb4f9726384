"""Limits of a route: how much it takes, and that it says so before it asks for the first byte."""

from typing import Any

import pytest
from aiohttp import web

from tests.multiparts import CONTENT_TYPE, field, form, request
from tests.rawsockets import connect
from tests.serving import Serve
from webkit import Application, Body, Form, Limits, Route, View, uploads
from webkit.errors import ConfigError, HTTPUnauthorized
from webkit.types import Handler

EXPECT = "Expect: 100-continue"


async def read(request: web.Request) -> str:
    return str(len(await request.read()))


async def take(form: Form) -> str:
    return f"{len(form)} fields"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"body": 0}, "body=0"),
        ({"body": -1}, "1 or more"),
        ({"fields": "9"}, "fields='9'"),
        ({"memory": True}, "memory=True"),
        ({"types": "image/png"}, r"write types=\('image/png',\)"),
        ({"types": ("image",)}, "'image' is none"),
        ({"types": ("*/*",)}, r"write 'image/png', 'image/\*' or '.blend'"),
        ({"types": ("Image/PNG",)}, "'Image/PNG' is none"),
        ({"file": 2**20}, "Write body=2097152"),
        ({"file": 10, "body": 5}, "cannot be larger than the body"),
        ({"field": 2**23}, "held in memory"),
    ],
)
def test_limits_that_mean_nothing_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Limits(**options)


async def test_the_limit_of_a_route_holds_for_every_body_in_the_place_of_that_of_the_application(serve: Serve) -> None:
    async def whole(body: Body[list[int]]) -> str:
        return str(len(body))

    app = Application(client_max_size=100)
    app.post("/less", limits=Limits(body=10))(read)
    app.post("/more", limits=Limits(body=1000))(read)
    app.post("/json", limits=Limits(body=1000))(whole)
    app.post("/none", limits=Limits(types=("image/png",)))(read)
    client = await serve(app)
    assert (await client.post("/less", data=b"x" * 10)).text == "10"
    assert (await client.post("/less", data=b"x" * 11)).status == 413
    assert (await client.post("/more", data=b"x" * 1000)).text == "1000"
    assert (await client.post("/more", data=b"x" * 1001)).status == 413
    assert (await client.post("/json", json=[1] * 300)).text == "300"
    assert (await client.post("/json", json=[1] * 500)).status == 413
    assert (await client.post("/none", data=b"x" * 100)).text == "100"
    assert (await client.post("/none", data=b"x" * 101)).status == 413


async def test_a_body_of_unknown_length_is_counted(serve: Serve) -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b"x" * 10

    app = Application()
    app.post("/", limits=Limits(body=100))(read)
    app.post("/form", limits=Limits(body=100))(take)
    client = await serve(app)
    assert (await client.post("/", data=chunks())).status == 413
    answer = await client.post("/form", data=chunks(), headers={"Content-Type": CONTENT_TYPE})
    assert (answer.status, "more than the 100 bytes" in answer.text) == (413, True)


async def test_limits_are_stated_in_every_way_that_a_route_is(serve: Serve) -> None:
    class Upload(View):
        async def post(self) -> str:
            return await read(self.request)

    small = Limits(body=5)
    inner = Application()
    definition = web.post("/definition", read, limits=small)  # type: ignore[arg-type]
    inner.add_routes([Route("POST", "/route", read, limits=small), definition])
    inner.add_view("/view", Upload, limits=small)
    inner.group("/group").post("/it", limits=small)(read)
    inner.router.add_post("/router", read, limits=small)
    inner.router.add_resource("/resource").add_route("POST", read, limits=small)
    outer = Application(trailing_slash="ignore")
    outer.mount("/inner", inner)
    outer.post("/slash/", limits=small)(read)
    client = await serve(outer)
    for target in ("route", "definition", "view", "group/it", "router", "resource"):
        assert (await client.post(f"/inner/{target}", data=b"12345")).text == "5"
        assert (await client.post(f"/inner/{target}", data=b"123456")).status == 413
    assert (await client.post("/slash", data=b"123456")).status == 413


async def test_middlewares_read_with_the_limit_of_the_route(serve: Serve) -> None:
    async def read_first(request: web.Request, handler: Handler) -> web.StreamResponse:
        await request.read()
        return await handler(request)

    inner = Application(client_max_size=100)
    inner.post("/", limits=Limits(body=1000))(read)
    outer = Application(client_max_size=100, middlewares=[read_first])
    outer.post("/", limits=Limits(body=1000))(read)
    outer.mount("/inner", inner)
    client = await serve(outer)
    for target in ("/", "/inner/"):
        assert (await client.post(target, data=bytes(1000))).text == "1000"


@pytest.mark.parametrize(
    ("target", "content_type", "length", "status", "words"),
    [
        ("/form", CONTENT_TYPE, 10**12, 413, "The body has 1000000000000 bytes; at most 1000 are taken."),
        ("/form", "application/json", 10, 415, "The body must be a form"),
        ("/form", "multipart/form-data", 10, 400, "has no boundary"),
        ("/form", "multipart/form-data; boundary=\u00e9", 10, 400, "The boundary of the form is none"),
        ("/form", "application/x-www-form-urlencoded", 1001, 413, "at most 1000 are taken"),
        ("/parts", CONTENT_TYPE, 1001, 413, "at most 1000 are taken"),
        ("/parts", "application/x-www-form-urlencoded", 10, 415, "must be multipart/form-data"),
        ("/parts", "multipart/form-data", 10, 400, "has no boundary"),
        ("/read", "text/plain", 1001, 413, "at most 1000 are taken"),
        ("/usual", CONTENT_TYPE, 2**20 + 1, 413, "at most 1048576 are taken"),
        ("/closed/form", CONTENT_TYPE, 10, 401, "401"),
    ],
)
async def test_what_the_headers_say_is_judged_before_the_body_is_asked_for(
    serve: Serve, target: str, content_type: str, length: int, status: int, words: str
) -> None:
    async def parts(request: web.Request) -> str:
        return ",".join([part.name async for part in uploads(request)])

    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        raise HTTPUnauthorized

    app = Application()
    limits = Limits(body=1000)
    app.post("/form", limits=limits)(take)
    app.post("/parts", limits=limits)(parts)
    app.post("/read", limits=limits)(read)
    app.post("/usual")(take)
    app.group("/closed", middlewares=[guard]).post("/form", limits=limits)(take)
    client = await serve(app)
    async with connect(client.url) as connection:
        answer = await connection.ask(request(target, b"", EXPECT, content_type=content_type, length=length))
        assert (answer.status, words in answer.body) == (status, True), answer


async def test_a_body_that_is_taken_is_asked_for(serve: Serve) -> None:
    app = Application()
    app.post("/", limits=Limits(body=1000))(take)
    client = await serve(app)
    body = form(field("title", "Tea"))
    async with connect(client.url) as connection:
        assert (await connection.ask(request("/", b"", EXPECT, length=len(body)))).status == 100
        assert (await connection.ask(body)).body == "1 fields"
