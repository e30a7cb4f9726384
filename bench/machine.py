"""The machine: what it is, which of its cores do what, and how much memory a process has."""

import importlib.metadata
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
#: Above this load somebody else was at work when the benchmark began.
BUSY_LOAD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where and on what the figures were measured."""

    cpu: str
    cores: int
    kernel: str
    python: str
    load: float  #: of the last minute, when the benchmark began
    versions: Mapping[str, str]  #: of the packages that ``bench/requirements.txt`` names


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core serves, and which one asks."""

    server: int
    client: int


def describe(requirements: Path) -> Machine:
    """Look at this machine."""
    return Machine(
        cpu=_cpu_model(),
        cores=len(_usable_cores()),
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        load=round(os.getloadavg()[0], 2),
        versions={name: version for name in read_names(requirements) if (version := _version_of(name))},
    )


def read_names(requirements: Path) -> list[str]:
    """The packages that a file of requirements names, in order."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return [found[0] for line in lines if (found := re.match(r"[\w.-]+", line))]


def choose_cores(usable: Sequence[int], siblings: Mapping[int, frozenset[int]]) -> Cores | None:
    """Choose two cores, of which neither is the other's hyper-thread; ``None`` where there are no two.

    The first core often has the interrupts of the machine, so servers get the last one.
    """
    for server in sorted(usable, reverse=True):
        for client in sorted(usable):
            if client != server and client not in siblings.get(server, ()):
                return Cores(server, client)
    return None


def find_cores() -> Cores | None:
    """Choose two cores of this machine."""
    usable = _usable_cores()
    return choose_cores(usable, {core: _siblings_of(core) for core in usable})


@contextmanager
def running_on(core: int) -> Iterator[None]:
    """Keep this process on one core; what it has started stays where it is."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def memory_of(group: int) -> int | None:
    """Bytes of memory that the processes of one group have, shared pages counted in part; ``None`` if unknown."""
    amounts = [_memory_of_process(folder) for folder in Path("/proc").glob("[0-9]*") if _group_of(folder) == group]
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def processor_time_of(group: int) -> float | None:
    """Seconds of processor time that the processes of one group have had; ``None`` if unknown."""
    times = [
        _processor_time_of_process(folder) for folder in Path("/proc").glob("[0-9]*") if _group_of(folder) == group
    ]
    known = [seconds for seconds in times if seconds is not None]
    return sum(known) if known else None


def _processor_time_of_process(folder: Path) -> float | None:
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_of_process(folder: Path) -> int | None:
    try:
        found = re.search(r"^Pss:\s+(\d+) kB", (folder / "smaps_rollup").read_text(), re.MULTILINE)
    except OSError:  # ended in the meantime, or not ours to look at
        return None
    return int(found[1]) * 1024 if found else None


def _group_of(folder: Path) -> int | None:
    try:
        # The name, in parentheses, may contain anything; behind it come state, parent and group.
        return int((folder / "stat").read_text().rpartition(")")[2].split()[2])
    except (OSError, IndexError):
        return None


def _usable_cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _siblings_of(core: int) -> frozenset[int]:
    try:
        text = Path(_TOPOLOGY.format(core)).read_text(encoding="ascii")
    except OSError:
        return frozenset()
    return read_core_list(text)


def read_core_list(text: str) -> frozenset[int]:
    """Read a list of cores as Linux writes it: ``0-2,8``."""
    ranges = (part.partition("-") for part in text.strip().split(","))
    return frozenset(core for low, _, high in ranges for core in range(int(low), int(high or low) + 1))


def _cpu_model() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _version_of(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
