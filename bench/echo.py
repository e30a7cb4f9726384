"""WebSockets: how many messages come back for a second of the server's processor time, and what an open one takes.

The client keeps one message on its way on each of its connections, and has a core of its own: it only compares what
comes back with what it sent. Messages are counted by the processor time of the server, which is busy all the time:
alone on its core it would be the same by the clock, and what else the machine does is not counted. All servers ask
silent clients whether they are there, but bare aiohttp, which does not by itself.
"""

import selectors
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.answers import WrongAnswer
from bench.figures import Measurement, shifted
from bench.footprint import allow_many_files, weigh
from bench.machine import Cores, processor_time_of, running_on
from bench.peers import AIOHTTP, PEERS, WEBKIT, Peer
from bench.servers import NotMeasured, Server, serving

#: Who has an address that sends messages back.
CONTENDERS: Final = (WEBKIT, AIOHTTP, "starlette")
CONNECTIONS: Final = 64

_PATIENCE_S: Final = 10.0
_WARM_UP_S: Final = 0.3
#: The first connections fill pools and caches; the memory is that of those which follow.
_FIRST_CONNECTIONS: Final = 200
_HANDSHAKE: Final = (
    b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_ACCEPT: Final = b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="
_TEXT: Final = b"a message of thirty-two letters."
_MASK: Final = b"\x37\xfa\x21\x3d"
_MASKED: Final = bytes(letter ^ _MASK[place % 4] for place, letter in enumerate(_TEXT))
_SENT: Final = struct.pack("!BB", 0x81, 0x80 | len(_TEXT)) + _MASK + _MASKED
_EXPECTED: Final = struct.pack("!BB", 0x81, len(_TEXT)) + _TEXT


def measure_speed(servers: Sequence[Server], cores: Cores, *, rounds: int, seconds: int) -> list[Measurement]:
    """Let all *servers* send messages back, round by round (``WrongAnswer``)."""
    samples: dict[str, list[float]] = {server.peer.name: [] for server in servers}
    with running_on(cores.client):
        for server in servers:
            count_echoes(server, _WARM_UP_S)
        for number in range(rounds):
            for server in shifted(servers, number):
                samples[server.peer.name].append(count_echoes(server, seconds))
    return [
        Measurement(
            key="websocket:echo", title="WebSocket echo", unit="messages/s of processor", better="more", samples=samples
        )
    ]


def measure_memory(
    peers: Sequence[Peer], cores: Cores | None, folder: Path, *, rounds: int, count: int
) -> list[Measurement]:
    """Open *count* WebSockets to each server alone, and weigh one, round by round.

    Raises:
        NotMeasured: there may not be so many, or nobody tells the memory of a process here.
    """
    allow_many_files(_FIRST_CONNECTIONS + count + 500)
    samples: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for number in range(rounds):
        for peer in shifted(peers, number):
            with serving(peer, cores, folder) as server:
                samples[peer.name].append(_weigh_one(server, count) / 2**10)
    title = f"memory of each of {count:,} open WebSockets"
    return [Measurement(key="websocket:memory", title=title, unit="KiB", better="less", samples=samples)]


def count_echoes(server: Server, seconds: float) -> float:
    """Give how many messages *server* sends back for a second of its processor time.

    Raises:
        WrongAnswer: it sends something else, or nothing.
        NotMeasured: nobody tells the time of a process here.
    """
    with _connected(server, CONNECTIONS) as connections, selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ, connection)
            connection.sendall(_SENT)
        count, used = 0, 0.0
        end = time.perf_counter() + seconds
        before = _processor_time(server)
        # The time is told in hundredths of a second: on a busy machine it may be too early to tell any.
        while time.perf_counter() < end or not (used := _processor_time(server) - before):
            ready = selector.select(_PATIENCE_S)
            if not ready:
                raise WrongAnswer(f"{server.peer.title} sends nothing back for {_PATIENCE_S:.0f} seconds.")
            for key, _ in ready:
                connection = key.data
                if connection.recv(256) != _EXPECTED:
                    raise WrongAnswer(f"{server.peer.title} sends something else back than it was sent.")
                connection.send(_SENT)
            count += len(ready)
        return count / used


def check(server: Server) -> None:
    """See that *server* sends a message back (``WrongAnswer``)."""
    with _connected(server, 1) as (connection,):
        connection.sendall(_SENT)
        if connection.recv(256) != _EXPECTED:
            raise WrongAnswer(f"{server.peer.title} does not send a message back.")


def _processor_time(server: Server) -> float:
    seconds = processor_time_of(server.group)
    if seconds is None:
        raise NotMeasured("The processor time of a process is not told here: /proc/PID/stat is needed (Linux).")
    return seconds


def contenders(names: Sequence[str]) -> list[Peer]:
    """Those of *names* that can be measured."""
    return [PEERS[name] for name in CONTENDERS if name in names and not PEERS[name].missing]


def _weigh_one(server: Server, count: int) -> float:
    """Give the bytes for one of *count* WebSockets, each of which has had one message back."""
    with _connected(server, _FIRST_CONNECTIONS) as first:
        _exchange(server, first)
        before = weigh(server)
        with _connected(server, count) as more:
            _exchange(server, more)
            return (weigh(server) - before) / count


def _exchange(server: Server, connections: Sequence[socket.socket]) -> None:
    for connection in connections:
        connection.sendall(_SENT)
        if connection.recv(256) != _EXPECTED:
            raise WrongAnswer(f"{server.peer.title} does not send a message back.")


@contextmanager
def _connected(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """Open *count* WebSockets."""
    connections: list[socket.socket] = []
    try:
        connections.extend(_connect(server) for _ in range(count))
        yield connections
    except OSError as error:
        raise NotMeasured(f"{server.peer.title} does not talk over one more WebSocket: {error}.") from error
    finally:
        for connection in connections:
            connection.close()


def _connect(server: Server) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), _PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(_HANDSHAKE)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        part = connection.recv(4096)
        if not part:
            break
        answer += part
    if not answer.startswith(b"HTTP/1.1 101 ") or _ACCEPT not in answer.lower():
        raise WrongAnswer(f"{server.peer.title} answers a handshake with {answer[:80]!r}.")
    return connection
