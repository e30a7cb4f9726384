"""What a handler takes: the request and the parameters of its path, found out once, when the route is added.

Values from the query, headers and bodies are told in test_parameters.py.
"""

import asyncio
import functools
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Optional, ParamSpec, TypeVar
from uuid import UUID

import pytest
from aiohttp import web

from tests.serving import Serve
from webkit import Application, RouteError, View
from webkit.binding import bind, is_coroutine_function, name_of
from webkit.paths import parse

if TYPE_CHECKING:
    from fractions import Fraction as ForCheckersOnly

    from aiohttp.web import Request as OnlyForCheckers

#: What stands for the request: binding passes it on and never looks at it.
REQUEST: Any = "the request"
KEY = UUID("12345678-9abc-def0-1234-56789abcdef0")

H = TypeVar("H", bound=Callable[..., Any])
P = ParamSpec("P")


async def call(handler: Callable[..., Any], path: str = "/", **texts: str) -> Any:
    """Give what *handler* gives for a request to *path* with these texts in the place of its parameters."""
    binding = bind(handler, parse(path))
    values = binding.decode(texts)
    assert values is not None, "No match."
    return await binding.call(REQUEST, values)


def matches(handler: Callable[..., Any], path: str, **texts: str) -> bool:
    return bind(handler, parse(path)).decode(texts) is not None


# The request


async def named_request(request):  # type: ignore[no-untyped-def]
    return request


async def named_request_at_the_end(id: int, request):  # type: ignore[no-untyped-def]
    return id, request


async def named_request_by_keyword(*, request: web.Request, id: int) -> Any:
    return id, request


async def annotated(id: int, incoming: web.Request) -> Any:
    return id, incoming


async def annotated_by_keyword(*, incoming: web.Request) -> Any:
    return incoming


async def annotated_as_base(incoming: web.BaseRequest) -> Any:
    return incoming


async def annotated_by_string(id: "int", incoming: "web.Request") -> Any:
    return id, incoming


async def annotated_for_checkers_only(id: int, incoming: "OnlyForCheckers") -> Any:
    return id, incoming


async def annotated_with_an_unknown_module(id: int, incoming: "nowhere.Request") -> Any:  # type: ignore[name-defined]  # noqa: F821
    return id, incoming


async def first(whatever):  # type: ignore[no-untyped-def]
    return whatever


async def first_that_is_no_path_parameter(id, whatever):  # type: ignore[no-untyped-def]
    return id, whatever


async def first_by_position_only(whatever, /, id):  # type: ignore[no-untyped-def]
    return id, whatever


async def last_by_position_only(id, whatever, /):  # type: ignore[no-untyped-def]
    return id, whatever


async def annotated_last_by_position_only(id: int, incoming: web.Request, /) -> Any:
    return id, incoming


async def named_request_before_the_first(whatever=5, request=None):  # type: ignore[no-untyped-def]
    return whatever, request


async def none_at_all() -> Any:
    return "nothing"


async def path_only(id: int) -> Any:
    return id


async def request_in_the_path(request: str, incoming: web.Request) -> Any:
    return request, incoming


async def any_of_them(*args: Any) -> Any:
    return args


async def all_of_them(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


async def any_request(*args: web.Request) -> Any:
    return args


async def any_for_checkers_only(*args: "ForCheckersOnly") -> Any:
    return args


def wrap_without_a_word(handler: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[Any]]:
    async def typed_wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
        return await handler(*args, **kwargs)

    return typed_wrapper


async def any_behind_a_parameter(id: int, *args: Any) -> Any:
    return id, args


REQUESTS: list[tuple[Callable[..., Any], str, Any]] = [
    (named_request, "/", REQUEST),
    (named_request, "/{id}", REQUEST),
    (named_request_at_the_end, "/{id}", (7, REQUEST)),
    (named_request_by_keyword, "/{id}", (7, REQUEST)),
    (annotated, "/{id}", (7, REQUEST)),
    (annotated_by_keyword, "/", REQUEST),
    (annotated_as_base, "/", REQUEST),
    (annotated_by_string, "/{id}", (7, REQUEST)),
    (annotated_for_checkers_only, "/{id}", (7, REQUEST)),
    (annotated_with_an_unknown_module, "/{id}", (7, REQUEST)),
    (first, "/", REQUEST),
    (first_that_is_no_path_parameter, "/{id}", ("7", REQUEST)),
    (first_by_position_only, "/{id}", ("7", REQUEST)),
    (last_by_position_only, "/{id}", ("7", REQUEST)),
    (annotated_last_by_position_only, "/{id}", (7, REQUEST)),
    (named_request_before_the_first, "/", (5, REQUEST)),
    (none_at_all, "/", "nothing"),
    (none_at_all, "/{id}", "nothing"),
    (path_only, "/{id}", 7),
    (request_in_the_path, "/{request}", ("7", REQUEST)),
    (any_of_them, "/{id}", (REQUEST,)),
    (all_of_them, "/{id}", ((REQUEST,), {})),
    (any_request, "/", (REQUEST,)),
    (any_for_checkers_only, "/", (REQUEST,)),
    (wrap_without_a_word(all_of_them), "/{id}", ((REQUEST,), {})),
    (any_behind_a_parameter, "/{id}", (7, ())),
]


@pytest.mark.parametrize(("handler", "path", "given"), REQUESTS, ids=lambda value: getattr(value, "__name__", None))
async def test_the_request_is_known_by_its_name_its_annotation_or_its_place(
    handler: Callable[..., Any], path: str, given: Any
) -> None:
    assert await call(handler, path, **dict.fromkeys(re.findall(r"\w+", path), "7")) == given


# Path parameters


async def plain(id, name):  # type: ignore[no-untyped-def]
    return id, name


async def in_another_order(request: web.Request, name: str, id: int) -> Any:
    return id, name


async def by_keyword_only(*, id: int, name: str) -> Any:
    return id, name


async def by_position_only(id: int, name: str, /) -> Any:
    return id, name


async def by_position_in_another_order(name: str, id: int, /) -> Any:
    return id, name


async def mixed(request: web.Request, id: int, /, *, name: str) -> Any:
    return id, name


async def with_defaults(id: int = 1, name: str = "x", other=3):  # type: ignore[no-untyped-def]
    return id, name


async def with_a_rest(request: web.Request, **rest: Any) -> Any:
    return rest.pop("id"), rest.pop("name"), *rest


async def with_some_and_a_rest(id: int, **rest: Any) -> Any:
    return id, rest.pop("name"), *rest


async def without_some(id: int) -> Any:
    return id, "a"


PARAMETERS = [
    *(plain, in_another_order, by_keyword_only, by_position_only, by_position_in_another_order, mixed, with_defaults),
    *(with_a_rest, with_some_and_a_rest, without_some),
]


@pytest.mark.parametrize("handler", PARAMETERS)
async def test_the_parameters_of_the_path_are_passed_by_name(handler: Callable[..., Any]) -> None:
    id, name = await call(handler, "/{id}/{name}", id="7", name="a")
    assert (int(id), name) == (7, "a")


async def bare(x):  # type: ignore[no-untyped-def]
    return x


async def as_int(x: int) -> Any:
    return x


async def as_str(x: str) -> Any:
    return x


async def as_uuid(x: UUID) -> Any:
    return x


async def as_any(x: Any) -> Any:
    return x


async def as_object(x: object) -> Any:
    return x


async def as_int_or_none(x: int | None = None) -> Any:
    return x


async def as_optional_int(x: Optional[int] = None) -> Any:  # noqa: UP045 - people write it
    return x


async def as_annotated_int(x: Annotated[int, "a number"]) -> Any:
    return x


async def as_annotated_int_or_none(x: Annotated[int | None, "a number"] = None) -> Any:
    return x


async def as_int_by_string(x: "int") -> Any:
    return x


async def as_int_or_none_by_string(x: "int | None" = None) -> Any:
    return x


async def by_rest(**rest: Any) -> Any:
    return rest["x"]


async def by_rest_of_texts(request: web.Request, **rest: str) -> Any:
    return rest["x"]


VALUES: list[tuple[Callable[..., Any], str, str, Any]] = [
    (bare, "/{x}", "7", "7"),
    (bare, "/{x:int}", "7", 7),
    (bare, "/{x:path}", "a/b", "a/b"),
    (as_any, "/{x:int}", "7", 7),
    (as_object, "/{x}", "7", "7"),
    (by_rest, "/{x:int}", "7", 7),
    (by_rest, "/{x}", "7", "7"),
    (by_rest_of_texts, "/{x}", "7", "7"),
    (as_int, "/{x}", "7", 7),
    (as_int, "/{x:int}", "-7", -7),
    (as_int, "/{x:\\d+}", "007", 7),
    (as_str, "/{x}", "7", "7"),
    (as_str, "/{x:\\d+}", "7", "7"),
    (as_str, "/{x:path}", "a/b", "a/b"),
    (as_str, "/{x:str}", "a", "a"),
    (as_uuid, "/{x}", str(KEY), KEY),
    (as_uuid, "/{x:uuid}", str(KEY), KEY),
    (as_int_or_none, "/{x}", "7", 7),
    (as_optional_int, "/{x}", "7", 7),
    (as_annotated_int, "/{x}", "7", 7),
    (as_annotated_int_or_none, "/{x}", "7", 7),
    (as_int_by_string, "/{x}", "7", 7),
    (as_int_or_none_by_string, "/{x}", "7", 7),
]


@pytest.mark.parametrize(("handler", "path", "text", "value"), VALUES)
async def test_a_text_is_converted_by_the_path_or_by_the_annotation(
    handler: Callable[..., Any], path: str, text: str, value: Any
) -> None:
    given = await call(handler, path, x=text)
    assert (given, type(given)) == (value, type(value))


@pytest.mark.parametrize(
    ("handler", "path", "text"),
    [(as_int, "/{x}", "a"), (as_int, "/{x}", "9" * 19), (as_int, "/{x}", "٣"), (as_uuid, "/{x}", "7")],
)
def test_a_text_that_an_annotation_does_not_take_is_no_match(handler: Callable[..., Any], path: str, text: str) -> None:
    assert not matches(handler, path, x=text)


# What is refused


async def nobody_fills(request, ids):  # type: ignore[no-untyped-def]
    pass


async def nobody_fills_by_keyword(request: web.Request, *, page) -> None:  # type: ignore[no-untyped-def]
    pass


async def two_requests(request, incoming):  # type: ignore[no-untyped-def]
    pass


async def behind_a_gap(request, page=1, id=0, /):  # type: ignore[no-untyped-def]
    pass


async def as_bool(x: bool) -> None:
    pass


async def as_list(x: list[int]) -> None:
    pass


async def as_two(x: int | str) -> None:
    pass


async def for_checkers_only(x: "ForCheckersOnly") -> None:
    pass


async def unhashable(x: []) -> None:  # type: ignore[valid-type]
    pass


async def any_typed(request: web.Request, *ids: int) -> None:
    pass


async def any_typed_first(*ids: "list[int]") -> None:
    pass


async def rest_typed(request: web.Request, **filters: str) -> None:
    pass


async def rest_typed_behind_the_path(id: int, **filters: str) -> None:
    pass


async def both_typed(*args: Any, **filters: int) -> None:
    pass


def generates(request: web.Request) -> Iterator[str]:
    yield "a"


class Generates:
    def __call__(self, request: web.Request) -> Iterator[str]:
        yield "a"


REFUSED: list[tuple[Callable[..., Any], str, str]] = [
    (
        nobody_fills,
        "/{id}",
        "Nobody fills the parameter 'ids' of tests.test_binding.nobody_fills: the path '/{id}' does not name it. "
        "Did you mean 'id'?",
    ),
    (nobody_fills, "/", "does not name it. The path has no parameters."),
    (nobody_fills_by_keyword, "/{id}", "Nobody fills the parameter 'page' of "),
    (behind_a_gap, "/{id}", "cannot get 'id', since nobody fills 'page' before it. Drop the '/'."),
    (two_requests, "/", "Nobody fills the parameter 'incoming' of "),
    (
        as_int,
        "/{x:uuid}",
        "'x' of tests.test_binding.as_int, in the path '/{x:uuid}', is annotated int, but the path "
        "converts it to UUID. Make them agree.",
    ),
    (as_str, "/{x:int}", "is annotated str, but the path converts it to int."),
    (as_uuid, "/{x:int}", "is annotated UUID, but the path converts it to int."),
    (as_bool, "/{x}", "is annotated bool; a path parameter can be int, UUID, str, float, date."),
    (as_list, "/{x}", "is annotated list[int]; a path parameter can be"),
    (as_two, "/{x}", "is annotated int | str; a path parameter can be"),
    (
        for_checkers_only,
        "/{x}",
        "The annotation 'ForCheckersOnly' of 'x' of tests.test_binding.for_checkers_only, in the "
        "path '/{x}', cannot be resolved when the route is added.",
    ),
    (unhashable, "/{x}", "cannot be resolved"),
    (
        any_typed,
        "/{id}",
        "Nobody fills '*ids' of tests.test_binding.any_typed. Write 'ids: Query[list[int]]' for what is sent several "
        "times.",
    ),
    (any_typed_first, "/", "Write 'ids: Query[list[list[int]]]'"),
    (
        rest_typed,
        "/",
        "Nobody fills '**filters' of tests.test_binding.rest_typed. Name each parameter, or take a Struct: Query[...].",
    ),
    (rest_typed_behind_the_path, "/{id}", "Nobody fills '**filters'"),
    (both_typed, "/{id}", "Nobody fills '**filters'"),
    (
        generates,
        "/",
        "tests.test_binding.generates is a generator. Write 'return' instead of 'yield', or 'async def' for a stream",
    ),
    (functools.partial(generates), "/", "is a generator"),
    (Generates(), "/", "tests.test_binding.Generates is a generator."),
]


@pytest.mark.parametrize(("handler", "path", "message"), REFUSED)
def test_what_could_not_be_called_is_refused_when_the_route_is_added(
    handler: Callable[..., Any], path: str, message: str
) -> None:
    with pytest.raises(RouteError, match=re.escape(message)):
        Application().add_route("GET", path, handler)


def test_what_is_refused_in_a_view_is_refused_when_it_is_added() -> None:
    class Page(View):
        async def get(self, ids) -> None:  # type: ignore[no-untyped-def]
            pass

    with pytest.raises(RouteError, match=re.escape("Nobody fills the parameter 'ids'")):
        Application().add_view("/{id}", Page)


# All kinds of callables


class Object:
    async def __call__(self, request: web.Request, id: int) -> Any:
        return request, id

    async def method(self, request: web.Request, id: int) -> Any:
        return request, id

    @classmethod
    async def of_class(cls, request: web.Request, id: int) -> Any:
        return request, id

    @staticmethod
    async def static(request: web.Request, id: int) -> Any:
        return request, id

    async def method_without_names(self, *args: Any, **kwargs: Any) -> Any:
        return args[0], int(kwargs["id"]) if kwargs else 7

    def plain_method(self, request: web.Request, id: int) -> Any:
        return request, id


class PlainObject:
    def __call__(self, request: web.Request, id: int) -> Any:
        return request, id


async def function(request: web.Request, id: int) -> Any:
    return request, id


def plain_function(request: web.Request, id: int) -> Any:
    return request, id


def gives_an_awaitable(request: web.Request, id: int) -> Awaitable[Any]:
    return function(request, id)


async def with_more(request: web.Request, id: int, more: list[str]) -> Any:
    assert more == ["more"]
    return request, id


def wrapping(handler: H) -> H:
    """A decorator as it should be."""

    @functools.wraps(handler)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await handler(*args, **kwargs)

    return wrapper  # type: ignore[return-value]


def wrapping_the_request(handler: H) -> H:
    """A decorator that looks at the request."""

    @functools.wraps(handler)
    async def wrapper(request: web.Request, *args: Any, **kwargs: Any) -> Any:
        assert request is REQUEST
        return await handler(request, *args, **kwargs)

    return wrapper  # type: ignore[return-value]


def wrapping_plainly(handler: H) -> H:
    """A decorator that is no coroutine function, and gives what the handler gives."""

    @functools.wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return handler(*args, **kwargs)

    return wrapper  # type: ignore[return-value]


def filling_in(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator with a signature of its own, which hides the one it wraps."""

    @functools.wraps(handler)
    async def wrapper(request: web.Request, id: int) -> Any:
        return await handler(request, id, ["more"])

    return wrapper


class Wrapping:
    """A decorator that is a class."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        functools.update_wrapper(self, handler)
        self.handler = handler

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return await self.handler(*args, **kwargs)


class Controller:
    @wrapping
    async def decorated(self, request: web.Request, id: int) -> Any:
        return request, id

    @wrapping
    @wrapping_plainly
    async def page(self, request: web.Request, id: int) -> Any:
        return request, id


CALLABLES: dict[str, Callable[..., Any]] = {
    "function": function,
    "plain function": plain_function,
    "plain function that gives an awaitable": gives_an_awaitable,
    "lambda": lambda request, id: (request, int(id)),
    "object": Object(),
    "plain object": PlainObject(),
    "bound method": Object().method,
    "plain bound method": Object().plain_method,
    "class method": Object.of_class,
    "static method": Object.static,
    "method of an object without names": Object().method_without_names,
    "partial by keyword": functools.partial(with_more, more=["more"]),
    "partial by position": functools.partial(lambda more, request, id: function(request, int(id)), ["more"]),
    "partial of a partial": functools.partial(functools.partial(with_more, more=[]), more=["more"]),
    "partial of a method": functools.partial(Object().method),
    "partial of an object": functools.partial(Object()),
    "decorated": wrapping(function),
    "decorated twice": wrapping(wrapping_the_request(function)),
    "decorated plainly": wrapping_plainly(function),
    "decorated with a signature of its own": filling_in(with_more),
    "decorated twice, with a signature of its own inside": wrapping(filling_in(with_more)),
    "decorated method": wrapping(Object().method),
    "decorated by a class": Wrapping(function),
    "decorated by a class twice": Wrapping(Wrapping(function)),
    "decorated object": wrapping(Object()),
    "decorated call of an object": wrapping(Object().__call__),
    "partial of a decorated one": functools.partial(wrapping(with_more), more=["more"]),
    "partial of a decorated method": functools.partial(Controller().decorated),
    "method decorated in its class": Controller().decorated,
    "method decorated in its class twice": Controller().page,
    "cached": functools.lru_cache(plain_function),
    "decorated partial": wrapping(functools.partial(with_more, more=["more"])),
}


@pytest.mark.parametrize("kind", CALLABLES)
async def test_every_kind_of_callable_gets_its_request_and_its_parameters(kind: str) -> None:
    assert await call(CALLABLES[kind], "/{id}", id="7") == (REQUEST, 7)


async def test_what_a_partial_has_filled_is_not_asked_of_the_query(serve: Serve) -> None:
    async def show(is_admin: bool, id: int) -> str:
        return f"{is_admin} {id}"

    app = Application()
    app.get("/a/{id}")(functools.partial(show, is_admin=False))
    app.get("/b/{id}")(wrapping(functools.partial(show, is_admin=False)))
    app.get("/c/{id}")(functools.partial(wrapping(show), is_admin=False))
    client = await serve(app)
    for path in ("/a/7", "/b/7", "/c/7"):
        assert (await client.get(f"{path}?is_admin=1")).text == "False 7"


async def test_a_partial_may_fill_what_the_path_fills_anew() -> None:
    assert await call(functools.partial(as_int, x=1), "/{x}", x="7") == 7
    assert await call(functools.partial(as_int, x=1), "/") == 1


async def test_a_wrapper_that_tells_nothing_gets_the_request_only() -> None:
    def without_wraps(handler: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await handler(*args, **kwargs)

        return wrapper

    @without_wraps
    async def old(request: web.Request) -> Any:
        return request

    assert await call(old, "/{id}", id="7") is REQUEST


NAMES: list[tuple[Callable[..., Any], str]] = [
    (function, "tests.test_binding.function"),
    (Object().method, "tests.test_binding.Object.method"),
    (Object(), "tests.test_binding.Object"),
    (functools.partial(functools.partial(function)), "tests.test_binding.function"),
    (functools.partial(Object()), "tests.test_binding.Object"),
    (wrapping(function), "tests.test_binding.function"),
]


@pytest.mark.parametrize(("handler", "name"), NAMES)
def test_a_handler_is_named_for_people(handler: Callable[..., Any], name: str) -> None:
    assert name_of(handler) == name


def test_an_object_is_a_coroutine_function_when_its_call_is_one() -> None:
    assert is_coroutine_function(Object())
    assert is_coroutine_function(functools.partial(Object()))
    assert is_coroutine_function(Object().method)
    assert not is_coroutine_function(PlainObject())
    assert not is_coroutine_function(plain_function)


# Plain functions


async def test_a_plain_function_runs_in_a_thread_and_does_not_block_the_loop(serve: Serve) -> None:
    """AW-002."""
    let_go = threading.Event()

    def slow() -> str:
        assert let_go.wait(10), "The loop did not answer the other request."
        return f"thread {threading.current_thread() is not threading.main_thread()}"

    async def quick() -> str:
        let_go.set()
        return "quick"

    app = Application()
    app.get("/slow")(slow)
    app.get("/quick")(quick)
    client = await serve(app)
    waiting = asyncio.ensure_future(client.get("/slow"))
    assert (await client.get("/quick")).text == "quick"
    assert (await waiting).text == "thread True"


async def test_an_awaitable_from_a_plain_function_is_awaited_in_the_loop() -> None:
    loop = asyncio.get_running_loop()

    async def where() -> bool:
        return asyncio.get_running_loop() is loop

    assert await call(lambda: where())  # noqa: PLW0108 - a lambda is the point


async def test_an_error_in_a_plain_function_comes_through() -> None:
    def fails() -> None:
        raise web.HTTPTeapot if hasattr(web, "HTTPTeapot") else web.HTTPGone

    with pytest.raises(web.HTTPGone):
        await call(fails)


# Views


async def test_a_method_of_a_view_gets_the_view_and_its_parameters(serve: Serve) -> None:
    class Page(View):
        async def get(self, id: int, name: str = "x") -> str:
            return f"{self.request.path} {id!r} {name!r}"

        @wrapping
        async def post(self, id: int) -> str:
            return f"{self.request.path} {id!r}"

        def put(self) -> str:
            return f"plain {threading.current_thread() is not threading.main_thread()}"

    app = Application()
    app.view("/{id}")(Page)
    client = await serve(app)
    assert (await client.get("/7")).text == "/7 7 'x'"
    assert (await client.post("/7")).text == "/7 7"
    assert (await client.request("PUT", "/7")).text == "plain True"
    assert (await client.get("/seven")).status == 404
