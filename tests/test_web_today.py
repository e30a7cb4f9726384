"""An application written for today's aiohttp.web, with one changed import: what it may use is there, and works."""

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import FormData, WSMsgType, hdrs
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web_log import AccessLogger

from tests.rawsockets import connect
from tests.serving import Running, Serve
from tests.test_web import ask, run_in_thread, url_in
from webkit import web

DATABASE: Final = web.AppKey("database", list[str])
USER: Final = web.RequestKey("user", str)
SIZE: Final = web.ResponseKey("size", int)


async def hello(request: web.Request) -> web.StreamResponse:
    return web.Response(text=f"Hello from {request.path}")


async def test_applications_lie_below_paths_and_on_domains_and_see_the_state_above_them(serve: Serve) -> None:
    async def show(request: web.Request) -> web.StreamResponse:
        return web.json_response([*request.config_dict[DATABASE], str(request.app.router["show"].url_for())])

    root, admin, deep, blog = (web.Application() for _ in range(4))
    root[DATABASE] = ["of the root"]
    for app in (admin, deep, blog):
        app.add_routes([web.get("/show", show, name="show")])
    admin.add_subapp("/deep/", deep)
    root.add_subapp("/admin/", admin)
    root.add_domain("blog.example.org", blog)
    client = await serve(root)
    assert (await client.get("/admin/show")).json == ["of the root", "/admin/show"]
    assert (await client.get("/admin/deep/show")).json == ["of the root", "/admin/deep/show"]
    assert (await client.get("/show", headers={"Host": "blog.example.org"})).json == ["of the root", "/show"]
    assert (await client.get("/show")).status == 404


async def test_a_table_of_routes_has_every_kind_of_route(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "site.css").write_text("body {}")
    routes = web.RouteTableDef()
    routes.static("/static", tmp_path)

    @routes.get("/get", name="get", allow_head=False)
    @routes.post("/post")
    @routes.put("/put")
    @routes.patch("/patch")
    @routes.delete("/delete")
    @routes.options("/options")
    @routes.route("PURGE", "/purge")
    @routes.route("*", "/any")
    async def show(request: web.Request) -> web.StreamResponse:
        return web.Response(text=request.method)

    @routes.head("/head")
    async def show_head(request: web.Request) -> web.StreamResponse:
        return web.Response(headers={"X-Head": "yes"})

    @routes.view("/view")
    class Show(web.View):
        async def get(self) -> web.StreamResponse:
            return web.Response(text="view")

    app = web.Application()
    app.add_routes(routes)
    app.add_routes([web.view("/another", Show)])
    client = await serve(app)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"):
        assert (await client.request(method, f"/{method.lower()}")).text == method
        assert (await client.request(method, "/any")).text == method
    assert (await client.request("HEAD", "/head")).headers["X-Head"] == "yes"
    assert (await client.request("HEAD", "/get")).status == 405
    assert [(await client.get(path)).text for path in ("/view", "/another", "/static/site.css")] == [
        "view",
        "view",
        "body {}",
    ]


async def test_contexts_surround_the_application_and_typed_keys_carry_what_they_open(running: Running) -> None:
    events: list[str] = []

    async def database(app: web.Application) -> AsyncIterator[None]:
        app[DATABASE] = events
        app[DATABASE].append("opened")
        yield
        app[DATABASE].append("closed")

    @web.middleware
    async def know_user(request: web.Request, handler: Any) -> web.StreamResponse:
        request[USER] = "Ada"
        response: web.StreamResponse = await handler(request)
        response.headers["X-Size"] = str(response[SIZE])
        return response

    async def show(request: web.Request) -> web.StreamResponse:
        request.app[DATABASE].append(request[USER])
        response = web.Response(text="shown")
        response[SIZE] = 5
        return response

    app = web.Application(middlewares=[know_user])
    app.cleanup_ctx.append(database)
    app.router.add_get("/", show)
    async with running(app) as client:
        assert (await client.get("/")).headers["X-Size"] == "5"
    assert events == ["opened", "Ada", "closed"]


async def test_a_file_is_sent_whole_in_part_or_not_again(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "alphabet.txt"
    path.write_bytes(b"abcdefghijklmnopqrstuvwxyz" * 100_000)  # more than one write: sendfile where there is one

    async def show(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(path, headers={"X-File": "yes"})

    app = web.Application()
    app.router.add_get("/", show)
    client = await serve(app)
    whole = await client.get("/")
    assert (whole.body, whole.headers["X-File"]) == (path.read_bytes(), "yes")
    part = await client.get("/", headers={"Range": "bytes=1-3"})
    assert (part.status, part.body) == (206, b"bcd")
    for condition in ({"If-None-Match": whole.headers["ETag"]}, {"If-Modified-Since": whole.headers["Last-Modified"]}):
        assert (await client.get("/", headers=condition)).status == 304


async def test_a_folder_has_a_list_links_and_urls_with_versions(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "site.css").write_text("body {}")
    (tmp_path / "secret").write_text("linked")
    (tmp_path / "files" / "link").symlink_to(tmp_path / "secret")
    app = web.Application()
    options: dict[str, Any] = {"show_index": True, "follow_symlinks": True, "append_version": True}
    resource = app.router.add_static("/static/", tmp_path / "files", name="static", **options)
    app.router.add_static("/strict", tmp_path / "files")
    client = await serve(app)
    assert "site.css" in (await client.get("/static/")).text
    assert (await client.get("/static/link")).text == "linked"
    url = resource.url_for(filename="site.css")
    assert url.query["v"]
    assert (await client.get(str(url))).text == "body {}"
    assert [(await client.get(f"/strict/{name}")).status for name in ("", "link", "site.css")] == [403, 404, 200]


async def test_paths_are_normalized_by_a_middleware(serve: Serve) -> None:
    app = web.Application(middlewares=[web.normalize_path_middleware(append_slash=True, merge_slashes=True)])
    app.router.add_get("/users/", hello)
    client = await serve(app)
    for path in ("/users", "//users/", "//users"):
        answer = await client.get(path)
        assert (answer.status, answer.headers["Location"]) == (308, "/users/")


async def test_responses_are_compressed(serve: Serve) -> None:
    async def show(request: web.Request) -> web.StreamResponse:
        response = web.json_response(["text"] * 1000)
        response.enable_compression()
        return response

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_compression(web.ContentCoding.deflate)
        await response.prepare(request)
        for _ in range(3):
            await response.write(b"piece ")
        return response

    app = web.Application()
    app.router.add_get("/", show)
    app.router.add_get("/stream", stream)
    client = await serve(app)
    answer = await client.get("/", headers={"Accept-Encoding": "gzip"})
    assert (answer.headers["Content-Encoding"], answer.json) == ("gzip", ["text"] * 1000)
    async with connect(client.url) as connection:
        connection.writer.write(b"GET /stream HTTP/1.0\r\nAccept-Encoding: deflate\r\n\r\n")
        head, _, body = (await connection.reader.read()).partition(b"\r\n\r\n")
    assert b"Content-Encoding: deflate" in head
    assert zlib.decompress(body) == b"piece " * 3


async def test_a_websocket_has_all_its_options(serve: Serve) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(
            heartbeat=30, compress=True, max_msg_size=100, protocols=("chat",), receive_timeout=20, autoping=False
        )
        assert ws.can_prepare(request).protocol == "chat"
        await ws.prepare(request)
        async for message in ws:
            await ws.send_json({"you said": message.data, "compressed": bool(ws.compress)})
        return ws

    app = web.Application()
    app.router.add_get("/", handle)
    client = await serve(app)
    async with client.session.ws_connect(client.url, protocols=("chat",), compress=15) as ws:
        await ws.send_str("hello")
        assert await ws.receive_json() == {"you said": "hello", "compressed": True}
        await ws.send_str("x" * 101)
        message = await ws.receive()
        assert (message.type, message.data, ws.protocol) == (WSMsgType.CLOSE, 1009, "chat")


async def test_bodies_and_forms_have_limits(serve: Serve) -> None:
    async def read(request: web.Request) -> web.StreamResponse:
        return web.json_response(len(await request.post()))

    app = web.Application(client_max_size=2000)
    app.router.add_post("/", read)
    client = await serve(app)
    assert (await client.post("/", data={f"f{number}": "" for number in range(3)})).json == 3
    assert (await client.post("/", data=FormData({"field": "x" * 3000}))).status == 413


async def test_a_handler_is_cancelled_when_its_client_leaves_if_that_is_asked_for() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    app = web.Application()
    app.router.add_get("/", wait)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, reuse_port=True)
        await site.start()
        _, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
        writer.write(b"GET / HTTP/1.1\r\nHost: l\r\n\r\n")
        await begun.wait()
        writer.close()
        async with asyncio.timeout(20):
            await cancelled.wait()
    finally:
        await runner.cleanup()


async def test_requests_in_a_pipeline_are_answered_in_order(serve: Serve) -> None:
    app = web.Application()
    app.router.add_get("/{number}", hello)
    client = await serve(app)
    async with connect(client.url) as connection:
        requests = [f"GET /{number} HTTP/1.1\r\nHost: l\r\n\r\n".encode() for number in range(20)]
        connection.writer.write(b"".join(requests))
        assert [(await connection.ask(b"")).body for _ in requests] == [f"Hello from /{n}" for n in range(20)]


class ShortLog(AccessLogger):
    """An access log of one's own."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        self.logger.info("%s %s", request.method, response.status)


async def test_run_app_shares_a_port_and_an_access_log_of_ones_own_belongs_to_the_application(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = web.Application(handler_args={"access_log_class": ShortLog})
    app.router.add_get("/", hello)
    with caplog.at_level(logging.INFO), run_in_thread(app, host="127.0.0.1", port=0, reuse_port=True) as banner:
        assert (await ask(url_in(banner))).status == 200
    assert "GET 200" in [record.getMessage() for record in caplog.records]


async def test_aiohttps_test_client_takes_the_wrapped_application() -> None:
    app = web.Application()
    app.router.add_get("/", hello)
    async with TestClient(TestServer(app.aiohttp)) as client:
        answer = await client.get("/")
        assert (answer.status, await answer.text()) == (200, "Hello from /")
        assert answer.headers[hdrs.CONTENT_TYPE] == "text/plain; charset=utf-8"
