"""``python -m webkit``: each test starts it as a shell does, in a folder with a small application."""

import asyncio
import json
import re
import signal
import socket
from pathlib import Path

import aiohttp
import pytest

from tests.processes import is_listened_on, run_to_its_end, serving, started
from webkit import __version__

SHOP = """
import asyncio
from aiohttp import web
from webkit import Application, View

def make(argv):
    app = Application()
    known_in_init = app.debug

    @app.get("/argv")
    async def show_argv(request):
        return argv

    @app.get("/debug")
    async def show_debug(request):
        return f"{known_in_init} {app.debug}"

    return app

def init(argv):
    return make(argv)

async def later(argv):
    await asyncio.sleep(0)
    return make(argv)

def bare():
    return make("no argv")

def with_default(argv=None):
    return make(argv)

def plain(argv):
    app = web.Application()
    async def show(request):
        return web.json_response(argv)
    app.router.add_get("/argv", show)
    return app

class Factories:
    init = staticmethod(init)

class Shop(Application):
    pass

app = make("the app itself")
plain_app = plain("the plain app itself")
"""

WRONG = """
from webkit import Application

app = Application()
answer = 42

def init(argv):
    return app

def bare():
    return app

def forgets(argv):
    Application()

async def forgets_later(argv):
    Application()

def gives_text(argv):
    return "no application"

def boom(argv):
    raise ValueError("boom")

def twice(argv):
    Application().add_route("GET", "no-slash", boom)

def may_not(argv):
    raise PermissionError(13, "The key is not for you")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an application that tells how it was started, one that is wrong in many ways, and a package."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "wrong.py").write_text(WRONG)
    (tmp_path / "company" / "pages").mkdir(parents=True)
    (tmp_path / "company" / "__init__.py").touch()
    (tmp_path / "company" / "pages" / "__init__.py").touch()
    (tmp_path / "company" / "pages" / "main.py").write_text(SHOP)
    return tmp_path


# What is served


@pytest.mark.parametrize(
    ("target", "argv"),
    [
        ("shop.init", '["one"]'),
        ("shop:init", '["one"]'),
        ("shop.later", '["one"]'),
        ("shop:later", '["one"]'),
        ("shop:with_default", '["one"]'),
        ("shop:plain", '["one"]'),
        ("shop:Factories.init", '["one"]'),
        ("company.pages.main.init", '["one"]'),
        ("company.pages.main:init", '["one"]'),
    ],
)
async def test_an_init_function_of_any_kind_gets_the_arguments_and_gives_the_application(
    folder: Path, target: str, argv: str
) -> None:
    """AW-020, AW-024, AW-025, AW-032."""
    async with serving(folder, "-n", "127.0.0.1", "-p", "0", target, "one") as process:
        status, text = await process.get("/argv")
        assert (status, text.replace(" ", "")) == (200, argv)
        assert await process.stop() == 0


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("shop:app", "the app itself"),
        ("company.pages.main:app", "the app itself"),
        ("shop.plain_app", '"the plain app itself"'),
        ("shop:bare", "no argv"),
    ],
)
async def test_an_application_or_an_init_function_without_a_parameter_needs_no_arguments(
    folder: Path, target: str, text: str
) -> None:
    async with serving(folder, "-p", "0", target) as process:
        assert await process.get("/argv") == (200, text)


async def test_a_class_is_called_as_a_function_is(folder: Path) -> None:
    async with serving(folder, "-p", "0", "shop:Shop") as process:
        assert (await process.get("/"))[0] == 404


@pytest.mark.parametrize(
    ("words", "argv"),
    [
        ([], []),
        (["--foo", "bar", "-z", "last"], ["--foo", "bar", "-z", "last"]),
        (["first", "--foo=bar", "-5", "-z"], ["first", "--foo=bar", "-5", "-z"]),
        (["a b", "ü", ""], ["a b", "ü", ""]),
        (["--", "-P", "5"], ["-P", "5"]),
        (["a", "--", "-P", "5"], ["a", "--", "-P", "5"]),
        (["a", "--debug", "b"], ["a", "b"]),
        # Not ours, though ours begin like this.
        (["--no", "--ver", "--deb"], ["--no", "--ver", "--deb"]),
    ],
)
async def test_what_is_no_option_of_webkit_reaches_init_in_order(
    folder: Path, words: list[str], argv: list[str]
) -> None:
    """AW-024."""
    async with serving(folder, "-p", "0", "shop:init", *words) as process:
        url = f"{process.urls[0]}/argv"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert await response.json() == argv


async def test_the_current_folder_is_importable_even_where_python_leaves_it_out(folder: Path) -> None:
    async with serving(folder, "-p", "0", "shop:app", flags=("-P",)) as process:
        assert (await process.get("/argv"))[0] == 200


async def test_from_elsewhere_the_application_is_found_in_pythons_path(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    code, _, stderr = run_to_its_end(elsewhere, "shop:app")
    assert (code, stderr) == (
        2,
        f"webkit: There is no module 'shop'. It was looked for in {elsewhere} and in Python's path.\n",
    )
    path = f"{Path(__file__).parent.parent}:{folder}"
    async with serving(elsewhere, "-p", "0", "shop:app", PYTHONPATH=path) as process:
        assert (await process.get("/argv"))[0] == 200


# Where it listens


@pytest.mark.parametrize("host", ["-n", "-H", "--host", "--hostname"])
@pytest.mark.parametrize("port", ["-p", "-P", "--port"])
async def test_the_host_and_the_port_have_short_and_long_options(folder: Path, host: str, port: str) -> None:
    """AW-020, AW-021, AW-022."""
    async with serving(folder, host, "127.0.0.1", port, "0", "shop:app") as process:
        assert process.urls == [f"http://127.0.0.1:{process.port}"]
        assert process.port != 8080
        assert (await process.get("/argv"))[0] == 200


async def test_the_banner_has_the_version_the_target_and_the_real_port(folder: Path) -> None:
    async with serving(folder, "-p", "0", "shop.init") as process:
        assert process.port > 0
        assert (
            process.banner
            == f"webkit {__version__} serves shop.init on http://localhost:{process.port} (Ctrl+C stops)\n"
        )
        assert await is_listened_on(process.port)


@pytest.mark.parametrize("option", ["-u", "-U", "--path"])
async def test_a_unix_socket_alone_means_no_tcp(folder: Path, option: str) -> None:
    """AW-023."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with serving(folder, option, "web.sock", "-p", port, "shop:app") as process:
            assert process.urls == ["http://unix:web.sock:"]
            connector = aiohttp.UnixConnector(str(folder / "web.sock"))
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.get("http://localhost/argv") as response,
            ):
                assert await response.text() == "the app itself"
            assert await process.stop() == 0


async def test_a_unix_socket_with_a_host_means_both(folder: Path) -> None:
    """AW-023."""
    async with serving(folder, "-u", "web.sock", "-n", "127.0.0.1", "-p", "0", "shop:app") as process:
        assert process.urls == ["http://unix:web.sock:", f"http://127.0.0.1:{process.port}"]
        assert (folder / "web.sock").is_socket()
        assert (await process.get("/argv"))[0] == 200


def test_a_port_in_use_is_named_and_the_exit_code_is_1(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, stdout, stderr = run_to_its_end(folder, "-n", "127.0.0.1", "-p", str(port), "shop:app")
    assert (code, stdout) == (1, "")
    assert stderr == (
        f"webkit: Port {port} is in use (127.0.0.1:{port}). Stop the other server, or choose another port with -p.\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-n", "name.invalid"], "webkit: This machine cannot listen on name.invalid:8080: "),
        (["-n", "192.0.2.1"], "webkit: This machine cannot listen on 192.0.2.1:8080: "),
        (["-u", "nowhere/web.sock"], "webkit: There can be no socket at nowhere/web.sock: No such file or directory."),
        (["-u", "shop.py"], "webkit: There can be no socket at shop.py: "),
    ],
)
def test_an_address_that_cannot_be_had_is_one_line_and_exit_code_1(
    folder: Path, words: list[str], message: str
) -> None:
    # Where no name server answers, a name is asked for until the test has no patience any more.
    code, _, stderr = run_to_its_end(folder, *words, "shop:app", RES_OPTIONS="timeout:1 attempts:1")
    assert code == 1
    assert stderr.startswith(message)
    assert stderr.count("\n") == 1


# Switches


@pytest.mark.parametrize(("words", "debug"), [([], "False False"), (["--debug"], "True True")])
@pytest.mark.parametrize("target", ["shop:init", "shop:later", "shop:app"])
async def test_debug_is_set_on_the_application_from_the_beginning(
    folder: Path, words: list[str], debug: str, target: str
) -> None:
    async with serving(folder, "-p", "0", *words, target) as process:
        assert await process.get("/debug") == (200, debug)


async def test_requests_are_logged_to_standard_error(folder: Path) -> None:
    """AW-034: from INFO on, where aiohttp logs everything."""
    async with serving(folder, "-p", "0", "shop:app") as process:
        await process.get("/argv")
        assert await process.stop() == 0
        assert '"GET /argv HTTP/1.1" 200 ' in process.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_access_log_has_its_lines_as_they_were_asked_for_and_loses_none_at_the_end(
    folder: Path, number: signal.Signals
) -> None:
    async with serving(folder, "-p", "0", "--access-log-format", "json", "shop:app") as process:
        for count in range(50):
            await process.get(f"/hello?{count}")
        await process.stop(number)
    lines = [json.loads(line) for line in process.stderr.splitlines() if line.startswith("{")]
    assert [line["query"] for line in lines] == [f"?{count}" for count in range(50)]


async def test_the_line_of_a_crash_is_not_kept_back_and_stands_behind_those_before_it(folder: Path) -> None:
    folder.joinpath("crash.py").write_text(
        "from webkit import Application\napp = Application()\n"
        "@app.get('/')\ndef show(): return 'Hello'\n@app.get('/crash')\ndef crash(): return 1 / 0\n"
    )
    async with serving(folder, "-p", "0", "crash:app") as process:
        await process.get("/")
        await process.get("/crash")
        await process.until_stderr('"GET /crash HTTP/1.1" 500 ')
        await process.kill()
    before, error = process.stderr.index('"GET / HTTP/1.1" 200 '), process.stderr.index(" ERROR webkit: Error ")
    assert before < error < process.stderr.index('"GET /crash HTTP/1.1" 500 ')


async def test_no_access_log_leaves_the_requests_out(folder: Path) -> None:
    async with serving(folder, "-p", "0", "--no-access-log", "shop:app") as process:
        await process.get("/argv")
        assert await process.stop() == 0
        assert "/argv" not in process.stderr
        assert "Shutdown: clean up" in process.stderr


def test_version_prints_the_version(folder: Path) -> None:
    assert run_to_its_end(folder, "--version") == (0, f"webkit {__version__}\n", "")


def test_help_names_every_option(folder: Path) -> None:
    code, stdout, _ = run_to_its_end(folder, "--help")
    assert code == 0
    for option in (
        "-n",
        "-H",
        "-p",
        "-P",
        "-u",
        "-U",
        "--debug",
        "--no-access-log",
        "--access-log-format",
        "--routes",
        "--version",
    ):
        assert option in stdout


# Routes


ROUTES = """
from aiohttp import web
from webkit import Application, Static, View

async def show(request):
    return "shown"

class Notes(View):
    async def get(self): return "notes"
    async def post(self): return "posted"

class Old(web.View):
    async def get(self): return web.Response()
    async def head(self): return web.Response()

def init():
    deepest = Application()
    deepest.add_route("GET", "/leaf", show, name="leaf")
    deep = web.Application()
    deep.router.add_get("/plain", show, name="plain")
    deep.add_subapp("/deepest", deepest.aiohttp)
    admin = Application()
    admin.add_get("/users/{id:int}", show, name="user")
    admin.add_view("/notes", Notes)
    admin.mount("/deep", deep, name="deep")

    app = Application()
    app.add_get("/", show, name="root")
    app.add_route("DELETE", "/", show)
    app.add_view("/notes", Notes, name="notes")
    app.add_view("/old", Old)
    app.add_route("*", "/any", show)
    app.mount("/admin", admin, name="admin")
    app.mount("/static", Static("files"))
    app.router.add_static("/raw", "files", name="raw")
    app.aiohttp.router.add_get("/straight", show)
    return app
"""

TABLE = """\
METHODS                PATH                      NAME              HANDLER
DELETE,GET,HEAD        /                         root              routes.show
GET,HEAD,OPTIONS,POST  /notes                    notes             routes.Notes
GET,HEAD               /old                                        routes.Old
*                      /any                                        routes.show
GET,HEAD               /admin/users/{id:int}     admin:user        routes.show
GET,HEAD,OPTIONS,POST  /admin/notes                                routes.Notes
GET,HEAD               /admin/deep/plain         admin:deep:plain  routes.show
GET                    /admin/deep/deepest/leaf  leaf              routes.show
GET,HEAD               /static/{path:path}       static            webkit.static.Static.serve
GET,HEAD               /raw                      raw               aiohttp.web_urldispatcher.StaticResource._handle
GET,HEAD               /straight                                   routes.show
"""

PLAIN_ROUTES = """
from aiohttp import web
from webkit import Application

async def show(request):
    return web.Response()

def init(argv):
    inner = Application()
    inner.add_get("/inner", show)
    app = web.Application()
    app.router.add_get("/hello/{name}", show, name="hello")
    app.add_subapp("/below", inner.aiohttp)
    return app
"""

PLAIN_TABLE = """\
METHODS   PATH           NAME   HANDLER
GET,HEAD  /hello/{name}  hello  plain_routes.show
GET,HEAD  /below/inner          plain_routes.show
"""


def test_routes_prints_the_table_with_mounted_applications_and_exits(folder: Path) -> None:
    (folder / "files").mkdir()
    (folder / "routes.py").write_text(ROUTES)
    assert run_to_its_end(folder, "--routes", "routes:init") == (0, TABLE, "")


def test_routes_of_a_plain_application_are_listed_too(folder: Path) -> None:
    (folder / "plain_routes.py").write_text(PLAIN_ROUTES)
    assert run_to_its_end(folder, "--routes", "plain_routes:init") == (0, PLAIN_TABLE, "")


def test_routes_of_an_empty_application_are_the_headings(folder: Path) -> None:
    assert run_to_its_end(folder, "--routes", "wrong:app") == (0, "METHODS  PATH  NAME  HANDLER\n", "")


# Asked wrongly: exit code 2 and one paragraph


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing:init"], "There is no module 'nothing'. It was looked for in {folder} and in Python's path."),
        (["nothing.at.all"], "There is no module 'nothing'. It was looked for in {folder} and in Python's path."),
        (
            ["company.nothing:init"],
            "There is no module 'company.nothing'. It was looked for in {folder} and in Python's path.",
        ),
        (["wrong.init.app"], "There is no module 'wrong.init'. It was looked for in {folder} and in Python's path."),
        (["wrong:inti"], "The module 'wrong' has no 'inti'. Did you mean 'init'?"),
        (["wrong.xyz"], "The module 'wrong' has no 'xyz'."),
        (
            ["company.pages.main"],
            "'company.pages.main' is a module; write which application in it, such as company.pages.main:init.",
        ),
        (["wrong:answer"], "wrong:answer is 42: neither an application nor a function that makes one."),
        (["wrong:gives_text"], "wrong:gives_text gave 'no application', which is no application."),
        (["wrong:forgets"], "wrong:forgets returned None; return the application."),
        (["wrong:forgets_later"], "wrong:forgets_later returned None; return the application."),
        (["wrong:app", "a", "-b"], "wrong:app is an application and takes no arguments, but got a -b."),
        (["wrong:bare", "a"], "wrong:bare() takes no arguments, but got a. Write 'def init(argv):'."),
        ([".wrong:init"], "'.wrong:init' is a relative name; write the whole one, such as package.module:init."),
        (["wrong:"], "'wrong:' is only half a name; write module:name, such as shop.main:init."),
        ([":init"], "':init' is only half a name; write module:name, such as shop.main:init."),
        (["wrong."], "'wrong.' is only half a name; write module:name, such as shop.main:init."),
        (
            ["wrong"],
            "'wrong' is neither an application nor a command. Write module:name or module.name, such as wrong:init; "
            "the command is `static build FOLDER`.",
        ),
        (
            [""],
            "'' is neither an application nor a command. Write module:name or module.name, such as shop.main:init; "
            "the command is `static build FOLDER`.",
        ),
        (["static"], "Write `python -m webkit static build FOLDER`."),
        ([], "the following arguments are required: module.init. `python -m webkit --help` lists the options."),
        (["-p", "99999", "wrong:app"], "99999 is no port; choose 1 to 65535, or 0 for any free one."),
        (["-p", "-1", "wrong:app"], "-1 is no port; choose 1 to 65535, or 0 for any free one."),
        (
            ["-p", "abc", "wrong:app"],
            "argument -p/-P/--port: invalid int value: 'abc'. `python -m webkit --help` lists the options.",
        ),
        (["--routes", "wrong:forgets"], "wrong:forgets returned None; return the application."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_served_is_explained_in_one_paragraph_with_exit_code_2(
    folder: Path, words: list[str], message: str
) -> None:
    """AW-022, AW-026 to AW-030, and of AW-031 what is no application."""
    assert run_to_its_end(folder, *words) == (2, "", f"webkit: {message.format(folder=folder)}\n")


def test_a_module_that_fails_on_import_shows_its_own_traceback_and_nothing_of_webkit(folder: Path) -> None:
    (folder / "settings.py").write_text("import nothing_of_this_name\n")
    (folder / "broken.py").write_text("import settings\n")
    code, _, stderr = run_to_its_end(folder, "broken:init")
    assert code == 2
    assert stderr == (
        "webkit: The module 'broken' fails on import:\n"
        "Traceback (most recent call last):\n"
        f'  File "{folder}/broken.py", line 1, in <module>\n'
        "    import settings\n"
        f'  File "{folder}/settings.py", line 1, in <module>\n'
        "    import nothing_of_this_name\n"
        "ModuleNotFoundError: No module named 'nothing_of_this_name'\n"
    )


@pytest.mark.parametrize(
    ("source", "last_line"),
    [
        ("raise ValueError('no good')", "ValueError: no good"),
        ("from shop import nothing_of_this_name", "ImportError: cannot import name 'nothing_of_this_name'"),
        ("import broken.part", "ModuleNotFoundError: No module named 'broken.part'; 'broken' is not a package"),
        ("raise OSError(98, 'not our port')", "OSError: [Errno 98] not our port"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
    ],
)
def test_whatever_fails_on_import_ends_with_exit_code_2(folder: Path, source: str, last_line: str) -> None:
    """AW-029, AW-031."""
    (folder / "broken.py").write_text(source)
    code, _, stderr = run_to_its_end(folder, "broken:init")
    assert code == 2
    assert stderr.startswith("webkit: The module 'broken' fails on import:\n")
    assert f'File "{folder}/broken.py", line 1' in stderr
    assert stderr.splitlines()[-1].startswith(last_line)
    assert "cli.py" not in stderr


def test_the_cause_of_a_failing_import_is_shown(folder: Path) -> None:
    (folder / "broken.py").write_text(
        "try:\n    int('many')\nexcept ValueError as error:\n    raise RuntimeError('set PIECES') from error\n"
    )
    _, _, stderr = run_to_its_end(folder, "broken:init")
    assert stderr.index("ValueError: invalid literal") < stderr.index("RuntimeError: set PIECES")


@pytest.mark.parametrize(
    ("target", "last_line"),
    [
        ("wrong:boom", "ValueError: boom"),
        # No word of ports.
        ("wrong:may_not", "PermissionError: [Errno 13] The key is not for you"),
    ],
)
def test_an_init_function_that_raises_shows_where_with_exit_code_1(folder: Path, target: str, last_line: str) -> None:
    """AW-031."""
    code, _, stderr = run_to_its_end(folder, target)
    assert code == 1
    assert f'File "{folder}/wrong.py"' in stderr
    assert stderr.splitlines()[-1].startswith(last_line)


def test_a_mistake_that_webkit_explains_is_one_paragraph_with_its_place_in_the_source(folder: Path) -> None:
    code, _, stderr = run_to_its_end(folder, "wrong:twice")
    assert code == 1
    assert re.fullmatch(rf"webkit: A path starts with '/'.*\({folder}/wrong\.py, line \d+\)\n", stderr)


def test_a_mistake_that_shows_at_the_start_names_no_line_of_somebody_else(folder: Path) -> None:
    (folder / "late.py").write_text(
        "from webkit import Application\ndef prepare(app): ...\napp = Application()\napp.on_startup.append(prepare)\n"
    )
    code, _, stderr = run_to_its_end(folder, "-p", "0", "late:app")
    assert code == 1
    assert stderr == (
        "webkit: late.prepare cannot handle on_startup: it is a plain function. Write 'async def' instead of 'def'.\n"
    )


# The end


ENDLESS = """
import asyncio
from webkit import Application

async def note(app):
    print("context entered", flush=True)
    yield
    print("context left", flush=True)

async def wait_for_ever(*_):
    print("waiting", flush=True)
    await asyncio.Event().wait()

def make():
    app = Application()
    app.cleanup_ctx.append(note)
    return app

def slow_request():
    app = make()
    app.add_get("/", wait_for_ever)
    return app

def slow_start():
    app = make()
    app.on_startup.append(wait_for_ever)
    return app

def slow_context():
    async def endless(app):
        await wait_for_ever()
        yield
    app = make()
    app.cleanup_ctx.append(endless)
    return app

def slow_farewell():
    app = make()
    app.on_shutdown.append(wait_for_ever)
    return app

def slow_undoing():
    async def endless(app):
        try:
            await wait_for_ever()
            yield
        finally:
            print("undoing", flush=True)
            await asyncio.Event().wait()
    app = Application()
    app.cleanup_ctx.append(endless)
    return app

async def slow_init():
    await wait_for_ever()
"""


@pytest.fixture
def endless(folder: Path) -> Path:
    """The folder, with an application that never comes to an end by itself."""
    (folder / "endless.py").write_text(ENDLESS)
    return folder


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_with_exit_code_0(endless: Path, number: signal.Signals) -> None:
    """AW-033."""
    async with serving(endless, "-p", "0", "endless:make") as process:
        port = process.port
        assert await process.stop(number) == 0
        assert "context left" in process.stdout
        assert "Traceback" not in process.stderr
        assert not await is_listened_on(port)


async def test_a_second_signal_cuts_a_request_that_never_ends(endless: Path) -> None:
    async with serving(endless, "-n", "127.0.0.1", "-p", "0", "endless:slow_request") as process:
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await process.until_stdout("waiting")
        process.send_signal(signal.SIGTERM)
        await process.until_stderr("Shutdown: tell the application")
        process.send_signal(signal.SIGTERM)
        assert await reader.read() == b""
        writer.close()
        assert await process.exit_code() == 0
        assert "1 requests did not finish in time and are cancelled." in process.stderr
        assert "context left" in process.stdout


async def test_a_second_signal_cuts_a_farewell_that_never_ends(endless: Path) -> None:
    async with serving(endless, "-p", "0", "endless:slow_farewell") as process:
        process.send_signal(signal.SIGINT)
        await process.until_stdout("waiting")
        process.send_signal(signal.SIGINT)
        assert await process.exit_code() == 0
        assert "context left" in process.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("target", ["endless:slow_start", "endless:slow_context"])
async def test_a_signal_during_a_start_that_hangs_leaves_the_contexts(
    endless: Path, target: str, number: signal.Signals
) -> None:
    async with started(endless, "-p", "0", target) as process:
        await process.until_stdout("waiting")
        assert await process.stop(number) == 0
        assert process.stdout == "context entered\nwaiting\ncontext left\n"
        assert "Traceback" not in process.stderr


async def test_a_signal_during_an_init_function_that_hangs_ends_it(endless: Path) -> None:
    async with started(endless, "-p", "0", "endless:slow_init") as process:
        await process.until_stdout("waiting")
        assert await process.stop() == 0


async def test_a_second_signal_cuts_the_undoing_of_a_start(endless: Path) -> None:
    async with started(endless, "-p", "0", "endless:slow_undoing") as process:
        await process.until_stdout("waiting")
        process.send_signal(signal.SIGTERM)
        await process.until_stdout("undoing")
        assert await process.stop() == 0


def test_a_start_that_fails_shows_the_first_error_and_leaves_the_contexts(endless: Path) -> None:
    (endless / "failing.py").write_text(
        "from endless import make\n"
        "async def fail(app):\n"
        "    raise LookupError('no database')\n"
        "app = make()\n"
        "app.on_startup.append(fail)\n"
    )
    code, stdout, stderr = run_to_its_end(endless, "-p", "0", "failing:app")
    assert (code, stdout) == (1, "context entered\ncontext left\n")
    assert stderr.splitlines()[-1] == "LookupError: no database"
