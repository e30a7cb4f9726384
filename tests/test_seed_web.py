"""aiohttp.web as it was documented in version 0.21, "HTTP Server Usage", from its first section to its last.

Each sample stands here as it was written there, but for its imports, for what Python no longer has, and for what the
documentation got wrong; a comment says which. Whole programs run as processes of their own, everything else behind
real servers. What belongs to a section and is no sample is held where the feature is tested.
"""

# The samples are quoted: they have no annotations, and format as was the custom then.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
# ruff: noqa: UP031, UP032

import asyncio
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp_cors
import aiohttp_debugtoolbar
import aiohttp_jinja2
import jinja2
import pytest
from aiohttp import ClientSession, FormData, WSCloseCode, WSMsgType
from aiohttp_session import get_session, session_middleware
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from multidict import MultiDict

from tests.processes import Process, environment, serving
from tests.rawsockets import connect
from tests.serving import Running, Serve
from webkit import Templates, compat, template, web
from webkit.web import HTTPExpectationFailed, HTTPForbidden, HTTPNotAcceptable


@asynccontextmanager
async def program(source: str) -> AsyncIterator[Process]:
    """Run *source* as a program that serves, and wait until it has printed where."""
    process = Process(
        await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-W",
                "error",
                "-W",
                "ignore:It is recommended to use web.RequestKey",
                "-u",
                "-c",
                source,
            ),
            env=environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    )
    try:
        process.banner = await process.until_stdout(" on ")
        yield process
    finally:
        await process.kill()


def url_in(process: Process) -> str:
    """The address that a program of its own has printed: ``serving on ('127.0.0.1', 43211)``."""
    port = re.findall(r"\d+", process.banner)[-1]
    return f"http://127.0.0.1:{port}"


# Run a Simple Web Server

SIMPLE_WEB_SERVER = """
import asyncio
from webkit import web

async def hello(request):
    return web.Response(body=b"Hello, world")

app = web.Application()
app.router.add_route('GET', '/', hello)

web.run_app(app, host='127.0.0.1', port=0)  # port 8080 may be taken
"""


async def test_run_a_simple_web_server() -> None:
    """AW-001, AW-004, AW-007, AW-033."""
    async with program(SIMPLE_WEB_SERVER) as process, ClientSession() as session:
        async with session.get(process.urls[0]) as answer:
            assert (answer.status, await answer.read()) == (200, b"Hello, world")
            assert answer.content_type == "application/octet-stream"
        assert await process.stop(signal.SIGINT) == 0
        assert "Traceback" not in process.stderr


# Command Line Interface (CLI)

MODULE = """
from webkit import web

def index_handler(request):
    return web.Response(text=' '.join(request.app['args']))

def init_function(args):
    app = web.Application()
    app['args'] = args
    app.router.add_route("GET", "/", index_handler)
    return app

init_func = init_function
"""


async def test_command_line_interface(tmp_path: Path) -> None:
    """AW-020, AW-024, AW-032: ``python -m webkit`` instead of ``python -m aiohttp.web``, which never took this."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "module.py").write_text(MODULE)
    async with serving(tmp_path, "-n", "localhost", "-p", "0", "package.module.init_func", "--color", "red") as process:
        assert await process.get("/") == (200, "--color red")


# Handler


async def test_handler_a_regular_function_or_a_coroutine(serve: Serve) -> None:
    """AW-001, AW-002: a regular function runs in a thread."""

    def handler(request):
        return web.Response()

    async def coroutine_handler(request):
        return web.Response()

    app = web.Application()
    app.router.add_route("GET", "/", handler)
    app.router.add_route("GET", "/coroutine", coroutine_handler)
    client = await serve(app)
    for path in ("/", "/coroutine"):
        answer = await client.get(path)
        assert (answer.status, answer.body) == (200, b"")


async def test_handler_on_a_method_and_a_path(serve: Serve) -> None:
    """AW-008, AW-009, AW-010."""

    async def handler(request):
        return web.Response(text="handler")

    async def post_handler(request):
        return web.Response(text="post_handler")

    async def put_handler(request):
        return web.Response(text="put_handler")

    async def all_handler(request):
        return web.Response(text=request.method)

    app = web.Application()
    app.router.add_route("GET", "/", handler)
    app.router.add_route("POST", "/post", post_handler)
    app.router.add_route("PUT", "/put", put_handler)
    app.router.add_route("*", "/path", all_handler)
    client = await serve(app)
    assert (await client.get("/")).text == "handler"
    assert (await client.post("/post")).text == "post_handler"
    assert (await client.request("PUT", "/put")).text == "put_handler"
    for method in ("GET", "POST", "DELETE", "PURGE"):
        assert (await client.request(method, "/path")).text == method
    assert (await client.request("HEAD", "/")).status == 405  # add_route() adds what it says, and no HEAD
    assert (await client.post("/")).status == 405


# Resources and Routes


async def test_resources_and_routes(serve: Serve) -> None:
    """AW-040: ``add_route`` of the router is a short cut for the two."""

    async def handler(request):
        return web.Response(text="found")

    app = web.Application()
    resource = app.router.add_resource("/path", name="name")
    route = resource.add_route("GET", handler)
    assert route.resource is resource is app.router["name"]
    short = app.router.add_route("GET", "/short", handler)
    assert short.resource in app.router.resources()
    client = await serve(app)
    assert [(await client.get(path)).text for path in ("/path", "/short")] == ["found"] * 2


# Variable Resources


async def variable_handler(request):
    return web.Response(text="Hello, {}".format(request.match_info["name"]))


async def test_variable_resources(serve: Serve) -> None:
    """AW-042, AW-044."""
    app = web.Application()
    resource = app.router.add_resource("/{name}")  # the documentation says add_route('/{name}')
    resource.add_route("GET", variable_handler)
    app.router.add_route("GET", "/a/{name}/c", variable_handler)
    client = await serve(app)
    assert (await client.get("/Andrew")).text == "Hello, Andrew"
    for name in ("b", "1", "etc"):
        assert (await client.get(f"/a/{name}/c")).text == f"Hello, {name}"
    assert (await client.get("/a/b%2Fc/c")).text == "Hello, b/c"
    assert [(await client.get(path)).status for path in ("/a//c", "/a/b/c/", "/a/b/d/c")] == [404] * 3


async def test_variable_resources_with_a_custom_regex(serve: Serve) -> None:
    r"""AW-043."""
    app = web.Application()
    resource = app.router.add_resource(r"/{name:\d+}")
    resource.add_route("GET", variable_handler)
    client = await serve(app)
    assert (await client.get("/42")).text == "Hello, 42"
    assert (await client.get("/forty-two")).status == 404


def test_variable_resources_need_add_resource_where_there_is_no_method_yet() -> None:
    """AW-041: the documentation is wrong there."""
    app: Any = web.Application()
    with pytest.raises(TypeError):
        app.router.add_route("/{name}")


# Reverse URL Constructing using Named Resources


async def test_reverse_url_constructing_using_named_resources(serve: Serve) -> None:
    """AW-047, AW-048, AW-049, AW-050."""
    urls: list[str] = []

    async def handler(request):
        # The documentation says app.named_resource['root'], which no release had.
        urls.append(request.app.router["root"].url(query={"a": "b", "c": "d"}))
        urls.append(request.app.router["user-info"].url(parts={"user": "john_doe"}, query="?a=b"))
        return web.Response()

    app = web.Application()
    resource = app.router.add_resource("/root", name="root")
    resource.add_route("GET", handler)
    app.router.add_resource(r"/{user}/info", name="user-info")
    await (await serve(app)).get("/root")
    assert urls == ["/root?a=b&c=d", "/john_doe/info?a=b"]
    named: Any = app.named_resource  # webkit's application has it
    assert named["root"].url(query={"a": "b", "c": "d"}) == urls[0]


# Organizing Handlers in Classes


class Handler:
    def __init__(self):
        pass

    def handle_intro(self, request):
        return web.Response(body=b"Hello, world")

    async def handle_greeting(self, request):
        name = request.match_info.get("name", "Anonymous")
        txt = "Hello, {}".format(name)
        return web.Response(text=txt)


async def test_organizing_handlers_in_classes(serve: Serve) -> None:
    """AW-052."""
    app = web.Application()
    handler = Handler()
    app.router.add_route("GET", "/intro", handler.handle_intro)
    app.router.add_route("GET", "/greet/{name}", handler.handle_greeting)
    client = await serve(app)
    assert (await client.get("/intro")).text == "Hello, world"
    assert (await client.get("/greet/Andrew")).text == "Hello, Andrew"


# Class Based Views


async def get_resp(request):
    return web.Response(text="{} {}".format(request.method, request.path))


post_resp = get_resp


class MyView(web.View):
    async def get(self):
        return await get_resp(self.request)

    async def post(self):
        return await post_resp(self.request)


async def test_class_based_views(serve: Serve) -> None:
    """AW-053: GET and POST are processed, other methods are not allowed."""
    app = web.Application()
    app.router.add_route("*", "/path/to", MyView)
    client = await serve(app)
    assert (await client.get("/path/to")).text == "GET /path/to"
    assert (await client.post("/path/to")).text == "POST /path/to"
    for method in ("PUT", "DELETE", "PURGE"):
        answer = await client.request(method, "/path/to")
        assert answer.status == 405
        assert {"GET", "POST"} <= set(answer.headers["Allow"].split(","))


# Resource Views


def test_resource_views(capsys: pytest.CaptureFixture[str]) -> None:
    """AW-054."""
    app = web.Application()
    app.router.add_route("GET", "/", get_resp)
    app.router.add_route("GET", "/{user}/info", get_resp, name="user-info")

    for resource in app.router.resources():
        print(resource)  # noqa: T201
    every = capsys.readouterr().out
    assert every.count("\n") == len(app.router.resources()) == 2
    assert "/{user}/info" in every

    for name, resource in app.router.named_resources().items():
        print(name, resource)  # noqa: T201
    assert capsys.readouterr().out.startswith("user-info <DynamicResource ")
    assert len(app.router.routes()) == 2
    assert set(compat.named_routes(app.router)) == {"user-info"}


# Custom Routing Criteria


class AcceptChooser:
    def __init__(self):
        self._accepts = {}

    async def do_route(self, request):
        for accept in request.headers.getall("ACCEPT", []):
            acceptor = self._accepts.get(accept)
            if acceptor is not None:
                return await acceptor(request)
        raise HTTPNotAcceptable()

    def reg_acceptor(self, accept, handler):
        self._accepts[accept] = handler


async def handle_json(request):
    return web.json_response({"kind": "json"})


async def handle_xml(request):
    return web.Response(text="<kind>xml</kind>", content_type="application/xml")


async def test_custom_routing_criteria(serve: Serve) -> None:
    """AW-055, AW-056: the sample compares whole lines of the header; ``webkit.accepts`` reads what stands in them."""
    app = web.Application()
    chooser = AcceptChooser()
    app.router.add_route("GET", "/", chooser.do_route)

    chooser.reg_acceptor("application/json", handle_json)
    chooser.reg_acceptor("application/xml", handle_xml)

    client = await serve(app)
    assert (await client.get("/", headers={"Accept": "application/json"})).json == {"kind": "json"}
    assert (await client.get("/", headers={"Accept": "application/xml"})).text == "<kind>xml</kind>"
    assert (await client.get("/", headers={"Accept": "text/html"})).status == 406
    assert (await client.get("/", headers={"Accept": "application/json, application/xml"})).status == 406
    two = MultiDict([("Accept", "text/html"), ("Accept", "application/xml")])
    assert (await client.get("/", headers=two)).text == "<kind>xml</kind>"


# Template Rendering


async def test_template_rendering(serve: Serve, tmp_path: Path) -> None:
    """AW-166: ``template`` is webkit's; that of aiohttp-jinja2 1.6 takes coroutine functions only."""
    (tmp_path / "tmpl.jinja2").write_text("{{ name }} {{ surname }}")

    @template("tmpl.jinja2")
    def handler(request):
        return {"name": "Andrew", "surname": "Svetlov"}

    @aiohttp_jinja2.template("tmpl.jinja2")
    async def coroutine_handler(request):
        return {"name": "Andrew", "surname": "Svetlov"}

    app = web.Application(loop=None)
    aiohttp_jinja2.setup(app.aiohttp, loader=jinja2.FileSystemLoader(tmp_path))
    app.use(Templates(tmp_path))
    app.router.add_route("GET", "/", handler)
    app.router.add_route("GET", "/coroutine", coroutine_handler)
    client = await serve(app)
    for path in ("/", "/coroutine"):
        assert (await client.get(path)).text == "Andrew Svetlov"


# User Sessions

USER_SESSIONS = """
import asyncio
import time
from webkit import web
from aiohttp_session import get_session, session_middleware
from aiohttp_session.cookie_storage import EncryptedCookieStorage

async def handler(request):
    session = await get_session(request)
    session['last_visit'] = time.time()
    return web.Response(body=b'OK')

async def init(loop):
    app = web.Application(middlewares=[session_middleware(
        EncryptedCookieStorage(b'Thirty-two bytes of secrecy now!'))])  # 16 were enough then
    app.router.add_route('GET', '/', handler)
    srv = await loop.create_server(
        app.make_handler(), '127.0.0.1', 0)
    return srv

loop = asyncio.new_event_loop()  # get_event_loop(): Python 3.14 makes none
srv = loop.run_until_complete(init(loop))
print('serving on', srv.sockets[0].getsockname())
try:
    loop.run_forever()
except KeyboardInterrupt:
    pass
"""


async def test_user_sessions_of_a_program_that_serves_by_hand() -> None:
    """AW-160, AW-167, AW-170."""
    async with program(USER_SESSIONS) as process, ClientSession() as session:
        async with session.get(url_in(process)) as answer:
            assert (answer.status, await answer.text()) == (200, "OK")
            assert "AIOHTTP_SESSION" in answer.cookies
        assert await process.stop(signal.SIGINT) == 0


async def test_user_sessions_are_kept(serve: Serve) -> None:
    """AW-167."""
    seen: list[float] = []

    async def handler(request):
        session = await get_session(request)
        session["last_visit"] = time.time()
        return web.Response(body=b"OK")

    async def look(request):
        seen.append((await get_session(request))["last_visit"])
        return web.Response(body=b"seen")

    app = web.Application(middlewares=[session_middleware(EncryptedCookieStorage(b"Thirty-two bytes of secrecy now!"))])
    app.router.add_route("GET", "/", handler)
    app.router.add_route("GET", "/look", look)
    client = await serve(app)
    cookie = (await client.get("/")).headers["Set-Cookie"].partition(";")[0]
    assert (await client.get("/look", headers={"Cookie": cookie})).text == "seen"
    assert seen[0] <= time.time()


def test_user_sessions_need_a_key_of_32_bytes_today() -> None:
    """AW-167: what the package says to the key of the documentation is clear enough."""
    with pytest.raises(ValueError, match="Fernet key must be 32 url-safe base64-encoded bytes"):
        EncryptedCookieStorage(b"Sixteen byte key")


# Expect Header


async def check_auth(request):
    if request.version != aiohttp.HttpVersion11:
        return

    expect = request.headers.get("EXPECT")  # the documentation forgets this line
    if expect != "100-continue":
        raise HTTPExpectationFailed(text="Unknown Expect: %s" % expect)

    if request.headers.get("AUTHORIZATION") is None:
        raise HTTPForbidden()

    request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def test_expect_header(serve: Serve) -> None:
    """AW-061, AW-062, AW-063, AW-064."""

    async def hello(request):
        return web.Response(body=b"Hello, world")

    app = web.Application()
    app.router.add_route("GET", "/", hello, expect_handler=check_auth)
    client = await serve(app)
    head = "GET / HTTP/1.{}\r\nHost: l\r\nContent-Length: 2\r\nExpect: {}\r\n{}\r\n"
    async with connect(client.url) as connection:
        connection.writer.write(head.format(1, "100-continue", "Authorization: me\r\n").encode())
        assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await connection.ask(b"ok")).body == "Hello, world"
    for version, expect, status in ((1, "100-continue", 403), (1, "200-ok", 417), (0, "100-continue", 200)):
        async with connect(client.url) as connection:
            answer = await connection.ask(head.format(version, expect, "").encode() + b"ok")
            assert answer.status == status
    assert (await client.get("/")).text == "Hello, world"


# File Uploads

FORM = """\
<form action="/store/mp3" method="post" accept-charset="utf-8"
      enctype="multipart/form-data">

    <label for="mp3">Mp3</label>
    <input id="mp3" name="mp3" type="file" value="" />

    <input type="submit" value="submit" />
</form>
"""


async def store_mp3_handler(request):

    data = await request.post()

    mp3 = data["mp3"]

    # .filename contains the name of the file in string format.
    filename = mp3.filename

    # .file contains the actual file data that needs to be stored somewhere.
    mp3_file = data["mp3"].file

    content = mp3_file.read()

    # The documentation puts the file itself into the header, and forgets to close a parenthesis.
    return web.Response(body=content, headers=MultiDict({"CONTENT-DISPOSITION": f'attachment; filename="{filename}"'}))


async def test_file_uploads(serve: Serve) -> None:
    """AW-070, AW-071, AW-072."""
    app = web.Application()
    app.router.add_route("GET", "/", lambda request: web.Response(text=FORM, content_type="text/html"))
    app.router.add_route("POST", "/store/mp3", store_mp3_handler)
    client = await serve(app)
    assert 'action="/store/mp3"' in (await client.get("/")).text
    data = FormData()
    data.add_field("mp3", b"ID3\x04\x00", filename="song.mp3", content_type="audio/mpeg")
    answer = await client.post("/store/mp3", data=data)
    assert (answer.status, answer.body) == (200, b"ID3\x04\x00")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="song.mp3"'


async def test_file_uploads_are_fields_with_metadata_and_other_forms_are_read_too(serve: Serve) -> None:
    """AW-070, AW-071."""

    async def show(request):
        data = await request.post()
        return web.json_response(
            {
                name: value
                if isinstance(value, str)
                else [value.name, value.filename, value.content_type, value.headers["X-More"], value.file.tell()]
                for name, value in data.items()
            }
        )

    app = web.Application()
    app.router.add_route("POST", "/", show)
    client = await serve(app)
    data = FormData({"title": "Song"})
    data.add_field("mp3", b"ID3", filename="song.mp3", content_type="audio/mpeg")
    data._fields[-1][1]["X-More"] = "yes"
    assert (await client.post("/", data=data)).json == {"title": "Song"} | {
        "mp3": ["mp3", "song.mp3", "audio/mpeg", "yes", 0]
    }
    assert (await client.post("/", data={"a": "b c", "é": "ü"})).json == {"a": "b c", "é": "ü"}
    assert (await client.post("/", data=b"<a/>", headers={"Content-Type": "text/xml"})).json == {}


# WebSockets


async def test_websockets(serve: Serve) -> None:
    """AW-073, AW-074, AW-075, AW-076, AW-079: ``WebSocketResponse`` and ``MsgType`` are those of compat."""
    printed: asyncio.Queue[str] = asyncio.Queue()
    print = printed.put_nowait

    async def websocket_handler(request):

        ws = compat.WebSocketResponse()
        await ws.prepare(request)

        async for msg in ws:
            if msg.tp == compat.MsgType.text:
                if msg.data == "close":
                    await ws.close()
                else:
                    ws.send_str(msg.data + "/answer")  # type: ignore[unused-awaitable]
            elif msg.tp == compat.MsgType.error:
                print("ws connection closed with exception %s" % ws.exception())

        print("websocket connection closed")

        return ws

    app = web.Application()
    app.router.add_route("GET", "/", websocket_handler)
    client = await serve(app)
    async with client.session.ws_connect(client.url) as ws:
        await ws.send_str("hello")
        assert (await ws.receive()).data == "hello/answer"
        await ws.send_str("close")
        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.OK)
    assert await printed.get() == "websocket connection closed"
    assert (await client.get("/")).status == 400  # no handshake


# Exceptions

EXCEPTIONS = """\
Exception
  HTTPException
    HTTPSuccessful
      * 200 - HTTPOk
      * 201 - HTTPCreated
      * 202 - HTTPAccepted
      * 203 - HTTPNonAuthoritativeInformation
      * 204 - HTTPNoContent
      * 205 - HTTPResetContent
      * 206 - HTTPPartialContent
    HTTPRedirection
      * 300 - HTTPMultipleChoices
      * 301 - HTTPMovedPermanently
      * 302 - HTTPFound
      * 303 - HTTPSeeOther
      * 304 - HTTPNotModified
      * 305 - HTTPUseProxy
      * 307 - HTTPTemporaryRedirect
      * 308 - HTTPPermanentRedirect
    HTTPError
      HTTPClientError
        * 400 - HTTPBadRequest
        * 401 - HTTPUnauthorized
        * 402 - HTTPPaymentRequired
        * 403 - HTTPForbidden
        * 404 - HTTPNotFound
        * 405 - HTTPMethodNotAllowed
        * 406 - HTTPNotAcceptable
        * 407 - HTTPProxyAuthenticationRequired
        * 408 - HTTPRequestTimeout
        * 409 - HTTPConflict
        * 410 - HTTPGone
        * 411 - HTTPLengthRequired
        * 412 - HTTPPreconditionFailed
        * 413 - HTTPRequestEntityTooLarge
        * 414 - HTTPRequestURITooLong
        * 415 - HTTPUnsupportedMediaType
        * 416 - HTTPRequestRangeNotSatisfiable
        * 417 - HTTPExpectationFailed
        * 421 - HTTPMisdirectedRequest
        * 426 - HTTPUpgradeRequired
        * 428 - HTTPPreconditionRequired
        * 429 - HTTPTooManyRequests
        * 431 - HTTPRequestHeaderFieldsTooLarge
      HTTPServerError
        * 500 - HTTPInternalServerError
        * 501 - HTTPNotImplemented
        * 502 - HTTPBadGateway
        * 503 - HTTPServiceUnavailable
        * 504 - HTTPGatewayTimeout
        * 505 - HTTPVersionNotSupported
        * 506 - HTTPVariantAlsoNegotiates
        * 510 - HTTPNotExtended
        * 511 - HTTPNetworkAuthenticationRequired
"""


def test_exceptions_have_the_hierarchy_of_the_chart() -> None:
    """AW-100 to AW-111, AW-114: there is no exception for 418, 423, 425 and 508, whatever the text says."""
    above: dict[int, Any] = {}
    for line in EXCEPTIONS.splitlines():
        depth = len(line) - len(line.lstrip())
        words = line.removeprefix(" " * depth + "* ").split(" - ")
        kind: Any = getattr(web, words[-1].strip(), Exception)
        assert depth == 0 or issubclass(kind, above[depth - 2]), line
        if len(words) == 2:
            assert kind.status_code == int(words[0])
        above[depth] = kind
    statuses = {getattr(thing, "status_code", None) for thing in vars(web).values()}
    assert 451 in statuses
    assert not {418, 423, 425, 508} & statuses


async def test_exceptions_are_raised_or_returned_for_the_same_effect(serve: Serve) -> None:
    """AW-100, AW-103."""

    async def returning_handler(request):
        return web.HTTPFound("/redirect")

    async def raising_handler(request):
        raise web.HTTPFound("/redirect")

    app = web.Application()
    app.router.add_route("GET", "/return", returning_handler)
    app.router.add_route("GET", "/raise", raising_handler)
    client = await serve(app)
    returned, raised = await client.get("/return"), await client.get("/raise")
    assert (returned.status, returned.headers["Location"], returned.body) == (302, "/redirect", b"302: Found")
    assert (raised.status, raised.headers["Location"], raised.body) == (302, "/redirect", b"302: Found")


def test_exceptions_have_the_same_constructor_signature() -> None:
    """AW-101 to AW-113: but for 413, which takes the sizes now; ``body`` works and warns."""
    options: dict[str, Any] = {"headers": {"X-More": "yes"}, "reason": "Why", "content_type": "text/plain"}
    made = [
        web.HTTPNotFound(text="words", **options),
        web.HTTPFound("/location", text="words", **options),
        web.HTTPPermanentRedirect("/location", text="words", **options),
        web.HTTPMethodNotAllowed("PUT", ["GET"], text="words", **options),
    ]
    for error in made:
        assert (error.text, error.reason, error.headers["X-More"]) == ("words", "Why", "yes")
    with pytest.warns(DeprecationWarning, match="body"):
        assert web.HTTPNotFound(body=b"words").body == b"words"


# Data Sharing


@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")  # aiohttp's own, hidden by default
async def test_data_sharing(serve: Serve) -> None:
    """AW-120, AW-121."""

    async def remember(request, handler):
        request["my_private_key"] = "data of the request"
        return await handler(request)

    async def handler(request):
        data = request.app["my_private_key"]
        return web.Response(text="{}, {}".format(data, request["my_private_key"]))

    app = web.Application(middlewares=[remember])
    app["my_private_key"] = "data"
    app.router.add_route("GET", "/", handler)
    assert (await (await serve(app)).get("/")).text == "data, data of the request"


# Middlewares


async def test_middlewares(serve: Serve) -> None:
    """AW-130, AW-134: what a handler accepts is a Request, where the documentation says Response."""

    async def middleware_factory(app, handler):
        async def middleware_handler(request):
            return await handler(request)

        return middleware_handler

    with pytest.warns(DeprecationWarning, match="is an old middleware factory"):
        app = web.Application(middlewares=[middleware_factory])
    app.router.add_route("GET", "/", handle_json)
    client = await serve(app)
    assert (await client.get("/")).json == {"kind": "json"}
    assert (await client.get("/missing")).status == 404


# Signals


async def test_signals(serve: Serve) -> None:
    """AW-140."""

    async def on_prepare(request, response):
        response.headers["My-Header"] = "value"

    app = web.Application()
    app.on_response_prepare.append(on_prepare)
    app.router.add_route("GET", "/", handle_json)
    client = await serve(app)
    for path in ("/", "/missing"):
        assert (await client.get(path)).headers["My-Header"] == "value"


# Flow control


async def test_flow_control(serve: Serve) -> None:
    """AW-150, AW-151, AW-153: the responses of compat have the modes; others need none."""
    states: list[tuple[bool, bool]] = []

    async def handler(request):
        resp = compat.StreamResponse()
        states.append((resp.tcp_cork, resp.tcp_nodelay))
        resp.set_tcp_cork(True)
        await resp.prepare(request)
        states.append((resp.tcp_cork, resp.tcp_nodelay))
        for _ in range(10):
            await resp.write(b"a big portion of data, ")
        resp.set_tcp_nodelay(True)
        states.append((resp.tcp_cork, resp.tcp_nodelay))
        return resp

    app = web.Application()
    app.router.add_route("GET", "/", handler)
    assert (await (await serve(app)).get("/")).text == "a big portion of data, " * 10
    assert states == [(False, True), (True, False), (False, True)]
    assert (compat.Response().tcp_cork, compat.Response().tcp_nodelay) == (True, False)


# Graceful shutdown


async def test_graceful_shutdown(running: Running) -> None:
    """AW-078, AW-141, AW-164, AW-165."""
    app = web.Application()
    app["websockets"] = []

    async def websocket_handler(request):
        ws = compat.WebSocketResponse()
        await ws.prepare(request)

        request.app["websockets"].append(ws)
        try:
            async for _ in ws:
                ...
        finally:
            request.app["websockets"].remove(ws)

        return ws

    # The documentation says "async with on_shutdown(app):", goes through a list that becomes shorter meanwhile, and
    # closes with 999, which is no code of WebSockets.
    async def on_shutdown(app):
        for ws in tuple(app["websockets"]):
            await ws.close(code=WSCloseCode.GOING_AWAY, message="Server shutdown")

    app.on_shutdown.append(on_shutdown)
    app.router.add_route("GET", "/", websocket_handler)

    async with ClientSession() as session:
        async with running(app) as client:
            sockets = [await session.ws_connect(client.url) for _ in range(4)]
            ends = [asyncio.create_task(ws.receive()) for ws in sockets]
        assert {((await end).data, (await end).extra) for end in ends} == {(1001, "Server shutdown")}
    assert app["websockets"] == []


GRACEFUL_SHUTDOWN = """
import asyncio
import signal
from webkit import web

async def websocket_handler(request):
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for msg in ws:
        loop.call_soon(signal.raise_signal, signal.SIGINT)  # as Ctrl+C does, while nothing else runs
    return ws

async def on_shutdown(app):
    print('shutdown')

async def on_cleanup(app):
    print('cleanup')

app = web.Application()
app.router.add_route('GET', '/', websocket_handler)
app.on_shutdown.append(on_shutdown)
app.on_cleanup.append(on_cleanup)

loop = asyncio.new_event_loop()  # get_event_loop(): Python 3.14 makes none
handler = app.make_handler()
f = loop.create_server(handler, '127.0.0.1', 0)
srv = loop.run_until_complete(f)
print('serving on', srv.sockets[0].getsockname())
try:
    loop.run_forever()
except KeyboardInterrupt:
    pass
finally:
    srv.close()
    loop.run_until_complete(srv.wait_closed())
    loop.run_until_complete(app.shutdown())
    loop.run_until_complete(handler.finish_connections(60.0))
    loop.run_until_complete(app.cleanup())
loop.close()
"""


async def test_graceful_shutdown_of_a_program_that_serves_by_hand() -> None:
    """AW-160, AW-161, AW-162, AW-163, AW-170, AW-171: with a WebSocket open all the while."""
    async with program(GRACEFUL_SHUTDOWN) as process, ClientSession() as session:
        async with session.ws_connect(url_in(process)) as ws:
            await ws.send_str("stop")
            message = await ws.receive()
            assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
        assert await process.exit_code() == 0
        assert process.stdout.endswith("shutdown\ncleanup\n")
        assert process.stderr == ""


# CORS support


async def test_cors_support(serve: Serve) -> None:
    """AW-168: set up on the wrapped application."""
    app = web.Application()
    route = app.router.add_route("GET", "/", handle_json)
    cors = aiohttp_cors.setup(app.aiohttp)
    cors.add(route, {"https://shop.example": aiohttp_cors.ResourceOptions()})
    client = await serve(app)
    answer = await client.get("/", headers={"Origin": "https://shop.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert (
        "Access-Control-Allow-Origin" not in (await client.get("/", headers={"Origin": "https://evil.example"})).headers
    )


# Debug Toolbar


async def test_debug_toolbar(serve: Serve) -> None:
    """AW-169: ``setup`` adds the middleware itself; ``toolbar_middleware_factory`` is gone from the package."""
    app = web.Application(loop=None)
    aiohttp_debugtoolbar.setup(app.aiohttp)

    async def page(request):
        return web.Response(text="<html><body>page</body></html>", content_type="text/html")

    app.router.add_route("GET", "/", page)
    client = await serve(app)
    assert "pDebug" in (await client.get("/")).text
    assert not hasattr(aiohttp_debugtoolbar, "toolbar_middleware_factory")
