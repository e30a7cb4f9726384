"""What the properties of iPOPO's HTTP service mean: from what a component was given to usable values. Pure."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from webkit.servlet_names import max_body_size_of

__all__ = ["DEFAULT_ADDRESS", "DEFAULT_PORT", "PROPERTIES", "Settings", "as_bool", "log_level_of", "paths_of"]

#: What :meth:`Settings.read` wants to know.
PROPERTIES: Final = (
    "address",
    "port",
    "cert_file",
    "key_file",
    "key_password",
    "max_body_size",
    "socket_timeout",
    "case_sensitive_paths",
    "extra",
)
#: Where a component listens that was told nothing.
DEFAULT_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - what iPOPO's property says where it is absent
DEFAULT_PORT: Final = 8080
#: Where it listens if it was told ``None``.
_LOOPBACK: Final = "127.0.0.1"
_TRUE: Final = frozenset({"true", "yes", "y", "on", "1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The properties that hold as long as a component is valid, made usable."""

    address: str
    port: int  #: 0 lets the system choose
    cert_file: Path | None
    key_file: Path | None
    key_password: str | None
    max_body_size: int | None  #: bytes
    socket_timeout_s: float | None
    case_sensitive_paths: bool
    extra: dict[str, Any]

    @property
    def uses_tls(self) -> bool:
        """Whether it speaks HTTPS."""
        return self.cert_file is not None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "Settings":
        """Read the properties *given*, as :data:`PROPERTIES` names them.

        Raises:
            ValueError: the port is no number.
            TypeError: it is nothing that could be one.
        """
        port, extra = given["port"], given["extra"]
        return cls(
            address=given["address"] or _LOOPBACK,
            port=0 if port is None else max(int(port), 0),
            cert_file=_path_of(given["cert_file"]),
            key_file=_path_of(given["key_file"]),
            key_password=given["key_password"],
            max_body_size=max_body_size_of(given["max_body_size"]),
            socket_timeout_s=_timeout_of(given["socket_timeout"]),
            case_sensitive_paths=as_bool(given["case_sensitive_paths"]),
            extra=extra if isinstance(extra, dict) else {},
        )


def as_bool(value: Any) -> bool:
    """Read a switch, which a file of properties gives as text."""
    return value.strip().lower() in _TRUE if isinstance(value, str) else bool(value)


def log_level_of(value: Any) -> int:
    """Read a level: a number, the name of one, or a number as text; ``INFO`` for anything else."""
    if isinstance(value, str):
        named = logging.getLevelNamesMapping().get(value.strip().upper())
        if named is not None:
            return named
    try:
        return int(value)
    except (TypeError, ValueError):
        return logging.INFO


def paths_of(value: Any) -> tuple[str, ...]:
    """Read the paths that a servlet wants: one, or a list or tuple of them; none for anything else."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list | tuple) else ()


def _path_of(value: Any) -> Path | None:
    return None if value is None else Path(value)


def _timeout_of(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if seconds > 0 else None
