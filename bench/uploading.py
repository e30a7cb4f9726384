"""Uploads: a multipart form with a file of 64 MiB, which the application stores on disk."""

import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.answers import Answer, WrongAnswer, read_answer
from bench.figures import Measurement, shifted
from bench.machine import Cores, running_on
from bench.servers import Server
from bench.wire import is_whole
from bench.workloads import UPLOAD_BYTES

_PATIENCE_S = 120.0
#: More than what frameworks keep in memory.
_CHECKED_BYTES = 3 * 2**20
_BOUNDARY = "a-boundary-that-is-in-no-file"
_FIELD = (
    f"--{_BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="file"; filename="large.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
_END = f"\r\n--{_BOUNDARY}--\r\n".encode()


def measure(servers: Sequence[Server], uploads: Path, cores: Cores, *, rounds: int) -> list[Measurement]:
    """Send the file to all *servers*, round by round; they store it in the folder *uploads* (``WrongAnswer``)."""
    content = make_content(UPLOAD_BYTES)
    samples: dict[str, list[float]] = {server.peer.name: [] for server in servers}
    with running_on(cores.client):
        for number in range(rounds + 1):
            for server in shifted(servers, number):
                speed = upload(server, content, uploads)
                if number:  # the first one is for warming up
                    samples[server.peer.name].append(speed)
    title = f"upload of {UPLOAD_BYTES // 2**20} MiB"
    return [Measurement(key="upload:multipart", title=title, unit="MiB/s", better="more", samples=samples)]


def check(server: Server, uploads: Path) -> None:
    """See that *server* stores what it is sent (``WrongAnswer``)."""
    upload(server, make_content(_CHECKED_BYTES), uploads)


def upload(server: Server, content: bytes, uploads: Path) -> float:
    """Send one file, and give the MiB per second until the answer is there (``WrongAnswer``)."""
    began = time.perf_counter()
    try:
        answer = send(server.port, content)
    except OSError as error:
        raise WrongAnswer(f"{server.peer.title} breaks off an upload: {error}") from error
    seconds = time.perf_counter() - began
    stored = list(uploads.iterdir())
    if answer.status != 200 or len(stored) != 1 or stored[0].read_bytes() != content:
        sizes = [file.stat().st_size for file in stored]
        raise WrongAnswer(f"{server.peer.title} answers an upload with {answer.status} and has stored {sizes} bytes.")
    stored[0].unlink()
    return len(content) / 2**20 / seconds


def send(port: int, content: bytes) -> Answer:
    """Send *content* as a file of a form over a connection of its own, and read the answer."""
    length = len(_FIELD) + len(content) + len(_END)
    head = (
        "POST /upload HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\nContent-Length: {length}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as connection:
        connection.sendall(head.encode() + _FIELD)
        connection.sendall(content)
        connection.sendall(_END)
        return read_answer(b"".join(_read_whole(connection)))


def make_content(size: int) -> bytes:
    """Make a file that has every byte in it, line ends and the beginnings of boundaries too."""
    block = bytes(range(256)) * 15 + b"\r\n--a-boundary" + b"\r\n" * 121
    return (block * (size // len(block) + 1))[:size]


def _read_whole(connection: socket.socket) -> Iterator[bytes]:
    answer = b""
    while not is_whole(answer):
        part = connection.recv(65536)
        if not part:
            return
        answer += part
        yield part
