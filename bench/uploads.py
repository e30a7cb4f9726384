"""How fast one large upload is taken, and whether memory stays flat.

Run:  python bench/uploads.py [--mib 2048] [--rounds 3] [--folder /dev/shm] [--ways post,form]

Each round sends the same form, a field and a file of ``--mib``, to each of the ways below in turn. Shown are the speed
of the best round, since everything that disturbs makes it slower, and the middle one of the ratios to ``post`` in the
same round. Files go to ``--folder`` (the system's temporary folder if not given: then the figures of ``post``, ``form``
and ``save`` are those of the disk, too). There are two parts:

- *in process*: the bytes go straight into aiohttp's protocol, by a transport that is none. No sockets, one process.
- *over a socket*: a server in a process of its own, and a client that sends as fast as the loopback takes it. How much
  the memory (RSS) of the server grows is seen here; a small upload before has loaded what is needed.
"""

import argparse
import asyncio
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web

from webkit import Application
from webkit.forms import Form
from webkit.limits import Limits
from webkit.parts import uploads
from webkit.threads import running

MIB = 2**20
BOUNDARY = b"----webkit-bench-7MA4YWxkTrZu0gW"
HEAD = (
    b'--%b\r\nContent-Disposition: form-data; name="title"\r\n\r\nA large file\r\n'
    b'--%b\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
) % (BOUNDARY, BOUNDARY)
TAIL = b"\r\n--%b--\r\n" % BOUNDARY
# What asyncio reads from a socket at once.
BLOCK = bytes(range(256)) * 1024


async def content(request: web.Request) -> str:
    """aiohttp's bytes, not taken apart: the floor."""
    return str(sum([len(chunk) async for chunk in request.content.iter_any()]))


async def reader(request: web.Request) -> str:
    """aiohttp's bare multipart reader; the file goes nowhere."""
    count = 0
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader):
            while chunk := await part.read_chunk(2**18):
                count += len(chunk)
    return str(count)


async def post(request: web.Request) -> str:
    """aiohttp's ``request.post()``; the file goes to the disk."""
    file: Any = (await request.post())["file"]
    return str(file.file.seek(0, 2))


async def sink(request: web.Request) -> str:
    """webkit's ``uploads()``, copied to a coroutine function; the file goes nowhere."""
    count = 0

    async def take(chunk: bytes) -> None:
        nonlocal count
        count += len(chunk)

    async for part in uploads(request):
        await part.copy_to(take)
    return str(count)


async def save(request: web.Request) -> str:
    """webkit's ``uploads()``, saved to a file."""
    async for part in uploads(request):
        if part.filename is not None:
            await part.save(Path(tempfile.gettempdir(), "webkit-bench"), overwrite=True)
    return "saved"


async def form(form: Form) -> str:
    """webkit's ``form: Form``; the file goes to the disk."""
    return str(form.files["file"].size)


async def hashed(form: Form) -> str:
    """The same, with the SHA-256 of the file."""
    return form.files["file"].sha256


WAYS: dict[str, Callable[[Any], Awaitable[str]]] = {
    way.__name__: way for way in (content, reader, post, sink, save, form, hashed)
}


def make_app() -> Application:
    """One route for each way."""
    app = Application(client_max_size=2**50)
    for name, way in WAYS.items():
        app.add_post(f"/{name}", way, limits=Limits(body=2**50, sha256=name == "hashed"))
    return app


def request_head(way: str, size: int) -> bytes:
    """The head of the request that uploads a file of *size* bytes."""
    length = len(HEAD) + size + len(TAIL)
    return (
        b"POST /%b HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nContent-Length: %d\r\n"
        b"Content-Type: multipart/form-data; boundary=%b\r\n\r\n"
    ) % (way.encode(), length, BOUNDARY)


class NoTransport(asyncio.Transport):
    """A transport that keeps what is written, and says when more may be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.answered = asyncio.Event()
        self.may_send = asyncio.Event()
        self.may_send.set()

    def pause_reading(self) -> None:
        """Let nothing more come."""
        self.may_send.clear()

    def resume_reading(self) -> None:
        """Let more come."""
        self.may_send.set()

    def write(self, data: Any) -> None:
        """Keep *data*."""
        self.written += bytes(data)
        self.answered.set()

    def get_write_buffer_size(self) -> int:
        """Say that all is written."""
        return 0

    def is_closing(self) -> bool:
        """Say that it is open."""
        return False

    def close(self) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""


async def send_in_process(server: web.Server, way: str, size: int) -> float:
    """Give the seconds that the upload takes."""
    protocol = server()
    transport = NoTransport()
    protocol.connection_made(transport)
    begin = time.perf_counter()
    protocol.data_received(request_head(way, size) + HEAD)
    for _ in range(size // len(BLOCK)):
        await transport.may_send.wait()
        protocol.data_received(BLOCK)
        await asyncio.sleep(0)
    protocol.data_received(TAIL)
    await transport.answered.wait()
    seconds = time.perf_counter() - begin
    check_answer(way, transport.written)
    protocol.connection_lost(None)
    await asyncio.to_thread(forget_files)
    return seconds


def forget_files() -> None:
    """Wait until the file of an upload is gone: freeing it shall not disturb the next one."""
    Path(tempfile.gettempdir(), "webkit-bench").unlink(missing_ok=True)
    while running():
        time.sleep(0.01)
    time.sleep(0.3)  # the server, where it is another process, frees its own


def check_answer(way: str, answer: bytes) -> None:
    """Stop when the upload was not taken."""
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"{way}: {answer.decode()}")


async def measure_in_process(ways: list[str], size: int, rounds: int) -> dict[str, list[float]]:
    """Give the speed of each way in each round, in MiB/s."""
    runner = web.AppRunner(make_app().aiohttp)
    await runner.setup()
    assert runner.server is not None
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            speeds[way].append(size / MIB / await send_in_process(runner.server, way, size))
    await runner.cleanup()
    return speeds


def send_over_socket(port: int, way: str, size: int) -> float:
    """Give the seconds that the upload takes."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        begin = time.perf_counter()
        connection.sendall(request_head(way, size) + HEAD)
        for _ in range(size // len(BLOCK)):
            connection.sendall(BLOCK)
        connection.sendall(TAIL)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        seconds = time.perf_counter() - begin
    check_answer(way, answer)
    forget_files()
    return seconds


def memory_of(pid: int) -> float:
    """Give the resident memory of a process, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


class MemoryWatch:
    """The most that a process has while this is entered, beyond what it had then."""

    def __init__(self, pid: int) -> None:
        self.growth = 0.0
        self._pid = pid
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "MemoryWatch":
        self._before = memory_of(self._pid)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(0.02):
            self.growth = max(self.growth, memory_of(self._pid) - self._before)


def measure_over_socket(
    ways: list[str], size: int, rounds: int, folder: str
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Give the speed of each way in each round, in MiB/s, and how much memory it took at the most, in MiB."""
    command = [sys.executable, __file__, "--serve", "--folder", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        speeds: dict[str, list[float]] = {way: [] for way in ways}
        growth = dict.fromkeys(ways, 0.0)
        for way in ways:
            send_over_socket(port, way, 8 * MIB)
        for _ in range(rounds):
            for way in ways:
                with MemoryWatch(server.pid) as memory:
                    speeds[way].append(size / MIB / send_over_socket(port, way, size))
                growth[way] = max(growth[way], memory.growth)
        server.kill()
    return speeds, growth


async def serve() -> None:
    """Serve on a free port, and say on which."""
    runner = web.AppRunner(make_app().aiohttp)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    tempfile.tempdir = options.folder
    if options.serve:
        asyncio.run(serve())
        return
    ways = options.ways.split(",")
    size = options.mib * MIB
    print(f"A file of {options.mib} MiB, {options.rounds} rounds, into {options.folder}; x is the ratio to post.\n")
    in_process = asyncio.run(measure_in_process(ways, size, options.rounds))
    over_socket, growth = measure_over_socket(ways, size, options.rounds, options.folder)
    print("           in process          over a socket         memory")
    for way in ways:
        words = (WAYS[way].__doc__ or "").splitlines()[0]
        print(f"{way:9}{show(in_process, way)}  {show(over_socket, way)}  {growth[way]:+7.1f} MiB   {words}")


def show(speeds: dict[str, list[float]], way: str) -> str:
    """Give the best speed, and the middle ratio to ``post``."""
    ratios = [speed / post for speed, post in zip(speeds[way], speeds.get("post", speeds[way]), strict=True)]
    return f"{max(speeds[way]):7.0f} MiB/s {statistics.median(ratios):5.1f} x"


if __name__ == "__main__":
    main()
