"""SIGTERM in the middle of everything: what was accepted is answered, what stays open is told, and the exit is quick.

The same load under bare aiohttp loses the uploads, closes WebSockets with 1006 and takes two minutes.
"""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.processes import environment
from tests.rawsockets import connect
from tests.stopping_app import CHUNKS, FILE_BYTES, SLOWEST_S
from webkit import Application, Server, ServerConfig


@dataclass
class Process:
    """A server process, and what it has said so far."""

    process: asyncio.subprocess.Process
    port: int = 0
    said: list[str] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self.writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()

    async def until(self, text: str) -> None:
        """Wait until the server's log has a line with *text*."""
        assert self.process.stderr is not None
        while not any(text in line for line in self.said):
            line = await asyncio.wait_for(self.process.stderr.readline(), 20)
            assert line, "".join(self.said)
            self.said.append(line.decode())

    async def exit_code(self) -> int:
        assert self.process.stderr is not None
        rest, code = await asyncio.wait_for(asyncio.gather(self.process.stderr.read(), self.process.wait()), 40)
        self.said.append(rest.decode())
        return code


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "webkit", "-n", "127.0.0.1", "-p", "0", "--grace", "8", "tests.stopping_app.init"),
        env=environment(TMPDIR=str(tmp_path)),  # pytest removes what is left there, even by a process that was killed
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    banner = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    port = int(banner.split("http://127.0.0.1:")[1].split()[0])
    server = Process(process, port)
    yield server
    await server.close()


async def get(process: Process, path: str) -> bytes:
    reader, writer = await process.connect()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    length = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    body = await reader.readexactly(length)
    assert await reader.read() == b""
    return body


async def get_chunked(process: Process, path: str, started: asyncio.Event) -> bytes:
    """Read a response without length, which is whole only with its last chunk."""
    reader, writer = await process.connect()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
        started.set()
    return body


async def begin_upload(process: Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await process.connect()
    writer.write(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n" + b"a" * 1_000_000)
    await writer.drain()
    return reader, writer


async def test_nothing_that_was_accepted_is_lost_at_sigterm(server: Process) -> None:
    slow = [asyncio.create_task(get(server, f"/slow?{number}")) for number in range(20)]
    begun = asyncio.Event()
    download = asyncio.create_task(get_chunked(server, "/download", begun))
    listening = asyncio.Event()
    events = asyncio.create_task(get_chunked(server, "/events", listening))
    uploads = [await begin_upload(server) for _ in range(3)]
    idle = [await server.connect() for _ in range(5)]
    pipelined_reader, pipelined = await server.connect()
    pipelined.write(
        b"GET /slow?first HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"GET /slow?second HTTP/1.1\r\nHost: l\r\n\r\n"
    )
    large_reader, large = await server.connect()
    large.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 200 OK" in await large_reader.readuntil(b"\r\n\r\n")

    async with aiohttp.ClientSession() as session:
        sockets = [await session.ws_connect(f"{server.url}/echo") for _ in range(8)]
        for socket in sockets:
            await socket.send_str("hello")
            assert (await socket.receive_str()) == "hello"
        await asyncio.gather(begun.wait(), listening.wait())

        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        await server.until("Shutdown: stop accepting")
        for _, writer in uploads:
            writer.write(b"b" * 1_000_000)

        closing = [await socket.receive() for socket in sockets]
        assert [message.type for message in closing] == [aiohttp.WSMsgType.CLOSE] * 8
        assert [message.data for message in closing] == [1001] * 8
        assert (await events).startswith(b"data: tick\n\n")  # to its proper end
        assert await asyncio.gather(*slow) == [f"slow {number}".encode() for number in range(20)]
        assert await download == b"".join(b"%04d" % number for number in range(CHUNKS))
        for reader, _ in uploads:
            assert (await reader.read()).endswith(b'{"size":2000000}')
        answers = await pipelined_reader.read()
        assert answers.endswith(b"slow second")
        assert answers.count(b"HTTP/1.1 200 OK") == 2
        assert len(await large_reader.readexactly(FILE_BYTES)) == FILE_BYTES
        for reader, _ in idle:
            assert await reader.read() == b""

    assert await server.exit_code() == 0
    # The two pipelined requests run one after the other. No figure of speed: bare aiohttp needs 121 s here.
    assert time.monotonic() - began < 2 * SLOWEST_S + 5
    log = "".join(server.said)
    steps = ["stop accepting", "tell the application", "finish running", "close connections", "clean up"]
    assert [log.index(f"Shutdown: {step}") for step in steps] == sorted(
        log.index(f"Shutdown: {step}") for step in steps
    )
    assert log.index("context left") < log.index("on_cleanup")


async def test_new_connections_are_refused_while_running_requests_finish(server: Process) -> None:
    running = asyncio.create_task(get(server, "/slow?last"))
    reader, writer = await begin_upload(server)
    server.process.send_signal(signal.SIGINT)
    await server.until("Shutdown: stop accepting")
    with pytest.raises(ConnectionRefusedError):
        await server.connect()
    writer.write(b"b" * 1_000_000)
    assert b"2000000" in await reader.read()
    assert await running == b"slow last"
    assert await server.exit_code() == 0


async def test_an_answer_while_stopping_tells_the_client_not_to_use_the_connection_again(server: Process) -> None:
    reader, writer = await begin_upload(server)
    server.process.send_signal(signal.SIGTERM)
    await server.until("Shutdown: stop accepting")
    writer.write(b"b" * 1_000_000)
    assert b"\r\nConnection: close\r\n" in await reader.read()


async def test_a_closed_loop_of_requests_sees_no_failure(server: Process) -> None:
    """Clients that ask again as soon as they are answered: each request is answered, or refused at connect."""
    answered = 0

    async def ask_again_and_again() -> None:
        nonlocal answered
        reader, writer = await server.connect()
        while True:
            writer.write(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nok")
            head = await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(10) == b'{"size":2}'
            answered += 1
            if b"Connection: close" in head:
                return

    clients = [asyncio.create_task(ask_again_and_again()) for _ in range(20)]
    while answered < 200:
        await asyncio.wait(clients, timeout=0.01)
    server.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*clients), 20)
    assert await server.exit_code() == 0


@pytest.mark.parametrize("path", ["/events", "/push", "/flood", "/never-waiting"])
async def test_head_of_a_stream_is_answered_at_once_and_the_next_request_too(server: Process, path: str) -> None:
    """Its handler may wait for something to send, or never wait at all: it ends with the headers."""
    reader, writer = await server.connect()
    writer.write(f"HEAD {path} HTTP/1.1\r\nHost: l\r\n\r\nGET /slow?next HTTP/1.1\r\nHost: l\r\n\r\n".encode())
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert await reader.readexactly(9) == b"slow next"


@pytest.mark.parametrize("path", ["/push", "/late"])
async def test_a_websocket_that_only_sends_or_begins_late_is_closed_with_1001(server: Process, path: str) -> None:
    async with aiohttp.ClientSession() as session:
        opening = asyncio.create_task(session.ws_connect(server.url + path))
        if path == "/push":
            await opening
        else:
            # Begun before these: connections are accepted in order.
            await asyncio.gather(*(begin_upload(server) for _ in range(3)))
        server.process.send_signal(signal.SIGTERM)
        message = await (await opening).receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)


async def test_an_event_stream_that_nobody_reads_does_not_hold_the_exit(server: Process) -> None:
    reader, writer = await server.connect()
    writer.write(b"GET /flood HTTP/1.1\r\nHost: l\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert await server.exit_code() == 0
    assert time.monotonic() - began < 8, "It took the whole grace period."


async def test_a_plain_function_that_never_ends_does_not_outlive_the_grace_period(server: Process) -> None:
    _, writer = await server.connect()
    writer.write(b"GET /stuck HTTP/1.1\r\nHost: l\r\n\r\n")
    await begin_upload(server)  # answered in order: the other request has begun
    server.process.send_signal(signal.SIGTERM)
    await server.until("Shutdown: stop accepting")
    server.process.send_signal(signal.SIGTERM)
    assert await server.exit_code() == 0
    assert "functions still run in their threads" in "".join(server.said)


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_client_that_never_ends_a_body_that_was_refused_does_not_hold_the_stop(leaves: bool) -> None:
    app = Application(client_max_size=10)

    @app.post("/")
    async def read(request: web.Request) -> bytes:
        return await request.read()

    server = Server(app, ServerConfig(host="127.0.0.1", port=0))
    await server.start()
    async with connect(URL(server.urls[0])) as connection:
        head = b"POST / HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert (await connection.ask(head + b"b\r\n12345678901\r\n")).status == 413
        if leaves:
            connection.writer.close()
        async with asyncio.timeout(8):  # aiohttp would read for ten seconds
            await server.stop()
