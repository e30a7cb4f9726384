"""Tracebacks: an exception and all it came from, as plain values that can be shown.

What is read is bounded: so many exceptions, so many frames, lines of a certain length. Local variables are not read at
all. Nothing here raises, whatever the exception is: its ``__str__`` may be broken, its source gone or no text, its
traceback a thousand calls deep.
"""

import linecache
import os
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import aiohttp

__all__ = ["Frame", "Raised", "SourceLine", "format_raised", "name_of_error", "read_error"]

#: Whose code it is: the application's, somebody else's, or a template (the application's, too).
Owner = Literal["own", "library", "template"]
#: How an exception led to the one above it.
Link = Literal["cause", "context", "member"]

_AROUND: Final = 3
_LINE_LENGTH: Final = 160
# Of a deep traceback, the way in and the way to where it broke.
_MOST_FRAMES: Final = 40
_LEAST_FRAMES: Final = 3
_MEMBERS: Final = 8
_FOLDERS: Final = (
    *(sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")),
    *(str(Path(__file__).parent), str(Path(aiohttp.__file__).parent)),
)
_LIBRARIES: Final = ("<frozen ", *(os.path.normcase(folder) + os.sep for folder in _FOLDERS))


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of source; *marked* is the part of it that failed, as (start, end)."""

    number: int
    text: str
    marked: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One place on the way to the exception; *times* counts how often the traceback comes by here."""

    file: str
    line: int
    function: str
    owner: Owner
    source: tuple[SourceLine, ...] = ()
    times: int = 1


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception, and those that it came from.

    *frames* are in the order of the calls, a place that calls itself stands there once. Behind the first
    *folded_after* of them *folded* others were left out; *depth* counts all calls.
    """

    type: str
    message: str
    notes: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    depth: int = 0
    folded: int = 0
    folded_after: int = 0
    link: Link | None = None
    origins: "tuple[Raised, ...]" = ()


def read_error(
    error: BaseException,
    *,
    show: Callable[[str], str] = str,
    show_source: Callable[[str], str] = str,
    most_errors: int = 16,
    most_frames: int = 80,
) -> Raised:
    """Read *error*, its causes and, of a group, its members.

    *show* makes a message fit to be shown, *show_source* a line of source.
    """
    return _Reader(show, show_source, most_errors, most_frames).read(error, None)


def name_of_error(error: BaseException) -> str:
    """Name the class of *error*: ``KeyError``, ``shop.errors.SoldOut``."""
    kind = type(error)
    module = kind.__module__ if isinstance(kind.__module__, str) else "?"
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def format_raised(raised: Raised) -> Iterator[str]:
    """Give *raised* as Python's own traceback looks, line by line: what came first stands first."""
    for origin in raised.origins:
        if origin.link != "member":
            yield from format_raised(origin)
            yield from ("", _LINKS[origin.link or "context"], "")
    if raised.frames:
        yield "Traceback (most recent call last):"
    for index, frame in enumerate(raised.frames):
        if raised.folded and index == raised.folded_after:
            yield f"  ... {raised.folded:,} more ..."
        yield f'  File "{frame.file}", line {frame.line}, in {frame.function}'
        yield from (f"    {line.text.strip()}" for line in frame.source if line.number == frame.line)
        if frame.times > 1:
            yield f"  [{frame.times:,} times in all]"
    yield from f"{raised.type}: {raised.message}".splitlines()
    for note in raised.notes:
        yield from note.splitlines()
    for number, member in enumerate((origin for origin in raised.origins if origin.link == "member"), start=1):
        yield f"  +---- {number} ----"
        yield from (f"  | {line}" for line in format_raised(member))


_LINKS: Final[dict[Link, str]] = {
    "cause": "The above exception was the direct cause of the following exception:",
    "context": "During handling of the above exception, another exception occurred:",
    "member": "",
}


class _Reader:
    """Reads one exception with all it came from, and counts what may still be read."""

    def __init__(
        self, show: Callable[[str], str], show_source: Callable[[str], str], errors_left: int, frames_left: int
    ) -> None:
        self._show = show
        self._show_source = show_source
        self._errors_left = errors_left
        self._frames_left = frames_left
        self._seen: set[int] = set()

    def read(self, error: BaseException, link: Link | None) -> Raised:
        self._seen.add(id(error))
        self._errors_left -= 1
        steps = list(_walk(error.__traceback__))
        frames, folded, folded_after = self._read_frames(error, steps)
        return Raised(
            type=self._show(name_of_error(error)),
            message=self._show(_message_of(error)),
            notes=tuple(map(self._show, _notes_of(error))),
            frames=frames,
            depth=len(steps),
            folded=folded,
            folded_after=folded_after,
            link=link,
            origins=tuple(self._read_origins(error)),
        )

    def _read_origins(self, error: BaseException) -> Iterator[Raised]:
        origins: list[tuple[BaseException, Link]] = []
        with suppress(Exception):
            origins.extend(_origins_of(error))
        for origin, link in origins:
            if self._errors_left > 0 and id(origin) not in self._seen:
                yield self.read(origin, link)

    def _read_frames(self, error: BaseException, steps: list[TracebackType]) -> tuple[tuple[Frame, ...], int, int]:
        counts = Counter(map(_place_of, steps))
        steps = [next(same) for _, same in groupby(steps, key=_place_of)]
        most = max(_LEAST_FRAMES, min(_MOST_FRAMES, self._frames_left))
        first, folded = most // 3, max(0, len(steps) - most)
        if folded:
            steps = steps[:first] + steps[first + folded :]
        self._frames_left -= len(steps)
        frames = [_read_frame(step, counts[_place_of(step)]) for step in steps]
        excerpt = _excerpt_of(error)
        if excerpt is not None:
            # Jinja puts a frame without source in this place, where the template is no file.
            frames = [frame for frame in frames if (frame.owner, frame.line) != ("template", excerpt.line)]
            frames.append(excerpt)
        return tuple(map(self._clean, frames)), folded, first

    def _clean(self, frame: Frame) -> Frame:
        lines = []
        for line in frame.source:
            text = self._show_source(line.text)
            marked = line.marked if text == line.text and line.marked and line.marked[0] < _LINE_LENGTH else None
            lines.append(SourceLine(line.number, text[:_LINE_LENGTH], marked))
        return replace(frame, source=tuple(lines))


def _read_frame(step: TracebackType, times: int) -> Frame:
    file, line, function = _place_of(step)
    names = step.tb_frame.f_globals
    is_template = "__jinja_exception__" in names or "__jinja_template__" in names
    source: tuple[SourceLine, ...] = ()
    with suppress(Exception):
        linecache.checkcache(file)
        lines = linecache.getlines(file, None if is_template else names)
        source = _around(lines, line, None if is_template else _columns(step, lines[line - 1]))
    if is_template:
        # Jinja renames the code that stands for a template, but not its qualified name.
        return Frame(file, line, step.tb_frame.f_code.co_name, "template", source, times)
    return Frame(file, line, function, _owner_of(file), source, times)


def _origins_of(error: BaseException) -> Iterator[tuple[BaseException, Link]]:
    """Give what *error* came from, as Python shows it: the cause, or else the context, and the members of a group."""
    if isinstance(error.__cause__, BaseException):
        yield error.__cause__, "cause"
    elif isinstance(error.__context__, BaseException) and not error.__suppress_context__:
        yield error.__context__, "context"
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions[:_MEMBERS]:
            yield member, "member"


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as own:
        return f"<its __str__ raised {name_of_error(own)}>"


def _notes_of(error: BaseException) -> list[str]:
    with suppress(Exception):
        return [note for note in islice(error.__notes__, _MEMBERS) if isinstance(note, str)]
    return []


def _walk(step: TracebackType | None) -> Iterator[TracebackType]:
    while step is not None:
        yield step
        step = step.tb_next


def _place_of(step: TracebackType) -> tuple[str, int, str]:
    code = step.tb_frame.f_code
    # Code without lines has None here, whatever the type says.
    return code.co_filename, step.tb_lineno or 0, code.co_qualname


def _owner_of(file: str) -> Owner:
    path = os.path.normcase(file)
    is_installed = not {"site-packages", "dist-packages"}.isdisjoint(Path(path).parts)
    # Compiled extensions name their source as it lay where they were built.
    is_library = is_installed or path.startswith(_LIBRARIES) or path.endswith((".pyx", ".pxd"))
    return "library" if is_library else "own"


def _columns(step: TracebackType, line: str) -> tuple[int, int] | None:
    """Give the part of *line* that was running, ``None`` where it is unknown or spans lines."""
    positions = next(islice(step.tb_frame.f_code.co_positions(), step.tb_lasti // 2, None), None)
    if positions is None or positions[0] != step.tb_lineno or positions[1] != positions[0]:
        return None
    start, end = positions[2], positions[3]
    if start is None or end is None:
        return None
    # Python counts the bytes of UTF-8.
    raw = line.encode()
    return len(raw[:start].decode(errors="replace")), len(raw[:end].decode(errors="replace"))


def _around(lines: list[str], number: int, marked: tuple[int, int] | None = None) -> tuple[SourceLine, ...]:
    """Give the line *number* and its neighbours, without the indentation that all of them have."""
    if not 1 <= number <= len(lines):
        return ()
    first, last = max(1, number - _AROUND), min(len(lines), number + _AROUND)
    while first < number and not lines[first - 1].strip():
        first += 1
    while last > number and not lines[last - 1].strip():
        last -= 1
    shown = [line.rstrip() for line in lines[first - 1 : last]]
    indent = min((len(line) - len(line.lstrip()) for line in shown if line), default=0)
    result: list[SourceLine] = []
    for at, line in enumerate(shown, start=first):
        text = line[indent:]
        part = (marked[0] - indent, marked[1] - indent) if marked and at == number else None
        if part is not None and text[part[0] : part[1]] == text.strip():
            part = None
        result.append(SourceLine(at, text, part))
    return tuple(result)


def _excerpt_of(error: Any) -> Frame | None:
    """Give the place that the error itself names: a template's syntax error, or Python's."""
    with suppress(Exception):
        line = error.lineno
        if isinstance(error, SyntaxError):
            # Other parsers raise it too, over data that is not to be shown.
            if error.filename is not None and error.filename.endswith(".py"):
                source = _around(linecache.getlines(error.filename), line)
                return Frame(error.filename, line, "<module>", _owner_of(error.filename), source) if source else None
        elif isinstance(error.source, str) and isinstance(line, int):
            file = str(getattr(error, "filename", None) or error.name or "<template>")
            return Frame(file, line, "template", "template", _around(error.source.splitlines(), line))
    return None
