"""In process: the processor time of a request through the real protocol class, with a transport that goes nowhere.

webkit is served by its own runner, bare aiohttp by aiohttp's, both on uvloop. The next request comes in the turn of the
loop after the one in which the answer became whole.

The measuring runs in a process of its own, which `run` starts on the core of the servers:
``python -m bench.inprocess ROUNDS SECONDS COUNT ...``, with the seconds of one sample and the numbers of routes. It
writes its measurements as JSON. The access logs go to the standard error, where `run` counts their lines: who loses one
has not done the work.
"""

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import msgspec
import uvloop
from aiohttp import HttpVersion11, web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler

from bench.answers import WrongAnswer, check_answer, read_answer
from bench.api import fill, make_paths
from bench.content import TEXT
from bench.figures import Measurement, shifted
from bench.peers import AIOHTTP, PEERS, WEBKIT, aiohttp_app, webkit_app
from bench.wire import Wire
from bench.workloads import PARAMETER, TEXT_WORKLOAD, WORKLOADS, Workload
from webkit import Application
from webkit.config import ServerConfig
from webkit.loglines import STANDARD_ERROR
from webkit.runner import Runner

_MIDDLEWARES: Final = (5, 10)
#: Bare aiohttp walks along the routes that share a prefix; distinct ones are its best case.
_ROUTES: Final = {
    "shared": ("one prefix", "/api/{{org}}/r{number}/{{id}}"),
    "distinct": ("distinct prefixes", "/r{number}/{{org}}/{{id}}"),
}
#: How many requests tell how long one takes.
_TRIAL: Final = 10

AnyApplication = Application | web.Application


class Subject(Protocol):
    """Something that can be done many times."""

    async def work(self, count: int) -> float:
        """Do it *count* times, and give the seconds of processor time that one took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One measurement to be made: the subjects that it compares, by contender."""

    key: str
    title: str
    subjects: Mapping[str, Subject]
    samples: dict[str, list[float]] = field(default_factory=dict)


class Exchanges:
    """Requests that go through a whole server."""

    def __init__(self, wire: Wire, *, are_logged: bool) -> None:
        self._wire = wire
        self._are_logged = are_logged
        self.requests = 1  # the first, which was compared

    async def work(self, count: int) -> float:
        """Send *count* requests."""
        self.requests += count
        began = time.process_time()
        await self._wire.exchange(count)
        if self._are_logged:
            STANDARD_ERROR.flush()  # webkit writes its lines later: the time for it counts here, and nowhere else
        return (time.process_time() - began) / count


class Resolutions:
    """Requests that go through a router only, each to a path of its own."""

    def __init__(self, resolve: Callable[[web.Request], Awaitable[Any]], targets: Sequence[str]) -> None:
        self._resolve = resolve
        self._targets = targets
        self._request = _as_parsed()

    async def work(self, count: int) -> float:
        """Resolve all targets, at least *count*. The requests are new each time: a URL remembers its parts."""
        times = -(-count // len(self._targets))
        requests = [self._request.clone(rel_url=target) for _ in range(times) for target in self._targets]
        resolve = self._resolve
        began = time.process_time()
        for request in requests:
            await resolve(request)
        return (time.process_time() - began) / len(requests)


class InProcess:
    """All cases, which are measured in turn."""

    def __init__(self) -> None:
        self._cases: list[Case] = []
        self._runners: list[web.AppRunner] = []

    async def prepare(self, route_counts: Sequence[int]) -> None:
        """Start all applications, and see that they answer alike (``WrongAnswer``)."""
        for workload in WORKLOADS.values():
            if workload.name != "static":  # the kernel sends files, and there is none here
                await self._compare(f"cpu:{workload.name}", workload.title, workload, _apps())
        await self._compare("cpu:log", f"{PARAMETER.title}, access log", PARAMETER, _apps(), access_log=True)
        await self._compare("cpu:response", "text, as aiohttp's web.Response", TEXT_WORKLOAD, _responding())
        for count in _MIDDLEWARES:
            title = f"{PARAMETER.title}, {count} middlewares"
            await self._compare(f"cpu:middlewares-{count}", title, PARAMETER, _apps(count))
        for count in route_counts:
            for key, (kind, path) in _ROUTES.items():
                paths = [path.format(number=number) for number in range(count)]
                workload = replace(TEXT_WORKLOAD, target=fill(paths[-1]))
                await self._compare(f"cpu:{key}-{count}", f"last of {count:,} routes, {kind}", workload, _routed(paths))
        await self._compare_routers(make_paths())

    async def measure(self, rounds: int, sample_s: float) -> list[Measurement]:
        """Measure all cases, round by round."""
        turns = [(case, name, subject) for case in self._cases for name, subject in case.subjects.items()]
        counts = {(case.key, name): await _count_for(subject, sample_s) for case, name, subject in turns}
        gc.collect()
        gc.freeze()  # applications live as long as their process: only what belongs to requests is collected
        for number in range(rounds):
            for case, name, subject in shifted(turns, number):
                gc.collect()
                seconds = await subject.work(counts[case.key, name])
                case.samples.setdefault(name, []).append(seconds * 1e6)
        return [
            Measurement(key=case.key, title=case.title, unit="µs", better="less", samples=case.samples)
            for case in self._cases
        ]

    def count_logged(self) -> int:
        """Give how many requests should be in the access logs."""
        subjects = [subject for case in self._cases if case.key == "cpu:log" for subject in case.subjects.values()]
        return sum(subject.requests for subject in subjects if isinstance(subject, Exchanges))

    async def close(self) -> None:
        """End all servers."""
        for runner in self._runners:
            await runner.cleanup()

    async def _compare(
        self,
        key: str,
        title: str,
        workload: Workload,
        apps: Mapping[str, AnyApplication],
        *,
        access_log: bool = False,
    ) -> None:
        subjects = {}
        for name, app in apps.items():
            wire = Wire(await self._start(app, access_log=access_log), workload.raw)
            check_answer(f"{PEERS[name].title}, in process", read_answer(await wire.begin()), workload)
            subjects[name] = Exchanges(wire, are_logged=access_log)
        self._cases.append(Case(key=key, title=title, subjects=subjects))

    async def _compare_routers(self, paths: Sequence[str]) -> None:
        """Let routers find a path for each template, and see that they find the same ones."""
        targets = [fill(path) for path in paths]
        request = _as_parsed()
        subjects = {}
        for name, app in _routed(paths).items():
            await self._start(app)
            for path, target in zip(paths, targets, strict=True):
                found = await app.router.resolve(request.clone(rel_url=target))
                resource = found.route.resource
                # The canonical path of webkit's resources is not for reading, for aiohttp asks them never.
                if getattr(resource, "template", None) != path and getattr(resource, "canonical", None) != path:
                    raise WrongAnswer(f"{PEERS[name].title} finds {resource!r} for {target}, not {path}.")
            subjects[name] = Resolutions(app.router.resolve, targets)
        title = f"router alone, {len(paths)} paths of an API"
        self._cases.append(Case(key="cpu:resolve", title=title, subjects=subjects))

    async def _start(self, app: AnyApplication, *, access_log: bool = False) -> web.Server:
        """Start *app* under the runner that its users have, and give what makes its protocols."""
        runner: web.AppRunner
        if isinstance(app, Application):
            config = ServerConfig(access_log=access_log, access_log_format=webkit_app.LOG_FORMAT)
            runner = Runner(app.aiohttp, config)
        else:
            runner = web.AppRunner(app, access_log=logging.getLogger("aiohttp.access") if access_log else None)
        await runner.setup()
        self._runners.append(runner)
        if runner.server is None:
            raise RuntimeError("aiohttp's runner has no server after its setup.")
        return runner.server


def _as_parsed() -> web.Request:
    """Make a request with what aiohttp's parser gives to every one: the version as its constant, and a Host."""
    return make_mocked_request("GET", "/", headers={"Host": "localhost"}, version=HttpVersion11)


async def _count_for(subject: Subject, sample_s: float) -> int:
    """Give how often *subject* has to work to fill a sample."""
    await subject.work(_TRIAL)
    return max(_TRIAL, int(sample_s / await subject.work(_TRIAL)))


def _apps(middlewares: int = 0) -> dict[str, AnyApplication]:
    chain = [_pass_on] * middlewares
    return {WEBKIT: webkit_app.create_app(chain), AIOHTTP: aiohttp_app.create_app(chain)}


def _routed(paths: Sequence[str]) -> dict[str, AnyApplication]:
    """Make applications that have nothing but these routes."""
    kit, bare = Application(), web.Application()
    for path in paths:
        kit.add_route("GET", path, _show_text)
        bare.router.add_route("GET", path, _show_text_barely)
    return {WEBKIT: kit, AIOHTTP: bare}


def _responding() -> dict[str, AnyApplication]:
    """Make applications whose one handler is the same, as code that was written for aiohttp has it."""
    kit, bare = Application(), web.Application()
    for app in (kit, bare):
        app.router.add_get("/", _show_text_barely)
    return {WEBKIT: kit, AIOHTTP: bare}


@web.middleware
async def _pass_on(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


async def _show_text() -> str:
    return TEXT


async def _show_text_barely(request: web.Request) -> web.Response:
    return web.Response(text=TEXT)


async def run(rounds: int, sample_s: float, route_counts: Sequence[int]) -> tuple[list[Measurement], int]:
    """Measure, and give also how many lines the access logs must have."""
    cases = InProcess()
    await cases.prepare(route_counts)
    measurements = await cases.measure(rounds, sample_s)
    await cases.close()
    return measurements, cases.count_logged()


def main() -> None:
    """Measure, and write the measurements as JSON."""
    rounds, sample_s, *counts = sys.argv[1:]
    # The same lines to the same place, as each has it where its users set nothing up: webkit by itself, aiohttp with
    # the handler that its run_app adds.
    logging.getLogger("webkit.access").setLevel(logging.INFO)
    logging.getLogger("aiohttp.access").setLevel(logging.INFO)
    logging.getLogger("aiohttp.access").addHandler(logging.StreamHandler())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        measured = runner.run(run(int(rounds), float(sample_s), [int(count) for count in counts]))
    sys.stdout.buffer.write(msgspec.json.encode(measured))


if __name__ == "__main__":
    main()
