"""The access log: where lines go, what each directive says, and one line for each answer whatever a client sends."""

import asyncio
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp.web_log
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from tests.processes import run_python
from tests.serving import PATIENCE_S, Client
from tests.typed_requests import raw_requests
from webkit import REQUEST_ID, Application, ConfigError, Server, ServerConfig
from webkit.access import AccessLogger, is_set_up
from webkit.accessformat import compile_format
from webkit.loglines import STANDARD_ERROR, StandardErrorHandler

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
    async with asyncio.timeout(PATIENCE_S):
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
        ("%m %U %q %H", r"GET /a \?b=c HTTP/1\.1"),
        ("%{%Y}t", r"\d{4}"),
        ("%{iso}t", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"),
        (
            '%(h)s %(l)s %(u)s "%(r)s" %(s)s "%(f)s" "%(a)s"',
            r'127\.0\.0\.1 - - "GET /a\?b=c HTTP/1\.1" 200 "-" "curl/8"',
        ),
        ("%({User-Agent}i)s %({X-None}o)s %(p)s %l", f"curl/8 - <{os.getpid()}> -"),
        ("%%(h)s", r"%\(h\)s"),
        ("%s\t{text(%a)}", r"200\t{text\(127\.0\.0\.1\)}"),
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


@pytest.mark.parametrize("log_format", ["%x", "%", "100%", "%{X}e", "%{}i", "%{X", "%>s", "%r %x", "%(x)s", "%%%"])
def test_a_directive_that_there_is_not_is_refused_with_those_that_there_are(log_format: str) -> None:
    message = f"The log format {log_format!r} has an unknown directive; there are %a, %t, %P, %r, %s, %b, %T, %Tf, "
    with pytest.raises(ConfigError, match=re.escape(message)):
        compile_format(log_format)
    with pytest.raises(ConfigError, match=re.escape(message)):
        ServerConfig(access_log_format=log_format)


async def test_the_format_json_is_one_object_for_each_line(caplog: pytest.LogCaptureFixture) -> None:
    requests = (get(b"/a?b=%22", b'User-Agent: say "hi" \\ \xff\tb'), b"non\x00sense\r\n\r\n")
    first, second = map(json.loads, await log_of(caplog, "json", *requests))
    assert datetime.now(UTC) - datetime.fromisoformat(first.pop("time")) < timedelta(minutes=1)
    assert 0 < first.pop("seconds") < 60
    assert first.pop("bytes") > 0
    assert re.fullmatch("[0-9a-f]{16}", first.pop("id"))
    assert first == {
        "remote": "127.0.0.1",
        "request": "GET /a?b=%22 HTTP/1.1",
        "method": "GET",
        "path": "/a",
        "query": "?b=%22",
        "status": 200,
        "referer": "-",
        "user_agent": 'say "hi" \\ \udcff\tb',
    }
    assert (second["request"], second["method"], second["path"], second["status"]) == (
        "non\x00sense",
        "UNKNOWN",
        "-",
        400,
    )


async def test_nothing_is_made_for_a_log_that_nobody_reads(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger(LOGGER).disabled = True
    try:
        assert await log_of(caplog, "%a", get()) == []
    finally:
        logging.getLogger(LOGGER).disabled = False


# Where the lines go


def records_in(logger: logging.Logger) -> list[str]:
    """Attach a handler to *logger*, and give what comes to it."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    return messages


@contextmanager
def logging_alone() -> Iterator[logging.Logger]:
    """Give a logger that passes nothing on. Not as a fixture: pytest listens to all that there are before the test."""
    logger = logging.getLogger("tests.access")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield logger
    finally:
        logger.propagate = True
        logger.handlers.clear()
        logger.filters.clear()


@pytest.mark.parametrize(
    "change",
    [
        lambda logger, usual: logger.addHandler(logging.NullHandler()),
        lambda logger, usual: logger.addFilter(lambda record: True),
        lambda logger, usual: setattr(logger, "propagate", True),  # to pytest's handlers
        lambda logger, usual: usual.setLevel(logging.ERROR),
        lambda logger, usual: usual.addFilter(lambda record: True),
        lambda logger, usual: usual.setFormatter(logging.Formatter("%(message)s")),
    ],
    ids=["handler", "filter", "handler above", "level", "filter of the usual one", "formatter of the usual one"],
)
def test_a_logger_is_set_up_when_somebody_has_changed_where_its_records_go(
    change: Callable[[logging.Logger, logging.Handler], None],
) -> None:
    with logging_alone() as logger:
        assert not is_set_up(logger)
        usual = StandardErrorHandler()
        logger.addHandler(usual)
        assert not is_set_up(logger)
        assert is_set_up(logging.LoggerAdapter(logger))
        change(logger, usual)
        assert is_set_up(logger)


async def test_where_logging_is_set_up_a_line_is_a_record(capfd: pytest.CaptureFixture[str]) -> None:
    with logging_alone() as logger:
        messages = records_in(logger)
        await ask_aiohttp(logger, get(b"/%s"))
    assert messages == ["GET /%s HTTP/1.1 200"]
    assert capfd.readouterr().err == ""


async def test_else_lines_go_to_the_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with logging_alone() as logger:
        await ask_aiohttp(logger, get(b"/%s"), get(b"/b"))
    STANDARD_ERROR.flush(PATIENCE_S)
    assert capfd.readouterr().err == "GET /%s HTTP/1.1 200\nGET /b HTTP/1.1 200\n"


def test_a_line_that_cannot_be_made_is_an_error_in_the_log_and_no_exception() -> None:
    with logging_alone() as logger:
        messages = records_in(logger)
        AccessLogger(logger, "%r").log(None, None, 0.0)  # type: ignore[arg-type]
    assert messages == ["Error in logging"]


async def ask_aiohttp(logger: logging.Logger, *requests: bytes, log_format: str = "%r %s") -> bytes:
    """Send *requests* to aiohttp's own runner with webkit's access log; give the last answer."""
    app = Application()
    app.add_get("/{name:.*}", hello)
    runner = web.AppRunner(app.aiohttp, access_log=logger, access_log_class=AccessLogger, access_log_format=log_format)
    await runner.setup()
    answer = b""
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        for request in requests:
            answer = await ask(f"http://127.0.0.1:{runner.addresses[0][1]}", request)
    finally:
        await runner.cleanup()
    return answer


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


@pytest.mark.parametrize("target", ["/a%0Ab?c=%22%0d", "/?", "//a//", "http://x/a"])
async def test_the_target_stays_as_it_was_sent(caplog: pytest.LogCaptureFixture, target: str) -> None:
    (line,) = await log_of(caplog, "%r", get(target.encode()))
    assert line == f"GET {target} HTTP/1.1"


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


# Any format and any request

FORMATS = st.lists(
    st.sampled_from(["%a", "%r", "%m", "%U", "%q", "%L", "%{User-Agent}i", "%{Lock}i", "%{X-Out}o", "%s", "%b", "%%"]),
    min_size=1,
    max_size=6,
)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    ['"', "\\", "\n", "\u2028", "\ud800"]
)


def made_up(target: str, agent: str, given_id: str) -> tuple[web.BaseRequest, web.Response]:
    """Make a request and a response that no parser has looked at."""
    request = make_mocked_request("GET", "/")
    request._message = request._message._replace(path=target)
    request._headers = CIMultiDictProxy(CIMultiDict({"User-Agent": agent, "Lock": target}))
    request[REQUEST_ID] = given_id
    return request, web.Response(headers={"X-Out": agent})


@given(directives=FORMATS, target=TEXTS, agent=TEXTS, given_id=TEXTS)
def test_no_format_and_no_request_makes_a_line_break_or_ends_a_field(
    directives: list[str], target: str, agent: str, given_id: str
) -> None:
    line = compile_format(" ".join(f'"{directive}"' for directive in directives))(
        *made_up(target, agent, given_id), 0.1
    )
    assert line.isprintable()
    assert re.fullmatch(" ".join([QUOTED] * len(directives)), line)


@given(directives=FORMATS, target=TEXTS, agent=TEXTS, given_id=TEXTS)
def test_no_request_makes_json_anything_else(directives: list[str], target: str, agent: str, given_id: str) -> None:
    log_format = "{" + ",".join(f'"{number}": "{text}"' for number, text in enumerate(directives)) + "}"
    line = compile_format(log_format)(*made_up(target, agent, given_id), 0.1)
    assert line.isprintable()
    values = json.loads(line)
    assert len(values) == len(directives)
    sent = {"%U": target.partition("?")[0], "%L": given_id, "%{User-Agent}i": agent, "%{X-Out}o": agent, "%m": "GET"}
    for value, directive in zip(values.values(), directives, strict=True):
        if directive in sent:
            assert value == sent[directive]


@given(
    log_format=st.lists(
        st.sampled_from(["%t", "%r", "%s", "%b", "%T", "%Tf", "%D", "%{User-Agent}i", "%{X-Out}o", "%{No}i", " x "])
    ).map("".join),
    target=st.from_regex(r"/([a-z0-9]{1,5}/){0,2}[a-z0-9]{0,5}(\?[a-z=&]{1,9})?", fullmatch=True),
    agent=st.from_regex(r"[A-Za-z0-9 /()]{0,20}", fullmatch=True),
    seconds=st.floats(0, 100),
)
def test_what_needs_no_escape_is_written_as_aiohttp_writes_it(
    log_format: str, target: str, agent: str, seconds: float
) -> None:
    request = make_mocked_request("GET", target, headers={"User-Agent": agent})
    response = web.Response(headers={"X-Out": agent})
    with logging_alone() as logger:
        messages = records_in(logger)
        # A new second may begin between two of them.
        for kind in (aiohttp.web_log.AccessLogger, AccessLogger, aiohttp.web_log.AccessLogger):
            kind(logger, log_format).log(request, response, seconds)
    before, ours, after = messages
    assert ours in {before, after}


def test_ids_are_new_ones_in_a_forked_child_and_after_many() -> None:
    stdout, _ = run_python(
        "import os, warnings; warnings.simplefilter('ignore')\n"
        "from webkit.requests import new_request_id\n"
        "new_request_id()\n"
        "child = os.fork()\n"
        "if child: os.waitpid(child, 0)\n"
        "print(*(new_request_id() for _ in range(1000)), flush=True)\n"
        "if not child: os._exit(0)\n"
    )
    ids = stdout.split()
    assert len(set(ids)) == len(ids) == 2000
    assert all(re.fullmatch("[0-9a-f]{16}", given) for given in ids)
