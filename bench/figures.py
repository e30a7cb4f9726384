"""Measurements as values: samples by contender, one for each round, and the ratios of two of them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, TypeVar

T = TypeVar("T")

Better = Literal["less", "more"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of the ratios of all rounds, and their quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, above: Sequence[float], below: Sequence[float]) -> Self:
        """Divide round by round: what disturbed a round disturbed both."""
        rounds = [one / other for one, other in zip(above, below, strict=True)]
        if len(rounds) == 1:
            return cls(rounds[0], rounds[0], rounds[0])
        low, median, high = statistics.quantiles(rounds, n=4, method="inclusive")
        return cls(median, low, high)

    def __str__(self) -> str:
        return f"{show(self.median)} ({show(self.low)} to {show(self.high)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was measured of some contenders in the same rounds."""

    key: str  #: how and what: ``cpu:text``
    title: str
    unit: str
    better: Better
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        """How many samples each contender has."""
        return max(map(len, self.samples.values()), default=0)

    def median(self, contender: str) -> float:
        """The median of *contender*'s samples."""
        return statistics.median(self.samples[contender])

    def ratio(self, contender: str, other: str) -> Ratio | None:
        """What *contender* has of what *other* has; ``None`` where one of them was not measured."""
        if contender not in self.samples or other not in self.samples:
            return None
        return Ratio.of(self.samples[contender], self.samples[other])

    def best(self, contenders: Iterable[str]) -> str | None:
        """The best of *contenders*, ``None`` where none of them was measured."""
        measured = [contender for contender in contenders if contender in self.samples]
        if not measured:
            return None
        return (max if self.better == "more" else min)(measured, key=self.median)


def shifted(things: Sequence[T], by: int) -> list[T]:
    """Begin somewhere else in each round: nobody is always the first, nor always behind the same one."""
    by %= len(things) or 1
    return [*things[by:], *things[:by]]


def show(value: float) -> str:
    """As many digits as mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    if value < 0.1:
        return f"{value:.2g}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
