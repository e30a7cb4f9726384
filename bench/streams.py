"""Event streams: what each of 5,000 costs in memory, and an event to all of them in processor time.

Bare aiohttp has a handler that waits, and a loop of ``transport.write`` over the same bytes: nobody can do less.
Both servers run at the same time, each with its own clients, and are told in turn to send an event. Their processor
time is counted until the sockets have it, and the run ends when not every client has had every event.

The clients are a process of their own: ``python -m bench.streams PORT COUNT`` opens the streams, says when all of them
have begun, and answers each line, a number, as soon as so many events have come.
"""

import http.client
import json
import resource
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from bench.answers import WrongAnswer
from bench.figures import Measurement, shifted
from bench.footprint import weigh
from bench.machine import Cores
from bench.peers import Peer
from bench.servers import ROOT, NotMeasured, Server, pinned_to, serving

STREAMS: Final = 5_000
#: The first fill pools and caches; the memory is that of those which follow.
_FIRST: Final = 100
#: Events that are sent in one turn.
_TOLD: Final = 20
_PATIENCE_S: Final = 60.0
#: Streams that are asked for and have not begun: what is more than a server's backlog comes to it a second later.
_ON_THE_WAY: Final = 64
_REQUEST: Final = b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


class Listeners:
    """The process that holds the clients of one server."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def count_events(self, expected: int) -> int:
        """Give how many events have come, as soon as there are *expected* ones, or after a while."""
        answer = self._ask(f"{expected}\n")
        return int(answer)

    def wait_until_open(self) -> None:
        """Wait until all streams have begun (``NotMeasured``)."""
        if self._ask("") != "open":
            raise NotMeasured("The clients of the event streams ended early.")

    def _ask(self, line: str) -> str:
        if self._process.stdin is None or self._process.stdout is None:
            raise NotMeasured("The clients of the event streams cannot be asked.")
        self._process.stdin.write(line)
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


def measure(peers: Sequence[Peer], cores: Cores | None, folder: Path, *, rounds: int) -> list[Measurement]:
    """Open the streams of all *peers*, weigh them, and send events to them, round by round.

    Raises:
        NotMeasured: there cannot be so many connections here.
        WrongAnswer: an event did not come to everybody.
    """
    _allow_many_files()
    weights: dict[str, list[float]] = {peer.name: [] for peer in peers}
    times: dict[str, list[float]] = {peer.name: [] for peer in peers}
    with ExitStack() as stack:
        opened = []
        for peer in peers:
            server = stack.enter_context(serving(peer, cores, folder))
            stack.enter_context(listening(server, cores, _FIRST))
            before = weigh(server)
            listeners = stack.enter_context(listening(server, cores, STREAMS))
            weights[peer.name].append((weigh(server) - before) / STREAMS / 2**10)
            opened.append((server, listeners))
        told = 0
        for number in range(rounds + 1):
            told += _TOLD
            for server, listeners in shifted(opened, number):
                seconds = tell(server, listeners, told)
                if number:  # the first one is for warming up
                    times[server.peer.name].append(seconds * 1e6 / (STREAMS + _FIRST))
    weight = Measurement(key="memory:stream", title="memory per stream", unit="KiB", better="less", samples=weights)
    return [
        weight,
        Measurement(key="event:streams", title="event to a stream", unit="µs", better="less", samples=times),
    ]


@contextmanager
def listening(server: Server, cores: Cores | None, count: int) -> Iterator[Listeners]:
    """Open *count* streams of *server* (``NotMeasured``)."""
    command = [sys.executable, "-m", "bench.streams", str(server.port), str(count)]
    if cores is not None:
        command = [*pinned_to(cores.client), *command]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            listeners = Listeners(process)
            listeners.wait_until_open()
            yield listeners
        finally:
            process.kill()


def tell(server: Server, listeners: Listeners, expected: int) -> float:
    """Let *server* send events, and give the seconds for one of them (``WrongAnswer``)."""
    samples = []
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=_PATIENCE_S)) as connection:
        for number in range(expected - _TOLD, expected):
            connection.request("POST", "/events")
            answer = connection.getresponse()
            samples.append(float(json.loads(answer.read())["seconds"]))
            came = listeners.count_events((number + 1) * STREAMS)
            if came != (number + 1) * STREAMS:
                raise WrongAnswer(f"{server.peer.title} has sent {came:,} of {(number + 1) * STREAMS:,} events.")
    return min(samples)  # what disturbs can only add


def _allow_many_files() -> None:
    """Ask for as many open files as there are streams, and some; servers and clients inherit it."""
    wanted = STREAMS + _FIRST + 500
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise NotMeasured(f"A process may open {hard} files here; {wanted} are needed for the event streams.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Clients:
    """The streams that one process reads."""

    def __init__(self, port: int, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self.heads = self.events = 0
        for opened in range(count):
            while self.heads < opened - _ON_THE_WAY:
                self.read(_PATIENCE_S)
            client = socket.create_connection(("127.0.0.1", port), _PATIENCE_S)
            client.sendall(_REQUEST)
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ)

    def read(self, patience_s: float) -> bool:
        """Read what has come; false where nothing has."""
        ready = self._selector.select(patience_s)
        for key, _ in ready:
            data = key.fileobj.recv(65536)  # type: ignore[union-attr]
            if not data:
                sys.exit("A stream was ended.")
            self.heads += data.count(b"\r\n\r\n")
            self.events += data.count(b"data: ")
        return bool(ready)


def main(port: int, count: int) -> None:
    """Open *count* streams, and answer each line."""
    clients = _Clients(port, count)
    while clients.heads < count:
        clients.read(_PATIENCE_S)
    print("open", flush=True)
    for line in sys.stdin:
        while clients.events < int(line) and clients.read(5):
            pass
        print(clients.events, flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
