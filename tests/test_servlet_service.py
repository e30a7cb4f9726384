"""A service at work: alone and in an application, threads for synchronous servlets, and servlets that come and go."""

import asyncio
import contextvars
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web

from tests.leftovers import until
from tests.serving import PATIENCE_S, Client, Serve
from tests.servleting import serve_in_thread, serve_service, servlet_of, sync_servlet_of
from tests.test_tls import make_certificate
from webkit import Application, ConfigError, Handler, Server, ServerConfig
from webkit.servlets import AsyncRequest, AsyncResponse, ServletService, ServletType, SyncRequest, SyncResponse

ASYNC = ServletType.ASYNC


async def hello(request: AsyncRequest, response: AsyncResponse) -> None:
    """Answer."""
    await response.send_content(200, "hello")


@asynccontextmanager
async def alone(service: ServletService, **options: Any) -> AsyncIterator[Client]:
    """Serve *service* by itself."""
    await service.start("127.0.0.1", 0, **options)
    try:
        host, port = service.get_access()
        async with ClientSession() as session:
            yield Client(session, f"{'https' if service.is_https() else 'http'}://{host}:{port}")
    finally:
        await service.stop()


def service_with(answer: Callable[..., Any], **options: Any) -> ServletService:
    """A service with one servlet at ``/it``."""
    service = ServletService(**options)
    service.register_servlet("/it", servlet_of(answer), None, ASYNC)
    return service


# Alone


async def test_a_service_serves_alone_and_more_than_once() -> None:
    """IP-010, IP-012, IP-020: an object with start and stop; servlets stay registered in between."""
    service = service_with(hello)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="known after start"):
            service.get_access()
        async with alone(service) as client:
            assert (await client.get("/it")).text == "hello"
            assert (await client.get("/else")).status == 404
            assert service.get_access() == ("127.0.0.1", client.url.port)
            with pytest.raises(RuntimeError, match="started already"):
                await service.start("127.0.0.1", 0)
    await service.stop()


async def test_a_servlet_that_comes_after_the_start_knows_the_real_port() -> None:
    """IP-002, IP-044, IP-045."""
    service, seen = ServletService(), []
    servlet = servlet_of(hello)
    servlet.bound_to = lambda path, parameters: seen.append((parameters["http.address"], parameters["http.port"]))
    async with alone(service) as client:
        service.register_servlet("/it", servlet, None, ASYNC)
        assert seen == [("127.0.0.1", client.url.port)]


@pytest.mark.parametrize(("host", "port"), [(None, None), ("", 0), ("127.0.0.1", -5), ("127.0.0.1", "0")])
async def test_no_address_is_this_machine_and_no_port_is_any_free_one(host: Any, port: Any) -> None:
    """IP-001, IP-002."""
    service = ServletService()
    await service.start(host, port)
    try:
        assert service.get_access()[0] == "127.0.0.1"
        assert service.get_access()[1] > 0
    finally:
        await service.stop()


async def test_a_port_that_is_taken_is_an_error_at_once_and_the_service_can_be_started_elsewhere() -> None:
    """IP-011: iPOPO hangs for ever."""
    service = service_with(hello)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            await service.start("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(ValueError, match="abc"):
        await service.start("127.0.0.1", "abc")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="has no option nonsense"):
        await service.start("127.0.0.1", 0, nonsense=1)
    async with alone(service) as client:
        assert (await client.get("/it")).text == "hello"


async def test_a_service_speaks_https(tmp_path: Any) -> None:
    """IP-003, IP-022, IP-046."""
    certificate, key = make_certificate(tmp_path, "localhost", "rsa:2048")
    service, seen = service_with(hello), []
    servlet = servlet_of(hello)
    servlet.bound_to = lambda path, parameters: seen.append(parameters["http.https"])
    async with alone(service, tls_cert=certificate, tls_key=key) as client:
        assert service.is_https()
        service.register_servlet("/late", servlet, None, ASYNC)
        assert (await client.get("/it", ssl=False)).text == "hello"
    assert seen == [True]


async def test_hooks_go_into_the_application_before_it_starts() -> None:
    service = service_with(hello)

    async def add_header(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Hook"] = "1"

    service.application.on_response_prepare.append(add_header)
    async with alone(service) as client:
        for path in ("/it", "/else", "/.."):
            assert (await client.get(path)).headers["X-Hook"] == "1"


async def test_a_mounted_service_learns_where_it_listens_from_the_first_request(serve: Serve) -> None:
    """IP-020: nothing else tells it."""
    service = service_with(hello)
    client = await serve_service(serve, service)
    with pytest.raises(RuntimeError, match="from the first request on"):
        service.get_access()
    await client.get("/plugins/it")
    assert service.get_access() == ("127.0.0.1", client.url.port)


async def test_a_service_may_be_mounted_in_two_applications(serve: Serve) -> None:
    service = service_with(hello)
    first = await serve_service(serve, service, "/a")
    second = await serve_service(serve, service, "/b/c")
    assert (await first.get("/a/it")).text == (await second.get("/b/c/it")).text == "hello"
    assert (await first.get("/b/c/it")).status == 404


async def test_the_middlewares_of_the_application_are_around_its_servlets(serve: Serve) -> None:
    """IP-072: authentication and the like come before."""
    seen: list[int] = []

    async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        seen.append(response.status)
        return response

    app = Application(middlewares=[watch])
    app.mount("/plugins", service_with(hello))
    client = await serve(app)
    for path in ("/plugins/it", "/plugins/else", "/plugins/.."):
        await client.get(path)
    assert seen == [200, 404, 400]


# Threads


async def test_synchronous_servlets_run_in_five_threads(serve: Serve) -> None:
    """IP-013: the sixth waits. The event loop answers meanwhile."""
    at_once, most, lock = 0, 0, threading.Lock()
    release = threading.Event()
    five = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(request: SyncRequest, response: SyncResponse) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
            if at_once == 5:
                loop.call_soon_threadsafe(five.set)
        release.wait(PATIENCE_S)
        with lock:
            at_once -= 1
        response.send_content(200, "done")

    service = ServletService()
    service.register_servlet("/slow", sync_servlet_of(wait))
    service.register_servlet("/it", servlet_of(hello), None, ASYNC)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S):
        asked = [asyncio.create_task(client.get("/plugins/slow")) for _ in range(8)]
        await five.wait()
        assert (await client.get("/plugins/it")).text == "hello"
        release.set()
        assert [(await task).text for task in asked] == ["done"] * 8
    assert most == 5


VARIABLE = contextvars.ContextVar("variable", default="unset")


async def test_context_variables_are_carried_over_and_do_not_leak(serve: Serve) -> None:
    """IP-013: the servlet sees those of its request, and changes its own copy alone; threads are used again."""
    seen: list[str] = []

    def change(request: SyncRequest, response: SyncResponse) -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set("changed")

    async def around(request: web.Request, routing: Any, serve: Any) -> web.StreamResponse:
        token = VARIABLE.set("carried")
        try:
            response: web.StreamResponse = await serve(request, routing)
            seen.append(VARIABLE.get())
            return response
        finally:
            VARIABLE.reset(token)

    client = await serve_in_thread(serve, change, workers=1, around=around)
    for _ in range(3):
        await client.get("/plugins/it")
    assert seen == ["carried", "carried"] * 3


async def test_a_stopped_service_refuses_synchronous_servlets_and_waits_for_no_thread() -> None:
    """IP-013, IP-012: 503. A servlet that hangs does not hold the end up."""
    began, release = threading.Event(), threading.Event()

    def hang(request: SyncRequest, response: SyncResponse) -> None:
        began.set()
        release.wait(PATIENCE_S)

    service = ServletService()
    service.register_servlet("/it", sync_servlet_of(hang))
    async with asyncio.timeout(PATIENCE_S):
        async with alone(service, grace_s=0.0) as client:
            asked = asyncio.create_task(client.get("/it"))
            await asyncio.to_thread(began.wait, PATIENCE_S)
        await asyncio.wait({asked})
        assert isinstance(asked.exception(), ClientError)
        release.set()
    app = Application()
    app.mount("/plugins", service)
    async with asyncio.timeout(PATIENCE_S):
        service.calls.pool.is_closed = True
        server = Server(app, ServerConfig(host="127.0.0.1", port=0))
        await server.start()
        service.calls.pool.is_closed = True
        try:
            async with ClientSession() as session:
                answer = await Client(session, server.urls[0]).get("/plugins/it")
        finally:
            await server.stop()
    assert (answer.status, answer.text) == (503, "Service unavailable")


# Coming and going


async def test_servlets_come_and_go_while_the_application_serves(serve: Serve) -> None:
    """IP-063: 404, then 200, then 404, from the loop and from another thread."""
    service, servlet = ServletService(), servlet_of(hello)
    client = await serve_service(serve, service)

    async def register() -> bool:
        return service.register_servlet("/it", servlet, None, ASYNC)

    async def unregister() -> bool:
        return service.unregister("/it")

    for step in (register, unregister):
        assert await step()
        assert (await client.get("/plugins/it")).status == (200 if step is register else 404)
    assert await asyncio.to_thread(service.register_servlet, "/it", servlet, None, ASYNC)
    assert (await client.get("/plugins/it")).status == 200
    assert await asyncio.to_thread(service.unregister, "/it")
    assert (await client.get("/plugins/it")).status == 404


async def test_a_bound_to_that_takes_its_time_harms_nobody(serve: Serve) -> None:
    """IP-041: with iPOPO every request waits for it. Its own path answers from the moment it is through."""
    release, began = threading.Event(), threading.Event()

    def take_time(path: str, parameters: dict[str, Any]) -> None:
        began.set()
        release.wait(PATIENCE_S)

    service, slow = service_with(hello), servlet_of(hello)
    slow.bound_to = take_time
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S):
        registering = asyncio.create_task(asyncio.to_thread(service.register_servlet, "/slow", slow, None, ASYNC))
        await asyncio.to_thread(began.wait, PATIENCE_S)
        assert (await client.get("/plugins/it")).status == 200
        assert (await client.get("/plugins/slow")).status == 404
        release.set()
        assert await registering
        assert (await client.get("/plugins/slow")).status == 200


async def test_a_bound_to_may_call_its_own_server(serve: Serve) -> None:
    """IP-041: with iPOPO it waits for itself."""
    service, seen = service_with(hello), []
    client = await serve_service(serve, service)
    loop = asyncio.get_running_loop()

    def call_home(path: str, parameters: dict[str, Any]) -> None:
        asked = asyncio.run_coroutine_threadsafe(client.get("/plugins/it"), loop)
        seen.append(asked.result(PATIENCE_S).text)

    calling = servlet_of(hello)
    calling.bound_to = calling.unbound_from = call_home
    async with asyncio.timeout(PATIENCE_S):
        assert await asyncio.to_thread(service.register_servlet, "/calling", calling, None, ASYNC)
        assert await asyncio.to_thread(service.unregister, "/calling")
    assert seen == ["hello", "hello"]


class Held:
    """A servlet whose requests wait until they are let go."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.release = asyncio.Event()
        self.unbound = False

    async def do_async_GET(self, request: AsyncRequest, response: AsyncResponse) -> None:
        self.began.set()
        await self.release.wait()
        await response.send_content(200, f"unbound: {self.unbound}")

    def unbound_from(self, path: str, parameters: dict[str, Any]) -> None:
        self.unbound = True


async def test_a_request_that_has_begun_finishes_on_its_servlet(serve: Serve) -> None:
    """IP-042: unregister does not wait for it, and new requests are not found."""
    service, held = ServletService(), Held()
    service.register_servlet("/it", held, None, ASYNC)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S):
        asked = asyncio.create_task(client.get("/plugins/it"))
        await held.began.wait()
        assert service.unregister("/it")
        assert held.unbound
        assert (await client.get("/plugins/it")).status == 404
        held.release.set()
        assert (await asked).text == "unbound: True"


async def test_draining_waits_for_the_requests_that_run(serve: Serve) -> None:
    service, held = ServletService(), Held()
    service.register_servlet("/it", held, None, ASYNC)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S):
        asked = asyncio.create_task(client.get("/plugins/it"))
        await held.began.wait()
        draining = asyncio.create_task(service.drain("/it"))
        await asyncio.sleep(0)
        assert (await client.get("/plugins/it")).status == 404
        assert service.get_servlet("/it") is not None
        assert not held.unbound
        held.release.set()
        assert (await asked).text == "unbound: False"
        assert await draining
        assert held.unbound
        assert await service.drain("/it") is False


async def test_draining_from_a_thread_waits_there_and_unbinds_there(serve: Serve) -> None:
    service, held, threads = ServletService(), Held(), []
    held.unbound_from = lambda path, parameters: threads.append(threading.current_thread())  # type: ignore[method-assign]
    retired = threading.Event()

    def drain() -> bool:
        # The waiting is the second step: what comes after the first is seen by whoever looks at the table.
        threading.Thread(target=tell_when_retired, args=(service, retired)).start()
        return service.drain_threadsafe("/it")

    service.register_servlet("/it", held, None, ASYNC)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S):
        asked = asyncio.create_task(client.get("/plugins/it"))
        await held.began.wait()
        draining = asyncio.create_task(asyncio.to_thread(drain))
        await asyncio.to_thread(retired.wait, PATIENCE_S)
        assert (await client.get("/plugins/it")).status == 404
        assert threads == []
        held.release.set()
        assert (await asked).status == 200
        assert await draining
    assert len(threads) == 1
    assert threads != [threading.current_thread()]
    with pytest.raises(RuntimeError, match=r"await service\.drain"):
        service.drain_threadsafe("/it")
    assert await asyncio.to_thread(service.drain_threadsafe, "/it") is False


def tell_when_retired(service: ServletService, retired: threading.Event) -> None:
    """Wait until nothing answers any more, in a thread."""
    while service.resolve("", "/it").servlet is not None:
        threading.Event().wait(0.001)
    retired.set()


@pytest.mark.parametrize("in_thread", [False, True])
async def test_draining_does_not_wait_for_ever(serve: Serve, in_thread: bool, caplog: pytest.LogCaptureFixture) -> None:
    service, held = ServletService(), Held()
    service.register_servlet("/it", held, None, ASYNC)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S):
        asked = asyncio.create_task(client.get("/plugins/it"))
        await held.began.wait()
        if in_thread:
            assert await asyncio.to_thread(service.drain_threadsafe, "/it", 0.01)
        else:
            assert await service.drain("/it", timeout=0.01)
        assert held.unbound
        assert "1 requests to /it did not finish in 0.01 s" in caplog.text
        held.release.set()
        assert (await asked).text == "unbound: True"


@pytest.mark.parametrize("in_thread", [False, True])
async def test_draining_what_does_not_run_takes_no_time_at_all(
    in_thread: bool, caplog: pytest.LogCaptureFixture
) -> None:
    service, held = ServletService(), Held()
    service.register_servlet("/it", held, None, ASYNC)
    if in_thread:
        assert await asyncio.to_thread(service.drain_threadsafe, "/it", 0)
    else:
        assert await service.drain("/it", timeout=0)
    assert held.unbound
    assert not caplog.records


async def test_draining_waits_for_a_thread_whose_request_was_cancelled(serve: Serve) -> None:
    """IP-013, IP-042: nothing can cancel a thread, so the servlet still runs."""
    began, release = threading.Event(), threading.Event()
    steps: list[str] = []

    class Slow:
        def do_GET(self, request: SyncRequest, response: SyncResponse) -> None:
            began.set()
            release.wait(PATIENCE_S)
            steps.append("ran")

        def unbound_from(self, path: str, parameters: dict[str, Any]) -> None:
            steps.append("unbound")

    async def give_up(request: web.Request, handler: Any) -> web.StreamResponse:
        answering = asyncio.ensure_future(handler(request))
        await asyncio.to_thread(began.wait, PATIENCE_S)
        answering.cancel()
        await asyncio.wait({answering})
        return web.Response(status=504)

    app, service = Application(middlewares=[give_up]), ServletService()
    service.register_servlet("/it", Slow())
    app.mount("/plugins", service)
    client = await serve(app)
    async with asyncio.timeout(PATIENCE_S):
        assert (await client.get("/plugins/it")).status == 504
        draining = asyncio.create_task(service.drain("/it"))
        await asyncio.to_thread(tell_when_retired, service, threading.Event())
        assert steps == []
        release.set()
        assert await draining
    assert steps == ["ran", "unbound"]


async def test_draining_ends_streams_of_events_in_order(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A stream has no end of its own; the servlet sees an OSError, as when its client leaves."""
    began = asyncio.Event()

    async def stream(request: AsyncRequest, response: AsyncResponse) -> None:
        response.setup_sse(strict=False)
        await response.end_headers()
        while True:
            await response.send_sse(data="x")
            began.set()
            await asyncio.sleep(0.01)

    service = service_with(stream)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S):
        asked = asyncio.create_task(client.get("/plugins/it"))
        await began.wait()
        assert await service.drain("/it")
        assert (await asked).body.endswith(b"data: x\n\n")
    assert caplog.records == [record for record in caplog.records if record.levelname == "INFO"]


async def test_a_servlet_may_drain_itself(serve: Serve) -> None:
    service = ServletService()

    async def leave(request: AsyncRequest, response: AsyncResponse) -> None:
        await response.send_content(200, str(await service.drain("/it", timeout=PATIENCE_S)))

    service.register_servlet("/it", servlet_of(leave), None, ASYNC)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S):
        assert (await client.get("/plugins/it")).text == "True"
        assert (await client.get("/plugins/it")).status == 404


async def test_a_drain_that_is_cancelled_ends_the_servlet_all_the_same(serve: Serve) -> None:
    service, held = ServletService(), Held()
    service.register_servlet("/it", held, None, ASYNC)
    client = await serve_service(serve, service)
    async with asyncio.timeout(PATIENCE_S):
        asked = asyncio.create_task(client.get("/plugins/it"))
        await held.began.wait()
        draining = asyncio.create_task(service.drain("/it"))
        await asyncio.sleep(0)
        draining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await draining
        assert held.unbound
        held.release.set()
        assert (await asked).status == 200


async def test_a_servlet_that_moves_is_gone_from_where_it_was(serve: Serve) -> None:
    """IP-062, IP-064: with another path it is unbound from the old one first."""
    service, servlet = ServletService(), servlet_of(hello)
    client = await serve_service(serve, service)
    for path, other in (("/test", "/moved"), ("/moved", "/test")):
        service.unregister(None, servlet)
        service.register_servlet(path, servlet, None, ASYNC)
        assert (await client.get(f"/plugins{path}")).status == 200
        assert (await client.get(f"/plugins{other}")).status == 404


# Clients that leave, where the server cancels handlers for that


@pytest.mark.parametrize("is_aiohttps", [False, True], ids=["webkit's runner", "aiohttp's runner"])
async def test_a_servlet_runs_to_its_end_although_its_client_has_left(is_aiohttps: bool) -> None:
    """IP-102: with ``handler_cancellation`` too, and in a thread as well; drain waits for it."""
    begun, go_on, over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    counts: list[int] = []

    async def answer(request: AsyncRequest, response: AsyncResponse) -> None:
        begun.set()
        await go_on.wait()
        task = asyncio.current_task()
        counts.append(-1 if task is None else task.cancelling())
        over.set()

    service = service_with(answer)
    async with cancelling(service, is_aiohttps=is_aiohttps) as port:
        await ask_and_leave(port, begun)
        draining = asyncio.create_task(service.drain("/it"))
        await until(lambda: service.get_registered_paths() == ["/it"] and not over.is_set())
        go_on.set()
        assert await draining
        assert over.is_set()
    assert counts == [0]


async def test_a_servlet_in_a_thread_that_has_not_begun_runs_although_its_client_has_left() -> None:
    """IP-102: it waits for a thread when the client leaves."""
    begun, go_on, over = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def answer(request: SyncRequest, response: SyncResponse) -> None:
        if request.get_sub_path() == "/first":
            loop.call_soon_threadsafe(begun.set)
            go_on.wait(PATIENCE_S)
        else:
            over.set()

    service = ServletService(workers=1)
    service.register_servlet("/it", sync_servlet_of(answer))
    async with cancelling(service) as port:
        await ask_and_leave(port, begun, "/it/first")
        waiting = next(iter(service._registry.serving.targets.values()))
        await ask_and_leave(port, lambda: len(waiting.active) == 2, "/it/second")
        go_on.set()
        assert await asyncio.to_thread(over.wait, PATIENCE_S)


class Waits:
    """What answers nothing, and notes that it has *begun* and was *cancelled*."""

    def __init__(self) -> None:
        self.begun, self.cancelled = asyncio.Event(), asyncio.Event()

    async def answer(self, request: AsyncRequest, response: AsyncResponse) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


async def test_a_servlet_whose_client_has_left_is_ended_by_a_middleware_all_the_same() -> None:
    waits, limit = Waits(), asyncio.Event()

    async def give_up(request: web.Request, handler: Handler) -> web.StreamResponse:
        running = asyncio.create_task(limit.wait())
        task = asyncio.current_task()
        running.add_done_callback(lambda _: task and task.cancel())
        return await handler(request)

    service = service_with(waits.answer)
    async with cancelling(service, give_up) as port:
        await ask_and_leave(port, waits.begun)
        limit.set()
        async with asyncio.timeout(PATIENCE_S):
            await waits.cancelled.wait()


async def test_a_server_that_stops_ends_servlets_where_it_cancels_handlers() -> None:
    waits = Waits()
    async with cancelling(service_with(waits.answer)) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /it HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await waits.begun.wait()
    assert waits.cancelled.is_set()
    writer.close()


@asynccontextmanager
async def cancelling(service: ServletService, *middlewares: Any, is_aiohttps: bool = False) -> AsyncIterator[int]:
    """Serve *service* with ``handler_cancellation``, and give the port."""
    app = Application(middlewares=middlewares)
    app.mount("/", service)
    if is_aiohttps:
        runner = web.AppRunner(app.aiohttp, handler_cancellation=True, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
        await runner.cleanup()
        return
    server = Server(app, ServerConfig(host="127.0.0.1", port=0, handler_cancellation=True, grace_s=0.1))
    await server.start()
    yield server.runner.addresses[0][1]
    await server.stop()


async def ask_and_leave(port: int, begun: asyncio.Event | Callable[[], bool], path: str = "/it") -> None:
    """Ask for *path*, leave when the request has *begun*, and wait until the server has noticed."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE_S):
        await (begun.wait() if isinstance(begun, asyncio.Event) else until(begun))
        writer.transport.abort()
        await writer.wait_closed()
        # What the server does not see at once it sees before it answers another client.
        for _ in range(2):
            reader, other = await asyncio.open_connection("127.0.0.1", port)
            other.write(b"GET /else HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            await reader.read()
            other.close()
