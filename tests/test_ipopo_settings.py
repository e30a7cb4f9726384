"""What the properties of iPOPO's HTTP service mean: tables."""

import logging
from pathlib import Path
from typing import Any

import pytest

from webkit.ipopo_settings import Settings, as_bool, log_level_of, paths_of

GIVEN: dict[str, Any] = {
    "address": "0.0.0.0",
    "port": 8080,
    "cert_file": None,
    "key_file": None,
    "key_password": None,
    "max_body_size": 1_048_576,
    "socket_timeout": 60.0,
    "case_sensitive_paths": True,
    "extra": None,
}

READINGS: list[tuple[str, str, Any, str, Any]] = [
    ("IP-001", "address", "192.0.2.1", "address", "192.0.2.1"),
    ("IP-001", "address", None, "address", "127.0.0.1"),
    ("IP-001", "address", "", "address", "127.0.0.1"),
    ("IP-002", "port", "8090", "port", 8090),
    ("IP-002", "port", None, "port", 0),
    ("IP-002", "port", -5, "port", 0),
    ("IP-003", "cert_file", "server.crt", "cert_file", Path("server.crt")),
    ("IP-003", "key_file", None, "key_file", None),
    ("IP-005", "max_body_size", "100", "max_body_size", 100),
    ("IP-005", "max_body_size", 0, "max_body_size", None),
    ("IP-005", "max_body_size", "not a size", "max_body_size", None),
    ("IP-006", "socket_timeout", "1.5", "socket_timeout_s", 1.5),
    ("IP-006", "socket_timeout", 0, "socket_timeout_s", None),
    ("IP-006", "socket_timeout", "soon", "socket_timeout_s", None),
    ("IP-007", "case_sensitive_paths", "false", "case_sensitive_paths", False),
    ("IP-008", "extra", {"zone": 3}, "extra", {"zone": 3}),
    ("IP-008", "extra", ["zone"], "extra", {}),
]


@pytest.mark.parametrize(("row", "name", "value", "field", "meaning"), READINGS)
def test_a_property_is_read_as_ipopo_reads_it(row: str, name: str, value: Any, field: str, meaning: Any) -> None:
    """IP-001, IP-002, IP-003, IP-005, IP-006, IP-007, IP-008."""
    assert getattr(Settings.read(GIVEN | {name: value}), field) == meaning, row


def test_a_port_that_is_no_number_is_an_error() -> None:
    """IP-002."""
    with pytest.raises(ValueError, match="abc"):
        Settings.read(GIVEN | {"port": "abc"})


LEVELS: list[tuple[Any, int]] = [
    (None, logging.INFO),
    ("debug", logging.DEBUG),
    ("WARN", logging.WARNING),
    (15, 15),
    ("15", 15),
    ("loud", logging.INFO),
    ([], logging.INFO),
]


@pytest.mark.parametrize(("value", "level"), LEVELS)
def test_a_level_is_a_number_a_name_or_a_number_as_text(value: Any, level: int) -> None:
    """IP-009."""
    assert log_level_of(value) == level


SWITCHES: list[tuple[Any, bool]] = [
    ("true", True),
    (" Yes ", True),
    ("1", True),
    ("off", False),
    ("", False),
    (2, True),
]


@pytest.mark.parametrize(("value", "is_on"), SWITCHES)
def test_a_switch_may_be_text(value: Any, is_on: bool) -> None:
    """IP-004, IP-132: ``pelix.http.auth.required`` comes as text from a file of properties."""
    assert as_bool(value) is is_on


PATHS: list[tuple[Any, tuple[str, ...]]] = [("/a", ("/a",)), (["/a", "/b"], ("/a", "/b")), (None, ()), ({"/a"}, ())]


@pytest.mark.parametrize(("value", "paths"), PATHS)
def test_paths_are_one_or_a_list_and_anything_else_is_none(value: Any, paths: tuple[str, ...]) -> None:
    """IP-060."""
    assert paths_of(value) == paths
