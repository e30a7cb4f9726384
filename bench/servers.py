"""Starting servers, each in a process group of its own and on its core, and seeing that all answer the same."""

import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.answers import Answer, WrongAnswer, check_answer
from bench.machine import Cores
from bench.peers import Peer
from bench.workloads import TO_REFUSE, WORKLOADS, Workload

ROOT = Path(__file__).parent.parent

_START_S = 30.0
_STOP_S = 3.0
_POLL_S = 0.02
_WARM_UP = 300


class NotMeasured(Exception):
    """Something cannot be measured on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """One peer that is listening."""

    peer: Peer
    port: int
    group: int  #: of its processes
    log: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(peer: Peer, cores: Cores | None, folder: Path, *words: str) -> Iterator[Server]:
    """Serve *peer* on its core, and end it in the end. Uploads and the log of the server go to *folder*.

    Raises:
        NotMeasured: it does not start.
    """
    port = free_port()
    command = [word.format(port=port) for word in (sys.executable, *peer.words, *words)]
    if cores is not None and peer.is_pinned:
        command = [*pinned_to(cores.server), *command]
    log = folder / f"{peer.name}-{port}.log"
    uploads = folder / "uploads"
    uploads.mkdir(exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"BENCH_UPLOADS": str(uploads)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_listening(process, port, peer, log)
        yield Server(peer, port, process.pid, log)
    finally:
        _end(process)


def pinned_to(core: int) -> list[str]:
    """The words in front of a command that keep it on one core (``NotMeasured`` where that cannot be said)."""
    taskset = shutil.which("taskset")
    if taskset is None:
        raise NotMeasured("taskset is not installed (util-linux has it): servers cannot be kept on one core.")
    return [taskset, "-c", str(core)]


def check_server(server: Server) -> None:
    """See that *server* answers every request as all do, and refuses what it should (``WrongAnswer``)."""
    with closing(_connect(server)) as connection:
        for workload in WORKLOADS.values():
            check_answer(server.peer.title, ask(connection, workload), workload, server.peer.lacks)
    for workload in TO_REFUSE:
        with closing(_connect(server)) as connection:
            status = ask(connection, workload).status
        if status not in (400, 404, 422):
            what = f"{workload.method} {workload.target} {workload.body.decode()}"
            raise WrongAnswer(f"{server.peer.title} answers {what} with {status}, and should refuse it.")


def warm_up(server: Server, workload: Workload) -> None:
    """Send requests until the bytecode is specialized and caches are full."""
    with closing(_connect(server)) as connection:
        for _ in range(_WARM_UP):
            ask(connection, workload)


def ask(connection: http.client.HTTPConnection, workload: Workload) -> Answer:
    """Send one request, and read the answer."""
    connection.request(workload.method, workload.target, workload.body or None, workload.headers)
    response = connection.getresponse()
    given = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, given, response.read())


def free_port() -> int:
    """Choose a port that nobody has, from below those that systems give to connections and to who asks for any."""
    while True:
        port = random.randrange(10_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _connect(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=_START_S)


def _wait_until_listening(process: "subprocess.Popen[bytes]", port: int, peer: Peer, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(_POLL_S)
    words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it says nothing"]
    raise NotMeasured(f"{peer.title} did not start: {words[-1]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the whole group: granian's workers are processes of their own."""
    for number, patience_s in ((signal.SIGTERM, _STOP_S), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
