"""Typed handlers: what an annotation takes from a request, what does not fit, and what is refused at registration.

``webkit.bind`` shows the arguments without a server. What a client sees is asked of servers, and the last test sends
whatever comes to a generator's mind to an application with twenty typed routes.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Literal, NamedTuple, NotRequired, Optional, TypedDict, TypeVar
from uuid import UUID

import pytest
from aiohttp import FormData, web
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct
from multidict import CIMultiDict, MultiDict

from tests import typed_app
from tests.serving import Serve, run_by_aiohttp
from tests.typed_requests import raw_requests
from webkit import Application, Body, Cookie, FormBody, Header, Problem, Query, RouteError, View, bind
from webkit._aiohttp import limits_of_forms
from webkit.converters import BY_TYPE
from webkit.parameters import Source

T = TypeVar("T")

# mypy knows annotations only where they annotate something.
QUERY: Any = Query
HEADER: Any = Header
BODY: Any = Body
FORM: Any = FormBody

PROBLEM: Final = {"Accept": "application/problem+json"}
# aiohttp warns about each part that it cannot read; the answer says it, too.
ignore_part_warnings = pytest.mark.filterwarnings(
    "ignore::aiohttp.multipart.BadContentDispositionHeader",
    "ignore::aiohttp.multipart.BadContentDispositionParam",
    # A file of a form that turns out to be malformed is closed when it is collected.
    "ignore:[Uu]nclosed file <:ResourceWarning",
)


class Color(Enum):
    RED = "red"
    GREEN = "green"


class Blank(Enum):
    NONE = ""
    SOME = "some"


class Address(Struct):
    street: str
    town: str = "Ulm"


class User(Struct):
    name: Annotated[str, Meta(min_length=2)]
    age: Annotated[int, Meta(ge=0)] = 0
    emails: list[str] = []
    address: Address | None = None


@dataclass
class Point:
    x: float
    y: float = 0.5
    labels: list[str] = field(default_factory=list)


class Settings(TypedDict):
    theme: Literal["light", "dark"]
    size: NotRequired[Annotated[int, Meta(le=9)]]


class Camel(Struct, rename="camel"):
    first_name: str
    is_new: bool = False


class Span(Struct):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


class Upload(Struct):
    title: str
    photo: web.FileField | None = None
    tags: list[str] = []
    public: bool = False
    size: int | None = None


def faults_of(handler: Any, **inputs: Any) -> list[tuple[str, str, str]]:
    """Give what a client would be told: (in, name, message)."""
    with pytest.raises(Problem) as raised:
        bind(handler, **inputs)
    assert raised.value.status == 422
    return [(fault["in"], fault["name"], fault["message"]) for fault in raised.value.extensions["errors"]]


def returning(annotation: Any, default: Any = ...) -> Any:
    """Make a handler with one parameter ``value``, annotated so, which gives it back."""

    async def handler(value: Any) -> Any:
        return value

    handler.__annotations__["value"] = annotation
    if default is not ...:
        handler.__defaults__ = (default,)
    return handler


# Where values come from


def test_a_plain_annotated_parameter_comes_from_the_query() -> None:
    async def handler(q: str, page: int = 1) -> None: ...

    assert bind(handler, query={"q": "tea", "page": "3"}) == {"q": "tea", "page": 3}
    assert bind(handler, query={"q": "tea"}) == {"q": "tea", "page": 1}


def test_each_source_has_a_word_and_all_mix_with_the_path() -> None:
    async def handler(
        request: web.Request,
        id: int,
        page: Query[int],
        user_agent: Header[str],
        theme: Cookie[str],
        user: Body[User],
        sort: str = "asc",
    ) -> None: ...

    values = bind(
        handler,
        "/users/{id}",
        {"id": "7"},
        query={"page": "2"},
        headers={"User-Agent": "curl"},
        cookies={"theme": "dark"},
        body=b'{"name": "Ann"}',
    )
    assert values == {
        "id": 7,
        "page": 2,
        "user_agent": "curl",
        "theme": "dark",
        "user": User("Ann"),
        "sort": "asc",
    }


def test_source_names_what_python_cannot_spell() -> None:
    async def handler(
        version: Annotated[str, Source("header", "X-Api-Version")], id: Annotated[int, Source("query", "user-id")] = 0
    ) -> None: ...

    values = bind(handler, headers={"x-api-version": "2"}, query={"user-id": "5"})
    assert values == {"version": "2", "id": 5}


def test_a_header_is_found_in_any_case_and_a_query_in_its_own() -> None:
    assert bind(returning(Header[str]), headers={"VALUE": "x"}) == {"value": "x"}
    assert faults_of(returning(Query[str]), query={"VALUE": "x"}) == [("query", "value", "is missing")]


@pytest.mark.parametrize("annotation", [HEADER[str | None], HEADER[str] | None, Optional[HEADER[str]]], ids=str)  # noqa: UP045
def test_an_optional_source_is_the_source_of_an_optional(annotation: Any) -> None:
    assert bind(returning(annotation, None)) == {"value": None}
    assert bind(returning(annotation, None), headers={"value": "x"}, query={"value": "y"}) == {"value": "x"}


# Which values


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (str, "", ""),
        (str, "null", "null"),
        (int, "-12", -12),
        (int, "007", 7),
        (int, "-0", 0),
        (int, "9" * 18, 10**18 - 1),
        (float, "1.5e3", 1500.0),
        (float, "-2", -2.0),
        (int | float, "12", 12),
        (int | float, "1e3", 1000.0),
        (bool, "true", True),
        (bool, "False", False),
        (bool, "1", True),
        (bool, "0", False),
        (bool, "on", True),
        (bool, "off", False),
        (int | bool, "on", True),
        (Decimal, "0.10", Decimal("0.10")),
        (Decimal, "-1E+3", Decimal("-1E+3")),
        (Decimal, "9" * 40, Decimal("9" * 40)),
        (Decimal | None, "null", None),
        (UUID, "12345678-1234-4234-8234-123456789012", UUID("12345678-1234-4234-8234-123456789012")),
        (date, "2024-02-29", date(2024, 2, 29)),
        (datetime, "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=timezone.utc)),  # noqa: UP017
        (bytes, "AAE=", b"\x00\x01"),
        (Color, "green", Color.GREEN),
        (Blank, "", Blank.NONE),
        (Literal["a", 1], "1", 1),
        (Literal["", "a"], "", ""),
        (int | None, "null", None),
        (int | str, "5", "5"),
        (int | str, "1e3", "1e3"),
        (float | str, "nan", "nan"),
        (Annotated[int, Meta(ge=1, le=9)], "9", 9),
        (QUERY[Any], "x", "x"),
        (list[int], "5", [5]),
        (list[Color], "red", [Color.RED]),
        (set[str], "a", {"a"}),
        (tuple[int, ...], "5", (5,)),
        (tuple[int], "5", (5,)),
        (int | list[int], "5", [5]),
    ],
    ids=str,
)
def test_a_text_becomes_what_the_annotation_says(annotation: Any, text: str, value: Any) -> None:
    assert bind(returning(annotation), query={"value": text}) == {"value": value}


@pytest.mark.parametrize(
    ("annotation", "text", "message"),
    [
        (int, "x", "Expected `int`, got `str`"),
        (int, "1_0", "Expected `int`, got `str`"),
        (int, "\u0661", "Expected `int`, got `str`"),
        (int, "1e3", "Expected `int`, got `str`"),
        (int, "0e1000", "Expected `int`, got `str`"),
        (int, "1.0", "Expected `int`, got `str`"),
        (int, " 1", "Expected `int`, got `str`"),
        (int, "1\n", "Expected `int`, got `str`"),
        (int, "+1", "Expected `int`, got `str`"),
        (int, "-", "Expected `int`, got `str`"),
        (int | None, "1e3", "Expected `int`, got `str`"),
        (int, "9" * 19, "Integer value out of range"),
        (int, "-" + "9" * 19, "Integer value out of range"),
        (int, "9" * 5000, "Integer value out of range"),
        (int | float, "9" * 19, "Integer value out of range"),
        (float, "1e400", "Number out of range"),
        (float, "nan", "Expected a finite number"),
        (float, "-Infinity", "Expected a finite number"),
        (float | None, "INF", "Expected a finite number"),
        (Decimal, "NaN", "Invalid decimal string"),
        (Decimal, "sNaN1", "Invalid decimal string"),
        (Decimal, "-Infinity", "Invalid decimal string"),
        (Decimal, " 1", "Invalid decimal string"),
        (Decimal, "1_0", "Invalid decimal string"),
        (Decimal, "\u0661", "Invalid decimal string"),
        (Decimal, "1e9999999", "Invalid decimal string"),
        (Decimal, "null", "Invalid decimal string"),
        (bool, "maybe", "Expected `bool`, got `str`"),
        (date, "2023-02-29", "Invalid RFC3339 encoded date"),
        (UUID, "x", "Invalid UUID"),
        (Color, "blue", "Invalid enum value 'blue'"),
        (Color, "x - at `$.y`", "Invalid enum value 'x - at `$.y`'"),
        (Literal["a", "b"], "c", "Invalid enum value 'c'"),
        (Annotated[int, Meta(ge=1)], "0", "Expected `int` >= 1"),
        (Annotated[str, Meta(max_length=2)], "abc", "Expected `str` of length <= 2"),
    ],
    ids=str,
)
def test_a_text_that_does_not_fit_is_a_fault(annotation: Any, text: str, message: str) -> None:
    assert faults_of(returning(annotation), query={"value": text}) == [("query", "value", message)]


def test_a_list_takes_repeated_values_and_its_fault_has_the_place() -> None:
    assert bind(returning(list[int]), query=MultiDict([("value", "1"), ("value", "2")])) == {"value": [1, 2]}
    faults = faults_of(returning(list[int]), query=MultiDict([("value", "1"), ("value", "x")]))
    assert faults == [("query", "value[1]", "Expected `int`, got `str`")]


def test_what_a_text_of_a_list_may_not_be_has_its_place() -> None:
    sent = MultiDict([("value", "1"), ("value", ""), ("value", "1e3")])
    assert faults_of(returning(list[int]), query=sent) == [("query", "value[1]", "Expected `int`, got `str`")]


TWICE: Final = "sent 2 times, but takes one value"


@pytest.mark.parametrize("annotation", [int, str, int | None, Color, bool], ids=str)
def test_without_a_list_a_value_is_sent_once(annotation: Any) -> None:
    sent = [("value", "1"), ("value", "1")]
    assert faults_of(returning(annotation), query=MultiDict(sent)) == [("query", "value", TWICE)]
    assert faults_of(returning(annotation, None), query=MultiDict(sent)) == [("query", "value", TWICE)]
    assert faults_of(returning(FORM[annotation]), form=MultiDict(sent)) == [("form", "value", TWICE)]
    headers = CIMultiDict([("value", "1"), ("VALUE", "1")])
    assert faults_of(returning(HEADER[annotation]), headers=headers) == [("header", "value", TWICE)]


def test_what_was_left_empty_is_not_counted_where_the_type_takes_no_text() -> None:
    sent = MultiDict([("value", ""), ("value", "2"), ("value", "")])
    assert bind(returning(int), query=sent) == {"value": 2}
    assert faults_of(returning(str), query=sent) == [("query", "value", "sent 3 times, but takes one value")]


async def test_of_two_cookies_with_one_name_there_is_the_one_that_aiohttp_keeps(serve: Serve) -> None:
    async def handler(request: web.Request, value: Cookie[str]) -> Any:
        return {"is_the_same": value == request.cookies["value"]}

    app = Application()
    app.add_get("/", handler)
    client = await serve(app)
    assert (await client.get("/", headers={"Cookie": "value=a; value=b"})).json == {"is_the_same": True}


async def test_what_is_sent_twice_is_told_over_the_wire(serve: Serve) -> None:
    app = Application()
    app.add_get("/query", returning(Query[int], 0))
    app.add_get("/header", returning(Annotated[str, Source("header", "X-Value")]))
    app.add_get("/list", returning(Annotated[list[int], Source("header", "X-Value")]))
    client = await serve(app)
    twice = CIMultiDict([("X-Value", "1"), ("X-Value", "2"), *PROBLEM.items()])
    answer = await client.get("/query?value=1&value=2", headers=PROBLEM)
    assert answer.status == 422
    assert answer.json["errors"] == [{"in": "query", "name": "value", "message": TWICE}]
    answer = await client.get("/header", headers=twice)
    assert answer.json["errors"] == [{"in": "header", "name": "X-Value", "message": TWICE}]
    assert (await client.get("/list", headers=twice)).json == [1, 2]


@given(st.from_regex(r"[-+ ]?[0-9_\u0661]{0,20}(\.0|e[0-9])?\n?", fullmatch=True) | st.text(max_size=5))
def test_an_int_of_the_query_is_what_an_int_of_the_path_is(text: str) -> None:
    if not text:
        return  # not sent
    try:
        value = bind(returning(int), query={"value": text})["value"]
    except Problem:
        assert BY_TYPE[int].convert(text) is None
    else:
        assert value == BY_TYPE[int].convert(text)


@given(
    st.sampled_from([float, Decimal, int | float, list[Decimal], FORM[float]]),
    st.text("naiftyNAIFTYs.e-+0123456789_", max_size=12),
)
def test_whatever_is_sent_a_number_is_finite_and_can_be_answered(annotation: Any, text: str) -> None:
    try:
        value = bind(returning(annotation), query={"value": text}, form={"value": text})["value"]
    except Problem:
        return
    for number in value if isinstance(value, list) else [value]:
        assert Decimal(number).is_finite()


@pytest.mark.parametrize("annotation", [int, list[int], date | None, Color, web.FileField], ids=str)
def test_an_input_that_was_left_empty_was_not_sent_where_the_type_takes_no_text(annotation: Any) -> None:
    handler = returning(FORM[annotation], None)
    assert bind(handler, form={"value": ""}) == {"value": None}
    assert faults_of(returning(FORM[annotation]), form={"value": ""}) == [("form", "value", "is missing")]


def test_what_is_missing_and_has_a_default_gets_the_default() -> None:
    assert bind(returning(int, 7)) == {"value": 7}
    assert bind(returning(Header[list[str]], ("a",))) == {"value": ("a",)}
    assert bind(returning(Body[User], None)) == {"value": None}


def test_an_optional_without_a_default_is_required_as_in_python() -> None:
    assert faults_of(returning(int | None)) == [("query", "value", "is missing")]


@pytest.mark.parametrize("default", [[], {}, set()], ids=repr)
def test_a_mutable_default_is_fresh_for_each_request(default: Any) -> None:
    handler = returning(Query[list[str]], default)
    first, second = bind(handler)["value"], bind(handler)["value"]
    assert first == second == default
    assert first is not second
    assert first is not default


# Records


def test_a_struct_takes_the_whole_query() -> None:
    query = MultiDict([("x", "1"), ("labels", "a"), ("labels", "b"), ("unknown", "?")])
    assert bind(returning(Query[Point]), query=query) == {"value": Point(1.0, 0.5, ["a", "b"])}


def test_a_record_in_the_query_may_be_optional() -> None:
    assert bind(returning(QUERY[Point | None], None)) == {"value": None}
    assert bind(returning(QUERY[Point | None], None), query={"x": "2"}) == {"value": Point(2.0)}
    assert bind(returning(Query[Point], Point(9))) == {"value": Point(9)}


def test_names_that_the_struct_renames_are_those_of_the_client() -> None:
    assert bind(returning(Query[Camel]), query={"firstName": "Ann", "isNew": "on"}) == {"value": Camel("Ann", True)}
    assert faults_of(returning(FormBody[Camel])) == [("form", "firstName", "is missing")]


@pytest.mark.parametrize(
    ("annotation", "body", "value"),
    [
        (User, b'{"name": "Ann", "address": {"street": "Elm"}}', User("Ann", address=Address("Elm"))),
        (Point, b'{"x": 1}', Point(1.0)),
        (Settings, b'{"theme": "dark", "size": 3}', {"theme": "dark", "size": 3}),
        (list[User], b'[{"name": "Ann"}]', [User("Ann")]),
        (dict[str, int], b'{"a": 1}', {"a": 1}),
        (User | None, b"null", None),
        (int, b"5", 5),
        (Any, b"[1, null]", [1, None]),
    ],
    ids=str,
)
def test_a_json_body_becomes_what_the_annotation_says(annotation: Any, body: bytes, value: Any) -> None:
    assert bind(returning(BODY[annotation]), body=body) == {"value": value}


@pytest.mark.parametrize(
    ("annotation", "form", "value"),
    [
        (User, [("name", "Ann"), ("age", "41"), ("emails", "a@b"), ("emails", "c@d")], User("Ann", 41, ["a@b", "c@d"])),
        (Point, [("x", "1"), ("y", "")], Point(1.0)),
        (Settings, [("theme", "dark"), ("size", "3")], {"theme": "dark", "size": 3}),
        (int, [("value", "5")], 5),
    ],
    ids=str,
)
def test_a_form_becomes_the_same(annotation: Any, form: list[tuple[str, str]], value: Any) -> None:
    assert bind(returning(FORM[annotation]), form=MultiDict(form)) == {"value": value}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"name": "Ann", "age": "x"}', ("body", "age", "Expected `int`, got `str`")),
        (b'{"name": "Ann", "address": {}}', ("body", "address.street", "is missing")),
        (b'{"name": "Ann", "emails": [1]}', ("body", "emails[0]", "Expected `str`, got `int`")),
        (b"{}", ("body", "name", "is missing")),
        (b"[]", ("body", "value", "Expected `object`, got `array`")),
    ],
)
def test_the_first_fault_inside_a_body_is_named_with_its_path(body: bytes, fault: tuple[str, str, str]) -> None:
    assert faults_of(returning(Body[User]), body=body) == [fault]


@pytest.mark.parametrize("source", [Query, FormBody])
def test_every_field_of_a_form_or_query_that_does_not_fit_is_named(source: Any) -> None:
    sent = {"theme": "pink", "size": "10", "name": "A", "age": "-1", "emails": "a@b"}
    where = "query" if source is Query else "form"
    values: dict[str, Any] = {where: sent}
    assert faults_of(returning(source[User]), **values) == [
        (where, "name", "Expected `str` of length >= 2"),
        (where, "age", "Expected `int` >= 0"),
    ]
    assert faults_of(returning(source[Settings]), **values) == [
        (where, "theme", "Invalid enum value 'pink'"),
        (where, "size", "Expected `int` <= 9"),
    ]
    assert faults_of(returning(source[Point])) == [(where, "x", "is missing")]
    twice = MultiDict([("name", "Ann"), ("name", "Bo"), ("age", "-1"), ("emails", "a"), ("emails", "b")])
    assert faults_of(returning(source[User]), **{where: twice}) == [
        (where, "name", TWICE),
        (where, "age", "Expected `int` >= 0"),
    ]


def test_what_the_record_as_a_whole_refuses_has_the_name_of_the_argument() -> None:
    assert faults_of(returning(Query[Span]), query={"low": "2", "high": "1"}) == [
        ("query", "value", "low is above high")
    ]
    assert faults_of(returning(Body[Span]), body=b'{"low": 2, "high": 1}') == [("body", "value", "low is above high")]


def test_all_faults_of_a_request_are_told_at_once() -> None:
    async def handler(q: str, page: int, lock: Header[UUID], visits: Cookie[int], user: Body[User]) -> None: ...

    inputs = {"query": {"page": "x"}, "headers": {"lock": "x"}, "cookies": {"visits": "x"}, "body": b"{}"}
    assert faults_of(handler, **inputs) == [
        ("query", "q", "is missing"),
        ("query", "page", "Expected `int`, got `str`"),
        ("header", "lock", "Invalid UUID"),
        ("cookie", "visits", "Expected `int`, got `str`"),
        ("body", "name", "is missing"),
    ]


def test_bytes_of_a_header_that_are_no_utf_8_are_a_fault() -> None:
    raw = b"\xff".decode(errors="surrogateescape")
    fault = "Expected text in UTF-8"
    assert faults_of(returning(Header[str]), headers={"value": raw}) == [("header", "value", fault)]
    assert faults_of(returning(Cookie[list[str]]), cookies={"value": raw}) == [("cookie", "value[0]", fault)]
    file = web.FileField("value", raw, None, "text/plain", CIMultiDict())  # type: ignore[arg-type]
    assert faults_of(returning(FormBody[web.FileField]), form={"value": file}) == [("form", "value", fault)]


# bind, for tests of handlers


def test_bind_takes_a_method_of_a_view() -> None:
    class Show(View):
        async def get(self, id: int, page: int = 1) -> None: ...

    assert bind(Show.get, "/{id}", {"id": "3"}, query={"page": "2"}) == {"id": 3, "page": 2}


def test_bind_answers_as_a_client_would_be_answered() -> None:
    for body in (b"", b"{", b'{"name": "\xff"}', b"[" * 100_000, b'"\\ud800"'):
        with pytest.raises(Problem) as raised:
            bind(returning(BODY[Any]), body=body)
        assert raised.value.status == 400
    with pytest.raises(Problem) as raised:
        bind(returning(int), "/{value}", {"value": "x"})
    assert raised.value.status == 404


# Refused at registration


class Pair(NamedTuple):
    a: int
    b: int


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (User, "Say where it comes from: Body[User] or Query[User]."),
        (User | None, "Say where it comes from: Body["),
        (Settings, "Say where it comes from: Body[Settings] or Query[Settings]."),
        (Query, "which is no type yet. Say of what type it is, such as Query[int]."),
        (object(), "which msgspec cannot make"),
        ("Body[Nowhere]", "The annotation 'Body[Nowhere]' of 'value' of "),
        (int | date | UUID, "which msgspec cannot make"),
        (dict[str, int], "which cannot be made of the texts of a query. Take it as JSON: Body[...]."),
        (complex, "which cannot be made of the texts of a query"),
        (web.FileField, "which cannot be made of the texts of a query"),
        (Query[list[User]], "which cannot be made of the texts of a query"),
        (Query[list[list[int]]], "which cannot be made of the texts of a query"),
        (Query[Pair], "which cannot be made of the texts of a query"),
        (Header[User], "which cannot be made of the texts of a header"),
        (Cookie[dict[str, str]], "which cannot be made of the texts of a cookie"),
        (FormBody[list[complex]], "which cannot be made of the texts of a form"),
        (Body[complex], "which cannot be made of JSON. Use a Struct, or leave it out."),
        (Body[web.FileField], "which cannot be made of JSON"),
        (Body[list[complex]], "which cannot be made of JSON"),
        (Body[dict[str, complex]], "which cannot be made of JSON"),
        (BODY[complex | None], "which cannot be made of JSON"),
    ],
    ids=str,
)
def test_an_annotation_that_cannot_be_bound_is_refused_when_the_route_is_added(annotation: Any, message: str) -> None:
    with pytest.raises(RouteError, match=re.escape(message)):
        Application().add_get("/", returning(annotation))


def test_required_fields_that_cannot_be_made_are_refused_and_others_are_not() -> None:
    class Deep(Struct):
        user: User

    class Shallow(Struct):
        a: int
        cache: complex | None = None

    with pytest.raises(RouteError, match=r"cannot be made of the texts of a query"):
        bind(returning(Query[Deep]))
    assert bind(returning(Query[Shallow]), query={"a": "1"}) == {"value": Shallow(1)}
    assert bind(returning(Body[Shallow]), body=b'{"a": 1}') == {"value": Shallow(1)}


def test_one_request_has_one_body() -> None:
    async def twice(a: Body[User], b: Body[User]) -> None: ...

    async def both(a: Body[User], b: FormBody[User]) -> None: ...

    async def one_form(a: FormBody[User], b: FormBody[int] = 0) -> None: ...

    for handler in (twice, both):
        with pytest.raises(RouteError, match=r"wants the body more than once \(a, b\)"):
            Application().add_post("/", handler)
    assert bind(one_form, form={"name": "Ann", "b": "1"}) == {"a": User("Ann"), "b": 1}


def test_a_source_that_there_is_not_is_refused() -> None:
    with pytest.raises(RouteError, match="'headers' is no source; there are query, header, cookie, body, form"):
        Source("headers", "X")  # type: ignore[arg-type]


def test_groups_and_views_refuse_alike() -> None:
    class Show(View):
        async def get(self, user: User) -> None: ...

    with pytest.raises(RouteError, match=r"'user' of .*Show\.get is annotated User"):
        Application().add_view("/", Show)
    with pytest.raises(RouteError, match=r"'value' of .* is annotated User"):
        Application().group("/api").add_get("/", returning(User))


# What a client sees


async def echo(user: Body[User], page: int = 1) -> Any:
    return {"user": user, "page": page}


async def test_functions_plain_functions_views_and_groups_are_bound_alike(serve: Serve) -> None:
    def in_thread(user: Body[User], page: int = 1) -> Any:
        return {"user": user, "page": page}

    class Echo(View):
        async def post(self, user: Body[User], page: int = 1) -> Any:
            return {"user": user, "page": page}

    class Callable_:
        async def __call__(self, request: web.Request, user: Body[User], page: int = 1) -> Any:
            return {"user": user, "page": page}

    app = Application()
    app.add_post("/function", echo)
    app.add_post("/thread", in_thread)
    app.add_view("/view", Echo)
    app.add_post("/object", Callable_())
    app.group("/group").add_post("/function", echo)
    client = await serve(app)
    for path in ("/function", "/thread", "/view", "/object", "/group/function"):
        answer = await client.post(f"{path}?page=2", json={"name": "Ann"})
        assert (answer.status, answer.json["user"]["name"], answer.json["page"]) == (200, "Ann", 2)
        answer = await client.post(f"{path}?page=x", json={"name": "A"}, headers=PROBLEM)
        assert (answer.status, len(answer.json["errors"])) == (422, 2)


async def test_what_does_not_fit_is_a_problem_document_that_names_everything(serve: Serve) -> None:
    app = Application()
    app.add_post("/users", echo)
    client = await serve(app)
    answer = await client.post("/users?page=x", json={"name": "Ann", "age": -1}, headers=PROBLEM)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "The request does not fit.",
        "instance": "/users",
        "errors": [
            {"in": "body", "name": "age", "message": "Expected `int` >= 0"},
            {"in": "query", "name": "page", "message": "Expected `int`, got `str`"},
        ],
    }


async def test_people_read_the_same_as_a_page_and_scripts_as_text(serve: Serve) -> None:
    app = Application()
    app.add_get("/", returning(Query[Color]))
    client = await serve(app)
    page = await client.get("/?value=<b>", headers={"Accept": "text/html"})
    assert "<li>query value: Invalid enum value &#x27;&lt;b&gt;&#x27;</li>" in page.text
    text = await client.get("/?value=x")
    assert text.text.splitlines() == [
        "422: Unprocessable Content",
        "The request does not fit.",
        "query value: Invalid enum value 'x'",
    ]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b'{"name": "Ann"}', 200),
        ("Application/JSON; Charset=UTF-8", b'{"name": "Ann"}', 200),
        ("application/vnd.api+json", b'{"name": "Ann"}', 200),
        ("application/json", b'{"name": "Ann"', 400),
        ("application/json", b"\xef\xbb\xbf{}", 400),
        ("application/json", b'{"name": "\xff"}', 400),
        ("application/json", b"", 400),
        ("application/json", b"{'name': 'Ann'}", 400),
        ("application/json", b'{"name": ' + b"[" * 50_000, 422),
        ("application/json", b'{"x":' * 50_000, 400),
        ("application/json", b"null", 422),
        ("application/json; charset=latin-1", b'{"name": "Ann"}', 415),
        ("application/json; charset=nonsense", b'{"name": "Ann"}', 415),
        ("text/plain", b'{"name": "Ann"}', 415),
        ("application/x-www-form-urlencoded", b"name=Ann", 415),
        ("json", b'{"name": "Ann"}', 415),
        ("", b'{"name": "Ann"}', 415),
    ],
)
async def test_a_body_that_is_no_json_is_told_by_the_status(
    serve: Serve, content_type: str, body: bytes, status: int
) -> None:
    app = Application()
    app.add_post("/", echo)
    client = await serve(app)
    answer = await client.post("/", data=body, headers={"Content-Type": content_type, **PROBLEM})
    assert answer.status == status
    if status != 200:
        assert answer.json["status"] == status


@pytest.mark.parametrize("parts", [1, 2], ids=["with its head", "behind its head"])
async def test_a_request_gives_its_body_again_and_the_next_one_follows_on_the_connection(parts: int) -> None:
    async def show(request: web.Request, user: Body[User]) -> dict[str, Any]:
        return {"name": user.name, "read": await request.json(), "rest": (await request.content.read()).decode()}

    app = Application()
    app.add_post("/", show)
    body = b'{"name":"Ada"}'
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with run_by_aiohttp(app) as client:
        reader, writer = await asyncio.open_connection(client.url.host, client.url.port)
        for _ in range(2):
            for part in [head + body] if parts == 1 else [head, body]:
                writer.write(part)
                await asyncio.sleep(0)
            answer = await asyncio.wait_for(reader.readuntil(b'"rest":""}'), 10)
            assert answer.endswith(b'{"name":"Ada","read":{"name":"Ada"},"rest":""}')
        writer.close()


async def test_a_body_that_is_too_large_is_413(serve: Serve) -> None:
    app = Application(client_max_size=100)
    app.add_post("/", echo)
    client = await serve(app)
    assert (await client.post("/", json={"name": "a" * 50})).status == 200
    answer = await client.post("/", json={"name": "a" * 100}, headers=PROBLEM)
    assert answer.status == answer.json["status"] == 413


async def test_a_body_without_content_type_is_415_and_no_body_at_all_takes_the_default(serve: Serve) -> None:
    async def optional(user: Body[User | None] = None) -> Any:
        return {"user": user}

    app = Application()
    app.add_post("/", echo)
    app.add_post("/optional", optional)
    client = await serve(app)
    head = "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}"
    assert b"415 Unsupported" in await client.send(head.format("/", 2, "{}").encode())
    assert b"415 Unsupported" in await client.send(head.format("/", 0, "").encode())
    assert b'{"user":null}' in await client.send(head.format("/optional", 0, "").encode())


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 2\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    ids=["length", "chunked"],
)
async def test_a_body_that_is_not_compressed_as_it_says_is_the_clients_fault(
    serve: Serve, framing: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def raw(request: web.Request) -> Any:
        return await request.read()

    app = Application(handler_args={"auto_decompress": True})  # aiohttp's parser fails, and the framing is lost
    app.add_post("/", echo)
    app.add_post("/raw", raw)
    client = await serve(app)
    for path in (b"/", b"/raw"):
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" % path
        answer = await client.send(
            head + b"Content-Encoding: gzip\r\n" + framing
        )  # the server closes the connection by itself
        assert answer.startswith(b"HTTP/1.1 400 Bad Request")
        assert b"Connection: close" in answer
        assert b"The body of the request is broken." in answer
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_an_error_handler_may_answer_for_a_broken_body_and_the_connection_is_closed_all_the_same(
    serve: Serve,
) -> None:
    async def broken(request: web.Request, error: Exception) -> Any:
        return "broken"

    app = Application(handler_args={"auto_decompress": True})
    app.add_post("/", echo)
    app.error(400)(broken)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
    answer = await (await serve(app)).send(head + b"Content-Length: 2\r\n\r\n{}")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert answer.endswith(b"broken")


async def test_a_default_is_not_seen_by_the_next_request(serve: Serve) -> None:
    async def handler(tags: list[str] = []) -> Any:  # noqa: B006 - what this is about
        tags.append("x")
        return tags

    app = Application()
    app.add_get("/", handler)
    client = await serve(app)
    assert (await client.get("/")).json == (await client.get("/")).json == ["x"]


# Forms


async def show_upload(form: FormBody[Upload]) -> Any:
    photo = form.photo and [form.photo.filename, form.photo.file.read().decode()]
    return {"title": form.title, "photo": photo, "tags": form.tags, "public": form.public, "size": form.size}


def make_form_app() -> Application:
    app = Application(client_max_size=100_000, client_max_fields=20)
    app.add_post("/", show_upload)
    return app


async def test_a_form_comes_urlencoded_or_multipart(serve: Serve) -> None:
    client = await serve(make_form_app())
    expected = {"title": "Tea", "photo": None, "tags": ["a", "b"], "public": True, "size": None}
    fields = [("title", "Tea"), ("tags", "a"), ("tags", "b"), ("public", "on"), ("size", "")]
    assert (await client.post("/", data=FormData(fields))).json == expected
    multipart = FormData(fields, default_to_multipart=True)
    assert (await client.post("/", data=multipart)).json == expected


async def test_a_file_comes_as_aiohttp_s_file_field(serve: Serve) -> None:
    client = await serve(make_form_app())
    file = part('form-data; name="photo"; filename="t\u00e9a.txt"', "leaves", "Content-Type: text/plain")
    assert (await send_multipart(client, TITLE + file + END)).json["photo"] == ["t\u00e9a.txt", "leaves"]


async def test_a_file_that_was_not_chosen_was_not_sent(serve: Serve) -> None:
    client = await serve(make_form_app())
    body = part('form-data; name="title"', "Tea") + part(
        'form-data; name="photo"; filename=""', "", "Content-Type: application/octet-stream"
    )
    answer = await send_multipart(client, body + b"--b--\r\n")
    assert answer.json["photo"] is None


async def test_a_text_in_the_place_of_a_file_is_a_fault(serve: Serve) -> None:
    client = await serve(make_form_app())
    answer = await client.post("/", data={"title": "Tea", "photo": "x"}, headers=PROBLEM)
    assert answer.json["errors"][0]["name"] == "photo"


def part(disposition: str, content: str | bytes, *headers: str) -> bytes:
    """Make one part of a multipart body whose boundary is ``b``."""
    lines = "\r\n".join(("--b", f"Content-Disposition: {disposition}", *headers))
    return f"{lines}\r\n\r\n".encode() + (content.encode() if isinstance(content, str) else content) + b"\r\n"


async def send_multipart(client: Any, body: bytes, content_type: str = "multipart/form-data; boundary=b") -> Any:
    return await client.post("/", data=body, headers={"Content-Type": content_type, **PROBLEM})


TITLE: Final = part('form-data; name="title"', "Tea")
END: Final = b"--b--\r\n"
MULTIPART: Final = "multipart/form-data; boundary=b"
# The oldest aiohttp of the range does not count the fields.
HAS_FIELD_LIMIT: Final = bool(limits_of_forms(1))


def titled(content: str | bytes, *headers: str) -> bytes:
    """Make a whole body of one part."""
    return part("form-data; name=title", content, *headers) + END


@ignore_part_warnings
@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (MULTIPART, TITLE + END, 200),
        ("multipart/form-data", TITLE + END, 400),
        ("multipart/form-data; boundary=", TITLE + END, 400),
        ("multipart/form-data; boundary=" + "b" * 71, TITLE + END, 400),
        ("multipart/form-data; boundary=c", TITLE + END, 400),
        ("multipart/mixed; boundary=b", TITLE + END, 415),
        (MULTIPART, b"", 400),
        (MULTIPART, TITLE[:-9], 400),
        (MULTIPART, b"--b", 400),
        (MULTIPART, part("form-data", "x") + END, 400),
        (MULTIPART, part('form-data; name="title', "x") + END, 400),
        (MULTIPART, titled(b"\xff"), 400),
        (MULTIPART, titled("x", "Content-Type: text/plain; charset=x"), 415),
        (MULTIPART, titled("A", "Content-Transfer-Encoding: base64"), 415),
        (MULTIPART, titled("=\r", "Content-Transfer-Encoding: quoted-printable"), 415),
        (MULTIPART, titled("x", "Content-Transfer-Encoding: rot13"), 415),
        (MULTIPART, titled("x", "no colon"), 400),
        (MULTIPART, titled("x", "A: " + "b" * 9000), 413),
        (MULTIPART, titled("x", *(f"A{number}: b" for number in range(200))), 413),
        (MULTIPART, titled("x", "Content-Type: multipart/mixed; boundary=c"), 415),
        (MULTIPART, TITLE * 1000 + END, 413 if HAS_FIELD_LIMIT else 422),
        (MULTIPART, titled("x" * 200_000), 413),
        ("application/x-www-form-urlencoded", b"title=Tea", 200),
        ("application/x-www-form-urlencoded; charset=latin-1", b"title=T%E9", 200),
        ("application/x-www-form-urlencoded; charset=x", b"title=Tea", 415),
        ("application/x-www-form-urlencoded", b"title=\xff", 400),
        ("application/x-www-form-urlencoded", b"title=" + b"x" * 200_000, 413),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(5000)), 413),
        ("application/x-www-form-urlencoded", b"", 422),
        ("application/json", b'{"title": "Tea"}', 415),
        ("", b"title=Tea", 415),
    ],
)
async def test_a_malformed_form_is_the_clients_fault(serve: Serve, content_type: str, body: bytes, status: int) -> None:
    client = await serve(make_form_app())
    answer = await send_multipart(client, body, content_type)
    assert (answer.status, answer.text if answer.status != status else "") == (status, "")


@ignore_part_warnings
@given(junk=st.binary(max_size=30), place=st.integers(0, 300))
def test_wherever_a_multipart_form_is_damaged_it_is_no_5xx(
    ask: Callable[[bytes], bytes], junk: bytes, place: int
) -> None:
    whole = TITLE + part('form-data; name="photo"; filename="a.txt"', "eA==", "Content-Transfer-Encoding: base64") + END
    body = whole[: place % len(whole)] + junk + whole[place % len(whole) :]
    head = b"POST /forms/upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n" % len(body)
    answer = ask(head + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + body)
    assert answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4"))


# Whatever is sent


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[[bytes], bytes]]:
    """Send the bytes of a request to ``tests.typed_app``, and give those of the answer."""
    # aiohttp writes a traceback for each request that its parser refuses.
    quiet = logging.getLogger("aiohttp.server")
    quiet.disabled = True
    with asyncio.Runner() as runner:
        serving = run_by_aiohttp(typed_app.make())
        client = runner.run(serving.__aenter__())

        yield lambda request: runner.run(client.send(request))
        runner.run(_leave(serving))
    quiet.disabled = False


async def _leave(serving: Any) -> None:
    await serving.__aexit__(None, None, None)


@ignore_part_warnings
@given(request=raw_requests())
def test_whatever_is_sent_no_answer_is_a_5xx_and_none_hangs(ask: Callable[[bytes], bytes], request: bytes) -> None:
    answer = ask(request)
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) ", answer)]
    assert statuses, "closed without an answer"
    assert max(statuses) < 500, answer[:300]


@pytest.mark.parametrize("body", [b"{", b'{"a":1}x', b'{"a":"\xff"}', b"[" * 100])
def test_a_body_that_is_no_json_is_400_even_where_its_beginning_does_not_fit(body: bytes) -> None:
    async def take(numbers: Body[list[int]]) -> None: ...

    with pytest.raises(Problem) as caught:
        bind(take, body=body)
    assert caught.value.status == 400
