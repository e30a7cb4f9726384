"""Applications that are mounted, and unmounted, while another one serves."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import pytest
from aiohttp import ClientSession, WSMsgType, web

from tests.leftovers import until
from tests.serving import PATIENCE_S, Client, Running, Serve, run_by_webkit
from webkit import Application, ConfigError, Handler, NoSuchRoute, RouteError, Server, ServerConfig, url_for
from webkit.testing import TestClient

AnyApplication: TypeAlias = Application | web.Application
KINDS = [Application, web.Application]


def noting(notes: list[str], what: str) -> Any:
    """A middleware for either kind of application that notes it was run."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        notes.append(what)
        return await handler(request)

    return middleware


def make_shop(kind: type[AnyApplication] = Application, **options: Any) -> Any:
    """A shop, of either kind of application, with one page."""
    shop = kind(**options)
    shop.router.add_get("/item/{id}", show_item, name="item")
    return shop


async def show_item(request: web.Request) -> web.Response:
    return web.Response(text=f"item {request.match_info['id']}")


class Gate:
    """A handler that says when it has begun, and waits until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, request: web.Request) -> web.Response:
        self.begun.set()
        await self.go_on.wait()
        return web.Response(text="through")


# Found, and gone again


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_hot_mounted_answers_at_once_and_is_gone_when_it_is_unmounted(
    serve: Serve, kind: type[AnyApplication]
) -> None:
    app = Application()
    client = await serve(app)
    assert (await client.get("/shop/item/7")).status == 404
    shop = make_shop(kind)
    await app.hot_mount("/shop", shop)
    assert app.hot_mounts == {"/shop": shop}
    assert (await client.get("/shop/item/7")).text == "item 7"
    await app.hot_unmount("/shop")
    assert app.hot_mounts == {}
    assert (await client.get("/shop/item/7")).status == 404


@pytest.mark.parametrize("kind", KINDS)
async def test_404_and_405_below_a_hot_mount_are_its_own(serve: Serve, kind: type[AnyApplication]) -> None:
    app = Application()
    app.add_get("/{tail:path}", lambda request: "the root's")
    client = await serve(app)
    await app.hot_mount("/shop", make_shop(kind))
    assert (await client.get("/shop/missing")).status == 404
    refused = await client.post("/shop/item/7")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET,HEAD")
    assert (await client.get("/shopping")).text == "the root's"
    await app.hot_unmount("/shop")
    assert (await client.get("/shop/missing")).text == "the root's"


@pytest.mark.parametrize("prefix", ["/shop/", "/a/b", "/caf%C3%A9", "/a%20b"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_hot_mount_takes_every_literal_path(serve: Serve, prefix: str, kind: type[AnyApplication]) -> None:
    app = Application()
    client = await serve(app)
    await app.hot_mount(prefix, make_shop(kind), name="shop")
    assert (await client.get(f"{prefix.rstrip('/')}/item/7")).text == "item 7"
    assert str(app.url_for("shop:item", id="7")) == f"{prefix.rstrip('/')}/item/7"
    await app.hot_unmount(prefix)
    assert (await client.get(f"{prefix.rstrip('/')}/item/7")).status == 404


async def test_the_longest_literal_path_wins_as_among_other_mounts(serve: Serve) -> None:
    app, admin, tools = Application(), Application(), Application()
    admin.add_get("/{rest:path}", lambda request: "admin")
    tools.add_get("/{rest:path}", lambda request: "tools")
    app.add_get("/admin/tools/help", lambda request: "help")
    app.add_get("/admin/tools/{name}", lambda request: "a tool")
    app.add_get("/{rest:path}", lambda request: "root")
    app.mount("/admin", admin)
    client = await serve(app)
    await app.hot_mount("/admin/tools", tools)
    paths = ["/admin/x", "/admin/tools/x/y", "/admin/tools/help", "/admin/tools/x", "/other"]
    assert [(await client.get(path)).text for path in paths] == ["admin", "tools", "help", "a tool", "root"]
    await app.hot_unmount("/admin/tools")
    assert (await client.get("/admin/tools/x/y")).text == "admin"


async def test_a_path_can_be_mounted_again_and_again(serve: Serve) -> None:
    app = Application()
    client = await serve(app)
    for turn in range(20):
        version = Application()
        version.add_get("/", lambda request, turn=turn: f"version {turn}")
        await app.hot_mount("/plug", version)
        assert (await client.get("/plug/")).text == f"version {turn}"
        await app.hot_unmount("/plug")


async def test_what_was_unmounted_is_kept_alive_by_nobody(serve: Serve) -> None:
    app = Application(middlewares=[noting([], "root")])
    client = await serve(app)
    plugin = make_shop(middlewares=[noting([], "plugin")])
    gone = weakref.ref(plugin)
    await app.hot_mount("/plug", plugin, name="plug")
    await client.get("/plug/item/1")
    await app.hot_unmount("/plug")
    del plugin
    for _ in range(3):
        await client.get("/")  # the connection keeps its last request
        gc.collect()
    assert gone() is None


# Middlewares, errors and hooks


def plain_root(notes: list[str]) -> Application:
    return Application()


def root_with_middlewares(notes: list[str]) -> Application:
    return Application(middlewares=[noting(notes, "root")])


def root_with_aiohttps(notes: list[str]) -> Application:
    app = Application(middlewares=[noting(notes, "root")])
    app.aiohttp.middlewares.append(noting(notes, "root's of aiohttp"))
    return app


def root_with_a_mount(notes: list[str]) -> Application:
    app = Application(middlewares=[noting(notes, "root")])
    app.mount("/other", Application(middlewares=[noting(notes, "other")]))
    return app


ROOTS: list[tuple[Callable[[list[str]], Application], list[str]]] = [
    (plain_root, []),
    (root_with_middlewares, ["root"]),
    (root_with_aiohttps, ["root", "root's of aiohttp"]),
    (root_with_a_mount, ["root"]),
]


@pytest.mark.parametrize("path", ["/shop/item/7", "/shop/missing"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("make_root", "expected"), ROOTS)
async def test_middlewares_run_once_whether_or_not_the_root_has_any(
    serve: Serve,
    make_root: Callable[[list[str]], Application],
    expected: list[str],
    kind: type[AnyApplication],
    path: str,
) -> None:
    notes: list[str] = []
    app = make_root(notes)
    client = await serve(app)
    await app.hot_mount("/shop", make_shop(kind, middlewares=[noting(notes, "one"), noting(notes, "two")]))
    for _ in range(3):
        notes.clear()
        await client.get(path)
        assert notes == [*expected, "one", "two"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make_root", [make_root for make_root, _ in ROOTS])
async def test_a_middleware_that_refuses_protects_what_is_hot_mounted(
    serve: Serve, make_root: Callable[[list[str]], Application], kind: type[AnyApplication]
) -> None:
    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        raise web.HTTPForbidden

    app = make_root([])
    client = await serve(app)
    await app.hot_mount("/shop", make_shop(kind, middlewares=[refuse]))
    for path in ("/shop/item/7", "/shop/missing", "/shop"):
        assert (await client.get(path)).status == 403


@pytest.mark.parametrize("has_middlewares", [False, True])
@pytest.mark.parametrize("is_behind_aiohttps", [False, True])
async def test_middlewares_run_in_order_through_mounts_and_hot_mounts_of_any_depth(
    serve: Serve, has_middlewares: bool, is_behind_aiohttps: bool
) -> None:
    notes: list[str] = []
    names = ["root", "static", "hot", "static below", "hot below"]
    root, static, hot, below, last = (
        Application(middlewares=[noting(notes, name)] if has_middlewares or name.startswith("hot") else [])
        for name in names
    )
    seen: list[Any] = []

    async def handle(request: web.Request) -> str:
        seen.extend([request.app, Application.of(request), request.match_info.apps])
        return "found"

    last.add_get("/x", handle)
    hot.mount("/below", below)
    root.mount("/static", static)
    outer: AnyApplication = root
    if is_behind_aiohttps:
        outer = web.Application()
        outer.add_subapp("/outer", root.aiohttp)
    client = await serve(outer)
    await static.hot_mount("/hot", hot)
    await below.hot_mount("/last", last)
    prefix = "/outer" if is_behind_aiohttps else ""
    assert (await client.get(f"{prefix}/static/hot/below/last/x")).text == "found"
    assert notes == (names if has_middlewares else ["hot", "hot below"])
    apps = [root, static, hot, below, last]
    assert seen[:2] == [last.aiohttp, last]
    assert list(seen[2]) == [outer] * is_behind_aiohttps + [app.aiohttp for app in apps]
    await static.hot_unmount("/hot")
    assert (await client.get(f"{prefix}/static/hot/below/last/x")).status == 404


async def test_each_middleware_sees_its_own_application(serve: Serve) -> None:
    seen: list[Any] = []

    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(Application.of(request))
        response = await handler(request)
        seen.append(Application.of(request))
        return response

    app, shop = Application(middlewares=[note]), make_shop(middlewares=[note])
    client = await serve(app)
    await app.hot_mount("/shop", shop)
    await client.get("/shop/item/1")
    assert seen == [app, shop, shop, app]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("has_middlewares", [False, True])
async def test_error_handlers_are_asked_from_the_inside_out(
    serve: Serve, kind: type[AnyApplication], has_middlewares: bool
) -> None:
    app = Application(middlewares=[noting([], "root")] if has_middlewares else [])

    @app.error(LookupError)
    @app.error(404)
    async def answer(request: web.Request, error: Exception) -> web.Response:
        return web.Response(text=f"the root answers {type(error).__name__}", status=418)

    async def fail(request: web.Request) -> web.Response:
        raise KeyError("x")

    async def crash(request: web.Request) -> web.Response:
        raise ZeroDivisionError

    client = await serve(app)
    shop = make_shop(kind)
    shop.router.add_get("/fail", fail)
    shop.router.add_get("/crash", crash)
    if isinstance(shop, Application):

        @shop.error(404)
        async def answer_inside(request: web.Request, error: Exception) -> web.Response:
            return web.Response(text="the shop answers", status=418)

    await app.hot_mount("/shop", shop)
    assert (await client.get("/shop/fail")).text == "the root answers KeyError"
    assert (await client.get("/shop/crash")).status == 500
    missing = "the shop answers" if isinstance(shop, Application) else "the root answers HTTPNotFound"
    assert (await client.get("/shop/missing")).text == missing


@pytest.mark.parametrize("kind", KINDS)
async def test_hooks_before_the_headers_are_called_for_all_applications(
    serve: Serve, kind: type[AnyApplication]
) -> None:
    notes: list[str] = []

    def note(what: str) -> Any:
        async def hook(request: web.Request, response: web.StreamResponse) -> None:
            notes.append(what)

        return hook

    app, shop = Application(), make_shop(kind)
    app.on_response_prepare.append(note("root"))
    shop.on_response_prepare.append(note("shop"))
    client = await serve(app)
    await app.hot_mount("/shop", shop)
    for path in ("/shop/item/1", "/shop/item/1", "/shop/missing"):
        notes.clear()
        await client.get(path)
        assert notes == ["root", "shop"], path


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_is_invited_or_refused_before_it_comes(serve: Serve, kind: type[AnyApplication]) -> None:
    async def take(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    app, shop = Application(), make_shop(kind)
    shop.router.add_post("/take", take)
    client = await serve(app)
    await app.hot_mount("/shop", shop)
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
    taken = await client.send(head % b"/shop/take" + b"body")
    assert b"HTTP/1.1 200 OK" in taken
    assert taken.endswith(b"\r\n\r\nbody")
    assert (await client.send(head % b"/shop/missing")).startswith(b"HTTP/1.1 404 Not Found")


# Names


async def test_routes_are_known_by_name_from_inside_and_outside_until_they_are_gone(serve: Serve) -> None:
    app = Application()

    @app.get("/", name="home")
    async def home(request: web.Request) -> str:
        return str(url_for(request, "shop:item", id=7))

    shop: Application = make_shop()

    @shop.get("/inside")
    async def inside(request: web.Request) -> list[str]:
        return [str(url_for(request, name, **parts)) for name, parts in names]

    names: list[tuple[str, dict[str, Any]]] = [("item", {"id": 1}), ("shop:item", {"id": 2}), ("home", {})]
    client = await serve(app)
    assert (await client.get("/")).status == 500
    await app.hot_mount("/shop", shop, name="shop")
    assert str(app.url_for("shop:item", id=7)) == "/shop/item/7"
    assert str(shop.url_for("home")) == "/"
    assert (await client.get("/")).text == "/shop/item/7"
    assert (await client.get("/shop/inside")).json == ["/shop/item/1", "/shop/item/2", "/"]
    await app.hot_unmount("/shop")
    with pytest.raises(NoSuchRoute):
        app.url_for("shop:item", id=7)


@pytest.mark.parametrize("name", ["taken", "other", "no name", "class"])
async def test_a_name_that_is_taken_or_none_is_refused(serve: Serve, name: str) -> None:
    app = Application()
    app.add_get("/taken", show_item, name="taken:item")
    await serve(app)
    await app.hot_mount("/other", make_shop(), name="other")
    with pytest.raises(RouteError, match=name):
        await app.hot_mount("/shop", make_shop(), name=name)
    await app.hot_mount("/shop", make_shop(), name="fine")


# Starting


class Lifetime:
    """Notes every step in the life of an application."""

    def __init__(self, kind: type[AnyApplication] = Application, *, fails_at: str = "") -> None:
        self.steps: list[str] = []
        self.fails_at = fails_at
        self.app: Any = make_shop(kind)
        self.app.cleanup_ctx.append(self.context)
        self.app.on_startup.append(self.note("startup"))
        self.app.on_shutdown.append(self.note("shutdown"))
        self.app.on_cleanup.append(self.note("cleanup"))

    async def context(self, app: Any) -> AsyncIterator[None]:
        self.steps.append("enter")
        yield
        self.steps.append("leave")

    def note(self, step: str) -> Any:
        async def noted(app: Any) -> None:
            self.steps.append(step)
            if step == self.fails_at:
                raise OSError(f"{step} failed")

        return noted


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_hot_mounted_is_started_and_ended_as_an_application_is(
    serve: Serve, kind: type[AnyApplication]
) -> None:
    app, life = Application(), Lifetime(kind)
    await serve(app)
    await app.hot_mount("/shop", life.app)
    assert life.steps == ["enter", "startup"]
    await app.hot_unmount("/shop")
    assert life.steps == ["enter", "startup", "shutdown", "leave", "cleanup"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_start_that_fails_leaves_its_contexts_and_the_table_untouched(
    serve: Serve, kind: type[AnyApplication]
) -> None:
    app = Application()
    client = await serve(app)
    life = Lifetime(kind, fails_at="startup")
    with pytest.raises(OSError, match="startup failed"):
        await app.hot_mount("/shop", life.app, name="shop")
    assert life.steps[:3] == ["enter", "startup", "leave"]
    assert app.hot_mounts == {}
    assert (await client.get("/shop/item/7")).status == 404
    await app.hot_mount("/shop", make_shop(kind), name="shop")
    assert (await client.get("/shop/item/7")).text == "item 7"


async def test_nobody_is_let_in_before_the_start_is_over(serve: Serve) -> None:
    app, shop, started = Application(), make_shop(), asyncio.Event()
    shop.on_startup.append(lambda app: started.wait())
    client = await serve(app)
    mounting = asyncio.create_task(app.hot_mount("/shop", shop))
    await asyncio.sleep(0)
    assert (await client.get("/shop/item/7")).status == 404
    with pytest.raises(ConfigError, match=r"is being started at '/shop'"):
        await app.hot_mount("/shop", make_shop())
    with pytest.raises(ConfigError, match="await hot_mount first"):
        await app.hot_unmount("/shop")
    started.set()
    await mounting
    assert (await client.get("/shop/item/7")).text == "item 7"


async def test_the_state_can_be_set_at_the_start_and_not_later(serve: Serve) -> None:
    key = web.AppKey("key", str)
    app, shop = Application(), make_shop()

    async def open_database(shop: Application) -> None:
        shop[key] = "open"

    shop.on_startup.append(open_database)
    await serve(app)
    await app.hot_mount("/shop", shop)
    assert shop[key] == "open"
    with pytest.raises(RuntimeError, match="cannot change"):
        shop[key] = "late"


async def test_a_start_that_is_cancelled_leaves_its_contexts(serve: Serve) -> None:
    app, life = Application(), Lifetime()
    entered = asyncio.Event()

    async def hang(app: Application) -> None:
        entered.set()
        await asyncio.Event().wait()

    life.app.on_startup.append(hang)
    await serve(app)
    mounting = asyncio.create_task(app.hot_mount("/shop", life.app))
    await entered.wait()
    mounting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await mounting
    assert life.steps == ["enter", "startup", "leave"]
    await app.hot_mount("/shop", make_shop())


async def test_a_start_that_is_cancelled_when_it_is_through_is_undone(serve: Serve) -> None:
    app, life = Application(), Lifetime()
    mounting: asyncio.Task[None]

    async def cancel_in_the_next_turn(app: Application) -> None:
        asyncio.get_running_loop().call_soon(lambda: mounting.cancel())  # noqa: PLW0108 - there is none yet

    life.app.on_startup.append(cancel_in_the_next_turn)
    await serve(app)
    mounting = asyncio.create_task(app.hot_mount("/shop", life.app))
    with pytest.raises(asyncio.CancelledError):
        await mounting
    assert life.steps == ["enter", "startup", "shutdown", "leave", "cleanup"]
    assert not app.hot_mounts
    await app.hot_mount("/shop", make_shop())


async def test_of_two_that_want_the_same_path_at_once_one_gets_it(serve: Serve) -> None:
    app = Application()
    client = await serve(app)
    results = await asyncio.gather(*(app.hot_mount("/shop", make_shop()) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [type(None)] + [ConfigError] * 4
    assert (await client.get("/shop/item/7")).text == "item 7"


# What is refused


@pytest.mark.parametrize("kind", KINDS)
async def test_an_application_lives_once(serve: Serve, kind: type[AnyApplication]) -> None:
    app, shop = Application(), make_shop(kind)
    await serve(app)
    await app.hot_mount("/shop", shop)
    with pytest.raises(ConfigError, match="An application lives once"):
        await app.hot_mount("/again", shop)
    await app.hot_unmount("/shop")
    with pytest.raises(ConfigError, match="An application lives once"):
        await app.hot_mount("/shop", shop)
    with pytest.raises(ConfigError, match="An application lives once"):
        await app.hot_mount("/self", app)
    with pytest.raises(RuntimeError, match="frozen"):
        shop.router.add_get("/late", show_item)


async def test_before_serving_and_after_it_hot_mounting_is_refused(running: Running) -> None:
    app, errors = Application(), []

    async def try_early(app: Application) -> None:
        with pytest.raises(ConfigError, match="does not serve yet"):
            await app.hot_mount("/early", make_shop())
        errors.append("early")

    app.on_startup.append(try_early)
    with pytest.raises(ConfigError, match=r"app\.mount\(path, thing\)"):
        await app.hot_mount("/shop", make_shop())
    async with running(app):
        await app.hot_mount("/shop", make_shop())
    assert errors == ["early"]
    with pytest.raises(ConfigError, match="has stopped"):
        await app.hot_mount("/shop", make_shop())
    with pytest.raises(ConfigError, match="has stopped"):
        await app.hot_unmount("/shop")


async def test_another_event_loop_is_refused(serve: Serve) -> None:
    app = Application()
    client = await serve(app)

    def mount_from_thread() -> None:
        asyncio.run(app.hot_mount("/shop", make_shop()))

    with pytest.raises(ConfigError, match="run_coroutine_threadsafe"):
        await asyncio.to_thread(mount_from_thread)
    loop = asyncio.get_running_loop()
    done = asyncio.run_coroutine_threadsafe(app.hot_mount("/shop", make_shop()), loop)
    await asyncio.wrap_future(done)
    assert (await client.get("/shop/item/7")).text == "item 7"


@pytest.mark.parametrize("path", ["/", "shop", "/{id}", ""])
async def test_a_path_that_is_none_is_refused(serve: Serve, path: str) -> None:
    app = Application()
    await serve(app)
    with pytest.raises(RouteError):
        await app.hot_mount(path, make_shop())


async def test_what_would_never_be_asked_is_refused(serve: Serve) -> None:
    app = Application()
    app.mount("/shop", make_shop())
    await serve(app)
    with pytest.raises(ConfigError, match="would answer first"):
        await app.hot_mount("/shop", make_shop())
    with pytest.raises(ConfigError, match="is no application"):
        await app.hot_mount("/thing", object())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Nothing is hot-mounted at '/shop'"):
        await app.hot_unmount("/shop")
    with_domains = Application()
    with_domains.add_domain("example.org", Application())
    with pytest.raises(ConfigError, match="has domains"):
        await app.hot_mount("/domains", with_domains)


@pytest.mark.parametrize("kind", KINDS)
async def test_plain_functions_among_the_signals_are_refused_before_the_start(
    serve: Serve, kind: type[AnyApplication]
) -> None:
    app, life = Application(), Lifetime(kind)

    def plain(app: Any) -> None:
        """Await nothing."""

    life.app.on_shutdown.append(plain)
    await serve(app)
    with pytest.raises(ConfigError, match="async def"):
        await app.hot_mount("/shop", life.app)
    assert life.steps == []
    await app.hot_mount("/shop", make_shop())


# Ending


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_that_has_begun_finishes_on_what_is_unmounted(serve: Serve, kind: type[AnyApplication]) -> None:
    app, life, gate = Application(), Lifetime(kind), Gate()
    life.app.router.add_get("/slow", gate.__call__)
    client = await serve(app)
    await app.hot_mount("/shop", life.app)
    answer = asyncio.create_task(client.get("/shop/slow"))
    await gate.begun.wait()
    unmounting = asyncio.create_task(app.hot_unmount("/shop"))
    await asyncio.sleep(0)
    assert (await client.get("/shop/item/7")).status == 404
    with pytest.raises(ConfigError, match="is being ended"):
        await app.hot_mount("/shop", make_shop())
    assert life.steps == ["enter", "startup"]
    second = asyncio.create_task(app.hot_unmount("/shop"))
    gate.go_on.set()
    assert (await answer).text == "through"
    await asyncio.gather(unmounting, second)
    assert life.steps == ["enter", "startup", "shutdown", "leave", "cleanup"]


async def test_a_request_that_is_still_in_a_middleware_of_the_root_finishes_too(serve: Serve) -> None:
    gate = Gate()

    async def wait(request: web.Request, handler: Handler) -> web.StreamResponse:
        await gate(request)
        return await handler(request)

    app, life = Application(middlewares=[wait]), Lifetime()
    client = await serve(app)
    await app.hot_mount("/shop", life.app)
    answer = asyncio.create_task(client.get("/shop/item/7"))
    await gate.begun.wait()
    unmounting = asyncio.create_task(app.hot_unmount("/shop"))
    await asyncio.sleep(0)
    gate.go_on.set()
    assert (await answer).text == "item 7"
    await unmounting


async def test_what_does_not_finish_in_time_is_cancelled(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    app, life, gate = Application(), Lifetime(), Gate()
    life.app.router.add_get("/slow", gate.__call__)
    client = await serve(app)
    await app.hot_mount("/shop", life.app)
    answer = asyncio.create_task(client.get("/shop/slow"))
    await gate.begun.wait()
    await app.hot_unmount("/shop", timeout=0.1)
    assert life.steps[2:] == ["shutdown", "leave", "cleanup"]
    assert "1 requests to /shop did not finish in 0.1 s and were cancelled." in caplog.text
    with suppress(Exception):  # the connection is closed
        await answer
    assert (await client.get("/")).status == 404


async def test_an_unmount_goes_on_when_its_caller_is_cancelled(serve: Serve) -> None:
    app, life, gate = Application(), Lifetime(), Gate()
    life.app.router.add_get("/slow", gate.__call__)
    client = await serve(app)
    await app.hot_mount("/shop", life.app)
    answer = asyncio.create_task(client.get("/shop/slow"))
    await gate.begun.wait()
    unmounting = asyncio.create_task(app.hot_unmount("/shop"))
    await asyncio.sleep(0)
    unmounting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unmounting
    gate.go_on.set()
    assert (await answer).text == "through"
    await until(lambda: life.steps[2:] == ["shutdown", "leave", "cleanup"])


async def test_a_request_may_unmount_its_own_application(serve: Serve) -> None:
    app, life = Application(), Lifetime()

    async def leave(request: web.Request) -> web.Response:
        await app.hot_unmount("/shop")
        return web.Response(text="good bye")

    life.app.router.add_get("/leave", leave)
    client = await serve(app)
    await app.hot_mount("/shop", life.app)
    assert (await client.get("/shop/leave")).text == "good bye"
    assert life.steps[2:] == ["shutdown", "leave", "cleanup"]


async def test_requests_that_unmount_their_own_application_do_not_wait_for_each_other(serve: Serve) -> None:
    app, life = Application(), Lifetime()
    arrived = 0
    all_there = asyncio.Event()

    async def leave(request: web.Request) -> web.Response:
        nonlocal arrived
        arrived += 1
        if arrived == 3:
            all_there.set()
        await all_there.wait()
        await app.hot_unmount("/shop", timeout=2 * PATIENCE_S)
        return web.Response(text="good bye")

    life.app.router.add_get("/leave", leave)
    client = await serve(app)
    await app.hot_mount("/shop", life.app)
    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(*(client.get("/shop/leave") for _ in range(3)))
    assert [answer.text for answer in answers] == ["good bye"] * 3
    assert life.steps[2:] == ["shutdown", "leave", "cleanup"]


@pytest.mark.parametrize("fails_at", ["shutdown", "cleanup"])
async def test_an_end_that_fails_tells_its_caller_and_frees_the_path(serve: Serve, fails_at: str) -> None:
    app, life = Application(), Lifetime(fails_at=fails_at)
    await serve(app)
    await app.hot_mount("/shop", life.app)
    with pytest.raises(OSError, match=f"{fails_at} failed"):
        await app.hot_unmount("/shop")
    assert life.steps[2:] == ["shutdown", "leave", "cleanup"]
    await app.hot_mount("/shop", make_shop())


def add_streams(app: Any) -> None:
    """Add a WebSocket and an event stream to an application of either kind."""

    async def talk(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("hello")
        async for _ in socket:
            pass
        return socket

    async def tell(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(b"data: 1\n\n")
        await asyncio.Event().wait()
        return stream

    app.router.add_get("/talk", talk)
    app.router.add_get("/tell", tell)


@pytest.mark.parametrize("ends_by", ["unmount", "stop"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make_root", [plain_root, root_with_a_mount])
async def test_websockets_and_event_streams_end_with_what_is_unmounted(
    make_root: Callable[[list[str]], Application], kind: type[AnyApplication], ends_by: str
) -> None:
    app, shop = make_root([]), make_shop(kind)
    add_streams(shop)
    add_streams(app)
    async with TestClient(app) as client:
        await app.hot_mount("/shop", shop)
        socket = await client.ws_connect("/shop/talk")
        other = await client.ws_connect("/talk")
        stream = await client.get("/shop/tell")
        assert (await socket.receive_str(), await other.receive_str()) == ("hello", "hello")
        assert await stream.content.readuntil(b"\n\n") == b"data: 1\n\n"
        async with asyncio.timeout(PATIENCE_S):
            if ends_by == "unmount":
                unmounting = asyncio.create_task(app.hot_unmount("/shop"))
            else:
                unmounting = asyncio.create_task(client.server.close())
            message = await socket.receive()
            assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
            assert await stream.read() == b""
            if ends_by == "unmount":
                await unmounting
                await other.close()
                assert other.close_code == 1000
            else:
                assert (await other.receive()).data == 1001
                await unmounting


# The end of all


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_nested", [False, True])
async def test_what_is_still_mounted_at_the_end_is_closed_before_the_contexts_of_its_host(
    running: Running, kind: type[AnyApplication], is_nested: bool
) -> None:
    host, life = Application(), Lifetime(kind)

    def context(what: str) -> Any:
        async def entered(app: Any) -> AsyncIterator[None]:
            life.steps.append(f"{what} enters")
            yield
            life.steps.append(f"{what} leaves")

        return entered

    host.cleanup_ctx.append(context("host"))
    root = Application() if is_nested else host
    root.aiohttp.cleanup_ctx.append(context("package"))
    if is_nested:
        root.mount("/host", host)
    async with running(root):
        await host.hot_mount("/shop", life.app)
        life.steps.clear()
    assert life.steps[0] == "shutdown"
    assert life.steps.index("leave") < life.steps.index("host leaves")
    assert life.steps.index("cleanup") < life.steps.index("host leaves")
    if not is_nested:
        assert life.steps.index("cleanup") < life.steps.index("package leaves")
    assert len(life.steps) == 5


async def test_what_fails_to_end_at_the_end_of_all_keeps_nothing_else_open(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    app, lives = Application(), [Lifetime(fails_at="cleanup"), Lifetime()]
    async with running(app):
        for number, life in enumerate(lives):
            await app.hot_mount(f"/{number}", life.app)
    assert all(life.steps[2:] == ["shutdown", "leave", "cleanup"] for life in lives)
    assert "/0 failed when it was unmounted." in caplog.text


async def test_a_start_that_goes_on_at_the_end_of_all_is_ended(running: Running) -> None:
    app, life, entered = Application(), Lifetime(), asyncio.Event()

    async def hang(app: Application) -> None:
        entered.set()
        await asyncio.Event().wait()

    life.app.on_startup.append(hang)
    async with running(app):
        mounting = asyncio.create_task(app.hot_mount("/shop", life.app))
        await entered.wait()
    with pytest.raises(ConfigError, match="the application stopped meanwhile"):
        await mounting
    assert life.steps == ["enter", "startup", "leave"]


async def test_a_request_to_a_hot_mount_finishes_while_the_server_stops() -> None:
    app, life, gate = Application(), Lifetime(), Gate()
    life.app.router.add_get("/slow", gate.__call__)
    stopping = asyncio.Event()

    @app.on_shutdown
    async def tell(app: Application) -> None:
        stopping.set()

    server = Server(app, ServerConfig(host="127.0.0.1", port=0))
    await server.start()
    async with ClientSession() as session:
        await app.hot_mount("/shop", life.app)
        answer = asyncio.create_task(Client(session, server.urls[0]).get("/shop/slow"))
        await gate.begun.wait()
        ending = asyncio.create_task(server.stop())
        await stopping.wait()
        gate.go_on.set()
        assert (await answer).text == "through"
        await ending
    assert life.steps[2:] == ["shutdown", "leave", "cleanup"]


# Under load


async def ask_without_end(client: Client, path: str, counts: dict[int, int], over: asyncio.Event) -> None:
    while not over.is_set():
        answer = await client.get(path)
        counts[answer.status] = counts.get(answer.status, 0) + 1


@pytest.mark.parametrize("has_middlewares", [False, True])
async def test_no_request_fails_while_applications_come_and_go(has_middlewares: bool) -> None:
    app = Application(middlewares=[noting([], "root")] if has_middlewares else [])
    app.add_get("/steady", lambda request: "steady")
    counts: dict[int, int] = {}
    steady: dict[int, int] = {}
    over = asyncio.Event()
    async with run_by_webkit(app) as client, asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(ask_without_end(client, "/plug/item/1", counts, over))
            group.create_task(ask_without_end(client, "/steady", steady, over))
        for turn in range(60):
            life = Lifetime(web.Application) if turn % 2 else Lifetime()
            await app.hot_mount("/plug", life.app)
            before = counts.get(200, 0)
            while counts.get(200, 0) < before + 3:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await app.hot_unmount("/plug")
            assert life.steps[2:] == ["shutdown", "leave", "cleanup"]
        over.set()
    assert set(counts) <= {200, 404}
    assert counts[200] >= 180
    assert set(steady) == {200}


async def test_ever_new_paths_leave_nothing_behind(serve: Serve) -> None:
    app = Application()
    client = await serve(app)
    router = app.aiohttp.router
    before = (dict(router._resource_index), len(router.resources()), dict(app._hot._all), app.hot_names)
    for number in range(1000):
        await app.hot_mount(f"/shop{number}", make_shop(), name=f"shop{number}")
        await app.hot_unmount(f"/shop{number}")
    after = (dict(router._resource_index), len(router.resources()), dict(app._hot._all), app.hot_names)
    assert after == before
    assert (await client.get("/shop7/item/7")).status == 404
