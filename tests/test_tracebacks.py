"""Tracebacks as plain values: bounded, without local variables, whatever the exception is."""

import asyncio
import json
import linecache
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webkit.tracebacks import Frame, Raised, format_raised, name_of_error, read_error


def catch(function: Callable[[], Any]) -> BaseException:
    """Give what *function* raises."""
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("Nothing was raised.")


def load(path: Path, source: str, encoding: str = "utf-8") -> ModuleType:
    """Run *source* as the module in the file *path*."""
    path.write_text(source, encoding=encoding)
    module = ModuleType(path.stem)
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    return module


def marked_line(frame: Frame) -> str:
    """The line of the frame that was running."""
    return next(line.text for line in frame.source if line.number == frame.line)


def chain_of(raised: Raised) -> list[tuple[str | None, str]]:
    """How each exception is linked to the one above it, and its type."""
    return [(raised.link, raised.type), *(pair for origin in raised.origins for pair in chain_of(origin))]


def fail() -> None:
    unseen = "a local variable" + " nobody sees"
    raise ValueError("bad" + unseen[:0])


def test_a_frame_has_its_file_line_function_and_the_lines_around() -> None:
    raised = read_error(catch(fail))
    assert (raised.type, raised.message) == ("ValueError", "bad")
    frame = raised.frames[-1]
    assert (frame.file, frame.function, frame.owner) == (__file__, "fail", "own")
    assert marked_line(frame).strip().startswith("raise ValueError")
    assert 3 <= len(frame.source) <= 7


def test_local_variables_are_not_read() -> None:
    assert "nobody sees" not in repr(read_error(catch(fail))).replace('+ " nobody sees"', "")


def test_the_part_of_the_line_that_failed_is_marked() -> None:
    def divide() -> float:
        é, zero = 1, 0
        return é + é / zero + 1

    (line,) = (line for line in read_error(catch(divide)).frames[-1].source if line.marked)
    assert line.marked is not None
    assert line.text[slice(*line.marked)] == "é / zero"


@pytest.mark.parametrize(
    ("function", "owner"),
    [
        (lambda: json.loads("{"), "library"),
        (lambda: jinja2.Environment(autoescape=True).from_string("{% nonsense %}"), "template"),
        (fail, "own"),
        (lambda: exec(compile("1/0", "<string>", "exec")), "own"),
        (lambda: exec(compile("1/0", "<frozen importlib>", "exec")), "library"),
        (lambda: exec(compile("1/0", "/a/venv/lib/python3/site-packages/thing/part.py", "exec")), "library"),
        (lambda: exec(compile("1/0", "thing/part.pyx", "exec")), "library"),
        (lambda: asyncio.run(asyncio.wait_for(asyncio.sleep(9), 0.001)), "library"),
    ],
)
def test_each_frame_is_known_as_ours_or_somebody_elses(function: Callable[[], Any], owner: str) -> None:
    frames = read_error(catch(function)).frames
    assert frames[-1].owner == owner
    assert frames[0].owner == "own"


def test_causes_and_contexts_are_read_as_python_shows_them() -> None:
    def handle() -> None:
        try:
            try:
                raise KeyError("a")
            except KeyError as error:
                raise ValueError("b") from error
        except ValueError:
            raise TypeError("c")  # noqa: B904

    assert chain_of(read_error(catch(handle))) == [
        (None, "TypeError"),
        ("context", "ValueError"),
        ("cause", "KeyError"),
    ]


def test_what_was_hidden_with_from_none_stays_hidden() -> None:
    def handle() -> None:
        try:
            raise KeyError("hidden")
        except KeyError:
            raise ValueError("b") from None

    assert chain_of(read_error(catch(handle))) == [(None, "ValueError")]


def test_the_members_of_a_group_are_read_with_their_causes() -> None:
    first = ValueError("a")
    first.__cause__ = KeyError("b")
    group = ExceptionGroup("many", [first, ExceptionGroup("inner", [OSError("c")])])
    assert chain_of(read_error(group)) == [
        (None, "ExceptionGroup"),
        ("member", "ValueError"),
        ("cause", "KeyError"),
        ("member", "ExceptionGroup"),
        ("member", "OSError"),
    ]


def test_a_chain_in_a_circle_ends() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    assert chain_of(read_error(first)) == [(None, "ValueError"), ("cause", "KeyError")]


def test_a_long_chain_and_a_large_group_are_cut() -> None:
    error: BaseException = ValueError("0")
    for number in range(2000):
        outer = ValueError(str(number))
        outer.__context__ = error
        error = outer
    assert len(chain_of(read_error(error))) == 16
    assert len(chain_of(read_error(ExceptionGroup("many", [ValueError()] * 9999)))) <= 16


def test_a_thousand_calls_are_folded_and_counted() -> None:
    def call(depth: int) -> int:
        return call(depth + 1) + 1

    raised = read_error(catch(lambda: call(0)))
    assert raised.type == "RecursionError"
    assert [frame.function.rpartition(".")[2] for frame in raised.frames] == ["catch", "<lambda>", "call"]
    assert raised.frames[-1].times == raised.depth - 2 > sys.getrecursionlimit() // 2
    assert raised.folded == 0
    assert list(format_raised(raised))[-2] == f"  [{raised.depth - 2:,} times in all]"


def test_functions_that_call_each_other_without_end_are_cut_in_the_middle() -> None:
    def first(depth: int) -> int:
        return second(depth) + 1

    def second(depth: int) -> int:
        return first(depth) + 1

    raised = read_error(catch(lambda: first(0)))
    assert len(raised.frames) == 40
    assert raised.folded == raised.depth - 40
    assert raised.frames[0].times == 1
    assert raised.frames[-1].times > sys.getrecursionlimit() // 3
    assert sum(1 for line in format_raised(raised) if line.endswith(" more ...")) == 1


def test_all_exceptions_together_have_so_many_frames() -> None:
    def call(depth: int) -> None:
        if depth == 0:
            raise ValueError
        call(depth - 1)

    group = ExceptionGroup("many", [catch(lambda: call(100)) for _ in range(8)])  # type: ignore[type-var]
    raised = read_error(group, most_frames=50)
    assert sum(len(member.frames) for member in raised.origins) <= 50 + 8 * 3


class Rude(Exception):
    """Breaks wherever it is touched."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise RuntimeError("no")

    @property
    def lineno(self) -> int:
        raise RuntimeError("no")

    @property
    def __cause__(self) -> BaseException | None:  # type: ignore[override]
        raise RuntimeError("no")


def test_an_exception_that_breaks_when_it_is_touched_is_shown_all_the_same() -> None:
    raised = read_error(Rude())
    assert raised.type == f"{__name__}.Rude"
    assert raised.message == "<its __str__ raised RuntimeError>"


@pytest.mark.parametrize("text", [None, 3, b"bytes"])
def test_a_str_that_gives_no_string_is_shown_as_broken(text: Any) -> None:
    kind = type("Odd", (Exception,), {"__str__": lambda self: text, "__module__": None})
    assert read_error(kind()).message == "<its __str__ raised TypeError>"
    assert name_of_error(kind()) == "?.Odd"


def test_notes_are_read_where_they_are_text() -> None:
    error = ValueError("a")
    error.add_note("seen")
    error.__notes__.append(3)  # type: ignore[arg-type]
    assert read_error(error).notes == ("seen",)


def test_a_source_that_is_gone_leaves_the_place(tmp_path: Path) -> None:
    module = load(tmp_path / "gone.py", "def fail():\n    1 / 0\n")
    (tmp_path / "gone.py").unlink()
    frame = read_error(catch(module.fail)).frames[-1]
    assert (frame.line, frame.function, frame.source) == (2, "fail", ())


def test_a_source_that_has_become_shorter_or_no_text_leaves_the_place(tmp_path: Path) -> None:
    module = load(tmp_path / "changed.py", "def fail():\n\n\n    1 / 0\n")
    for content in (b"x", b"", b"\xff\xfe\x00" * 9, b"# coding: nonsense\n\n\n\n"):
        linecache.clearcache()
        (tmp_path / "changed.py").write_bytes(content)
        assert read_error(catch(module.fail)).frames[-1].source == ()


def test_a_source_in_another_encoding_is_read(tmp_path: Path) -> None:
    source = "# coding: latin-1\ndef fail():\n    é = 1; é / 0\n"
    frame = read_error(catch(load(tmp_path / "latin.py", source, "latin-1").fail)).frames[-1]
    assert marked_line(frame).strip() == "é = 1; é / 0"


def test_a_very_long_line_is_cut(tmp_path: Path) -> None:
    module = load(tmp_path / "long.py", "def fail(): x = '" + "y" * 100_000 + "'; 1 / 0\n")
    frame = read_error(catch(module.fail)).frames[-1]
    assert len(marked_line(frame)) == 160


def test_code_without_a_file_has_no_source() -> None:
    code = compile("1/0", "x", "exec")
    for file in ("", "<stdin>", "a\x00b.py", "\udcff.py", "/nowhere/at/all.py"):
        error = catch(lambda file=file: exec(code.replace(co_filename=file)))  # type: ignore[misc]
        frame = read_error(error).frames[-1]
        assert (frame.file, frame.source) == (file, ())


def test_a_template_that_fails_shows_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<ul>\n{% for item in items %}\n<li>{{ item.a.b }}\n{% endfor %}\n")
    environment = jinja2.Environment(autoescape=True, loader=jinja2.FileSystemLoader(tmp_path))
    raised = read_error(catch(lambda: environment.get_template("page.html").render(items=[1])))
    (frame,) = (frame for frame in raised.frames if frame.owner == "template")
    assert (frame.line, frame.function) == (3, "top-level template code")
    assert marked_line(frame) == "<li>{{ item.a.b }}"


SYNTAX = "<p>\n{% if a %}\n{{ b. }}\n{% endif %}\n"


def test_a_template_with_a_syntax_error_shows_the_line_of_the_error(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(SYNTAX)
    loaders: list[tuple[jinja2.BaseLoader, str]] = [
        (jinja2.FileSystemLoader(tmp_path), str(tmp_path / "page.html")),
        (jinja2.DictLoader({"page.html": SYNTAX}), "page.html"),
    ]
    for loader, file in loaders:
        environment = jinja2.Environment(autoescape=True, loader=loader)
        raised = read_error(catch(lambda env=environment: env.get_template("page.html")))  # type: ignore[misc]
        frames = [frame for frame in raised.frames if frame.owner == "template"]
        assert [(frame.file, frame.line, marked_line(frame)) for frame in frames] == [(file, 3, "{{ b. }}")]


def test_a_python_file_with_a_syntax_error_shows_its_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text("a = 1\nb = = 2\n")
    raised = read_error(catch(lambda: compile(path.read_text(), str(path), "exec")))
    assert (raised.frames[-1].file, marked_line(raised.frames[-1])) == (str(path), "b = = 2")


def test_text_that_is_parsed_is_not_shown_as_source(tmp_path: Path) -> None:
    body = tmp_path / "upload.xml"
    body.write_text("<secret>\n")
    error = SyntaxError("bad", (str(body), 1, 1, "<secret>"))
    assert "<secret>" not in repr(read_error(error))
    parse = partial(compile, "open sesame", "<unknown>", "exec")
    assert marked_line(read_error(catch(parse)).frames[-1]).strip() == "function()"


def test_messages_and_source_go_through_what_makes_them_fit() -> None:
    raised = read_error(catch(fail), show=str.upper, show_source=lambda text: text.replace("ValueError", "-"))
    assert (raised.type, raised.message) == ("VALUEERROR", "BAD")
    assert marked_line(raised.frames[-1]).strip().startswith("raise -(")


def test_the_text_looks_like_pythons() -> None:
    def handle() -> None:
        try:
            fail()
        except ValueError as error:
            error.add_note("a note")
            raise ExceptionGroup("many", [KeyError("k")]) from error

    lines = list(format_raised(read_error(catch(handle))))
    assert lines[0] == "Traceback (most recent call last):"
    first = lines.index("ValueError: bad")
    assert lines[first + 1] == "a note"
    assert lines[first + 3] == "The above exception was the direct cause of the following exception:"
    assert lines.index("ExceptionGroup: many (1 sub-exception)") > first
    assert lines[-1] == "  | KeyError: 'k'"
    assert any(line.startswith(f'  File "{__file__}", line ') and line.endswith(", in fail") for line in lines)


@given(st.recursive(st.text(), lambda inner: st.lists(inner, min_size=1, max_size=12), max_leaves=60))
def test_any_group_can_be_read_and_printed(shape: Any) -> None:
    def build(shape: Any) -> Exception:
        return ValueError(shape) if isinstance(shape, str) else ExceptionGroup("group", [build(one) for one in shape])

    raised = read_error(build(shape))
    assert len(chain_of(raised)) <= 16
    assert list(format_raised(raised))
