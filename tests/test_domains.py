"""``app.add_domain``: an application for each host name."""

import re
from typing import Any, Final

import pytest
from aiohttp import web
from aiohttp.web_urldispatcher import Domain

from tests.serving import Client, Serve
from webkit import Application, ConfigError, RouteError, url_for
from webkit.errors import NoSuchRoute

# The oldest aiohttp of the range takes a domain without a port for one with port 80.
ANY_PORT: Final = Domain("example.org").match_domain("example.org:8080")


def saying(text: str) -> Any:
    async def handler(request: web.Request) -> str:
        return text

    return handler


def make(text: str, **options: Any) -> Application:
    app = Application(**options)
    app.add_get("/", saying(text), name="root")
    return app


async def ask(client: Client, host: str, path: str = "/") -> tuple[int, str]:
    answer = await client.get(path, headers={"Host": host})
    return answer.status, answer.text


# Which host


@pytest.mark.parametrize(
    ("domain", "host", "matches"),
    [
        ("example.org", "example.org", True),
        ("example.org", "EXAMPLE.org", True),
        ("Example.ORG.", "example.org", True),
        ("example.org", "example.org:8080", ANY_PORT),
        ("example.org", "www.example.org", False),
        ("example.org", "notexample.org", False),
        ("example.org", "example.org.evil.example", False),
        ("example.org:8080", "example.org:8080", True),
        ("example.org:8080", "example.org:80", False),
        ("example.org:8080", "example.org", False),
        ("*.example.org", "a.example.org", True),
        ("*.example.org", "a.b.example.org", True),
        ("*.example.org", "a.example.org:8080", ANY_PORT),
        ("*.example.org", "example.org", False),
        ("*.example.org", "a.example.org.evil.example", False),
        ("*.example.org", "a-example.org", False),
        ("*.example.org:8080", "a.example.org:8080", True),
        ("*.example.org:8080", "a.example.org", False),
        ("example.org", "example.org.", True),
        ("example.org", "EXAMPLE.ORG.:8080", ANY_PORT),
        ("example.org", "example.org..", False),
        ("example.org", ".", False),
        ("example.org.", "example.org.", True),
        ("example.org:8080", "example.org.:8080", True),
        ("example.org:8080", "example.org.:80", False),
        ("*.example.org", "a.example.org.", True),
        ("*.example.org", "a.example.org.:8080", ANY_PORT),
        ("*.example.org.", "a.example.org", True),
        ("*.example.org", "example.org.", False),
        ("localhost", "localhost:1", ANY_PORT),
        ("bücher.example", "xn--bcher-kva.example", True),
    ],
)
async def test_a_domain_is_a_name_or_a_mask_and_its_port_counts_where_it_has_one(
    serve: Serve, domain: str, host: str, matches: bool
) -> None:
    app = make("everybody")
    app.add_domain(domain, make("this one"))
    assert await ask(await serve(app), host) == (200, "this one" if matches else "everybody")


async def test_the_first_domain_that_fits_answers(serve: Serve) -> None:
    app = make("everybody")
    app.add_domain("www.example.org", make("www"))
    app.add_domain("*.example.org", make("any"))
    app.add_domain("late.example.org", make("never reached"))
    client = await serve(app)
    assert await ask(client, "www.example.org") == (200, "www")
    assert await ask(client, "late.example.org") == (200, "any")


async def test_the_domain_comes_before_every_path(serve: Serve) -> None:
    app = make("everybody")
    app.add_get("/only/here", saying("only here"))
    app.mount("/mounted", make("mounted"))
    other = make("other")
    other.add_get("/mounted/", saying("not mounted at all"))
    app.add_domain("other.example", other)
    client = await serve(app)
    assert await ask(client, "x", "/only/here") == (200, "only here")
    assert (await ask(client, "other.example", "/only/here"))[0] == 404
    assert await ask(client, "x", "/mounted/") == (200, "mounted")
    assert await ask(client, "other.example", "/mounted/") == (200, "not mounted at all")


async def test_an_application_of_aiohttp_s_takes_a_domain_too(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="plain")

    plain = web.Application()
    plain.router.add_get("/", handler)
    app = make("everybody")
    app.add_domain("plain.example", plain)
    assert await ask(await serve(app), "plain.example") == (200, "plain")


async def test_a_domain_may_have_domains_and_mounts(serve: Serve) -> None:
    inner, app = make("inner"), make("everybody")
    inner.mount("/deep", make("deep"))
    inner.add_domain("a.example.org", make("a"))
    app.add_domain("*.example.org", inner)
    client = await serve(app)
    assert await ask(client, "a.example.org") == (200, "a")
    assert await ask(client, "b.example.org") == (200, "inner")
    assert await ask(client, "b.example.org", "/deep/") == (200, "deep")


# Around it


async def test_the_middlewares_of_both_run_the_outer_ones_first(serve: Serve) -> None:
    seen: list[str] = []

    def noting(name: str) -> Any:
        async def note(request: web.Request, handler: Any) -> Any:
            seen.append(name)
            return await handler(request)

        return note

    app = make("everybody", middlewares=[noting("outer")])
    app.add_domain("other.example", make("other", middlewares=[noting("inner")]))
    client = await serve(app)
    assert await ask(client, "other.example") == (200, "other")
    assert seen == ["outer", "inner"]
    seen.clear()
    assert (await ask(client, "other.example", "/nowhere"))[0] == 404
    assert seen == ["outer", "inner"]


async def test_error_handlers_of_both_are_asked_the_inner_ones_first(serve: Serve) -> None:
    def answering(text: str) -> Any:
        async def handler(request: web.Request, error: Exception) -> str:
            return text

        return handler

    async def crash(request: web.Request) -> None:
        raise KeyError

    other, app = make("other"), make("everybody")
    other.add_get("/crash", crash)
    other.error(404)(answering("404 by other"))
    app.error(404)(answering("404 by everybody"))
    app.error(KeyError)(answering("crash by everybody"))
    app.add_domain("other.example", other)
    client = await serve(app)
    assert await ask(client, "other.example", "/nowhere") == (404, "404 by other")
    assert await ask(client, "x", "/nowhere") == (404, "404 by everybody")
    assert await ask(client, "other.example", "/crash") == (500, "crash by everybody")


async def test_the_state_and_the_names_of_the_application_are_those_of_the_domain(serve: Serve) -> None:
    async def show(request: web.Request) -> str:
        return f"{Application.of(request)['title']} {url_for(request, 'self')} {url_for(request, 'home')}"

    other, app = Application(), Application()
    other["title"] = "Other"
    other.add_get("/self", show, name="self")
    app.add_get("/home", show, name="home")
    app.add_domain("other.example", other)
    assert await ask(await serve(app), "other.example", "/self") == (200, "Other /self /home")


def test_a_name_makes_the_routes_known_outside() -> None:
    named, nameless, app = make("named"), make("nameless"), Application()
    app.add_domain("named.example", named, name="shop")
    app.add_domain("nameless.example", nameless)
    assert str(app.url_for("shop:root")) == "/"
    with pytest.raises(NoSuchRoute):
        app.url_for("root")


async def test_its_contexts_start_and_end_with_the_application(serve: Serve) -> None:
    seen: list[str] = []

    async def start(app: Application) -> None:
        seen.append("started")

    other, app = make("other"), make("everybody")
    other.on_startup.append(start)
    app.add_domain("other.example", other)
    await serve(app)
    assert seen == ["started"]


# Refused


@pytest.mark.parametrize(
    "domain", ["", ".", "a b", "http://x", "x/y", "x?y", "{a}.b", "-a.b", "a..b", "a_b.c", None, 5]
)
def test_what_is_no_host_name_is_refused(domain: Any) -> None:
    with pytest.raises(RouteError, match=re.escape(f"{domain!r} is no domain")) as raised:
        Application().add_domain(domain, Application())
    assert "Write 'example.org' or '*.example.org'." in str(raised.value)


@pytest.mark.parametrize(
    "domain", ["*.*", "*", "*.", "*:80", "api.*", "a*.example.org", "*a.example.org", "a.*.org", "*.*.org", "**.org"]
)
def test_a_star_is_the_whole_first_label_or_refused(domain: str) -> None:
    with pytest.raises(RouteError, match=re.escape(f"{domain!r} is no domain: One '*' may stand at its beginning")):
        Application().add_domain(domain, Application())


def test_what_is_no_application_is_refused() -> None:
    with pytest.raises(ConfigError, match="is no application"):
        Application().add_domain("example.org", object())  # type: ignore[arg-type]


def test_an_application_has_one_place() -> None:
    app, other = Application(), Application()
    app.add_domain("one.example", other)
    with pytest.raises(ConfigError, match="is mounted or served already"):
        app.add_domain("two.example", other)
    with pytest.raises(ConfigError, match="is mounted or served already"):
        app.add_domain("self.example", app)
    with pytest.raises(RouteError, match="The routes are frozen"):
        other.add_get("/late", saying("x"))


def test_an_application_with_domains_has_no_place_below_a_path() -> None:
    app, inner = Application(), Application()
    inner.add_domain("a.example", Application())
    with pytest.raises(ConfigError, match="has domains, which cannot be below a path"):
        app.mount("/inner", inner)
    app.add_domain("b.example", inner)
