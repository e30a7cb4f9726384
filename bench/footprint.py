"""What a program costs before it does anything: the time to import it, its memory, and that of each idle connection."""

import resource
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Measurement, shifted
from bench.machine import Cores, memory_of
from bench.peers import Peer
from bench.servers import ROOT, NotMeasured, Server, check_server, pinned_to, serving
from bench.wire import is_whole
from bench.workloads import TEXT_WORKLOAD

#: The first connections fill pools and caches; the memory is that of those which follow.
_FIRST_CONNECTIONS = 100
_CONNECTIONS = 800  # granian takes 1,024 by default
_PATIENCE_S = 10.0

# The processor's time, not the clock's: somebody else's work is not counted.
_IMPORT = "import time; began = time.process_time(); import {}; print(time.process_time() - began)"


def measure_imports(peers: Sequence[Peer], cores: Cores | None, *, rounds: int, times: int) -> list[Measurement]:
    """Import each module in fresh interpreters, round by round; a round has the fastest of some *times*.

    Gives also how long it takes until there is a class of applications: some front doors load that when asked for it.
    """
    imported = {"import": {peer.name: peer.module for peer in peers}}
    imported["import:application"] = {peer.name: peer.used or peer.module for peer in peers}
    names = list(dict.fromkeys(name for by_peer in imported.values() for name in by_peer.values()))
    samples: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        _import_once(name, cores)  # writes the bytecode
    for number in range(rounds):
        for name in shifted(names, number):
            samples[name].append(min(_import_once(name, cores) for _ in range(times)) * 1e3)
    titles = {"import": "import", "import:application": "import an application"}
    return [
        Measurement(
            key=key,
            title=titles[key],
            unit="ms",
            better="less",
            samples={peer: samples[name] for peer, name in by_peer.items()},
        )
        for key, by_peer in imported.items()
    ]


def measure_memory(
    peers: Sequence[Peer], cores: Cores | None, folder: Path, *, rounds: int
) -> tuple[list[Measurement], list[str]]:
    """Start each server alone, and weigh it at rest and with idle connections, round by round.

    Gives also sentences about those that cannot be weighed.

    Raises:
        NotMeasured: none can.
        WrongAnswer: somebody does not answer as all do.
    """
    at_rest: dict[str, list[float]] = {peer.name: [] for peer in peers}
    per_connection: dict[str, list[float]] = {peer.name: [] for peer in peers}
    failures: dict[str, str] = {}
    allow_many_files(_FIRST_CONNECTIONS + _CONNECTIONS + 500)
    for number in range(rounds):
        for peer in shifted([peer for peer in peers if peer.name not in failures], number):
            try:
                rest, connection = _weigh_peer(peer, cores, folder)
            except NotMeasured as error:
                failures[peer.name] = str(error)
                del at_rest[peer.name], per_connection[peer.name]
            else:
                at_rest[peer.name].append(rest / 2**20)
                per_connection[peer.name].append(connection / 2**10)
    measurements = [
        Measurement(key="memory:rest", title="memory at rest", unit="MiB", better="less", samples=at_rest),
        Measurement(
            key="memory:connection", title="memory per connection", unit="KiB", better="less", samples=per_connection
        ),
    ]
    return measurements, list(failures.values())


def _weigh_peer(peer: Peer, cores: Cores | None, folder: Path) -> tuple[float, float]:
    """Give the bytes of *peer* at rest and for a connection."""
    with serving(peer, cores, folder) as server:
        check_server(server)
        return weigh(server), _weigh_connections(server)


def _import_once(module: str, cores: Cores | None) -> float:
    command = [sys.executable, "-c", _IMPORT.format(module)]
    if cores is not None:
        command = [*pinned_to(cores.server), *command]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(result.stdout)


def weigh(server: Server) -> int:
    """Give the bytes of memory that *server* has (``NotMeasured``)."""
    memory = memory_of(server.group)
    if memory is None:
        raise NotMeasured("The memory of a process is not told here: /proc/PID/smaps_rollup is needed (Linux).")
    return memory


def _weigh_connections(server: Server) -> float:
    """Open connections, let each have one answer, and give the bytes for one of them."""
    first = [_open(server) for _ in range(_FIRST_CONNECTIONS)]
    before = weigh(server)
    more = [_open(server) for _ in range(_CONNECTIONS)]
    after = weigh(server)
    if any(_is_closed(connection) for connection in (*first, *more)):
        raise NotMeasured(f"{server.peer.title} closes idle connections before they can be counted.")
    for connection in (*first, *more):
        connection.close()
    return (after - before) / _CONNECTIONS


def _open(server: Server) -> socket.socket:
    """Open a connection, and have one answer on it."""
    answer = b""
    try:
        connection = socket.create_connection(("127.0.0.1", server.port), _PATIENCE_S)
        connection.sendall(TEXT_WORKLOAD.raw)
        while not is_whole(answer):
            part = connection.recv(65536)
            if not part:
                raise ConnectionError("it is closed")
            answer += part
    except OSError as error:
        raise NotMeasured(f"{server.peer.title} does not answer on one more connection: {error}.") from error
    return connection


def _is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def allow_many_files(wanted: int) -> None:
    """Ask for as many open files as connections need, on both sides: servers inherit it (``NotMeasured``)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        raise NotMeasured(f"A process may open {most} files here; {wanted} are needed to count connections.")
