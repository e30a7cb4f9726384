"""What webkit has to reach, as data: a floor is missed when the median of a ratio does not reach it.

A floor that cannot be met after honest work is lowered here only together with the measurement and the reason, which
`docs/explanation/performance.md` tells too (``Floor.because``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.figures import Measurement, Ratio
from bench.peers import AIOHTTP, IPOPO, PEERS, PLAIN, WEBKIT


@dataclass(frozen=True, slots=True)
class Figure:
    """One contender's samples of one measurement."""

    key: str
    contender: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """A bound for a ratio of two figures of one run, or for a figure itself: ``at_most``, or ``at_least``."""

    title: str
    of: Figure
    to: Figure | None
    at_most: float | None = None
    at_least: float | None = None
    goal: float | None = None
    because: str = ""  #: why it is lower than it once was

    @property
    def bound(self) -> str:
        """The bound in words."""
        return f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"

    def is_met_by(self, ratio: float) -> bool:
        """Tell whether *ratio* lies within the bound."""
        return (self.at_most is None or ratio <= self.at_most) and (self.at_least is None or ratio >= self.at_least)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A floor, and what was measured; ``None`` where it was not."""

    floor: Floor
    ratio: Ratio | None

    @property
    def is_missed(self) -> bool:
        """Whether it was measured and not reached."""
        return self.ratio is not None and not self.floor.is_met_by(self.ratio.median)

    @property
    def word(self) -> str:
        """The verdict in a word or two."""
        if self.ratio is None:
            return "not measured"
        if self.is_missed:
            return "MISSED"
        goal = self.floor.goal
        if goal is None:
            return "met"
        reached = self.ratio.median <= goal if self.floor.at_most is not None else self.ratio.median >= goal
        return "met, and the goal" if reached else "met"


def _cpu(what: str, key: str, at_most: float, goal: float | None = None) -> Floor:
    """Bound the processor time of webkit, as a part of bare aiohttp's."""
    of, to = Figure(f"cpu:{key}", WEBKIT), Figure(f"cpu:{key}", AIOHTTP)
    return Floor(title=f"processor time, {what}: webkit / bare aiohttp", of=of, to=to, at_most=at_most, goal=goal)


def _speed(what: str, key: str, against: str, at_least: float, goal: float | None = None) -> Floor:
    """Bound the requests per second of webkit, as a multiple of another's."""
    of, to = Figure(f"speed:{key}", WEBKIT), Figure(f"speed:{key}", against)
    title = f"requests/s, {what}: webkit / {PEERS[against].title}"
    return Floor(title=title, of=of, to=to, at_least=at_least, goal=goal)


def _speeds(against: str, bounds: tuple[float, float, float], goals: tuple[float, float, float]) -> tuple[Floor, ...]:
    """Bound the three simple requests: text, JSON, parameter."""
    rows = zip(("text", "json", "parameter"), ("text", "JSON", "parameter"), bounds, goals, strict=True)
    return tuple(_speed(what, key, against, at_least, goal) for key, what, at_least, goal in rows)


_GRANIAN: Final = "once 1: see below"

FLOORS: Final = (
    _cpu("text", "text", 0.80, 0.70),
    _cpu("JSON", "json", 0.72, 0.65),
    _cpu("parameter", "parameter", 0.72, 0.65),
    _cpu("text, as aiohttp's web.Response", "response", 1),
    _cpu("access log", "log", 0.40, 0.33),
    _cpu("5 middlewares", "middlewares-5", 0.70, 0.62),
    Floor(
        title="processor time, webkit: the last of 10,000 routes / of 10",
        of=Figure("cpu:shared-10000", WEBKIT),
        to=Figure("cpu:shared-10", WEBKIT),
        at_most=1.15,
    ),
    Floor(
        title="processor time, the last of 10,000 routes with one prefix: bare aiohttp / webkit",
        of=Figure("cpu:shared-10000", AIOHTTP),
        to=Figure("cpu:shared-10000", WEBKIT),
        at_least=200,
    ),
    Floor(
        title="processor time, router alone, 651 paths of an API: bare aiohttp / webkit",
        of=Figure("cpu:resolve", AIOHTTP),
        to=Figure("cpu:resolve", WEBKIT),
        at_least=5,
        goal=8,
    ),
    *_speeds(AIOHTTP, (1.15, 1.25, 1.25), (1.25, 1.4, 1.4)),
    _speed("access log", "log", AIOHTTP, 2, 2.5),
    *_speeds("starlette", (1.1, 1.2, 1.2), (1.3, 1.4, 1.4)),
    *_speeds("fastapi", (2.5, 2.5, 2.5), (3, 3, 3)),
    *_speeds("litestar", (1.1, 1.2, 1.2), (1.3, 1.4, 1.4)),
    *_speeds("blacksheep", (1.1, 1.2, 1.2), (1.3, 1.4, 1.4)),
    *_speeds("falcon", (1.1, 1.2, 1.2), (1.3, 1.4, 1.4)),
    replace(_speed("text", "text", "blacksheep-granian", 0.85, 1), because=_GRANIAN),
    _speed("JSON", "json", "blacksheep-granian", 1, 1.25),
    replace(_speed("parameter", "parameter", "blacksheep-granian", 0.85, 1), because=_GRANIAN),
    _speed("template", "template", AIOHTTP, 1.2),
    _speed("validated body", "post", "fastapi", 3),
    _speed("validated body", "post", "litestar", 1.5),
    Floor(
        title="WebSocket echo: webkit / bare aiohttp",
        of=Figure("websocket:echo", WEBKIT),
        to=Figure("websocket:echo", AIOHTTP),
        at_least=0.95,
        goal=1,
    ),
    Floor(
        title="WebSocket echo: webkit / Starlette",
        of=Figure("websocket:echo", WEBKIT),
        to=Figure("websocket:echo", "starlette"),
        at_least=1,
        goal=1.25,
    ),
    Floor(
        title="memory of an open WebSocket, in KiB: webkit",
        of=Figure("websocket:memory", WEBKIT),
        to=None,
        at_most=16,
        goal=15,
    ),
    Floor(
        title="processor time, webkit: a servlet / a plain handler",
        of=Figure("servlet:request", WEBKIT),
        to=Figure("servlet:request", PLAIN),
        at_most=1.25,
    ),
    Floor(
        title="processor time, a servlet: iPOPO's own service / webkit",
        of=Figure("servlet:request", IPOPO),
        to=Figure("servlet:request", WEBKIT),
        at_least=2,
    ),
    Floor(
        title="time to import: webkit / aiohttp.web",
        of=Figure("import", WEBKIT),
        to=Figure("import", AIOHTTP),
        at_most=1.25,
        goal=1.15,
    ),
    Floor(
        title="memory of an idle connection: webkit / bare aiohttp",
        of=Figure("memory:connection", WEBKIT),
        to=Figure("memory:connection", AIOHTTP),
        at_most=1.1,
    ),
    Floor(
        title="memory of an open event stream: webkit / bare aiohttp",
        of=Figure("memory:stream", WEBKIT),
        to=Figure("memory:stream", AIOHTTP),
        at_most=1.34,  # 13.5 KiB where bare aiohttp takes 10.1
    ),
    Floor(
        title="processor time, an event to 5,000 streams: webkit / a bare loop of transport.write",
        of=Figure("event:streams", WEBKIT),
        to=Figure("event:streams", AIOHTTP),
        at_most=1.4,
        goal=1.2,
    ),
)


def judge(measurements: Mapping[str, Measurement]) -> list[Verdict]:
    """Compare what was measured, by key, with all floors."""
    return [Verdict(floor, _ratio_of(floor, measurements)) for floor in FLOORS]


def _ratio_of(floor: Floor, measurements: Mapping[str, Measurement]) -> Ratio | None:
    above = _samples_of(floor.of, measurements)
    below = _samples_of(floor.to, measurements) if floor.to else [1.0] * len(above)
    return Ratio.of(above, below) if above and below else None


def _samples_of(figure: Figure, measurements: Mapping[str, Measurement]) -> Sequence[float]:
    return measurements[figure.key].samples.get(figure.contender, ()) if figure.key in measurements else ()
