"""The paths of servlets: what a client wrote becomes one clean path, and the longest prefix answers. Pure.

1. The path comes decoded, once: ``%2F`` is a separator like any other, ``%252F`` is the text ``%2F``.
2. A control character refuses it: it could break a line of a log or of a header.
3. Runs of ``/`` are one, ``.`` goes away, ``..`` takes the segment before it with it. One that would climb above the
   beginning is refused: the client means something else than it would get.
4. A prefix ends where a segment does: ``/test`` answers ``/test``, ``/test/`` and ``/test/x``, never ``/testx``. The
   longest one wins, so ``/a/`` goes before ``/a``, for both.
"""

import re
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

__all__ = ["BadPath", "Prefixes", "normalize_path", "sub_path_of"]

T = TypeVar("T")

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_UNUSUAL: Final = re.compile(r"//|/\.\.?(?:/|\Z)|[\x00-\x1f\x7f]")


class BadPath(ValueError):
    """The path holds a control character, or leads above its beginning."""


def normalize_path(path: str) -> str:
    """Give *path*, which is decoded, without ``//``, ``.`` and ``..``. It begins with ``/``, and keeps one at its end.

    Raises:
        BadPath: it is refused.
    """
    if path.startswith("/") and _UNUSUAL.search(path) is None:
        return path
    if _CONTROL.search(path) is not None:
        raise BadPath("It holds a control character.")
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if not segments:
                raise BadPath("It leads above its beginning.")
            segments.pop()
        elif segment and segment != ".":
            segments.append(segment)
    end = "/" if segments and path.endswith("/") else ""
    return f"/{'/'.join(segments)}{end}"


def sub_path_of(path: str, prefix: str) -> str:
    """Give the rest of *path* behind *prefix*, which answers it; it begins with ``/``."""
    rest = path[len(prefix) :]
    return rest if rest.startswith("/") else f"/{rest}"


class Prefixes(Generic[T]):
    """Prefixes, and what stands behind each. It never changes: one reference to it is the state of a moment."""

    __slots__ = ("_longest", "exact", "targets")

    def __init__(self, targets: Mapping[str, T]) -> None:
        self.targets = dict(targets)
        # Nothing longer has to be looked for, however long the path of a request is.
        self._longest = max(map(len, self.targets), default=0)
        #: What answers a path that is a prefix itself, and clean: no need to look at it any closer.
        self.exact: dict[str, T] = {}
        for path in self.targets:
            found = self.find(path)
            if found is not None and _UNUSUAL.search(path) is None:
                self.exact[path] = found
        if "/" in self.exact:
            # The place of the service itself, asked for without a slash.
            self.exact[""] = self.exact["/"]

    def find(self, path: str) -> T | None:
        """Give what stands behind the longest prefix of *path* that ends with a segment."""
        if not path.endswith("/"):
            path += "/"
        targets = self.targets
        position = path.find("/", self._longest)
        if position < 0:
            position = len(path) - 1
        while position >= 0:
            if (found := targets.get(path[: position + 1])) is not None:
                return found
            if (found := targets.get(path[:position])) is not None:
                return found
            position = path.rfind("/", 0, position)
        return None
