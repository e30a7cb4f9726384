"""The results of one run: kept as JSON, so that they can be shown again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from bench.figures import Measurement
from bench.machine import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What was measured, on what, and what was not."""

    when: str  #: the day
    machine: Machine
    measurements: Sequence[Measurement]
    not_measured: Sequence[str] = ()  #: sentences

    @property
    def by_key(self) -> Mapping[str, Measurement]:
        """The measurements by their keys."""
        return {measurement.key: measurement for measurement in self.measurements}

    def save(self, file: Path) -> None:
        """Write them."""
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what was saved (``msgspec.ValidationError``)."""
        return msgspec.json.decode(file.read_bytes(), type=cls)
