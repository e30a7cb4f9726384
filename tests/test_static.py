"""Static files: what lies in the folder is answered well, and what lies outside never.

Paths go out over a raw socket wherever a client would tidy them up first.
"""

import asyncio
import base64
import gzip
import hashlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from webkit import Application
from webkit.errors import ConfigError
from webkit.manifest import MANIFEST_NAME, Entry, write_manifest
from webkit.static import Static, static_url
from webkit.types import STATIC

Client: TypeAlias = TestClient[web.Request, web.Application]

CSS = "body { color: teal }\n"
SECRET = "the password is swordfish"
FOR_EVER = "public, max-age=31536000, immutable"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to serve, with a secret beside it."""
    (tmp_path / "secret.txt").write_text(SECRET)
    folder = tmp_path / "public"
    (folder / "sub").mkdir(parents=True)
    (folder / "site.css").write_text(CSS)
    (folder / "sub" / "deep.txt").write_text("deep")
    (folder / ".env").write_text(SECRET)
    return folder


@asynccontextmanager
async def serving(static: Static) -> AsyncIterator[Client]:
    app = Application()
    app.mount("/static", static)
    async with TestClient(TestServer(app.aiohttp)) as client:
        yield client


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[Client]:
    async with serving(Static(folder)) as client:
        yield client


async def send(client: Client, target: bytes, method: bytes = b"GET") -> bytes:
    """Send *target* as it is and give everything that comes back."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        writer.write(method + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def make_old(file: Path, seconds: int = 0) -> None:
    os.utime(file, (1_700_000_000 + seconds, 1_700_000_000 + seconds))


# --- no way out ---


@pytest.mark.parametrize(
    "path",
    [
        b"../secret.txt",
        b"sub/../../secret.txt",
        b"%2e%2e/secret.txt",
        b"..%2fsecret.txt",
        b"%2e%2e%2fsecret.txt",
        b"sub%2f..%2f..%2fsecret.txt",
        b"%252e%252e/secret.txt",
        b"%252e%252e%252fsecret.txt",
        b"%25252e%25252e%25252fsecret.txt",
        b"..%5csecret.txt",
        b"..\\secret.txt",
        b"%c0%ae%c0%ae/secret.txt",
        b"%uff0e%uff0e/secret.txt",
        b"..;/secret.txt",
        b".../secret.txt",
        b"..%00/secret.txt",
        b"site.css%00",
        b"site.css%00.html",
        b"site.css/",
        b"site.css/../site.css",
        b"./site.css",
        b"/site.css",
        b"sub//deep.txt",
        b"site.css.",
        b"site.css%20",
        b"site.css::$DATA",
        b"C:/secret.txt",
        b"/etc/passwd",
        b"%2fetc%2fpasswd",
        b"file:///etc/passwd",
        b"\\\\localhost\\share",
        b"nul",
        b"a" * 1000,
        b"a%" + b"25" * 3000,
        b".env",
        b"%2eenv",
        b"%252eenv",
    ],
)
async def test_a_path_that_is_not_plainly_a_file_of_the_folder_is_not_found(client: Client, path: bytes) -> None:
    answer = await send(client, b"/static/" + path)
    assert status_of(answer) == 404
    assert SECRET.encode() not in answer


async def test_an_absolute_path_to_the_secret_is_not_found(client: Client, tmp_path: Path) -> None:
    secret = os.fsencode(tmp_path / "secret.txt")
    for prefix in (b"", b"/", b"%2f", b"..", b"file:"):
        answer = await send(client, b"/static/" + prefix + secret)
        assert status_of(answer) == 404
        assert SECRET.encode() not in answer


STEPS = ["..", ".", "%2e%2e", "%2E.", "%252e%252e", "sub", "public", "outside", "~", "C:", "..;", ".. ", ""]
SEPARATORS = ["/", "//", "%2f", "%252f", "\\", "%5c", "%255c", "/./"]
ENDS = ["secret.txt", "site.css", "deep.txt", ".env", "out", "secret.txt%00", "secret.txt?", "%73ecret.txt"]
PATHS = st.tuples(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(SEPARATORS))), st.sampled_from(ENDS)).map(
    lambda path: "".join(step + separator for step, separator in path[0]) + path[1]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(PATHS | st.text(max_size=20))
async def test_whatever_the_path_a_file_outside_the_folder_is_never_answered(
    client: Client, folder: Path, path: str
) -> None:
    if not (folder / "out").is_symlink():
        (folder / "out").symlink_to("../secret.txt")
        (folder / "outside").symlink_to("..")
    target = "".join("%20" if char <= " " else char for char in path).encode(errors="replace")
    answer = await send(client, b"/static/" + target)
    assert SECRET.encode() not in answer
    assert status_of(answer) in (200, 400, 404)
    assert status_of(answer) != 200 or answer.endswith((CSS.encode(), b"deep"))


@pytest.mark.parametrize("target", ["site.css", "../secret.txt", "missing", "loop"])
async def test_a_symbolic_link_is_not_found_wherever_it_leads(client: Client, folder: Path, target: str) -> None:
    (folder / "loop").symlink_to(target)
    assert (await client.get("/static/loop")).status == 404


@pytest.mark.parametrize("target", ["sub", "..", "/"])
async def test_a_folder_that_is_a_symbolic_link_is_not_entered(client: Client, folder: Path, target: str) -> None:
    (folder / "link").symlink_to(target)
    for name in ("deep.txt", "secret.txt", "etc/passwd"):
        assert (await client.get(f"/static/link/{name}")).status == 404


async def test_symbolic_links_are_followed_when_asked_for(folder: Path) -> None:
    (folder / "out").symlink_to("../secret.txt")
    (folder / "link").symlink_to("sub")
    (folder / "loop").symlink_to("loop")
    (folder / "device").symlink_to("/dev/zero")
    async with serving(Static(folder, follow_symlinks=True)) as client:
        assert await (await client.get("/static/out")).text() == SECRET
        assert await (await client.get("/static/link/deep.txt")).text() == "deep"
        for path in (b"loop", b"device", b"../secret.txt", b"%2e%2e/secret.txt", b"link/../site.css", b".env"):
            assert status_of(await send(client, b"/static/" + path)) == 404


async def test_only_regular_files_are_opened(client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "fifo")
    monkeypatch.chdir(folder)  # a socket's path is at most 108 bytes long
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for name in ("fifo", "socket", "sub"):
            assert (await client.get(f"/static/{name}")).status == 404


async def test_hidden_files_are_not_found_but_those_that_are_well_known(client: Client, folder: Path) -> None:
    (folder / ".well-known").mkdir()
    (folder / ".well-known" / "security.txt").write_text("Contact: mailto:security@example.org")
    assert (await client.get("/static/.well-known/security.txt")).status == 200
    assert (await client.get("/static/.env")).status == 404


# --- the answer ---


async def test_a_file_is_answered_with_what_a_browser_needs_to_ask_again(client: Client, folder: Path) -> None:
    make_old(folder / "site.css")
    answer = await client.get("/static/site.css")
    assert (answer.status, await answer.text()) == (200, CSS)
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert answer.headers["Content-Length"] == str(len(CSS))
    assert answer.headers["Last-Modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert answer.headers["ETag"].startswith('"')
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Vary" not in answer.headers


@pytest.mark.parametrize("name", ["a b.txt", "grüße.txt", "100%.txt", "what?.txt", "a#b.txt", "a&b=c+d.txt", "空.txt"])
async def test_any_honest_name_is_served_at_the_url_that_url_gives(folder: Path, name: str) -> None:
    (folder / name).write_text(name)
    static = Static(folder)
    app = Application()
    app.mount("/static", static)
    async with TestClient(TestServer(app.aiohttp)) as client:
        answer = await client.get(URL(static.url(app, name), encoded=True))
        assert await answer.text() == name
        assert answer.headers["Cache-Control"] == FOR_EVER


async def test_head_tells_the_length_and_sends_no_body(client: Client) -> None:
    head, _, body = (await send(client, b"/static/site.css", b"HEAD")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nContent-Length: %d\r\n" % len(CSS) in head
    assert body == b""


async def test_an_empty_file_is_answered_empty(client: Client, folder: Path) -> None:
    (folder / "empty.txt").touch()
    answer = await client.get("/static/empty.txt")
    assert (answer.status, await answer.read()) == (200, b"")


async def test_other_methods_are_refused(client: Client) -> None:
    answer = await client.post("/static/site.css")
    assert answer.status == 405
    assert {method.strip() for method in answer.headers["Allow"].split(",")} >= {"GET", "HEAD"}


@pytest.mark.parametrize("name", ["missing.css", "sub", "sub/", "", "missing/site.css", "site.css/more"])
async def test_what_is_no_file_is_not_found(client: Client, name: str) -> None:
    assert (await client.get(f"/static/{name}")).status == 404


async def test_the_present_etag_answers_304(client: Client) -> None:
    first = await client.get("/static/site.css")
    again = await client.get("/static/site.css", headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})
    assert (again.status, await again.read()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "no-cache"
    other = await client.get("/static/site.css", headers={"If-None-Match": '"other"'})
    assert other.status == 200


async def test_an_unchanged_date_answers_304(client: Client, folder: Path) -> None:
    first = await client.get("/static/site.css")
    since = {"If-Modified-Since": first.headers["Last-Modified"]}
    assert (await client.get("/static/site.css", headers=since)).status == 304
    make_old(folder / "site.css", seconds=10**9)
    assert (await client.get("/static/site.css", headers=since)).status == 200


async def test_a_precondition_that_fails_answers_412(client: Client) -> None:
    assert (await client.get("/static/site.css", headers={"If-Match": '"other"'})).status == 412


@pytest.mark.parametrize(
    ("wanted", "part", "content_range"),
    [
        ("bytes=0-3", CSS[:4], f"bytes 0-3/{len(CSS)}"),
        ("bytes=5-", CSS[5:], f"bytes 5-{len(CSS) - 1}/{len(CSS)}"),
        ("bytes=-4", CSS[-4:], f"bytes {len(CSS) - 4}-{len(CSS) - 1}/{len(CSS)}"),
        ("bytes=-9999", CSS, f"bytes 0-{len(CSS) - 1}/{len(CSS)}"),
        ("bytes=3-9999", CSS[3:], f"bytes 3-{len(CSS) - 1}/{len(CSS)}"),
    ],
)
async def test_a_range_is_answered_alone(client: Client, wanted: str, part: str, content_range: str) -> None:
    answer = await client.get("/static/site.css", headers={"Range": wanted})
    assert (answer.status, await answer.text()) == (206, part)
    assert answer.headers["Content-Range"] == content_range
    assert answer.headers["Content-Length"] == str(len(part))


async def test_a_range_behind_the_end_answers_416_and_is_kept_by_no_cache(folder: Path) -> None:
    static = Static(folder)
    app = Application()
    app.mount("/static", static)
    async with TestClient(TestServer(app.aiohttp)) as client:
        answer = await client.get(static.url(app, "site.css"), headers={"Range": "bytes=9999-"})
        assert answer.status == 416
        assert answer.headers["Content-Range"] == f"bytes */{len(CSS)}"
        assert answer.headers["Cache-Control"] == "no-cache"


async def test_if_range_with_an_older_date_answers_the_whole_file(client: Client) -> None:
    headers = {"Range": "bytes=0-3", "If-Range": "Tue, 14 Nov 2000 22:13:20 GMT"}
    assert (await client.get("/static/site.css", headers=headers)).status == 200


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.htm", "text/html; charset=utf-8"),
        ("A.CSS", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.json", "application/json; charset=utf-8"),
        ("a.js.map", "application/json; charset=utf-8"),
        ("a.webmanifest", "application/manifest+json; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.md", "text/markdown; charset=utf-8"),
        ("a.vtt", "text/vtt; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.xml", "application/xml"),
        ("a.woff", "font/woff"),
        ("a.woff2", "font/woff2"),
        ("a.png", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("a.ico", "image/x-icon"),
        ("a.wasm", "application/wasm"),
        ("a.pdf", "application/pdf"),
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.mp3", "audio/mpeg"),
        ("a.ogg", "audio/ogg"),
        ("a.tar.gz", "application/gzip"),
        ("a.zip", "application/zip"),
        ("a.unheard-of", "application/octet-stream"),
        ("LICENSE", "application/octet-stream"),
    ],
)
async def test_the_media_type_does_not_depend_on_the_machine(
    client: Client, folder: Path, name: str, media_type: str
) -> None:
    (folder / name).write_bytes(b"x")
    assert (await client.get(f"/static/{name}")).headers["Content-Type"] == media_type


# --- precompressed files ---


async def fetch(client: Client, headers: dict[str, str], method: str = "GET") -> ClientResponse:
    """Ask for site.css and leave it compressed."""
    url = client.make_url("/static/site.css")
    answer = await client.session.request(method, url, headers=headers, auto_decompress=False)
    await answer.read()
    return answer


COPIES = {"br": b"brotli", "zstd": b"zstandard", "gzip": gzip.compress(CSS.encode(), mtime=0)}


def add_siblings(folder: Path) -> None:
    """Lay site.css.br, site.css.zst and site.css.gz beside site.css; what is in the first two does not matter here."""
    for name, content in zip(("site.css.br", "site.css.zst", "site.css.gz"), COPIES.values(), strict=True):
        (folder / name).write_bytes(content)
        make_old(folder / name)
    make_old(folder / "site.css")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("x-gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, zstd", "zstd"),
        ("gzip, br;q=0.9", "gzip"),
        ("gzip, br;q=0", "gzip"),
        ("gzip;q=0.5, identity", None),
        ("*", "br"),
        ("gzip; q=0.000, br;q=0", None),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("identity;q=0", None),
        ("gzip;q=0", None),
        ("zebra", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_a_precompressed_file_is_sent_to_who_takes_it(
    client: Client, folder: Path, accepted: str, coding: str | None
) -> None:
    add_siblings(folder)
    answer = await fetch(client, {"Accept-Encoding": accepted})
    assert answer.status == 200
    assert answer.headers.get("Content-Encoding") == coding
    assert await answer.read() == (COPIES[coding] if coding else CSS.encode())
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert answer.headers.getall("Vary") == ["Accept-Encoding"]


async def test_who_sends_no_accept_encoding_gets_the_file_itself(client: Client, folder: Path) -> None:
    add_siblings(folder)
    answer = await send(client, b"/static/site.css")
    assert answer.endswith(CSS.encode())
    assert b"\r\nVary: Accept-Encoding\r\n" in answer


@pytest.mark.parametrize("headers", [{"If-Modified-Since": "Tue, 14 Nov 2023 22:13:20 GMT"}, {"Range": "bytes=0-3"}])
async def test_every_answer_about_a_precompressed_file_varies(
    client: Client, folder: Path, headers: dict[str, str]
) -> None:
    add_siblings(folder)
    for accepted in ("identity", "gzip"):
        answer = await client.get("/static/site.css", headers={"Accept-Encoding": accepted, **headers})
        assert answer.status in (206, 304)
        assert answer.headers.getall("Vary") == ["Accept-Encoding"]


@pytest.mark.parametrize("headers", [{"If-Match": '"other"'}, {"Range": "bytes=9999-"}])
async def test_a_refusal_about_a_precompressed_file_varies_too(
    client: Client, folder: Path, headers: dict[str, str]
) -> None:
    add_siblings(folder)
    answer = await client.get("/static/site.css", headers=headers)
    assert answer.status in (412, 416)
    assert "Accept-Encoding" in answer.headers.getall("Vary")


async def test_the_encodings_of_a_file_have_etags_of_their_own(client: Client, folder: Path) -> None:
    add_siblings(folder)
    for name in ("site.css.br", "site.css.zst", "site.css.gz"):
        # Time and length alone do not tell them apart.
        (folder / name).write_bytes(name.encode()[:8].ljust(len(CSS)))
        make_old(folder / name)
    etags = {}
    for coding in ("identity", *COPIES):
        etags[coding] = (await fetch(client, {"Accept-Encoding": coding}, "HEAD")).headers["ETag"]
    assert len(set(etags.values())) == 4
    for coding in etags:
        for known, etag in etags.items():
            answer = await fetch(client, {"Accept-Encoding": coding, "If-None-Match": etag})
            assert answer.status == (304 if coding == known else 200)
            assert answer.headers["ETag"] == etags[coding]


async def test_a_part_of_a_precompressed_file_is_one_of_its_own_bytes(client: Client, folder: Path) -> None:
    add_siblings(folder)
    part = await fetch(client, {"Accept-Encoding": "gzip", "Range": "bytes=0-3"})
    assert (part.status, await part.read()) == (206, COPIES["gzip"][:4])
    assert part.headers["Content-Range"] == f"bytes 0-3/{len(COPIES['gzip'])}"
    # A client that goes on without the encoding must not get the rest of another file.
    headers = {"Accept-Encoding": "identity", "Range": "bytes=4-", "If-Range": part.headers["ETag"]}
    whole = await fetch(client, headers)
    assert (whole.status, await whole.text()) == (200, CSS)


@pytest.mark.parametrize("coding", ["identity", *COPIES])
async def test_head_has_the_headers_of_get_in_every_encoding(client: Client, folder: Path, coding: str) -> None:
    add_siblings(folder)
    heads = []
    for method in ("GET", "HEAD"):
        answer = await fetch(client, {"Accept-Encoding": coding}, method)
        heads.append({name: value for name, value in answer.headers.items() if name != "Date"})
    assert heads[0] == heads[1]


async def test_an_answer_that_says_not_modified_says_nothing_of_a_body(client: Client, folder: Path) -> None:
    add_siblings(folder)
    answer = await client.get("/static/site.css", headers={"Accept-Encoding": "gzip", "If-None-Match": "*"})
    assert answer.status == 304
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert not {"Content-Type", "Content-Encoding", "Content-Length"} & set(answer.headers)


async def test_a_precompressed_file_older_than_its_original_is_left_alone(client: Client, folder: Path) -> None:
    (folder / "site.css.gz").write_bytes(COPIES["gzip"])
    make_old(folder / "site.css")
    make_old(folder / "site.css.gz", seconds=-60)
    answer = await client.get("/static/site.css", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers
    assert await answer.text() == CSS
    # It may be made anew at any time.
    assert answer.headers["Vary"] == "Accept-Encoding"


async def test_a_sibling_that_is_a_symbolic_link_is_left_alone(client: Client, folder: Path) -> None:
    (folder / "site.css.gz").symlink_to("../secret.txt")
    answer = await client.get("/static/site.css", headers={"Accept-Encoding": "gzip"})
    assert await answer.text() == CSS
    assert "Vary" not in answer.headers


async def test_a_precompressed_file_asked_for_by_its_own_name_is_a_download(client: Client, folder: Path) -> None:
    add_siblings(folder)
    answer = await client.get("/static/site.css.gz", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Type"] == "application/gzip"
    assert gzip.decompress(await answer.read()) == CSS.encode()


async def test_signals_see_the_answer_to_a_client_that_refuses_an_encoding(folder: Path) -> None:
    add_siblings(folder)
    app = Application()
    app.mount("/static", Static(folder))

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Path"] = request.path

    app.on_response_prepare.append(mark)
    async with TestClient(TestServer(app.aiohttp)) as client:
        answer = await client.get("/static/site.css", headers={"Accept-Encoding": "gzip;q=0"})
        assert (await answer.text(), answer.headers["X-Path"]) == (CSS, "/static/site.css")


# --- URLs with a hash ---


@pytest.fixture
def static(folder: Path) -> Static:
    return Static(folder)


@pytest.fixture
def app(static: Static) -> Application:
    app = Application()
    app.mount("/static", static)
    return app


@pytest.fixture
async def hashed(app: Application) -> AsyncIterator[Client]:
    async with TestClient(TestServer(app.aiohttp)) as client:
        yield client


def version_of(content: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode()[:16]


def test_a_url_carries_the_hash_of_the_content(app: Application, static: Static) -> None:
    assert static.url(app, "site.css") == f"/static/site.css?v={version_of(CSS)}"
    assert static.url(app, "sub/deep.txt") == f"/static/sub/deep.txt?v={version_of('deep')}"


def test_mounting_sets_what_templates_ask_for_urls(app: Application, static: Static) -> None:
    assert app[STATIC] is static


async def test_the_url_with_the_present_hash_is_kept_for_ever(hashed: Client, app: Application, static: Static) -> None:
    url = static.url(app, "site.css")
    for accepted in ("identity", "gzip"):
        answer = await hashed.get(url, headers={"Accept-Encoding": accepted})
        assert (await answer.text(), answer.headers["Cache-Control"]) == (CSS, FOR_EVER)
    assert (await hashed.head(url)).headers["Cache-Control"] == FOR_EVER


@pytest.mark.parametrize("query", ["", "?v=", "?v=AAAAAAAAAAAAAAAA", "?v=%00", "?w=1", "?v=" + version_of("deep")])
async def test_any_other_url_is_served_and_asked_for_again(hashed: Client, query: str) -> None:
    answer = await hashed.get(URL(f"/static/site.css{query}", encoded=True))
    assert (await answer.text(), answer.headers["Cache-Control"]) == (CSS, "no-cache")


async def test_a_changed_file_gets_a_new_url_and_the_old_one_is_not_kept(
    hashed: Client, app: Application, static: Static, folder: Path
) -> None:
    make_old(folder / "site.css")
    old = static.url(app, "site.css")
    (folder / "site.css").write_text("body { color: pink }\n")
    make_old(folder / "site.css", seconds=1)
    new = static.url(app, "site.css")
    assert new == f"/static/site.css?v={version_of('body { color: pink }' + chr(10))}" != old
    assert (await hashed.get(old)).headers["Cache-Control"] == "no-cache"
    assert (await hashed.get(new)).headers["Cache-Control"] == FOR_EVER


def test_two_writes_in_one_tick_of_the_clock_give_two_urls(
    app: Application, static: Static, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "site.css"
    urls = set()
    now_ns = file.stat().st_mtime_ns
    monkeypatch.setattr("time.time_ns", lambda: now_ns)  # a file of two seconds ago would be old
    for content in ("one", "two"):
        file.write_text(content)
        os.utime(file, ns=(now_ns, now_ns))
        urls.add(static.url(app, "site.css"))
    assert len(urls) == 2


async def test_urls_are_built_in_threads_too(app: Application, static: Static) -> None:
    urls = await asyncio.gather(*(asyncio.to_thread(static.url, app, "site.css") for _ in range(20)))
    assert set(urls) == {f"/static/site.css?v={version_of(CSS)}"}


def test_a_url_for_a_missing_file_is_refused_with_a_suggestion(app: Application, static: Static, folder: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        static.url(app, "sub/depe.txt")
    assert "'sub/depe.txt'" in str(refused.value)
    assert str(folder) in str(refused.value)
    assert "Did you mean 'sub/deep.txt'?" in str(refused.value)


def test_a_compressed_copy_is_never_suggested(app: Application, static: Static, folder: Path) -> None:
    add_siblings(folder)
    with pytest.raises(ConfigError, match=r"Did you mean 'site\.css'\?"):
        static.url(app, "site.css.g")


def test_a_hidden_file_is_never_suggested(app: Application, static: Static, folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "config").touch()
    for name in ("env", "git/config"):
        with pytest.raises(ConfigError) as refused:
            static.url(app, name)
        assert "Did you mean" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "sub", "/site.css", "../secret.txt", ".env", "link", "a\0b", "missing"])
def test_a_url_for_what_is_never_served_is_refused(app: Application, static: Static, folder: Path, name: str) -> None:
    (folder / "link").symlink_to("site.css")
    with pytest.raises(ConfigError):
        static.url(app, name)


async def test_two_folders_have_two_names_and_the_first_is_the_one_for_templates(folder: Path) -> None:
    app, first, second = Application(), Static(folder), Static(folder / "sub", name="media")
    app.mount("/static", first)
    app.mount("/media", second)
    assert app[STATIC] is first
    assert second.url(app, "deep.txt").startswith("/media/deep.txt?v=")
    assert static_url(app, "deep.txt", "media") == second.url(app, "deep.txt")
    assert static_url(app, "site.css") == static_url(app, "site.css", "static") == first.url(app, "site.css")
    async with TestClient(TestServer(app.aiohttp)) as client:
        assert await (await client.get(second.url(app, "deep.txt"))).text() == "deep"


def test_one_folder_has_a_url_in_each_application_that_mounts_it(folder: Path) -> None:
    static, shop, blog = Static(folder), Application(), Application()
    shop.mount("/assets", static)
    blog.mount("/files", static)
    assert static.url(shop, "site.css").startswith("/assets/site.css?v=")
    assert static.url(blog, "site.css").startswith("/files/site.css?v=")


async def test_the_files_of_a_mounted_application_have_urls_below_it(folder: Path) -> None:
    root, blog, static = Application(), Application(), Static(folder)
    blog.mount("/static", static)
    root.mount("/blog", blog)
    url = static.url(blog, "site.css")
    assert url == f"/blog/static/site.css?v={version_of(CSS)}"
    async with TestClient(TestServer(root.aiohttp)) as client:
        assert (await client.get(url)).headers["Cache-Control"] == FOR_EVER


# --- folders ---


def test_a_missing_folder_is_refused_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Static\('statc'\): .*does not exist") as refused:
        Static("statc")
    assert str(Path.cwd()) in str(refused.value)


def test_a_file_is_refused_as_a_folder(folder: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        Static(folder / "site.css")


async def test_the_folder_is_found_once_and_for_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    static = Static("public")
    monkeypatch.chdir("/")
    async with serving(static) as client:
        assert (await client.get("/static/site.css")).status == 200


@pytest.fixture
async def listed(folder: Path) -> AsyncIterator[Client]:
    async with serving(Static(folder, show_index=True)) as client:
        yield client


async def test_a_folder_is_listed_when_asked_for(listed: Client, folder: Path) -> None:
    (folder / "<b>&.txt").touch()
    (folder / "100%.txt").touch()
    (folder / "link").symlink_to("..")
    os.mkfifo(folder / "fifo")
    answer = await listed.get("/static/")
    page = await answer.text()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert [line for line in page.splitlines() if line.startswith("<li>")] == [
        '<li><a href="./100%25.txt">100%.txt</a></li>',
        '<li><a href="./%3Cb%3E%26.txt">&lt;b&gt;&amp;.txt</a></li>',
        '<li><a href="./site.css">site.css</a></li>',
        '<li><a href="./sub/">sub/</a></li>',
    ]


async def test_a_folder_below_is_listed_with_a_way_back(listed: Client) -> None:
    page = await (await listed.get("/static/sub/")).text()
    assert '<a href="./deep.txt">deep.txt</a>' in page
    assert '<a href="./../">../</a>' in page


async def test_a_listed_folder_without_its_slash_redirects(listed: Client, folder: Path) -> None:
    (folder / "a b").mkdir()
    for path in ("/static/sub", "/static/a%20b"):
        answer = await listed.get(URL(path, encoded=True), allow_redirects=False)
        assert answer.status == 302
        assert (await listed.get(URL(path, encoded=True))).url.raw_path == path + "/"


async def test_compressed_copies_and_the_manifest_are_not_listed(listed: Client, folder: Path) -> None:
    add_siblings(folder)
    (folder / "data.gz").touch()
    (folder / MANIFEST_NAME).write_text("{}")
    page = await (await listed.get("/static/")).text()
    assert [line.partition('">')[2] for line in page.splitlines() if line.startswith("<li>")] == [
        "data.gz</a></li>",
        "site.css</a></li>",
        "sub/</a></li>",
    ]


async def test_a_listing_answers_head_without_a_body(listed: Client) -> None:
    head, _, body = (await send(listed, b"/static/", b"HEAD")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b""


@pytest.mark.parametrize("path", [b"../", b"%2e%2e/", b"sub/../../", b".git/", b"link/", b"sub//", b"site.css/"])
async def test_nothing_outside_the_folder_is_listed(listed: Client, folder: Path, path: bytes) -> None:
    (folder / "link").symlink_to("..")
    (folder / ".git").mkdir()
    answer = await send(listed, b"/static/" + path)
    assert status_of(answer) == 404
    assert b"secret.txt" not in answer


async def test_a_folder_at_the_root_of_the_site_redirects_nobody_elsewhere(folder: Path) -> None:
    app = Application()
    app.mount("/", Static(folder, show_index=True))
    async with TestClient(TestServer(app.aiohttp)) as client:
        assert (await client.get("/site.css")).status == 200
        assert '<a href="./site.css">' in await (await client.get("/")).text()
        for path in (b"//example.org", b"//sub", b"///example.org/..", b"/%2fexample.org", b"/\\example.org"):
            answer = await send(client, path)
            assert status_of(answer) in (400, 404)
            assert b"\r\nLocation:" not in answer


async def test_a_name_given_at_the_mount_goes_before_the_route_and_urls_still_work(tmp_path: Path) -> None:
    (tmp_path / "site.css").write_text("a {}")
    app, files = Application(), Static(tmp_path)
    app.mount("/assets", files, name="assets")
    assert str(app.url_for("assets:static", path="site.css")) == "/assets/site.css"
    assert files.url(app, "site.css").startswith("/assets/site.css?v=")


def test_a_folder_that_is_not_mounted_has_no_urls(tmp_path: Path) -> None:
    (tmp_path / "site.css").write_text("a {}")
    with pytest.raises(ConfigError, match="not mounted"):
        Static(tmp_path).url(Application(), "site.css")


# --- the index of a folder ---


@pytest.fixture
async def indexed(folder: Path) -> AsyncIterator[Client]:
    (folder / "index.html").write_text("<h1>home</h1>")
    (folder / "sub" / "index.html").write_text("<h1>sub</h1>")
    (folder / "bare").mkdir()
    async with serving(Static(folder, index="index.html")) as client:
        yield client


async def test_a_folder_is_answered_with_its_index(indexed: Client) -> None:
    for path, page in (("/static/", "<h1>home</h1>"), ("/static/sub/", "<h1>sub</h1>")):
        answer = await indexed.get(path)
        assert (answer.status, await answer.text()) == (200, page)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert (await indexed.get(path, headers={"If-None-Match": answer.headers["ETag"]})).status == 304
        assert (await indexed.head(path)).headers["Content-Length"] == str(len(page))


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/static/sub", "./sub/"),
        ("/static/sub?a=b%26c&d", "./sub/?a=b%26c&d"),
        ("/static", "./static/"),
        ("/static?", "./static/"),
    ],
)
async def test_a_folder_without_its_slash_redirects_to_its_index(indexed: Client, path: str, location: str) -> None:
    answer = await indexed.get(URL(path, encoded=True), allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, location)


@pytest.mark.parametrize("path", [b"bare", b"bare/", b"site.css/", b"sub//", b"sub/index.html/", b".env/", b"missing/"])
async def test_a_folder_without_an_index_is_not_found(indexed: Client, path: bytes) -> None:
    assert status_of(await send(indexed, b"/static/" + path)) == 404


async def test_a_folder_without_an_index_is_listed_where_that_was_asked_for(folder: Path) -> None:
    (folder / "sub" / "index.html").write_text("<h1>sub</h1>")
    async with serving(Static(folder, index="index.html", show_index=True)) as client:
        assert await (await client.get("/static/sub/")).text() == "<h1>sub</h1>"
        assert "Index of /" in await (await client.get("/static/")).text()


async def test_an_index_has_compressed_copies_too(indexed: Client, folder: Path) -> None:
    (folder / "sub" / "index.html.gz").write_bytes(gzip.compress(b"<h1>sub</h1>"))
    answer = await indexed.get("/static/sub/", headers={"Accept-Encoding": "gzip"})
    assert (answer.headers["Content-Encoding"], await answer.text()) == ("gzip", "<h1>sub</h1>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_an_index_that_is_no_file_of_the_folder_is_not_answered(indexed: Client, folder: Path) -> None:
    (folder / "bare" / "index.html").symlink_to("../../secret.txt")
    assert (await indexed.get("/static/bare/")).status == 404
    (folder / "bare" / "index.html").unlink()
    (folder / "bare" / "index.html").mkdir()
    assert (await indexed.get("/static/bare/")).status == 404


@pytest.mark.parametrize("index", ["", ".", "..", "sub/index.html", "/index.html", ".index", "a\\b"])
def test_an_index_that_no_folder_can_have_is_refused(folder: Path, index: str) -> None:
    with pytest.raises(ConfigError, match="write the name of a file"):
        Static(folder, index=index)


async def test_a_whole_site_is_served_from_its_root(folder: Path) -> None:
    (folder / "index.html").write_text("<h1>home</h1>")
    app = Application()
    app.mount("/", Static(folder, index="index.html"))

    @app.get("/api")
    async def answer(request: web.Request) -> str:
        return "api"

    async with TestClient(TestServer(app.aiohttp)) as client:
        assert await (await client.get("/")).text() == "<h1>home</h1>"
        assert await (await client.get("/api")).text() == "api"


# --- the manifest ---


def write_entry(file: Path, name: str, version: str, **changed: int) -> None:
    """Say in the manifest *file* that the file *name* beside it has this hash."""
    status = (file.parent / name).stat()
    known = {"size": status.st_size, "mtime_ns": status.st_mtime_ns} | changed
    write_manifest(file, {name: Entry(version, known["size"], known["mtime_ns"])})


MADE_UP = "0123456789abcdef"


async def test_a_hash_in_the_manifest_is_taken_while_the_file_is_the_same(folder: Path) -> None:
    make_old(folder / "site.css")
    write_entry(folder / MANIFEST_NAME, "site.css", MADE_UP)
    app, static = Application(), Static(folder)
    app.mount("/static", static)
    assert static.url(app, "site.css") == f"/static/site.css?v={MADE_UP}"
    async with TestClient(TestServer(app.aiohttp)) as client:
        assert (await client.get(static.url(app, "site.css"))).headers["Cache-Control"] == FOR_EVER
        make_old(folder / "site.css", seconds=1)
        assert (await client.get(f"/static/site.css?v={MADE_UP}")).headers["Cache-Control"] == "no-cache"
    assert static.url(app, "site.css") == f"/static/site.css?v={version_of(CSS)}"


def test_a_hash_in_the_manifest_survives_an_archive_that_drops_fractions(folder: Path) -> None:
    make_old(folder / "site.css")
    write_entry(folder / MANIFEST_NAME, "site.css", MADE_UP, mtime_ns=1_700_000_000_123_456_789)
    app, static = Application(), Static(folder)
    app.mount("/static", static)
    assert static.url(app, "site.css").endswith(MADE_UP)


@pytest.mark.parametrize("changed", [{"size": 7}, {"mtime_ns": 1_700_000_001_000_000_000}])
def test_a_hash_in_the_manifest_of_another_state_is_not_taken(folder: Path, changed: dict[str, int]) -> None:
    make_old(folder / "site.css")
    write_entry(folder / MANIFEST_NAME, "site.css", MADE_UP, **changed)
    app, static = Application(), Static(folder)
    app.mount("/static", static)
    assert static.url(app, "site.css").endswith(version_of(CSS))


async def test_the_manifest_may_lie_elsewhere_and_is_never_served(folder: Path, tmp_path: Path) -> None:
    make_old(folder / "site.css")
    write_entry(folder / MANIFEST_NAME, "site.css", MADE_UP)
    (folder / MANIFEST_NAME).rename(tmp_path / "made.json")
    app, static = Application(), Static(folder, manifest=tmp_path / "made.json")
    app.mount("/static", static)
    assert static.url(app, "site.css").endswith(MADE_UP)
    (tmp_path / "made.json").rename(folder / MANIFEST_NAME)
    async with TestClient(TestServer(app.aiohttp)) as client:
        assert (await client.get(f"/static/{MANIFEST_NAME}")).status == 404


def test_a_manifest_that_is_named_but_missing_or_none_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        Static(folder, manifest=folder / "missing.json")
    for content in ("", "[]", '{"files": {"a": 1}}'):
        (folder / MANIFEST_NAME).write_text(content)
        with pytest.raises(ConfigError, match=r"is no manifest.*Delete it"):
            Static(folder)
