"""The application: its state, what it is in a request, mounting and using, and what it passes on to aiohttp."""

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from aiohttp import web

from tests.serving import AnyApplication, Serve
from webkit import Application, Feature, Mountable, Route, RouteError
from webkit.errors import ConfigError

NAME = web.AppKey("name", str)
LIST = web.AppKey("list", list[int])


async def show(request: web.Request) -> Any:
    return web.Response(text=f"shown {dict(request.match_info)}")


# The state


def test_an_application_is_a_mapping_over_its_state() -> None:
    app = Application()
    assert (len(app), list(app), NAME in app) == (0, [], False)
    app[NAME] = "shop"
    app[LIST] = [1]
    assert app[NAME] == "shop"
    assert (len(app), list(app), NAME in app) == (2, [NAME, LIST], True)
    assert (app.get(NAME), app.get(LIST, []), dict(app.items())) == ("shop", [1], {NAME: "shop", LIST: [1]})
    del app[NAME]
    assert app.setdefault(NAME, "other") == "other"
    assert app.pop(LIST) == [1]
    app.update({NAME: "updated"})
    assert list(app.values()) == ["updated"]
    app.clear()
    assert len(app) == 0
    app.get("/")(show)
    assert len(app.router.routes()) == 2, "The routes are no part of the state."


def test_what_is_not_there_is_a_key_error_or_the_default() -> None:
    app = Application()
    with pytest.raises(KeyError):
        app[NAME]
    with pytest.raises(KeyError):
        del app[NAME]
    assert app.get(NAME) is None
    assert app.get(NAME, "default") == "default"
    assert app.get("name", "default") == "default"


def test_strings_are_keys_too_as_in_old_code_and_without_a_warning() -> None:
    app = Application()
    app["name"] = "shop"
    assert (app["name"], app.get("name", None), "name" in app) == ("shop", "shop", True)
    assert app.aiohttp["name"] == "shop"


def test_the_state_is_that_of_the_wrapped_application() -> None:
    app = Application()
    app[NAME] = "shop"
    assert app.aiohttp[NAME] == "shop"
    app.aiohttp[LIST] = [1]
    assert app[LIST] == [1]


async def test_handlers_find_the_state_by_the_request(serve: Serve) -> None:
    async def tell(request: web.Request) -> list[Any]:
        return [request.app[NAME], request.config_dict[NAME], request.config_dict.get(LIST)]

    child, app = Application(), Application()
    app[NAME], child[NAME], app[LIST] = "root", "child", [1]
    app.get("/")(tell)
    child.get("/")(tell)
    app.mount("/child", child)
    client = await serve(app)
    assert (await client.get("/")).json == ["root", "root", [1]]
    assert (await client.get("/child/")).json == ["child", "child", [1]]


async def test_a_serving_application_keeps_its_state(serve: Serve) -> None:
    app = Application()
    app[NAME] = "shop"
    await serve(app)
    changes: list[Callable[[], Any]] = [
        lambda: app.__setitem__(NAME, "late"),
        lambda: app.__delitem__(NAME),
        lambda: app.update({NAME: "late"}),
        app.clear,
    ]
    for change in changes:
        with pytest.raises(RuntimeError, match="The state of a serving application cannot change"):
            change()
    assert app[NAME] == "shop"


# Identity


def test_applications_compare_and_hash_by_identity_and_are_true() -> None:
    one, other = Application(), Application()
    one[NAME] = other[NAME] = "the same"
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2
    assert bool(Application())
    assert one != one.aiohttp


def test_an_application_tells_how_many_resources_it_has() -> None:
    app = Application(routes=[Route("GET", "/a", show), Route("POST", "/b", show)])
    assert re.fullmatch(r"<webkit.Application 2 resources at 0x[0-9a-f]+>", repr(app))


def test_the_wrapped_application_is_one_of_aiohttps_itself() -> None:
    assert type(Application().aiohttp) is web.Application
    assert not issubclass(Application, web.Application)


# The application of a request


async def test_application_of_a_request_is_the_innermost_webkit_application_around_it(serve: Serve) -> None:
    seen: list[tuple[str, Application]] = []

    def note(name: str) -> Any:
        async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
            seen.append((name, Application.of(request)))
            return await handler(request)  # type: ignore[no-any-return]

        return middleware

    async def handler(request: web.Request) -> web.Response:
        seen.append(("handler", Application.of(request)))
        return web.Response()

    plain, child, root = web.Application(), Application(middlewares=[note("child")]), Application()
    root.middlewares.append(note("root"))
    for app in (plain, child, root):
        app.router.add_get("/", handler)
    child.mount("/plain", plain)
    root.mount("/child", child)
    client = await serve(root)
    for target, expected in {
        "/": [("root", root), ("handler", root)],
        "/child/": [("root", root), ("child", child), ("handler", child)],
        "/child/plain/": [("root", root), ("child", child), ("handler", child)],
        "/missing": [("root", root)],
        "/child/missing": [("root", root), ("child", child)],
    }.items():
        seen.clear()
        await client.get(target)
        assert seen == expected, target


async def test_without_a_webkit_application_there_is_none(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        with pytest.raises(LookupError, match="No webkit application is around this request"):
            Application.of(request)
        return web.Response(text="none")

    plain = web.Application()
    plain.router.add_get("/", handler)
    assert (await (await serve(plain)).get("/")).text == "none"


async def test_below_a_plain_application_a_webkit_application_is_found(serve: Serve) -> None:
    seen: list[Application] = []

    async def handler(request: web.Request) -> str:
        seen.append(Application.of(request))
        assert request.app is child.aiohttp
        return "seen"

    child = Application()
    child.get("/{id:int}")(handler)
    plain = web.Application()
    plain.add_subapp("/x", child.aiohttp)
    assert (await (await serve(plain)).get("/x/7")).text == "seen"
    assert seen == [child]


# Mounting


@pytest.mark.parametrize("prefix", ["/child", "/child/", "/a/b", "/caf%C3%A9"])
@pytest.mark.parametrize("kind", [Application, web.Application])
async def test_an_application_of_either_kind_is_mounted_below_a_path(
    serve: Serve, prefix: str, kind: type[AnyApplication]
) -> None:
    child = kind()
    child.router.add_get("/{id}", show)
    app = Application()
    app.mount(prefix, child)
    client = await serve(app)
    assert (await client.get(f"{prefix.rstrip('/')}/7")).text == "shown {'id': '7'}"
    assert (await client.get("/7")).status == 404


class Pages:
    """What brings routes, as ``Static`` does."""

    def routes(self) -> Iterable[Route]:
        return [
            Route("GET", "", show, name="index"),
            Route("GET", "/{page}", show, name="page"),
            Route("POST", "/{page}", show),
        ]


class Sign:
    """What brings behaviour, as ``Templates`` does."""

    def __init__(self) -> None:
        self.app: Application | None = None

    def setup(self, app: Application) -> None:
        self.app = app


class SignedPages(Pages, Sign):
    """What brings both."""


@pytest.mark.parametrize("path", ["/pages", "/pages/", "/"])
async def test_what_brings_routes_is_mounted_below_a_path(serve: Serve, path: str) -> None:
    app = Application()
    app.mount(path, Pages(), name="pages")
    client = await serve(app)
    prefix = path.rstrip("/")
    assert (await client.get(f"{prefix}/one")).text == "shown {'page': 'one'}"
    assert (await client.post(f"{prefix}/one")).status == 200
    assert (await client.get(prefix or "/")).text == "shown {}"
    assert str(app.url_for("pages:page", page="one")) == f"{prefix}/one"


def test_without_a_name_what_brings_routes_names_them_itself() -> None:
    app = Application()
    app.mount("/pages", Pages())
    assert str(app.url_for("page", page="one")) == "/pages/one"


def test_what_brings_routes_and_behaviour_is_set_up_when_it_is_mounted() -> None:
    app, pages = Application(), SignedPages()
    app.mount("/pages", pages)
    assert pages.app is app


MOUNTS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda app: app.mount("/", Application()), RouteError, "An application cannot be mounted at '/'"),
    (lambda app: app.mount("/", web.Application()), RouteError, "An application cannot be mounted at '/'"),
    (lambda app: app.mount("child", Application()), RouteError, "write '/child' instead of 'child'"),
    (lambda app: app.mount("/{id}", Application()), RouteError, "'/{id}' has a parameter"),
    (lambda app: app.mount("/x", app), ConfigError, "is mounted or served already. An application lives once"),
    (lambda app: app.mount("/x", mounted(Application())), ConfigError, "<webkit.Application 0 resources"),
    (lambda app: app.mount("/x", mounted(web.Application())), ConfigError, "is mounted or served already"),
    (lambda app: app.mount("/x", Sign()), ConfigError, "write app.use(...) instead of app.mount(...)"),
    (
        lambda app: app.mount("/x", object()),
        ConfigError,
        "cannot be mounted: it is no application, no servlet, and has no routes()",
    ),
    (lambda app: app.mount("/x", None), ConfigError, "None cannot be mounted"),
    (lambda app: app.mount("/x", Conflicting()), RouteError, "is never reached"),
    (lambda app: app.use(Pages()), ConfigError, "is no feature; use takes app.mount(path, thing)."),
    (lambda app: app.use(object()), ConfigError, "is no feature; use takes an object with setup(app)."),
    (lambda app: app.use(Sign), ConfigError, "is no feature"),
    (lambda app: app.add_subapp("/", Application()), RouteError, "cannot be mounted at '/'"),
]


class Conflicting:
    def routes(self) -> Iterable[Route]:
        return [Route("GET", "/a", show), Route("GET", "/a", show)]


def mounted(app: AnyApplication) -> AnyApplication:
    Application().mount("/elsewhere", app)
    return app


@pytest.mark.parametrize(("attach", "kind", "message"), MOUNTS)
def test_what_cannot_be_attached_is_refused_with_what_to_write_instead(
    attach: Callable[[Any], Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        attach(Application())


async def test_a_serving_application_takes_nothing_more(serve: Serve) -> None:
    app = Application()
    await serve(app)
    for late in (
        lambda: app.mount("/x", Application()),
        lambda: app.mount("/x", Pages()),
        lambda: app.use(Sign()),
    ):
        with pytest.raises(RouteError, match="Add routes before mounting and running"):
            late()
    with pytest.raises(ConfigError, match="is mounted or served already"):
        Application().mount("/x", app)


def test_use_sets_a_feature_up_and_gives_it_back() -> None:
    app, feature = Application(), Sign()
    assert app.use(feature) is feature
    assert feature.app is app
    assert isinstance(feature, Feature)
    assert isinstance(Pages(), Mountable)


async def test_add_subapp_is_aiohttps_word_for_mounting(serve: Serve) -> None:
    child, app = Application(), Application()
    child.get("/a")(show)
    app.add_subapp("/child", child)
    assert (await (await serve(app)).get("/child/a")).status == 200


# What is passed on to aiohttp


async def test_the_limit_of_a_body_is_passed_on(serve: Serve) -> None:
    async def take(request: web.Request) -> str:
        return str(len(await request.read()))

    app = Application(client_max_size=10)
    app.post("/")(take)
    client = await serve(app)
    assert (await client.post("/", data=b"x" * 10)).text == "10"
    assert (await client.post("/", data=b"x" * 11)).status == 413


@pytest.mark.needs_aiohttp("3.14.4")
async def test_the_limit_of_fields_is_passed_on(serve: Serve) -> None:
    async def take(request: web.Request) -> str:
        return str(len(await request.post()))

    app = Application(client_max_fields=3)
    app.post("/")(take)
    client = await serve(app)
    assert (await client.post("/", data={"a": "1", "b": "2"})).text == "2"
    assert (await client.post("/", data=dict.fromkeys("abcde", "1"))).status == 413


async def test_arguments_for_the_protocol_are_passed_on(serve: Serve) -> None:
    app = Application(handler_args={"max_field_size": 100})
    app.get("/")(lambda: "fits")
    client = await serve(app)
    assert (await client.get("/", headers={"X-A": "1" * 50})).status == 200
    # aiohttp's runner does not tell the reason.
    assert (await client.get("/", headers={"X-A": "1" * 500})).status in {400, 431}


async def test_errors_go_to_the_logger_that_was_given(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def crash() -> None:
        raise KeyError("secret")

    app = Application(logger=logging.getLogger("shop"))
    app.get("/")(crash)
    assert app.aiohttp.logger is app.logger
    await (await serve(app)).get("/")
    assert [record.name for record in caplog.records if record.levelno == logging.ERROR] == ["shop"]


async def test_routes_of_an_application_can_be_given_at_once(serve: Serve) -> None:
    table = web.RouteTableDef()

    @table.get("/table/{id}")
    async def from_table(request: web.Request) -> web.Response:
        return web.Response(text="from the table")

    app = Application(routes=[Route("GET", "/own/{id:int}", show), web.post("/aiohttp", show), *table])
    client = await serve(app)
    assert (await client.get("/own/7")).text == "shown {'id': '7'}"
    assert (await client.post("/aiohttp")).text == "shown {}"
    assert (await client.get("/table/7")).text == "from the table"
    assert (await client.request("HEAD", "/table/7")).status == 200
