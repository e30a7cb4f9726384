"""Building a folder: which copies are written, kept and removed, and what the server makes of them."""

import gzip
import os
import stat
import zlib
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from webkit import Application
from webkit.codings import CODINGS
from webkit.errors import ConfigError
from webkit.manifest import MANIFEST_NAME, Entry, hash_content, read_manifest
from webkit.precompress import Compressor, Report, build, find_compressors
from webkit.static import Static

CSS = b"body { color: teal }\n" * 50
MTIME = 1_700_000_000


def gzip_best(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


GZIP_ALONE: dict[str, Compressor] = {"gzip": gzip_best}
# Stand-ins for libraries that need not be installed.
ALL: dict[str, Compressor] = {
    "br": lambda content: b"br" + zlib.compress(content),
    "zstd": zlib.compress,
    "gzip": gzip_best,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "site.css").write_bytes(CSS)
    (tmp_path / "small.css").write_bytes(CSS[:256])
    (tmp_path / "photo.png").write_bytes(bytes(1000))
    (tmp_path / "noise.txt").write_bytes(os.urandom(1000))
    for file in (tmp_path / "css" / "site.css", tmp_path / "small.css", tmp_path / "photo.png", tmp_path / "noise.txt"):
        age(file)
    return tmp_path


def age(file: Path, seconds: int = 0) -> None:
    os.utime(file, (MTIME + seconds, MTIME + seconds))


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_copies_are_written_for_what_gets_smaller(folder: Path) -> None:
    before = names_in(folder)
    report = build(folder, ALL)
    copies = {"css/site.css.br", "css/site.css.zst", "css/site.css.gz"}
    assert names_in(folder) - before == copies | {MANIFEST_NAME}
    assert (set(report.written), report.kept, report.removed) == (copies, (), ())
    assert gzip.decompress((folder / "css" / "site.css.gz").read_bytes()) == CSS


def test_257_bytes_are_enough_and_256_are_not(folder: Path) -> None:
    (folder / "small.css").write_bytes(b"a" * 256)
    (folder / "large.css").write_bytes(b"a" * 257)
    assert {name for name in build(folder, GZIP_ALONE).written if "css/" not in name} == {"large.css.gz"}


@pytest.mark.parametrize(("length", "is_worth_it"), [(950, True), (951, False)])
def test_a_copy_must_save_five_percent(folder: Path, length: int, is_worth_it: bool) -> None:
    report = build(folder, {"gzip": lambda content: bytes(length)})
    assert ("noise.txt.gz" in report.written) == is_worth_it


def test_the_manifest_tells_hash_size_and_copies_of_every_file(folder: Path) -> None:
    report = build(folder, ALL)
    known = read_manifest(folder / MANIFEST_NAME)
    assert known == report.files
    assert list(known) == ["css/site.css", "noise.txt", "photo.png", "small.css"]
    sizes = {coding: (folder / f"css/site.css{suffix}").stat().st_size for coding, suffix in CODINGS.items()}
    assert known["css/site.css"] == Entry(hash_content(CSS), len(CSS), MTIME * 10**9, sizes)
    assert known["photo.png"] == Entry(hash_content(bytes(1000)), 1000, MTIME * 10**9)


def test_the_same_content_gives_the_same_bytes(folder: Path) -> None:
    (folder / "other.css").write_bytes(CSS)
    build(folder)
    assert (folder / "other.css.gz").read_bytes() == (folder / "css" / "site.css.gz").read_bytes()


def test_a_copy_has_time_and_permissions_of_its_original(folder: Path) -> None:
    (folder / "css" / "site.css").chmod(0o640)
    build(folder, GZIP_ALONE)
    copy = (folder / "css" / "site.css.gz").stat()
    assert (stat.S_IMODE(copy.st_mode), copy.st_mtime) == (0o640, MTIME)


def test_what_is_up_to_date_is_left_alone(folder: Path) -> None:
    first = build(folder, ALL)
    inodes = {name: (folder / name).stat().st_ino for name in first.written}
    again = build(folder, ALL)
    assert (again.written, set(again.kept), again.removed) == ((), set(first.written), ())
    assert again.files == first.files
    assert {name: (folder / name).stat().st_ino for name in first.written} == inodes


def test_a_changed_file_gets_new_copies(folder: Path) -> None:
    build(folder, ALL)
    (folder / "css" / "site.css").write_bytes(CSS.upper())
    report = build(folder, ALL)
    assert len(report.written) == 3
    assert gzip.decompress((folder / "css" / "site.css.gz").read_bytes()) == CSS.upper()


def test_a_file_that_was_replaced_by_an_older_one_gets_new_copies(folder: Path) -> None:
    build(folder, GZIP_ALONE)
    (folder / "css" / "site.css").write_bytes(CSS.upper())
    age(folder / "css" / "site.css", seconds=-1000)
    assert build(folder, GZIP_ALONE).written == ("css/site.css.gz",)
    assert gzip.decompress((folder / "css" / "site.css.gz").read_bytes()) == CSS.upper()


def test_a_copy_that_another_tool_has_made_is_left_alone_while_it_is_not_older(folder: Path) -> None:
    copy = folder / "css" / "site.css.br"
    copy.write_bytes(b"made by a bundler")
    report = build(folder, GZIP_ALONE)
    assert report.kept == ("css/site.css.br",)
    assert report.files["css/site.css"].encodings["br"] == len(b"made by a bundler")
    # It makes both anew, and brotli is still not there to make another.
    (folder / "css" / "site.css").write_bytes(CSS.upper())
    copy.write_bytes(b"made by a bundler again")
    assert "css/site.css.br" in build(folder, GZIP_ALONE).kept
    age(copy, seconds=-1)
    assert build(folder, GZIP_ALONE).removed == ("css/site.css.br",)


def test_an_old_copy_is_removed_where_it_is_not_worth_it_any_more(folder: Path) -> None:
    build(folder, ALL)
    (folder / "css" / "site.css").write_bytes(os.urandom(1000))
    report = build(folder, GZIP_ALONE)
    assert set(report.removed) == {"css/site.css.br", "css/site.css.zst", "css/site.css.gz"}
    assert report.files["css/site.css"].encodings == {}


def test_copies_are_removed_when_their_file_has_become_small(folder: Path) -> None:
    build(folder, GZIP_ALONE)
    (folder / "css" / "site.css").write_bytes(b"body {}")
    assert build(folder, GZIP_ALONE).removed == ("css/site.css.gz",)


def test_copies_of_a_file_that_has_gone_are_removed_but_only_those_that_were_made_here(folder: Path) -> None:
    (folder / "archive.tar.gz").write_bytes(b"somebody's")
    build(folder, ALL)
    (folder / "css" / "site.css").unlink()
    report = build(folder, ALL)
    assert set(report.removed) == {"css/site.css.br", "css/site.css.zst", "css/site.css.gz"}
    assert "archive.tar.gz" in report.files
    assert build(folder, ALL).removed == ()


def test_a_copy_beside_a_file_that_is_never_compressed_is_somebodys_own(folder: Path) -> None:
    (folder / "photo.png.gz").write_bytes(b"somebody's")
    age(folder / "photo.png.gz", seconds=-10)
    report = build(folder, ALL)
    assert (folder / "photo.png.gz").exists()
    assert "photo.png.gz" not in report.removed


def test_nothing_outside_the_folder_is_touched_whatever_the_manifest_says(folder: Path) -> None:
    public = folder / "css"
    (folder / "victim.gz").write_bytes(b"precious")
    (public / "link").symlink_to("..")
    entries = ", ".join(
        f'"{name}": {{"hash": "", "size": 0, "mtime_ns": 0, "encodings": {{"gzip": 1, "evil": 1}}}}'
        for name in ("../victim", "link/victim", str(folder / "victim"))
    )
    (public / MANIFEST_NAME).write_text(f'{{"version": 1, "files": {{{entries}}}}}')
    assert build(public, GZIP_ALONE).removed == ()
    assert (folder / "victim.gz").read_bytes() == b"precious"


def test_hidden_files_and_symbolic_links_are_no_part_of_it(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "config.txt").write_bytes(CSS)
    (folder / ".env").write_bytes(CSS)
    (folder / "link.css").symlink_to("css/site.css")
    (folder / "loop").symlink_to(".")
    (folder / "css" / "site.css.gz").symlink_to("../noise.txt")
    report = build(folder, GZIP_ALONE)
    assert report.written == ("css/site.css.gz",)
    assert not (folder / "css" / "site.css.gz").is_symlink()
    assert set(report.files) == {"css/site.css", "noise.txt", "photo.png", "small.css"}


def test_a_symbolic_link_in_place_of_a_copy_is_not_removed(folder: Path) -> None:
    (folder / "noise.txt.gz").symlink_to("photo.png")
    assert build(folder, GZIP_ALONE).removed == ()
    assert (folder / "noise.txt.gz").is_symlink()


def test_what_cannot_be_written_is_said(folder: Path) -> None:
    (folder / "css" / "site.css.gz").mkdir()
    with pytest.raises(ConfigError, match="cannot be built"):
        build(folder, GZIP_ALONE)
    assert not [name for name in names_in(folder) if name.startswith("css/.")]


def test_a_missing_folder_and_a_manifest_of_somebody_else_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        build(folder / "missing")
    (folder / MANIFEST_NAME).write_text("not ours")
    with pytest.raises(ConfigError, match="is no manifest"):
        build(folder)
    assert (folder / MANIFEST_NAME).read_text() == "not ours"


def test_a_manifest_of_a_web_application_stays_what_it_is(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"name": "Shop"}')
    assert "manifest.json" in build(folder).files
    assert (folder / "manifest.json").read_text() == '{"name": "Shop"}'


def test_the_report_is_a_table(folder: Path) -> None:
    compressors: dict[str, Compressor] = {"br": lambda _: bytes(40), "gzip": lambda _: bytes(1234)}
    (folder / "long.txt").write_bytes(b"a" * 1_234_567)
    (folder / "noise.txt").unlink()
    lines = str(build(folder, compressors)).splitlines()
    assert lines == [
        "FILE              BYTES  BR  ZSTD   GZIP",
        "long.txt      1,234,567  40     -  1,234",
        "css/site.css      1,050  40     -      -",
        f"{folder}: 4 files, 2 of them compressed, 1,235,617 bytes to 80 at best. "
        "Copies: 3 written, 0 up to date, 0 removed.",
        "Without zstd: pip install zstandard adds it.",
    ]


def test_the_report_of_a_folder_without_anything_to_compress_has_no_table(tmp_path: Path) -> None:
    report = str(build(tmp_path, ALL))
    assert report == f"{tmp_path}: 0 files, 0 of them compressed, 0 bytes to 0 at best. " + (
        "Copies: 0 written, 0 up to date, 0 removed."
    )
    assert str(Report(tmp_path, {})) == report


def test_gzip_is_always_there_and_every_coding_has_a_copy_of_its_own() -> None:
    found = find_compressors()
    assert "gzip" in found
    assert set(found) <= set(CODINGS)
    packed = found["gzip"](CSS)
    assert gzip.decompress(packed) == CSS
    assert packed[4:8] == bytes(4), "the time in the head is zero"


async def test_what_was_built_is_what_is_served(folder: Path) -> None:
    build(folder)
    app, static = Application(), Static(folder)
    app.mount("/static", static)
    url = static.url(app, "css/site.css")
    assert url.endswith(hash_content(CSS))
    async with TestClient(TestServer(app.aiohttp)) as client:
        for coding in ("identity", *find_compressors()):
            answer = await client.session.get(
                client.make_url(url), headers={"Accept-Encoding": coding}, auto_decompress=False
            )
            packed = await answer.read()
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers.get("Content-Encoding", "identity") == coding
            assert packed == (folder / f"css/site.css{CODINGS.get(coding, '')}").read_bytes()
