"""Converters: what a parameter's text means, and which values make a URL."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serving import Serve
from webkit import Application, RouteError
from webkit.converters import BY_NAME, BY_TYPE, Converter, _registered, register
from webkit.errors import ConfigError
from webkit.paths import parse

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
    ("float", "1", 1.0),
    ("float", "-1.50", -1.5),
    ("float", "1e5", None),
    ("float", ".5", None),
    ("float", "nan", None),
    ("float", "1.", None),
    ("slug", "a-Slug_9", "a-Slug_9"),
    ("slug", "a b", None),
    ("slug", "é", None),
    ("date", "2024-02-29", date(2024, 2, 29)),
    ("date", "2023-02-29", None),
    ("date", "2024-2-9", None),
    ("date", "20240229", None),
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
    ("float", 1.5, "1.5"),
    ("float", 3, "3"),
    ("float", 1e30, None),
    ("float", float("inf"), None),
    ("slug", "a-b", "a-b"),
    ("slug", "a b", None),
    ("date", date(2024, 2, 29), "2024-02-29"),
    ("date", "2024-02-29", "2024-02-29"),
    ("date", "2024-02-30", None),
    ("date", datetime(2024, 2, 29), None),  # noqa: DTZ001 - a time would be lost
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
    # An application may have registered more, behind them.
    assert list(BY_NAME)[:7] == ["int", "uuid", "str", "path", "float", "slug", "date"]
    assert [BY_TYPE[kind].name for kind in (int, UUID, str)] == ["int", "uuid", "str"]
    # A path is said in the path: the annotation is str, as for any text.
    assert BY_NAME["path"].type is str


@pytest.fixture
def hex_converter() -> Iterator[Converter]:
    """A converter of one's own, which is gone after the test."""
    yield register("hex", decode=lambda text: int(text, 16), encode=lambda value: f"{value:x}", type=int)
    _registered.pop("hex")


@pytest.mark.usefixtures("hex_converter")
async def test_a_converter_of_ones_own_decides_what_matches_and_what_a_url_holds(serve: Serve) -> None:
    async def show(color: int) -> str:
        return str(color)

    app = Application()
    app.get("/{color:hex}", name="color")(show)
    client = await serve(app)
    assert (await client.get("/ff")).text == "255"
    assert (await client.get("/green")).status == 404
    assert str(app.url_for("color", color=255)) == "/ff"
    with pytest.raises(RouteError, match="'green' does not fit"):
        app.url_for("color", color="green")


@pytest.mark.usefixtures("hex_converter")
def test_an_annotation_must_agree_with_a_converter_of_ones_own() -> None:
    async def show(color: str) -> str:
        return color

    with pytest.raises(RouteError, match="is annotated str, but the path converts it to int"):
        Application().get("/{color:hex}")(show)


@pytest.mark.parametrize("name", ["", "two words", "1st", "a-b", "été"])
def test_what_is_no_word_names_no_converter(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a converter; use a word such as 'hex'"):
        register(name, decode=str, encode=str)


def test_a_word_names_one_converter_only() -> None:
    with pytest.raises(ConfigError, match="There is a converter 'int' already; choose another name"):
        register("int", decode=int, encode=str)


@pytest.mark.usefixtures("hex_converter")
def test_a_converter_of_ones_own_stands_for_one_segment() -> None:
    (parameter,) = parse("/{color:hex}").parameters
    assert parameter.in_segment


@pytest.fixture
def broken_converter() -> Iterator[Converter]:
    """A converter that fails on what it does not know, which is gone after the test."""
    languages = {"en": "English"}
    yield register("language", decode=languages.__getitem__, encode=lambda value: value.code)
    _registered.pop("language")


async def show_language(language: Any) -> str:
    return str(language)


@pytest.mark.usefixtures("broken_converter")
async def test_a_converter_that_fails_is_a_500_whose_log_names_it_and_the_handler(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    app.add_get("/{language:language}", show_language)
    app.add_get("/{anything}", lambda request: "another route")
    client = await serve(app)
    assert (await client.get("/en")).text == "English"
    answer = await client.get("/fr")
    assert answer.status == 500
    assert "KeyError" not in answer.text
    assert "ConfigError: The converter 'language' failed on 'fr': KeyError: 'fr'. It must return None" in caplog.text
    assert "It was asked for 'language' of tests.test_converters.show_language." in caplog.text
    assert (await client.get("/en")).status == 200


@pytest.mark.usefixtures("broken_converter")
def test_a_converter_that_fails_at_a_url_is_named() -> None:
    app = Application()
    app.add_get("/{language:language}", show_language, name="language")
    with pytest.raises(ConfigError, match="The converter 'language' failed on 'en': AttributeError: ") as raised:
        app.url_for("language", language="en")
    assert isinstance(raised.value.__cause__, AttributeError)
    # It is no value that does not fit, which callers may catch.
    assert not isinstance(raised.value, ValueError)


def test_a_converter_that_encodes_as_no_text_is_named() -> None:
    register("number", decode=int, encode=int)  # type: ignore[arg-type]
    try:
        app = Application()
        app.add_get("/{language:number}", show_language, name="n")
        with pytest.raises(
            ConfigError, match=r"The converter 'number' encodes '7' as 7, which is no text. Return a str"
        ):
            app.url_for("n", language="7")
    finally:
        _registered.pop("number")
