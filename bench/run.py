"""The benchmark: ``python -m bench.run [--quick] [--only PART ...] [--report]``. The package says how, and why so.

Exits with 1 when a floor is missed, or could not be measured where all of them should be, and with 2 when somebody does
not answer as all have to.
"""

import argparse
import datetime
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from bench import echo, footprint, sockets, streams, uploading
from bench.answers import WrongAnswer
from bench.figures import Measurement
from bench.floors import judge
from bench.machine import Cores, describe, find_cores
from bench.peers import AIOHTTP, PEERS, WEBKIT, Peer
from bench.picture import draw
from bench.report import as_page, as_text
from bench.results import Results
from bench.servers import ROOT, NotMeasured, Server, check_server, pinned_to, serving

REQUIREMENTS: Final = ROOT / "bench" / "requirements.txt"
LATEST: Final = ROOT / "bench" / "results" / "latest.json"
QUICK_RESULTS: Final = ROOT / "bench" / "results" / "quick.json"
PAGE: Final = ROOT / "docs" / "explanation" / "performance.md"
PICTURE: Final = ROOT / "docs" / "images" / "performance.svg"

_BOTH: Final = (WEBKIT, AIOHTTP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    peers: Sequence[str]
    route_counts: Sequence[int]
    cpu_rounds: int
    cpu_sample_s: float
    workloads: Sequence[str]  #: over sockets
    speed_rounds: int
    speed_seconds: int
    upload_rounds: int  #: none: no uploads
    open_websockets: int  #: which are weighed
    imported: Sequence[str]  #: peers whose import is measured
    import_rounds: int
    weighed: Sequence[str]  #: peers whose memory is measured
    memory_rounds: int
    stream_rounds: int
    servlet_rounds: int
    servlet_sample_s: float
    servlet_requests: int  #: while servlets come and go


FULL: Final = Plan(
    peers=tuple(PEERS),
    route_counts=(10, 100, 1_000, 10_000),
    cpu_rounds=21,
    cpu_sample_s=0.04,
    workloads=("text", "json", "parameter", "template", "post", "static"),
    speed_rounds=7,
    speed_seconds=2,
    upload_rounds=5,
    open_websockets=5_000,
    imported=tuple(PEERS),
    import_rounds=7,
    weighed=tuple(name for name, peer in PEERS.items() if peer.is_pinned),
    memory_rounds=3,
    stream_rounds=7,
    servlet_rounds=21,
    servlet_sample_s=0.04,
    servlet_requests=100_000,
)
QUICK: Final = Plan(
    peers=(*_BOTH, "starlette", "fastapi", "blacksheep"),
    route_counts=(10, 10_000),
    cpu_rounds=7,
    cpu_sample_s=0.03,
    workloads=("text", "json", "post"),
    speed_rounds=3,
    speed_seconds=1,
    upload_rounds=0,
    open_websockets=1_000,
    imported=_BOTH,
    import_rounds=3,
    weighed=_BOTH,
    memory_rounds=1,
    stream_rounds=2,
    servlet_rounds=7,
    servlet_sample_s=0.03,
    servlet_requests=10_000,
)


@dataclass(slots=True)
class Run:
    """One run: the parts add what they measure, and sentences about what they cannot."""

    plan: Plan
    folder: Path
    cores: Cores | None = field(default_factory=find_cores)
    measurements: list[Measurement] = field(default_factory=list)
    not_measured: list[str] = field(default_factory=list)

    @property
    def uploads(self) -> Path:
        """Where servers store what they are sent."""
        return self.folder / "uploads"

    def measure(self, parts: Sequence[str]) -> None:
        """Measure *parts*, one after the other (``WrongAnswer``)."""
        for peer in map(PEERS.__getitem__, self.plan.peers):
            if peer.missing:
                self.not_measured.append(f"{peer.title}: {' and '.join(peer.missing)} could not be installed here.")
        for name in parts:
            began = time.monotonic()
            try:
                PARTS[name](self)
            except NotMeasured as error:
                self.not_measured.append(str(error))
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    def in_process(self) -> None:
        """Measure the processor time of webkit and bare aiohttp."""
        plan, log = self.plan, self.folder / "access.log"
        words = map(str, (plan.cpu_rounds, plan.cpu_sample_s, *plan.route_counts))
        command = [sys.executable, "-m", "bench.inprocess", *words]
        if self.cores is not None:
            command = [*pinned_to(self.cores.server), *command]
        with log.open("wb") as errors:
            result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, check=False)
        if result.returncode:
            raise WrongAnswer(log.read_text(encoding="utf-8", errors="replace")[-2000:])
        measurements, logged = msgspec.json.decode(result.stdout, type=tuple[list[Measurement], int])
        check_log(log, logged, "in process")
        self.measurements += measurements

    def over_sockets(self) -> None:
        """Measure requests per second, and uploads."""
        cores = self._two_cores()
        sockets.wrk_on(cores.client)  # says what is missing before anything is started
        with ExitStack() as stack:
            servers = [server for peer in self._installed(self.plan.peers) if (server := self._start(stack, peer))]
            logging = [stack.enter_context(serving(PEERS[name], cores, self.folder, "--access-log")) for name in _BOTH]
            measured = sockets.measure(
                servers,
                logging,
                self.plan.workloads,
                cores,
                self.folder,
                rounds=self.plan.speed_rounds,
                seconds=self.plan.speed_seconds,
            )
            self.measurements += measured
            if self.plan.upload_rounds:
                rounds = self.plan.upload_rounds
                self.measurements += uploading.measure(servers, self.uploads, cores, rounds=rounds)
        logged = next(measurement for measurement in measured if measurement.key == "speed:log")
        for server in logging:
            speeds = logged.samples[server.peer.name]
            check_log(server.log, int(sum(speeds) * self.plan.speed_seconds * 0.99), server.peer.title)

    def websockets(self) -> None:
        """Measure what comes back over WebSockets, and weigh open ones."""
        plan, cores, peers = self.plan, self._two_cores(), echo.contenders(self.plan.peers)
        with ExitStack() as stack:
            servers = [stack.enter_context(serving(peer, cores, self.folder)) for peer in peers]
            for server in servers:
                echo.check(server)
            self.measurements += echo.measure_speed(
                servers, cores, rounds=plan.speed_rounds, seconds=plan.speed_seconds
            )
        peers = echo.contenders(plan.weighed)
        self.measurements += echo.measure_memory(
            peers, cores, self.folder, rounds=plan.memory_rounds, count=plan.open_websockets
        )

    def imports(self) -> None:
        """Measure how long an import takes."""
        peers = self._installed(self.plan.imported)
        self.measurements += footprint.measure_imports(peers, self.cores, rounds=self.plan.import_rounds, times=3)

    def memory(self) -> None:
        """Weigh servers."""
        peers, rounds = self._installed(self.plan.weighed), self.plan.memory_rounds
        measurements, failures = footprint.measure_memory(peers, self.cores, self.folder, rounds=rounds)
        self.measurements += measurements
        self.not_measured += failures

    def event_streams(self) -> None:
        """Weigh event streams, and send events to all of them."""
        peers = [PEERS[name] for name in _BOTH]
        self.measurements += streams.measure(peers, self.cores, self.folder, rounds=self.plan.stream_rounds)

    def servlets(self) -> None:
        """Measure servlets beside plain handlers and iPOPO's service, and change them under load."""
        plan = self.plan
        words = map(str, (plan.servlet_rounds, plan.servlet_sample_s, plan.servlet_requests))
        command = [sys.executable, "-m", "bench.servlets", *words]
        if self.cores is not None:
            command = [*pinned_to(self.cores.server), *command]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        if result.returncode:
            raise WrongAnswer(result.stderr.decode(errors="replace")[-2000:])
        self.measurements += msgspec.json.decode(result.stdout, type=list[Measurement])

    def _start(self, stack: ExitStack, peer: Peer) -> Server | None:
        """Start *peer*, and see that it answers as all do; ``None`` if it is a peer that does not start."""
        try:
            server = stack.enter_context(serving(peer, self.cores, self.folder))
        except NotMeasured as error:
            if peer.name in _BOTH:
                raise
            self.not_measured.append(str(error))
            return None
        check_server(server)
        uploading.check(server, self.uploads)
        return server

    def _installed(self, names: Sequence[str]) -> list[Peer]:
        return [PEERS[name] for name in names if not PEERS[name].missing]

    def _two_cores(self) -> Cores:
        if self.cores is None:
            raise NotMeasured("There are no two cores here: a server and its client cannot have one each.")
        return self.cores


PARTS: Final[dict[str, Callable[[Run], None]]] = {
    "in-process": Run.in_process,
    "sockets": Run.over_sockets,
    "websockets": Run.websockets,
    "imports": Run.imports,
    "memory": Run.memory,
    "streams": Run.event_streams,
    "servlets": Run.servlets,
}


def check_log(log: Path, least: int, who: str) -> None:
    """See that an access log has a line for each request (``WrongAnswer``)."""
    with log.open("rb") as lines:
        count = sum(b'"GET /users/42 HTTP/1.1" 200' in line for line in lines)
    if count < least:
        raise WrongAnswer(f"{who}: {count} lines in the access log for {least} requests.")


def publish(results: Results) -> None:
    """Write the page of the documentation, and its picture."""
    PAGE.write_text(as_page(results, sockets.CONNECTIONS), encoding="utf-8")
    picture = draw(results.by_key)
    if picture is not None:
        PICTURE.write_text(picture, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four peers, two minutes; the page stays as it is")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts alone; nothing is written")
    parser.add_argument("--report", action="store_true", help="measure nothing: show the latest results again")
    options = parser.parse_args(argv)
    if options.report:
        results = Results.load(LATEST)
        publish(results)
    else:
        try:
            results = measure(QUICK if options.quick else FULL, options.only or list(PARTS))
        except WrongAnswer as error:
            print(f"bench: {error}", file=sys.stderr)
            return 2
        if not options.only:
            results.save(QUICK_RESULTS if options.quick else LATEST)
        if not options.only and not options.quick:
            publish(results)
    print(as_text(results))
    return exit_code(results, is_whole=not options.only and not options.quick)


def exit_code(results: Results, *, is_whole: bool) -> int:
    """Give 1 where a floor is missed, or where a run that *is_whole* could not tell."""
    return int(any(v.is_missed or (is_whole and v.ratio is None) for v in judge(results.by_key)))


def measure(plan: Plan, parts: Sequence[str]) -> Results:
    """Measure *parts* of *plan* (``WrongAnswer``)."""
    machine = describe(REQUIREMENTS)
    with TemporaryDirectory(prefix="webkit-bench-") as folder:
        run = Run(plan, Path(folder))
        run.measure(parts)
    return Results(
        when=datetime.datetime.now(datetime.UTC).date().isoformat(),
        machine=machine,
        measurements=run.measurements,
        not_measured=run.not_measured,
    )


if __name__ == "__main__":
    sys.exit(main())
