"""Names of public files: what is safe on every operating system, and what a folder holds for the public."""

import ntpath
import os
import posixpath
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webkit.errors import ConfigError
from webkit.filenames import is_safe_name, list_names, resolve_folder, safe_filename


@pytest.mark.parametrize(
    "name",
    [
        "site.css",
        "css/site.css",
        "a b.txt",
        "grüße.txt",
        "100%.txt",
        "100%25.txt",
        "a..b",
        "~root",
        "console.log",
        "com10.txt",
        "auxiliary.js",
        ".well-known/security.txt",
        "what?.txt",
    ],
)
def test_a_name_inside_the_folder_is_taken(name: str) -> None:
    assert is_safe_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc/passwd",
        "//host/share",
        "a//b",
        "a/",
        ".",
        "./a",
        "a/.",
        "..",
        "../a",
        "a/..",
        "a/../../b",
        "...",
        ".. /a",
        "..\\a",
        "a\\..\\b",
        "\\\\host\\share",
        "C:",
        "C:/windows/win.ini",
        "c:a",
        "site.css::$DATA",
        "site.css:stream",
        "site.css.",
        "site.css ",
        "folder./site.css",
        "folder /site.css",
        "CON",
        "nul",
        "sub/nul.txt",
        "Aux.tar.gz",
        "prn .txt",
        "com1",
        "LPT9.css",
        "com¹.txt",
        "conin$",
        "a\0.css",
        "a\n.css",
        "a\x7f.css",
        "a\x85.css",
        ".env",
        ".git/config",
        "sub/.git/config",
        "sub/.well-known/a",
        ".well-known/.env",
        ".well-known/../.env",
        "%2e%2e/secret.txt",
        "%252e%252e/secret.txt",
        "%2E%2E%2Fsecret.txt",
        "a%00.css",
        "a%5cb",
        "%2fetc%2fpasswd",
        "%2eenv",
        "a%" + "25" * 3000,
    ],
)
def test_a_name_that_means_something_else_to_some_system_is_refused(name: str) -> None:
    assert not is_safe_name(name)


@given(st.text() | st.text("./\\:%2e5cfaCON1 \0"))
def test_a_name_that_is_taken_stays_inside_on_every_operating_system(name: str) -> None:
    if is_safe_name(name):
        assert posixpath.normpath(posixpath.join("/srv/www", name)).startswith("/srv/www/")
        assert ntpath.normpath(ntpath.join("D:\\srv\\www", name)).startswith("D:\\srv\\www\\")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("tea.png", "tea.png"),
        ("My résumé (2).pdf", "My résumé (2).pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\Ann\\tea.png", "tea.png"),
        ("a/b/", "b"),
        ("\uff0e\uff0e\uff0fetc\uff0fpasswd", "passwd"),
        ("..", "file"),
        ("", "file"),
        (" . ", "file"),
        ("\0", "file"),
        ("a\r\nb.txt", "a b.txt"),
        ("  a   b .txt . ", "a b .txt"),
        (".htaccess", "htaccess"),
        ("-rf", "rf"),
        ("tea.txt.", "tea.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("\uff23\uff2f\uff2e.txt", "_CON.txt"),
        ("a:b?.txt", "a_b_.txt"),
        ("%2e%2e%2fenv", "_2e_2e_2fenv"),
        ("$(rm).txt", "_(rm).txt"),
        ("re\u0301sume\u0301", "résumé"),
        ("x" * 300 + ".tar.gz", "x" * 196 + ".gz"),
        ("\U0001f600" * 100 + ".png", "\U0001f600" * 48 + ".png"),
        ("x." + "y" * 300, "x." + "y" * 197),
    ],
)
def test_a_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_filename(name) == safe


def test_a_name_that_nothing_is_left_of_has_a_fallback() -> None:
    assert safe_filename("..", fallback="picture") == "picture"


ANY_NAME = st.text(st.one_of(st.characters(), st.sampled_from("./\\ -%CONcnulpt$¹0:\u3000\uff0e\uff0f~\u0301\u202e")))


@given(name=ANY_NAME, max_bytes=st.integers(0, 300))
def test_a_name_that_was_made_safe_is_safe_everywhere_short_and_stays_as_it_is(name: str, max_bytes: int) -> None:
    safe = safe_filename(name, max_bytes=max_bytes)
    assert is_safe_name(safe)
    assert not set("/\\\0\n") & set(safe)
    assert 0 < len(safe.encode()) <= max(max_bytes, 32)
    assert safe_filename(safe, max_bytes=max_bytes) == safe


def test_the_names_in_a_folder_are_those_that_have_urls(tmp_path: Path) -> None:
    for name in ("b.css", "b.css.gz", "b.css.br", "b.css.zst", "data.gz", "sub/a b.txt", "sub/deep/c.js", "c:d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for hidden in (".env", ".git/config", "sub/.git/config", ".webkit-manifest.json"):
        (tmp_path / hidden).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / hidden).touch()
    (tmp_path / "loop").symlink_to("..")
    assert list(list_names(tmp_path)) == ["b.css", "data.gz", "sub/a b.txt", "sub/deep/c.js"]


def test_a_folder_is_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert resolve_folder(tmp_path / "link", "Static") == Path(os.path.realpath(tmp_path)) / "real"


def test_a_folder_that_is_none_is_refused_in_the_words_of_who_asked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^build\('.*file'\): .* is no folder"):
        resolve_folder(tmp_path / "file", "build")
    with pytest.raises(ConfigError, match="does not exist"):
        resolve_folder(tmp_path / "missing", "build")
