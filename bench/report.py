"""Showing results: as text in the terminal, and as a page of the documentation, both from the same tables."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from typing import Final

from bench.figures import Measurement, show
from bench.floors import Verdict, judge
from bench.machine import BUSY_LOAD
from bench.peers import AIOHTTP, COMPARED, IPOPO, PEERS, PLAIN, WEBKIT
from bench.results import Results
from bench.workloads import NOT_YET

# Measurements that have a table of their own.
_WITH_TABLES: Final = ("cpu:", "speed:", "servlet:")
_PAGE: Final = Path(__file__).parent / "performance.md"


def in_process(results: Results) -> str:
    """The processor time of webkit and bare aiohttp."""
    rows = [
        (
            measurement.title,
            *(show(measurement.median(name)) for name in (WEBKIT, AIOHTTP)),
            str(measurement.ratio(WEBKIT, AIOHTTP)),
        )
        for measurement in results.measurements
        if measurement.key.startswith("cpu:")
    ]
    return table(("request", "webkit, µs", "bare aiohttp, µs", "webkit / bare aiohttp"), rows)


def contenders(measurements: Sequence[Measurement]) -> str:
    """The medians of everybody, a column for each measurement."""
    names = [name for name in PEERS if any(name in measurement.samples for measurement in measurements)]
    rows = [(PEERS[name].title, *(_median(measurement, name) for measurement in measurements)) for name in names]
    units = {measurement.unit for measurement in measurements}
    if len(units) == 1:
        return table((*units, *(measurement.title for measurement in measurements)), rows)
    return table(("", *(f"{measurement.title}, {measurement.unit}" for measurement in measurements)), rows)


def servlets(results: Results) -> str:
    """The processor time of a servlet, and what a plain handler and iPOPO take."""
    measured = [measurement for measurement in results.measurements if measurement.key == "servlet:request"]
    head = ("", "webkit, µs", "plain handler, µs", "iPOPO, µs", "webkit / plain", "iPOPO / webkit")
    rows = [
        (
            measurement.title,
            *(_median(measurement, name) for name in (WEBKIT, PLAIN, IPOPO)),
            *(str(measurement.ratio(*pair) or "-") for pair in ((WEBKIT, PLAIN), (IPOPO, WEBKIT))),
        )
        for measurement in measured
    ]
    return table(head, rows)


def ratios(results: Results) -> str:
    """webkit beside bare aiohttp and beside the best of those that have one core each."""
    rows = []
    for measurement in results.measurements:
        if measurement.key.startswith(("cpu:", "servlet:")):
            continue
        best = measurement.best(COMPARED)
        rows.append(
            (
                f"{measurement.title}, {measurement.unit}",
                measurement.better,
                str(measurement.ratio(WEBKIT, AIOHTTP) or "-"),
                PEERS[best].title if best else "-",
                str(measurement.ratio(WEBKIT, best) or "-") if best else "-",
            )
        )
    return table(("", "better is", "webkit / bare aiohttp", "best peer", "webkit / best peer"), rows)


def floors(verdicts: Iterable[Verdict]) -> str:
    """What has to be reached, and what was."""
    rows = [
        (
            verdict.floor.title + (f" ({verdict.floor.because})" if verdict.floor.because else ""),
            verdict.floor.bound,
            "-" if verdict.floor.goal is None else f"{verdict.floor.goal:g}",
            str(verdict.ratio or "-"),
            verdict.word,
        )
        for verdict in verdicts
    ]
    return table(("", "floor", "goal", "measured", ""), rows)


def machine(results: Results) -> str:
    """What it was measured on, in sentences."""
    found = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    text = (
        f"Measured on {results.when}: {found.cpu}, cores: {found.cores}, {found.kernel}, {found.python}. "
        f"The versions: {versions}. {_rounds(results)}"
    )
    if found.load > BUSY_LOAD:
        text += f"\n\nSomebody else was at work on this machine (load {found.load:g}): the figures are rough."
    return text


def lacking() -> str:
    """Who sends less than the others, in sentences."""
    lacks = [(peer.title, " and ".join(sorted(name.title() for name in peer.lacks))) for peer in PEERS.values()]
    return " ".join(f"{title} sends its answers without {names}." for title, names in lacks if names)


def not_measured(results: Results) -> str:
    """What is missing, and why."""
    sentences = [*results.not_measured, f"Not yet, for webkit does not have them: {', '.join(NOT_YET)}."]
    return "\n".join(f"- {sentence}" for sentence in sentences)


def as_text(results: Results) -> str:
    """Everything for the terminal."""
    verdicts = judge(results.by_key)
    missed = sum(verdict.is_missed for verdict in verdicts)
    unknown = sum(verdict.ratio is None for verdict in verdicts)
    parts = [
        machine(results),
        in_process(results),
        servlets(results),
        contenders(_speeds(results)),
        contenders(_others(results)),
        ratios(results),
        floors(verdicts),
        not_measured(results),
        f"{len(verdicts) - missed - unknown} floors met, {missed} missed, {unknown} not measured.",
    ]
    return "\n\n".join(part for part in parts if part)


def as_page(results: Results, connections: int) -> str:
    """Everything for the documentation."""
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        machine=machine(results),
        connections=connections,
        in_process=in_process(results),
        servlets=servlets(results) or "Not measured yet.",
        lacking=lacking(),
        speeds=contenders(_speeds(results)),
        footprint=contenders(_others(results)),
        ratios=ratios(results),
        floors=floors(judge(results.by_key)),
        not_measured=not_measured(results),
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown with columns that are even in a terminal too; nothing where there are no rows."""
    if not rows:
        return ""
    widths = [max(len(line[column]) for line in (head, *rows)) for column in range(len(head))]
    marks = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_line(head, widths), _line(marks, widths), *(_line(row, widths) for row in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join([first, *others])} |"


def _rounds(results: Results) -> str:
    """Tell how often everybody had a turn."""
    kinds = {
        "cpu": "in process",
        "speed": "over sockets",
        "upload": "of uploads",
        "websocket": "of WebSockets",
        "import": "of imports",
    }
    found = {measurement.key.partition(":")[0]: measurement.rounds for measurement in results.measurements}
    told = [f"{found[kind]} {words}" for kind, words in kinds.items() if found.get(kind)]
    return f"Rounds: {', '.join(told)}." if told else ""


def _median(measurement: Measurement, name: str) -> str:
    return show(measurement.median(name)) if name in measurement.samples else "-"


def _speeds(results: Results) -> list[Measurement]:
    return [measurement for measurement in results.measurements if measurement.key.startswith("speed:")]


def _others(results: Results) -> list[Measurement]:
    return [measurement for measurement in results.measurements if not measurement.key.startswith(_WITH_TABLES)]
