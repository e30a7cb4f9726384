"""Where a server listens: several hosts, open sockets, Unix sockets, HTTPS and the redirect to it; and request ids."""

import logging
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bench.servers import free_port
from tests.test_tls import Files, files, make_client
from webkit import REQUEST_ID, Application, ConfigError, Server, ServerConfig
from webkit.sites import AddressError, remove_socket_file, sockets_from_systemd

__all__ = ["files"]


async def show(request: web.Request) -> dict[str, object]:
    return {"id": request[REQUEST_ID], "secure": request.secure}


def make_app() -> Application:
    app = Application()
    app.add_get("/", show)
    return app


@asynccontextmanager
async def serving(config: ServerConfig) -> AsyncIterator[Server]:
    server = Server(make_app(), config)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_several_hosts_are_listened_on_at_once() -> None:
    async with (
        serving(ServerConfig(host=["127.0.0.1", "127.0.0.2"], port=0)) as server,
        aiohttp.ClientSession() as session,
    ):
        assert sorted(url.rpartition(":")[0] for url in server.urls) == ["http://127.0.0.1", "http://127.0.0.2"]
        for url in server.urls:
            async with session.get(url) as response:
                assert response.status == 200


async def test_a_socket_that_is_open_already_is_served_and_nothing_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
        async with serving(ServerConfig(sockets=[opened])) as server, aiohttp.ClientSession() as session:
            assert server.urls == [f"http://127.0.0.1:{port}"]
            async with session.get(server.urls[0]) as response:
                assert response.status == 200


async def test_a_unix_socket_has_the_permissions_asked_for_and_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    async with serving(ServerConfig(path=path, path_mode=0o660)) as server:
        assert server.urls == [f"http://unix:{path}:"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession(connector=connector) as session, session.get("http://localhost/") as response:
            assert response.status == 200
    assert not path.exists()


async def test_a_unix_socket_that_nobody_listens_on_any_more_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    async with serving(ServerConfig(path=path)):
        assert path.is_socket()


async def test_a_unix_socket_that_another_server_listens_on_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    async with serving(ServerConfig(path=path)):
        with pytest.raises(AddressError, match="another server listens there"):
            await Server(make_app(), ServerConfig(path=path)).start()
        assert path.is_socket()


def test_a_file_that_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(AddressError, match="no socket"):
        remove_socket_file(path)
    assert path.read_text() == "mine"


async def test_https_is_spoken_with_two_files_and_http_is_redirected_to_it(files: Files) -> None:
    port, redirect_port = free_port(), free_port()
    config = ServerConfig(
        host="127.0.0.1", port=port, tls_cert=files.certificate, tls_key=files.key, redirect_port=redirect_port
    )
    async with serving(config) as server, aiohttp.ClientSession() as session:
        assert server.urls == [f"https://127.0.0.1:{port}"]
        plain = f"http://127.0.0.1:{redirect_port}/a%2Fb?c=d"
        async with session.get(plain, allow_redirects=False) as response:
            assert response.status == 308
            assert response.headers["Location"] == f"https://127.0.0.1:{port}/a%2Fb?c=d"
        context = make_client(files.certificate)
        context.check_hostname = False
        async with session.get(server.urls[0], ssl=context) as response:
            assert (await response.json())["secure"] is True


async def test_the_redirect_leads_to_no_other_host(files: Files) -> None:
    port = free_port()
    config = ServerConfig(
        host="127.0.0.1", port=free_port(), tls_cert=files.certificate, tls_key=files.key, redirect_port=port
    )
    address = f"http://127.0.0.1:{port}"
    async with (
        serving(config),
        aiohttp.ClientSession() as session,
        session.get(address, headers={"Host": "a b/@c"}) as response,
    ):
        assert response.status == 400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"redirect_port": 8000}, "redirect_port needs tls_cert"),
        ({"tls_key": "key.pem"}, "tls_key needs tls_cert"),
        ({"tls_cert": "c.pem", "redirect_port": 8000, "path": "web.sock"}, "redirect_port needs a host and a port"),
        ({"tls_cert": "c.pem", "redirect_port": 8000, "port": 0}, "redirect_port needs a host and a port"),
        ({"redirect_port": 70_000}, "70000 is no port"),
        ({"access_log_format": "%x"}, "unknown directive"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ServerConfig(**options)  # type: ignore[arg-type]


def test_systemd_hands_its_sockets_over_by_their_number(tmp_path: Path) -> None:
    program = (
        "import os; os.environ['LISTEN_PID'] = str(os.getpid()); from webkit.sites import sockets_from_systemd;"
        "print([s.getsockname()[1] for s in sockets_from_systemd()])"
    )
    with socket.create_server(("127.0.0.1", 0)) as opened:
        os.set_inheritable(opened.fileno(), True)
        command = (
            f"exec {opened.fileno()}>&{opened.fileno()} 3<&{opened.fileno()}; exec '{sys.executable}' -c \"{program}\""
        )
        done = subprocess.run(
            ["bash", "-c", command],
            env=os.environ | {"LISTEN_FDS": "1", "PYTHONPATH": str(Path(__file__).parent.parent)},
            pass_fds=[opened.fileno()],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == f"[{opened.getsockname()[1]}]"


def test_sockets_for_another_process_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert sockets_from_systemd() == []


async def test_a_request_has_an_id_of_its_own_which_is_in_its_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "webkit.access")
    async with serving(ServerConfig(host="127.0.0.1", port=0)) as server, aiohttp.ClientSession() as session:
        ids = []
        for _ in range(3):
            async with session.get(server.urls[0], headers={"X-Request-ID": "from-a-stranger"}) as response:
                ids.append((await response.json())["id"])
    assert len(set(ids)) == 3
    assert "from-a-stranger" not in ids
    lines = [record.getMessage() for record in caplog.records if record.name == "webkit.access"]
    assert [line.split()[-1] for line in lines] == ids


@pytest.mark.parametrize(("given", "is_taken"), [("abc-123", True), ("a b", False), ("x" * 200, False), ("é", False)])
async def test_the_id_of_a_trusted_proxy_is_taken_when_it_is_one(given: str, is_taken: bool) -> None:
    config = ServerConfig(host="127.0.0.1", port=0, request_id_header="X-Request-ID")
    async with (
        serving(config) as server,
        aiohttp.ClientSession() as session,
        session.get(server.urls[0], headers={"X-Request-ID": given}) as response,
    ):
        assert ((await response.json())["id"] == given) is is_taken
