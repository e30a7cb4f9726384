"""Uploads as a whole: nothing that a client does costs more than it may, and nothing is left of what went wrong."""

import asyncio
import gc
import hashlib
import io
import json
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tests.leftovers import count_descriptors, names_in, settled_descriptors, until
from tests.multiparts import CONTENT_TYPE, END, PNG, field, file, form, request
from tests.processes import ROOT, serving
from tests.rawsockets import connect
from tests.serving import Running, Serve, run_by_aiohttp
from webkit import Application, Form, Limits, Server, ServerConfig, uploads
from webkit.threads import running as running_threads

BLOCK = bytes(range(256)) * 4096  # a mebibyte
ROOMY = Limits(body=2**30, sha256=True)


def make_app(folder: Path, limits: Limits = ROOMY) -> Application:
    """Two ways: ``/form`` takes a form, ``/save`` puts its file into *folder*."""

    async def take(form: Form) -> str:
        return form.files["file"].sha256

    async def save(request: web.Request) -> str:
        sha256 = ""
        async for part in uploads(request):
            if part.filename is not None:
                await part.save(folder / "file", overwrite=True)
                sha256 = part.sha256 or ""
        return sha256

    app = Application()
    app.post("/form", limits=limits)(take)
    app.post("/save", limits=limits)(save)
    return app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, and saved ones."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


both_ways = pytest.mark.parametrize("target", ["/form", "/save"])


# request.post(), as aiohttp documents it


async def test_a_posted_file_is_a_file_field(serve: Serve) -> None:
    """AW-070, AW-071."""

    async def store(request: web.Request) -> web.Response:
        data = await request.post()
        mp3 = data["mp3"]
        assert isinstance(mp3, web.FileField)
        assert (mp3.name, mp3.content_type, mp3.headers["Content-Type"]) == ("mp3", "audio/mpeg", "audio/mpeg")
        disposition = f'attachment; filename="{mp3.filename}"'
        return web.Response(body=mp3.file.read(), headers={"Content-Disposition": disposition})

    app = Application()
    app.router.add_post("/store/mp3", store)
    client = await serve(app)
    data = FormData()
    data.add_field("mp3", b"ID3", filename="song.mp3", content_type="audio/mpeg")
    answer = await client.post("/store/mp3", data=data)
    assert (answer.body, answer.headers["Content-Disposition"]) == (b"ID3", 'attachment; filename="song.mp3"')


@pytest.mark.parametrize(
    ("content_type", "body", "pairs"),
    [
        ("application/x-www-form-urlencoded", b"a=1&a=2&b=%C3%A9", [["a", "1"], ["a", "2"], ["b", "é"]]),
        (CONTENT_TYPE, form(field("a", "1"), field("a", "é")), [["a", "1"], ["a", "é"]]),
        ("application/json", b"{}", []),
    ],
)
async def test_post_gives_the_fields_of_both_kinds_of_forms_and_of_nothing_else(
    serve: Serve, content_type: str, body: bytes, pairs: list[list[str]]
) -> None:
    """AW-070."""

    async def show(request: web.Request) -> Any:
        return [[name, value] for name, value in (await request.post()).items()]

    app = Application()
    app.router.add_post("/", show)
    client = await serve(app)
    assert (await client.post("/", data=body, headers={"Content-Type": content_type})).json == pairs


# What is whole arrives whole


@both_ways
async def test_many_uploads_at_the_same_time_do_not_mix(serve: Serve, folder: Path, target: str) -> None:
    client = await serve(make_app(folder))
    contents = [bytes([number]) * (number * 300_000) for number in range(12)]
    if target == "/save":
        contents = contents[-1:]

    async def send(content: bytes) -> str:
        return (await client.post(target, data={"file": io.BytesIO(content)})).text

    answers = await asyncio.gather(*map(send, contents))
    assert answers == [hashlib.sha256(content).hexdigest() for content in contents]


# What goes wrong leaves nothing behind


@asynccontextmanager
async def begun(url: URL, target: str) -> AsyncIterator[None]:
    """Begin an upload of half a gibibyte, and send some of it; the connection is closed in the end."""
    async with connect(url) as connection:
        head = form(file("file", "f", b""))[: -len(END) - 2]
        connection.writer.write(request(target, head, length=2**29) + BLOCK * 5)
        await connection.writer.drain()
        yield


@both_ways
async def test_a_client_that_leaves_in_the_middle_leaves_no_file(serve: Serve, folder: Path, target: str) -> None:
    client = await serve(make_app(folder))
    await client.get("/")
    before = settled_descriptors()
    for _ in range(3):
        async with begun(client.url, target):
            # The temporary file, or the one beside the file that is to be, and both ends of the connection.
            await until(lambda: count_descriptors() == before + 3)
        await until(lambda: count_descriptors() == before and not running_threads())
    assert names_in(folder) == []


@both_ways
async def test_a_server_that_stops_leaves_no_file(folder: Path, target: str) -> None:
    server = Server(make_app(folder), ServerConfig(host="127.0.0.1", port=0, grace_s=0.1))
    await server.start()
    before = settled_descriptors()
    async with begun(URL(server.urls[0]), target):
        await until(lambda: count_descriptors() == before + 3)
        await server.stop()
        await until(lambda: not running_threads())
        assert names_in(folder) == []


@both_ways
async def test_a_full_disk_is_507_and_leaves_no_file(
    serve: Serve, folder: Path, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await serve(make_app(folder))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * 2**20, hard))  # no file may be larger
    try:
        answer = await client.post(target, data={"file": io.BytesIO(BLOCK * 5)}, headers={"Accept": "application/json"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.status == 507
    assert answer.json["detail"] == "There is no room left for this upload on the server."
    assert "An upload was refused" in caplog.text
    await until(lambda: not running_threads())
    assert names_in(folder) == []
    content = BLOCK * 5
    answer = await client.post(target, data={"file": io.BytesIO(content)})
    assert answer.text == hashlib.sha256(content).hexdigest()


@both_ways
@pytest.mark.parametrize("damage", ["cut", "too large", "wrong type", "second file"])
async def test_a_form_that_is_refused_in_the_middle_leaves_no_file(
    serve: Serve, folder: Path, target: str, damage: str
) -> None:
    types = ("image/png",)
    client = await serve(make_app(folder, Limits(body=2**23, file=2**22, files=1, types=types)))
    whole = form(file("file", "a.png", PNG + BLOCK * 3, "image/png"))
    bodies = {
        "cut": whole[:-5],
        "too large": form(file("file", "a.png", PNG + BLOCK * 4, "image/png")),
        "wrong type": form(file("file", "a.png", PNG + BLOCK * 3), file("file", "a.gif", b"GIF89a")),
        "second file": form(file("file", "a.png", PNG + BLOCK * 3), file("file", "a.png", PNG)),
    }
    await client.get("/")
    before = settled_descriptors()
    answer = await client.post(target, data=io.BytesIO(bodies[damage]), headers={"Content-Type": CONTENT_TYPE})
    assert answer.status in {400, 413, 415}
    await until(lambda: count_descriptors() == before and not running_threads())
    assert [name for name in names_in(folder) if name != "file"] == []


# Whatever is sent


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], bytes]]:
    """Send the bytes of a request, and give those of the answer."""
    with asyncio.Runner() as runner:
        serving: Any = run_by_aiohttp(
            make_app(tmp_path_factory.mktemp("saved"), Limits(types=("image/*", "text/*"), sha256=True))
        )
        client = runner.run(serving.__aenter__())

        async def leave() -> None:
            await serving.__aexit__(None, None, None)

        yield lambda request: runner.run(client.send(request))
        runner.run(leave())


@both_ways
async def test_a_form_without_a_body_is_refused_each_time(serve: Serve, folder: Path, target: str) -> None:
    client = await serve(make_app(folder))
    head = f"POST {target} HTTP/1.1\r\nHost: example.org\r\nContent-Type: {CONTENT_TYPE}\r\n".encode()
    async with connect(client.url) as connection:
        for more in (b"\r\n", b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n") * 3:
            answer = await connection.ask(head + more)
            assert (answer.status, "There is no form in the body" in answer.body) == (400, True)


WHOLE = form(field("title", "Tea"), file("file", "a.png", PNG, "image/png"), file("file", "", b""))


@given(
    target=st.sampled_from(["/form", "/save"]),
    junk=st.binary(max_size=30) | st.sampled_from([b"\r\n", b"--", b"\r\n--", b'"', b";", b"\xff", b"=", b"%"]),
    place=st.integers(0, len(WHOLE)),
    removed=st.integers(0, 60),
    content_type=st.sampled_from(
        [CONTENT_TYPE] * 9
        + [
            "multipart/form-data",
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded; charset=hex",
            "multipart/form-data; boundary=\xff",
            "a/b",
            "",
        ]
    ),
)
def test_wherever_a_form_is_damaged_it_is_no_5xx(
    ask: Callable[[bytes], bytes], target: str, junk: bytes, place: int, removed: int, content_type: str
) -> None:
    body = WHOLE[:place] + junk + WHOLE[place + removed :]
    answer = ask(request(target, body, "Connection: close", "Accept: application/json", content_type=content_type))
    assert answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")), answer


# What it costs


async def longest_stall(until_done: "asyncio.Task[Any]") -> float:
    """Give the longest time, in seconds of this thread, in which nobody else had a turn."""
    longest = 0.0
    gc.freeze()  # to look through all that the other tests have left behind takes longer than what is measured
    try:
        while not until_done.done():
            begin = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - begin)
    finally:
        gc.unfreeze()
    return longest


@pytest.mark.parametrize(("limits", "status"), [(Limits(), 413), (Limits(fields=20_000, files=20_000), 200)])
@pytest.mark.parametrize("part", [field("a", "1"), file("file", "a", "1")], ids=["fields", "files"])
async def test_ten_thousand_parts_do_not_stop_the_others(
    serve: Serve, folder: Path, limits: Limits, status: int, part: bytes
) -> None:
    async def take(form: Form) -> str:
        return f"{len(form.sent)}"

    app = Application(client_max_size=2**22)
    app.post("/", limits=limits)(take)
    client = await serve(app)
    body = io.BytesIO(form(*[part] * 10_000))
    sending = asyncio.create_task(client.post("/", data=body, headers={"Content-Type": CONTENT_TYPE}))
    assert await longest_stall(sending) < 0.15
    assert (await sending).status == status


async def test_a_handler_that_takes_its_time_lets_the_client_wait(running: Running) -> None:
    may_go_on = asyncio.Event()
    received: list[int] = []

    async def take(request: web.Request) -> str:
        parts = uploads(request)

        async def sink(chunk: bytes) -> None:
            received.append(parts.progress.received)
            await may_go_on.wait()

        async for part in parts:
            await part.copy_to(sink)
        return str(parts.progress.received)

    app = Application()
    app.post("/", limits=ROOMY)(take)
    async with running(app) as client, connect(client.url) as connection:
        body = form(file("file", "f", BLOCK * 64))
        connection.writer.write(request("/", body))
        await until(lambda: bool(received))
        sent = -1
        while sent != (now := connection.writer.transport.get_write_buffer_size()):
            sent = now
            await asyncio.sleep(0.05)
        assert sent > 40 * 2**20  # the rest waits on the client's side
        assert len(received) == 1
        may_go_on.set()
        assert (await connection.ask(b"")).body == str(len(body))


async def test_a_large_upload_takes_no_more_memory_than_a_small_one(folder: Path) -> None:
    head = form(file("file", "f", b""))[: -len(END) - 2]
    async with serving(ROOT, "-n", "127.0.0.1", "-p", "0", "tests.uploading_app:init", TMPDIR=str(folder)) as server:
        url = URL(server.urls[0])
        for count in (4, 256):
            before = await _memory_of(url)
            expected = hashlib.sha256()
            async with connect(url) as connection:
                connection.writer.write(request("/", head, length=len(head) + count * len(BLOCK) + 2 + len(END)))
                for _ in range(count):
                    connection.writer.write(BLOCK)
                    await connection.writer.drain()
                    expected.update(BLOCK)
                assert (await connection.ask(b"\r\n" + END)).body == expected.hexdigest()
        after = await _memory_of(url)
    assert after["VmHWM"] - before["VmRSS"] < 10_000  # KiB


async def _memory_of(url: URL) -> dict[str, int]:
    async with connect(url) as connection:
        answer = await connection.ask(b"GET /memory HTTP/1.1\r\nHost: example.org\r\n\r\n")
    figures: dict[str, int] = json.loads(answer.body)
    return figures
