"""``Application(trailing_slash=...)``: what becomes of ``/users/`` where there is ``/users``, and of the reverse."""

from typing import Any, get_args

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.resolving import match
from tests.serving import Client, Serve
from webkit import Application, ConfigError, View
from webkit.routing import TrailingSlash

POLICIES: tuple[TrailingSlash, ...] = get_args(TrailingSlash)


async def show(request: web.Request) -> Any:
    return {"method": request.method, "path": request.path, "body": await request.text()}


def make(trailing_slash: TrailingSlash) -> Application:
    app = Application(trailing_slash=trailing_slash)
    app.add_get("/bare", show)
    app.add_get("/slashed/", show)
    app.add_post("/forms", show)
    app.add_get("/users/{id:int}", show)
    app.add_get("/both", show)
    app.add_get("/both/", show)
    return app


async def location_of(client: Client, target: str, method: str = "GET") -> str:
    answer = await client.request(method, target)
    assert answer.status == 308
    return answer.headers["Location"]


def raw(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: good.example\r\nConnection: close\r\n\r\n"


# The three policies


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_path_as_it_was_registered_is_answered_under_every_policy(serve: Serve, policy: TrailingSlash) -> None:
    client = await serve(make(policy))
    for path in ("/bare", "/slashed/", "/users/1", "/both", "/both/"):
        answer = await client.get(path)
        assert (answer.status, answer.json["path"]) == (200, path)


async def test_strict_is_the_default_and_answers_404(serve: Serve) -> None:
    for client in (await serve(make("strict")), await serve(Application(routes=[web.get("/bare", show)]))):
        for path in ("/bare/", "/slashed", "/users/1/"):
            assert (await client.get(path)).status == 404


async def test_redirect_leads_to_the_route(serve: Serve) -> None:
    client = await serve(make("redirect"))
    assert await location_of(client, "/bare/") == "/bare"
    assert await location_of(client, "/slashed") == "/slashed/"
    assert await location_of(client, "/users/1/") == "/users/1"
    assert await location_of(client, "/bare/", "HEAD") == "/bare"


async def test_ignore_answers_as_the_route_does(serve: Serve) -> None:
    client = await serve(make("ignore"))
    for path in ("/bare/", "/slashed", "/users/1/"):
        answer = await client.get(path)
        assert (answer.status, answer.json["path"]) == (200, path)


@pytest.mark.parametrize("policy", POLICIES)
async def test_what_no_slash_makes_a_route_is_404(serve: Serve, policy: TrailingSlash) -> None:
    client = await serve(make(policy))
    for path in ("/", "/nowhere", "/nowhere/", "/bare//", "/users/x/", "//bare", "/bare/x"):
        assert (path, (await client.get(path)).status) == (path, 404)


# The redirect


async def test_the_redirect_keeps_the_query_as_it_was_sent(serve: Serve) -> None:
    client = await serve(make("redirect"))
    assert await location_of(client, "/bare/?q=a%20b&r=%C3%A9&s") == "/bare?q=a%20b&r=%C3%A9&s"


async def test_the_redirect_keeps_the_method_and_the_body(serve: Serve) -> None:
    client = await serve(make("redirect"))
    assert await location_of(client, "/forms/", "POST") == "/forms"
    async with client.session.post(client.url / "forms/", data=b"x=1") as response:
        assert await response.json() == {"method": "POST", "path": "/forms", "body": "x=1"}


async def test_the_redirect_keeps_what_is_encoded_in_the_path(serve: Serve) -> None:
    app = Application(trailing_slash="redirect")
    app.add_get("/{name}", show)
    client = await serve(app)
    assert await location_of(client, "/a%2Fb%20%C3%A9/") == "/a%2Fb%20%C3%A9"


@pytest.mark.parametrize(("policy", "status"), [("strict", 404), ("redirect", 405), ("ignore", 405)])
async def test_a_method_that_the_route_does_not_take_is_405_and_not_redirected(
    serve: Serve, policy: TrailingSlash, status: int
) -> None:
    client = await serve(make(policy))
    answer = await client.get("/forms")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    answer = await client.get("/forms/")
    assert answer.status == status
    assert answer.headers.get("Allow") == (None if status == 404 else "POST")


async def test_a_view_of_another_slash_is_redirected_for_every_method(serve: Serve) -> None:
    class Show(View):
        async def get(self) -> str:
            return "shown"

    app = Application(trailing_slash="redirect")
    app.add_view("/view", Show)
    client = await serve(app)
    assert await location_of(client, "/view/") == "/view"
    assert await location_of(client, "/view/", "DELETE") == "/view"
    assert (await client.request("DELETE", "/view")).status == 405


async def test_middlewares_and_hooks_see_the_redirect(serve: Serve) -> None:
    seen: list[str] = []

    async def note(request: web.Request, handler: Any) -> Any:
        try:
            return await handler(request)
        except web.HTTPException as error:
            seen.append(f"{error.status} {request.path}")
            raise

    app = Application(middlewares=[note], trailing_slash="redirect")
    app.add_get("/bare", show)
    await (await serve(app)).get("/bare/")
    assert seen == ["308 /bare/"]


# Never to another host


@pytest.mark.parametrize(
    "target",
    [
        b"//evil.example/",
        b"///evil.example/",
        b"/\\evil.example/",
        b"/\\/evil.example/",
        b"\\\\evil.example/",
        b"/%5Cevil.example/",
        b"/%2F%2Fevil.example/",
        b"/%09/evil.example/",
        b"/.//evil.example/",
        b"http://evil.example/a/",
        b"https://evil.example//evil.example/",
        b"//evil.example/?a=//evil.example",
        b"/%0d%0aLocation:%20http://evil.example/",
        b"http:evil.example/",
    ],
)
async def test_no_target_leads_to_another_host(serve: Serve, target: bytes) -> None:
    app = Application(trailing_slash="redirect")
    app.add_get("/{anything:.*[^/]}", show)
    client = await serve(app)
    answer = await client.send(raw(target))
    for line in answer.split(b"\r\n"):
        if line.startswith(b"Location:"):
            location = line.removeprefix(b"Location: ").decode()
            assert location.startswith("/")
            assert not location.startswith(("//", "/\\", "/\t"))
            assert client.url.join(type(client.url)(location, encoded=True)).host == client.url.host
    assert answer.startswith((b"HTTP/1.1 308", b"HTTP/1.1 404", b"HTTP/1.1 400", b"HTTP/1.0 400"))


TEMPLATES = ["/a", "/b/", "/a/{x}", "/b/{x}/", "/{x:int}", "/a/b/"]


def status_of(policy: TrailingSlash, path: str) -> int:
    """Give the status that an application with TEMPLATES answers."""
    app = Application(trailing_slash=policy)
    for template in TEMPLATES:
        app.add_get(template, show)
    found = match(app.aiohttp, "GET", path)
    if found.http_exception is not None:
        return found.http_exception.status
    return 200 if getattr(found.route, "endpoint", None) is show else 308


@given(path=st.lists(st.sampled_from(["", "a", "b", "%2F", "1"]), max_size=4).map(lambda parts: "/" + "/".join(parts)))
def test_a_redirect_leads_to_a_route_and_never_back(path: str) -> None:
    other = path[:-1] if path.endswith("/") else path + "/"
    strict = status_of("strict", path)
    if strict == 200 or status_of("strict", other or "/") == 404:
        assert status_of("redirect", path) == status_of("ignore", path) == strict
    else:
        assert (status_of("redirect", path), status_of("ignore", path)) == (308, 200)
        assert status_of("redirect", other) == 200


# Mounted applications


async def test_each_application_has_its_own_policy(serve: Serve) -> None:
    app = make("strict")
    for policy in POLICIES:
        app.mount(f"/{policy}", make(policy))
    client = await serve(app)
    assert (await client.get("/bare/")).status == 404
    assert (await client.get("/strict/bare/")).status == 404
    assert (await client.get("/ignore/bare/")).json["path"] == "/ignore/bare/"
    assert await location_of(client, "/redirect/bare/?a=b") == "/redirect/bare?a=b"


async def test_the_bare_prefix_of_a_mounted_application_leads_to_its_root(serve: Serve) -> None:
    child, deeper, app = (Application(trailing_slash="redirect") for _ in range(3))
    for made in (child, deeper):
        made.add_get("/", show)
    child.mount("/deeper", deeper)
    app.mount("/child", child)
    client = await serve(app)
    assert await location_of(client, "/child") == "/child/"
    assert await location_of(client, "/child/deeper?a") == "/child/deeper/?a"


async def test_a_mounted_application_of_aiohttp_s_is_left_alone(serve: Serve) -> None:
    child = web.Application()
    child.router.add_get("/bare", show)
    app = Application(trailing_slash="redirect")
    app.mount("/child", child)
    client = await serve(app)
    assert (await client.get("/child/bare")).status == 200
    assert (await client.get("/child/bare/")).status == 404


def test_a_policy_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="choose one of strict, redirect, ignore"):
        Application(trailing_slash="Strict")  # type: ignore[arg-type]
