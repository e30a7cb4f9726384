"""Converters: what a parameter's text means, and which values make a URL."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webkit.converters import BY_NAME, BY_TYPE

TEXT_UUID = "12345678-9abc-def0-1234-56789abcdef0"

CONVERTED: list[tuple[str, str, Any]] = [
    ("int", "0", 0),
    ("int", "42", 42),
    ("int", "-7", -7),
    ("int", "007", 7),
    ("int", "9" * 18, 10**18 - 1),
    ("int", "9" * 19, None),
    ("int", "", None),
    ("int", "-", None),
    ("int", "+1", None),
    ("int", "1.0", None),
    ("int", " 1", None),
    ("int", "1\n", None),
    ("int", "1_000", None),
    ("int", "٣", None),  # an Arabic digit, which int() would take
    ("int", "１", None),  # noqa: RUF001 - a fullwidth digit
    ("uuid", TEXT_UUID, UUID(TEXT_UUID)),
    ("uuid", TEXT_UUID.upper(), UUID(TEXT_UUID)),
    ("uuid", TEXT_UUID.replace("-", ""), None),
    ("uuid", f"{{{TEXT_UUID}}}", None),
    ("uuid", TEXT_UUID + "0", None),
    ("uuid", "g" + TEXT_UUID[1:], None),
    ("str", "a b", "a b"),
    ("str", "", None),
    ("str", "a/b", None),
    ("str", "{a}", None),
    ("path", "a/b/c", "a/b/c"),
    ("path", "/", "/"),
    ("path", "a\nb", "a\nb"),
    ("path", "", None),
]


@pytest.mark.parametrize(("name", "text", "value"), CONVERTED)
def test_a_text_converts_to_a_value_or_is_no_match(name: str, text: str, value: Any) -> None:
    assert BY_NAME[name].convert(text) == value


ENCODED: list[tuple[str, Any, str | None]] = [
    ("int", 42, "42"),
    ("int", -7, "-7"),
    ("int", "42", "42"),
    ("int", "forty-two", None),
    ("int", True, None),
    ("int", 1.0, None),
    ("int", None, None),
    ("int", 10**18, None),
    ("uuid", UUID(TEXT_UUID), TEXT_UUID),
    ("uuid", TEXT_UUID.upper(), TEXT_UUID.upper()),
    ("uuid", "no uuid", None),
    ("uuid", 1, None),
    ("str", "john_doe", "john_doe"),
    ("str", 7, "7"),
    ("str", 1.5, "1.5"),
    ("str", UUID(TEXT_UUID), TEXT_UUID),
    ("str", True, None),
    ("str", None, None),
    ("str", b"bytes", None),
    ("str", ["list"], None),
    ("path", "a/b", "a/b"),
    ("path", 7, "7"),
]


@pytest.mark.parametrize(("name", "value", "text"), ENCODED)
def test_a_value_is_written_as_text_or_refused(name: str, value: Any, text: str | None) -> None:
    assert BY_NAME[name].encode(value) == text


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_every_number_of_18_digits_comes_back(number: int) -> None:
    converter = BY_TYPE[int]
    text = converter.encode(number)
    assert text is not None
    assert converter.convert(text) == number


@given(st.uuids())
def test_every_uuid_comes_back(value: UUID) -> None:
    converter = BY_TYPE[UUID]
    assert converter.convert(converter.encode(value) or "") == value


@given(st.text())
def test_no_text_makes_a_converter_fail(text: str) -> None:
    for converter in BY_NAME.values():
        converter.convert(text)


def test_a_word_names_one_converter_and_an_annotation_chooses_one() -> None:
    assert sorted(BY_NAME) == ["int", "path", "str", "uuid"]
    assert {kind.__name__: converter.name for kind, converter in BY_TYPE.items()} == {
        "int": "int",
        "UUID": "uuid",
        "str": "str",  # a path is said in the path: its annotation is str too
    }
