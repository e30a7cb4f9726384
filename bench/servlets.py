"""Servlets: what one costs beside a plain handler and beside iPOPO's own service, and that none is lost as they change.

The costs are measured as in `inprocess`: the processor time of a request through the real protocol class, all in one
event loop. The changing is a real server on this machine with 64 connections, which go on asking while two threads
register and unregister, thousands of times; a request that is not answered as it should be ends the run.

``python -m bench.servlets ROUNDS SECONDS REQUESTS`` writes its measurements as JSON.
"""

import asyncio
import contextlib
import gc
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import msgspec
import uvloop
from aiohttp import web

from bench.answers import WrongAnswer, read_answer
from bench.content import TEXT
from bench.figures import Measurement, shifted
from bench.peers import IPOPO, PLAIN, WEBKIT
from bench.wire import Wire
from webkit import Application
from webkit.config import ServerConfig
from webkit.run import Server
from webkit.runner import Runner
from webkit.servlets import AsyncRequest, AsyncResponse, ServletService, ServletType

CONNECTIONS: Final = 64

_TARGET: Final = "/plugins/hello"
_TRIAL: Final = 20
_PATIENCE_S: Final = 300.0


class Hello:
    """The same servlet for everybody."""

    async def do_async_GET(self, request: Any, response: Any) -> None:
        """Say hello."""
        await response.send_content(200, TEXT, "text/plain")


async def _say_hello() -> str:
    return TEXT


def make_application() -> Application:
    """Make an application with a plain handler, and with a service that has one servlet."""
    app, service = Application(), ServletService()
    app.add_get("/hello", _say_hello)
    service.register_servlet("/hello", Hello(), None, ServletType.ASYNC)
    app.mount("/plugins", service)
    return app


# What a request costs


async def measure_costs(rounds: int, sample_s: float) -> list[Measurement]:
    """Measure a servlet, a plain handler, and the servlet under iPOPO where it is installed (``WrongAnswer``)."""
    app = make_application().aiohttp
    runners: list[web.AppRunner] = [Runner(app, ServerConfig(access_log=False))]
    targets = [(WEBKIT, _TARGET, 0), (PLAIN, "/hello", 0)]
    if find_spec("pelix") is not None:
        runners.append(
            web.AppRunner(import_module("bench.peers.ipopo_app").create_app(_TARGET, Hello()), access_log=None)
        )
        targets.append((IPOPO, _TARGET, 1))
    for runner in runners:
        await runner.setup()
    wires = {name: await _connect(runners[number], target, name) for name, target, number in targets}
    samples: dict[str, list[float]] = {name: [] for name in wires}
    counts = {name: max(_TRIAL, int(sample_s / await _cost_of(wire, _TRIAL))) for name, wire in wires.items()}
    gc.collect()
    gc.freeze()
    for number in range(rounds):
        for name, wire in shifted(list(wires.items()), number):
            gc.collect()
            samples[name].append(await _cost_of(wire, counts[name]) * 1e6)
    for runner in runners:
        await runner.cleanup()
    gc.unfreeze()
    return [Measurement(key="servlet:request", title="a servlet", unit="µs", better="less", samples=samples)]


async def _connect(runner: web.AppRunner, target: str, who: str) -> Wire:
    if runner.server is None:
        raise RuntimeError("aiohttp's runner has no server after its setup.")
    wire = Wire(runner.server, f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    answer = read_answer(await wire.begin())
    if (answer.status, answer.body) != (200, TEXT.encode()):
        raise WrongAnswer(f"{who}, GET {target}: {answer}")
    return wire


async def _cost_of(wire: Wire, count: int) -> float:
    began = time.process_time()
    await wire.exchange(count)
    return (time.process_time() - began) / count


# Coming and going under load


@dataclass(slots=True)
class Load:
    """What came of the requests that were sent while servlets came and went."""

    answered: int = 0  #: by a servlet
    not_found: int = 0  #: where none was, which may be on the path of those that change alone
    failed: int = 0
    changes: int = 0
    seconds: float = 0.0


class Passing:
    """A servlet that comes and goes, and takes a moment for each request."""

    async def do_async_GET(self, request: AsyncRequest, response: AsyncResponse) -> None:
        """Answer in the next turn of the loop."""
        await asyncio.sleep(0)
        await response.send_content(200, TEXT, "text/plain")


async def load_while_changing(requests: int, connections: int = CONNECTIONS) -> Load:
    """Send *requests* over *connections*, three in four to a servlet that stays, while two threads change others."""
    service, load = ServletService(), Load()
    service.register_servlet("/stays", Hello(), None, ServletType.ASYNC)
    app = Application()
    app.mount("/plugins", service)
    server = Server(app, ServerConfig(host="127.0.0.1", port=0, access_log=False))
    await server.start()
    try:
        port = server.runner.addresses[0][1]
        with _changing(service, load):
            began = time.perf_counter()
            share = -(-requests // connections)
            async with asyncio.timeout(_PATIENCE_S):
                await asyncio.gather(*(_ask(port, share, load) for _ in range(connections)))
            load.seconds = time.perf_counter() - began
    finally:
        await server.stop()
    return load


@contextlib.contextmanager
def _changing(service: ServletService, load: Load) -> Iterator[None]:
    """Register and unregister in two threads, one of which drains, until it is over."""
    over = threading.Event()

    def change(drains: bool) -> None:
        number = 0
        while not over.is_set():
            number += 1
            service.register_servlet(
                "/passing" if drains else f"/other{number % 7}", Passing(), None, ServletType.ASYNC
            )
            over.wait(0.001)
            if drains:
                service.drain_threadsafe("/passing")
            else:
                service.unregister(f"/other{number % 7}")
            load.changes += 1

    threads = [threading.Thread(target=change, args=(drains,)) for drains in (True, False)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


async def _ask(port: int, requests: int, load: Load) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for number in range(requests):
            path = "/plugins/passing" if number % 4 == 0 else "/plugins/stays"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            if head.startswith(b"HTTP/1.1 200 ") and body == TEXT.encode():
                load.answered += 1
            elif head.startswith(b"HTTP/1.1 404 ") and number % 4 == 0:
                load.not_found += 1
            else:
                load.failed += 1
    except (OSError, asyncio.IncompleteReadError, ValueError):
        load.failed += 1
    finally:
        writer.close()


async def run(rounds: int, sample_s: float, requests: int) -> list[Measurement]:
    """Measure everything (``WrongAnswer``)."""
    costs = await measure_costs(rounds, sample_s)
    load = await load_while_changing(requests)
    print(load, file=sys.stderr)
    if load.failed or load.answered + load.not_found < requests:
        raise WrongAnswer(f"Requests failed while servlets came and went: {load}")
    answered = {WEBKIT: [(load.answered + load.not_found) / load.seconds]}
    title = "answered while servlets come and go"
    return [*costs, Measurement(key="servlet:load", title=title, unit="requests/s", better="more", samples=answered)]


def main() -> None:
    """Measure, and write the measurements as JSON."""
    rounds, sample_s, requests = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        measured = runner.run(run(int(rounds), float(sample_s), int(requests)))
    sys.stdout.buffer.write(msgspec.json.encode(measured))


if __name__ == "__main__":
    main()
