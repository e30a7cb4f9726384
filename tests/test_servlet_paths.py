"""The paths of servlets, in tables: what becomes of what a client wrote, and which prefix answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webkit.servlet_paths import BadPath, Prefixes, normalize_path, sub_path_of

CLEAN: list[tuple[str, str]] = [
    ("/", "/"),
    ("", "/"),
    ("/a", "/a"),
    ("/a/", "/a/"),
    ("//a///b//", "/a/b/"),
    ("///", "/"),
    ("/./a/./b", "/a/b"),
    ("/a/.", "/a"),
    ("/a/./", "/a/"),
    ("/a/b/..", "/a"),
    ("/a/b/../", "/a/"),
    ("/a/..", "/"),
    ("/a/../b", "/b"),
    ("/a/b/../../c", "/c"),
    ("/..a/.b/c..", "/..a/.b/c.."),
    ("/...", "/..."),
    ("/a b/ä/%20", "/a b/ä/%20"),
    ("/a?b#c", "/a?b#c"),
]
REFUSED = ["/..", "/../a", "/a/../..", "/./..", "//..", "/a\x00b", "/a\nb", "/a\r", "/\x7f", "/a/\x1f/.."]

TABLES: list[tuple[list[str], str, str | None]] = [
    (["/test"], "/test", "/test"),
    (["/test"], "/test/", "/test"),
    (["/test"], "/test/x/y", "/test"),
    (["/test"], "/testx", None),
    (["/test"], "/tes", None),
    (["/test"], "/", None),
    (["/test"], "/Test", None),
    (["/a", "/a/b"], "/a/b/c", "/a/b"),
    (["/a", "/a/b"], "/a/bc", "/a"),
    (["/a", "/a/b/c/d"], "/a/b/c", "/a"),
    (["/a", "/a/"], "/a", "/a/"),
    (["/a", "/a/"], "/a/x", "/a/"),
    (["/"], "/whatever/it/is", "/"),
    (["/", "/a"], "/ab", "/"),
    (["/", "/a"], "/a", "/a"),
    (["/a//b"], "/a/b", None),
    ([], "/", None),
]

SUB_PATHS: list[tuple[str, str, str]] = [
    ("/test", "/test", "/"),
    ("/test/", "/test", "/"),
    ("/p/q/a/b/", "/p/q", "/a/b/"),
    ("/x", "/", "/x"),
    ("/", "/", "/"),
    ("/a", "/a/", "/"),
    ("/a/b", "/a/", "/b"),
    ("", "/", "/"),
]


@pytest.mark.parametrize(("path", "clean"), CLEAN)
def test_a_path_is_made_clean(path: str, clean: str) -> None:
    """IP-070: slashes collapse, dots are resolved, one slash at the end stays."""
    assert normalize_path(path) == clean


@pytest.mark.parametrize("path", REFUSED)
def test_a_path_that_leads_above_its_beginning_or_holds_control_characters_is_refused(path: str) -> None:
    """IP-070: refused, not clamped to the root."""
    with pytest.raises(BadPath):
        normalize_path(path)


@given(st.text(alphabet="/.ab%\x00", max_size=30))
def test_a_clean_path_stays_as_it_is_and_never_leads_out(path: str) -> None:
    """IP-070."""
    try:
        clean = normalize_path(path)
    except BadPath:
        return
    assert clean.startswith("/")
    assert normalize_path(clean) == clean
    assert not {"..", "."} & set(clean.split("/"))
    assert "//" not in clean


@pytest.mark.parametrize(("prefixes", "path", "found"), TABLES)
def test_the_longest_prefix_that_ends_with_a_segment_answers(prefixes: list[str], path: str, found: str | None) -> None:
    """IP-024."""
    assert Prefixes({prefix: prefix for prefix in prefixes}).find(path) == found


@given(st.sets(st.text(alphabet="/ab", min_size=0, max_size=6).map(lambda text: "/" + text), max_size=8))
def test_finding_gives_what_trying_all_prefixes_gives(prefixes: set[str]) -> None:
    """IP-024: beside the shortest way to say it, and the look-up of whole paths says the same."""
    table = Prefixes({prefix: prefix for prefix in prefixes})
    for path in ("/", "/a", "/a/", "/a/b", "/ab/a/b/a", "/b/b/"):
        padded = path if path.endswith("/") else path + "/"
        fitting = [known for known in prefixes if padded.startswith(known if known.endswith("/") else known + "/")]
        expected = max(fitting, key=len, default=None)
        assert table.find(path) == expected
        assert table.exact.get(path, expected) == expected


@pytest.mark.parametrize(("path", "prefix", "rest"), SUB_PATHS)
def test_the_rest_of_a_path_begins_with_a_slash(path: str, prefix: str, rest: str) -> None:
    """IP-086."""
    assert sub_path_of(path, prefix) == rest


def test_a_path_of_a_thousand_segments_costs_no_more_than_the_longest_prefix() -> None:
    table = Prefixes({"/a/b": "found"})
    looked_up: list[str] = []

    class Watched(dict[str, str]):
        def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
            looked_up.append(key)
            return super().get(key, default)

    table.targets = Watched(table.targets)
    assert table.find("/a/b" + "/x" * 1000) == "found"
    assert len(looked_up) <= 4
