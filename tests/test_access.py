"""The access log: what each directive says, and one line for each answer whatever a client sends."""

import asyncio
import logging
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.serving import Client
from tests.typed_requests import raw_requests
from webkit import REQUEST_ID, Application, ConfigError, Server, ServerConfig
from webkit.access import compile_format

LOGGER = "webkit.access"


async def hello(request: web.Request) -> Any:
    return web.Response(text="hello", headers={"X-Out": f"id={request[REQUEST_ID]}"})


async def log_of(caplog: pytest.LogCaptureFixture, log_format: str, *requests: bytes) -> list[str]:
    """Give the lines that an application logs for *requests*."""
    app = Application()
    app.add_get("/{name:.*}", hello)
    caplog.set_level(logging.INFO, LOGGER)
    server = Server(app, ServerConfig(host="127.0.0.1", port=0, access_log_format=log_format))
    await server.start()
    try:
        for request in requests:
            await ask(server.urls[0], request)
    finally:
        await server.stop()
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


async def ask(url: str, request: bytes) -> bytes:
    async with asyncio.timeout(5):
        return await Client(None, url).send(request)  # type: ignore[arg-type]


def get(target: bytes = b"/", *headers: bytes) -> bytes:
    return b"\r\n".join((b"GET " + target + b" HTTP/1.1", b"Host: x", b"Connection: close", *headers, b"", b""))


# The format


@pytest.mark.parametrize(
    ("log_format", "pattern"),
    [
        ("%a", r"127\.0\.0\.1"),
        ("%t", r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"),
        ("%P", str(os.getpid())),
        ("%r", r"GET /a\?b=c HTTP/1\.1"),
        ("%s", "200"),
        ("%b", r"\d{3}"),  # as in aiohttp, the headers included
        ("%T", "0"),
        ("%Tf", r"0\.\d{6}"),
        ("%D", r"\d{1,6}"),
        ("%L", "[0-9a-f]{16}"),
        ("%%", "%"),
        ("%{User-Agent}i", "curl/8"),
        ("%{user-agent}i", "curl/8"),
        ("%{Missing}i", "-"),
        ("%{Content-Type}o", "text/plain; charset=utf-8"),
        ("%{Missing}o", "-"),
        ("%s%%%T <%s> 100%%", "200%0 <200> 100%"),
        ("", ""),
    ],
)
async def test_a_directive_says_one_thing_of_the_answer(
    caplog: pytest.LogCaptureFixture, log_format: str, pattern: str
) -> None:
    (line,) = await log_of(caplog, log_format, get(b"/a?b=c", b"User-Agent: curl/8"))
    assert re.fullmatch(pattern, line)


async def test_the_id_in_the_line_is_that_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await log_of(caplog, "%L %{X-Out}o", get())
    first, second = line.split(" id=")
    assert first == second


async def test_a_request_that_nobody_could_read_is_a_line_too(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await log_of(caplog, '%a "%r" %s "%{User-Agent}i"', b"nonsense\r\n\r\n")
    assert line == '127.0.0.1 "nonsense" 400 "-"'


@pytest.mark.parametrize("log_format", ["%x", "%", "100%", "%{X}e", "%{}i", "%{X", "%>s", "%r %q", "%%%"])
def test_a_directive_that_there_is_not_is_refused_with_those_that_there_are(log_format: str) -> None:
    message = f"The log format {log_format!r} has an unknown directive; there are %a, %t, %P, %r, %s, %b, %T, %Tf, "
    with pytest.raises(ConfigError, match=re.escape(message)):
        compile_format(log_format)
    with pytest.raises(ConfigError, match=re.escape(message)):
        ServerConfig(access_log_format=log_format)


async def test_nothing_is_made_for_a_log_that_nobody_reads(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger(LOGGER).disabled = True
    try:
        assert await log_of(caplog, "%a", get()) == []
    finally:
        logging.getLogger(LOGGER).disabled = False


# What a client has sent


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        (b"curl/8", "curl/8"),
        (b"a\tb", "a\\tb"),
        (b'say "hi"', 'say \\"hi\\"'),
        (b"ends with \\", "ends with \\\\"),
        (b"\\n is no line break", "\\\\n is no line break"),
        ("café".encode(), "café"),
        (b"\xff", "\\udcff"),
        ("a\u0085b\u2028c".encode(), "a\\x85b\\u2028c"),
        ("\u202egnp.exe".encode(), "\\u202egnp.exe"),
        (b"%s %(name)s {0}", "%s %(name)s {0}"),
    ],
    ids=repr,
)
async def test_what_is_no_plain_text_is_escaped(caplog: pytest.LogCaptureFixture, sent: bytes, logged: str) -> None:
    (line,) = await log_of(caplog, '"%{User-Agent}i"', get(b"/", b"User-Agent: " + sent))
    assert line == f'"{logged}"'


async def test_the_target_stays_as_it_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await log_of(caplog, "%r", get(b"/a%0Ab?c=%22%0d"))
    assert line == "GET /a%0Ab?c=%22%0d HTTP/1.1"


@pytest.fixture(scope="module")
def ask_logged() -> Iterator[Callable[[bytes], tuple[bytes, list[str]]]]:
    """Ask a server, and give the answer and the lines that were written for it."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    log, quiet = logging.getLogger(LOGGER), logging.getLogger("aiohttp.server")
    level = log.level
    app = Application()
    app.add_route("*", "/{name:.*}", hello)
    config = ServerConfig(host="127.0.0.1", port=0, access_log_format='"%r" "%{User-Agent}i" "%{Lock}i" %L')
    with asyncio.Runner() as runner:
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        quiet.disabled = True

        async def start() -> Server:
            server = Server(app, config)
            await server.start()
            return server

        server = runner.run(start())

        def send(request: bytes) -> tuple[bytes, list[str]]:
            lines.clear()
            return runner.run(ask(server.urls[0], request)), list(lines)

        yield send
        runner.run(server.stop())
        quiet.disabled = False
        log.setLevel(level)
        log.removeHandler(handler)


QUOTED = r'"(?:[^"\\]|\\.)*"'


@given(request=raw_requests() | st.binary(max_size=30).map(lambda junk: get(b"/", b"User-Agent: " + junk)))
def test_whatever_is_sent_each_answer_is_one_line_with_its_fields(
    ask_logged: Callable[[bytes], tuple[bytes, list[str]]], request: bytes
) -> None:
    answer, lines = ask_logged(request)
    assert len(lines) == len(re.findall(rb"HTTP/1\.[01] [2-5][0-9][0-9] ", answer))
    for line in lines:
        assert re.fullmatch(f"{QUOTED} {QUOTED} {QUOTED} [0-9a-f-]+", line)
        assert line.isprintable()
