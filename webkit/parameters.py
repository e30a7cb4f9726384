"""Arguments from the query, headers, cookies and the body, by annotation: ``page: int = 1``, ``user: Body[User]``.

What an annotation asks for is decided when the route is added. A request is then judged as a whole: every parameter
that does not fit is named in one answer, 422. msgspec does the conversions and stops at the first fault inside one
body; that one is named with its path.

A parameter takes one value unless its type is a list: what is sent twice does not fit. Of two cookies with one name
there is only the one that aiohttp keeps. How texts are read, :mod:`webkit.fields` says.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import reduce
from operator import or_
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from aiohttp import web
from multidict import MultiDict, MultiDictProxy, MultiMapping

from webkit.errors import Problem, RouteError
from webkit.fields import Field, can_be_json, can_be_text, fields_of, is_made_of_uploads, make_field, record_of
from webkit.forms import Form, read_form
from webkit.jsonbodies import read_json_body, take_json_body

__all__ = [
    "Argument",
    "Body",
    "Cookie",
    "FormBody",
    "Header",
    "Inputs",
    "Query",
    "Source",
    "check_arguments",
    "convert_all",
    "make_argument",
    "make_collector",
]

T = TypeVar("T")
Where = Literal["query", "header", "cookie", "body", "form"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where an argument comes from: ``Annotated[str, Source("header", "X-Api-Version")]``.

    Without *name* it is the name of the parameter; in headers with ``-`` for ``_``.
    """

    where: Where
    name: str | None = None

    def __post_init__(self) -> None:
        if self.where not in get_args(Where):
            raise RouteError(f"{self.where!r} is no source; there are {', '.join(get_args(Where))}.")


Query = Annotated[T, Source("query")]
"""From the query: ``page: Query[int] = 1``; a list takes repeated values, a Struct the whole query."""
Header = Annotated[T, Source("header")]
"""From a header: ``user_agent: Header[str] = ""`` is ``User-Agent``."""
Cookie = Annotated[T, Source("cookie")]
"""From a cookie: ``theme: Cookie[str] = "light"``."""
Body = Annotated[T, Source("body")]
"""From a JSON body: ``user: Body[User]`` with a Struct, a dataclass, a TypedDict, or any type that msgspec knows."""
FormBody = Annotated[T, Source("form")]
"""From a form, urlencoded or multipart: ``user: FormBody[User]``."""

_AT_PATH: Final = re.compile(r"(.*) - at `(?:key in )?\$([^`]*)`", re.DOTALL)
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MISSING: Final = re.compile("Object missing required field `(.*)`")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a handler: where it comes from, its type, and its default.

    *fields* are what is read of a query, a form, headers or cookies: one for a plain type, those of a *record*.
    *decode* makes the value of a JSON body.
    """

    name: str
    where: Where
    key: str
    type: Any
    default: Any
    fields: tuple[Field, ...] = ()
    is_record: bool = False
    decode: Callable[[bytes], Any] | None = None

    @property
    def is_required(self) -> bool:
        """Whether there is no default."""
        return self.default is inspect.Parameter.empty

    @property
    def fresh_default(self) -> Any:
        """The default; a list or a dictionary anew for each request, so that none sees what another has changed."""
        return copy(self.default) if isinstance(self.default, list | dict | set) else self.default


_NOTHING: Final[MultiMapping[Any]] = MultiDictProxy(MultiDict())


class Inputs(NamedTuple):
    """What a request brings, as plain values."""

    query: MultiMapping[str] = _NOTHING
    headers: MultiMapping[str] = _NOTHING
    cookies: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    form: MultiMapping[Any] = _NOTHING


def make_argument(parameter: inspect.Parameter, annotation: Any, origin: str) -> Argument:
    """Read what *annotation* asks for.

    Raises:
        RouteError: the type cannot be made of what is sent there, or is a record without saying where it comes from.
    """
    kind, source = _split(annotation)
    where: Where = source.where if source is not None else "query"
    if kind is Form or set(get_args(kind)) == {Form, type(None)}:
        return Argument(parameter.name, "form", parameter.name, Form, parameter.default)
    key = source.name if source is not None and source.name else parameter.name
    if where == "header" and not (source and source.name):
        key = key.replace("_", "-")
    what = f"{parameter.name!r} of {origin} is annotated {_name(kind)}"
    info = _describe(kind, what)
    if source is None and is_made_of_uploads(info):
        where = "form"
    if where == "body":
        if not can_be_json(info):
            raise RouteError(f"{what}, which cannot be made of JSON. Use a Struct, or leave it out.")
        return Argument(parameter.name, where, key, kind, parameter.default, decode=msgspec.json.Decoder(kind).decode)
    record = record_of(info)
    if source is None and record is not None:
        raise RouteError(f"{what}. Say where it comes from: Body[{_name(kind)}] or Query[{_name(kind)}].")
    is_record = record is not None and where in {"query", "form"}
    is_required = parameter.default is parameter.empty
    fields = fields_of(record) if is_record else (make_field(key, kind, info, is_required=is_required),)
    required = [known.type for known in record.fields if known.required] if is_record else [info]
    if not all(can_be_text(part, with_files=where == "form") for part in required):
        raise RouteError(f"{what}, which cannot be made of the texts of a {where}. Take it as JSON: Body[...].")
    return Argument(parameter.name, where, key, kind, parameter.default, fields, is_record)


def check_arguments(arguments: Sequence[Argument], origin: str) -> None:
    """Refuse what one request cannot bring.

    Raises:
        RouteError: more than one argument wants the body.
    """
    names = [argument.name for argument in arguments if argument.where in {"body", "form"}]
    if len(names) > 1 and any(argument.where == "body" for argument in arguments):
        raise RouteError(f"{origin} wants the body more than once ({', '.join(names)}); a request has one body.")


class Collector(NamedTuple):
    """Two ways to the values of a handler's arguments, each from a request.

    *at_once* gives ``None`` where something has to be waited for, or to be found fault with: *collect* does that.
    """

    at_once: Callable[[web.Request], dict[str, Any] | None]
    collect: Callable[[web.Request], Awaitable[dict[str, Any]]]


def make_collector(arguments: Sequence[Argument]) -> Collector:
    """Give what collects the values of *arguments*.

    Raises:
        Problem: (when it collects) 400 for a body that cannot be read, 415 for one of another type or charset, 422 for
            what does not fit, 413 and 415 for a form that the limits do not let in.
        HTTPRequestEntityTooLarge: (when it collects) the body is larger than the application takes.
    """
    wanted = {argument.where for argument in arguments}
    wants_query, wants_cookies, wants_body, wants_form = (
        where in wanted for where in ("query", "cookie", "body", "form")
    )
    needs_body = any(argument.is_required for argument in arguments if argument.where == "body")

    def convert(request: web.Request, body: bytes, form: MultiMapping[Any]) -> dict[str, Any]:
        query, cookies = request.query if wants_query else _NOTHING, request.cookies if wants_cookies else {}
        return convert_all(arguments, Inputs(query, request.headers, cookies, body, form))

    def at_once(request: web.Request) -> dict[str, Any] | None:
        body = take_json_body(request) if wants_body else b""
        return None if wants_form or body is None else convert(request, body, _NOTHING)

    async def collect(request: web.Request) -> dict[str, Any]:
        body = await read_json_body(request, is_required=needs_body) if wants_body else b""
        return convert(request, body, await _read_form(arguments, request) if wants_form else _NOTHING)

    if len(arguments) == 1 and arguments[0].decode is not None:
        # One body and nothing else is the usual, and needs none of what is made for all others.
        return Collector(_make_decoding(arguments[0].name, arguments[0].decode), collect)
    return Collector(at_once, collect)


def _make_decoding(name: str, decode: Callable[[bytes], Any]) -> Callable[[web.Request], dict[str, Any] | None]:
    """Give what collects the argument *name*, a JSON body."""

    def at_once(request: web.Request) -> dict[str, Any] | None:
        body = take_json_body(request)
        try:
            return None if body is None else {name: decode(body)}
        except _UNDECODABLE:
            return None

    return at_once


def convert_all(arguments: Iterable[Argument], inputs: Inputs) -> dict[str, Any]:
    """Give the values of *arguments* from *inputs*. Pure.

    Raises:
        Problem: 422 with every fault in ``errors``; 400 for a body that is no JSON.
    """
    values: dict[str, Any] = {}
    faults: list[dict[str, str]] = []
    for argument in arguments:
        try:
            values[argument.name] = _convert(argument, inputs)
        except _Faults as found:
            faults += [{"in": argument.where, "name": name, "message": message} for name, message in found.pairs]
    if faults:
        raise Problem(422, title="Unprocessable Content", detail="The request does not fit.", errors=faults)
    return values


class _Faults(Exception):
    """What does not fit in one argument: pairs of (name, message)."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _convert(argument: Argument, inputs: Inputs) -> Any:
    if argument.where == "body":
        return _decode_json(argument, inputs.body)
    if argument.type is Form:
        return Form(inputs.form) if inputs.form or argument.is_required else argument.default
    sent: dict[str, MultiMapping[Any]] = {"query": inputs.query, "header": inputs.headers, "form": inputs.form}
    values = MultiDict(inputs.cookies) if argument.where == "cookie" else sent[argument.where]
    if argument.is_record:
        return _convert_record(argument, values)
    (only,) = argument.fields
    raw = _pick(only, values)
    if raw is None and not argument.is_required:
        return argument.fresh_default
    return _convert_field(only, raw)


def _convert_record(argument: Argument, values: MultiMapping[Any]) -> Any:
    raw: dict[str, Any] = {}
    faults: dict[str, _Faults] = {}
    for known in argument.fields:
        try:
            raw[known.key] = _pick(known, values)
        except _Faults as found:
            faults[known.key] = found
    raw = {key: picked for key, picked in raw.items() if picked is not None}
    if not (raw or faults or argument.is_required):
        return argument.fresh_default
    whole: tuple[tuple[str, str], ...] = ()
    if not faults:
        try:
            return msgspec.convert(raw, argument.type, strict=False)
        except msgspec.ValidationError as error:
            path, message = _read_fault(error)
            whole = ((path.removeprefix(".") or argument.key, message),)
    # What only the record as a whole refuses is msgspec's first fault.
    raise _Faults(*(tuple(_find_faults(argument.fields, raw, faults)) or whole))


def _find_faults(
    fields: Iterable[Field], raw: Mapping[str, Any], faults: Mapping[str, _Faults]
) -> Iterator[tuple[str, str]]:
    """Look at every field of a record; *faults* are known already."""
    for known in fields:
        if known.key in faults:
            yield from faults[known.key].pairs
        elif known.key in raw or known.is_required:
            try:
                _convert_field(known, raw.get(known.key))
            except _Faults as found:
                yield from found.pairs


def _pick(known: Field, values: MultiMapping[Any]) -> Any:
    """Give what was sent for *known*, ``None`` for nothing (``_Faults``)."""
    try:
        return known.pick(values)
    except msgspec.ValidationError as error:
        raise _name_fault(known, error) from None


def _convert_field(known: Field, raw: Any) -> Any:
    if raw is None:
        raise _Faults((known.key, "is missing"))
    try:
        return msgspec.convert(raw, known.type, strict=False)
    except msgspec.ValidationError as error:
        raise _name_fault(known, error) from None


def _name_fault(known: Field, error: msgspec.ValidationError) -> _Faults:
    path, message = _read_fault(error)
    return _Faults((known.key + path, message))


def _read_fault(error: msgspec.ValidationError) -> tuple[str, str]:
    """Give the path inside the value (``.address.street``, ``[0]``) and the message."""
    found = _AT_PATH.fullmatch(str(error))
    message, path = found.groups() if found else (str(error), "")
    missing = _MISSING.fullmatch(message)
    return (f"{path}.{missing[1]}", "is missing") if missing else (path, message)


def _decode_json(argument: Argument, body: bytes) -> Any:
    if not body:
        if argument.is_required:
            raise Problem(400, detail="The body is empty; it must be JSON.")
        return argument.fresh_default
    try:
        return argument.decode(body) if argument.decode is not None else None
    except msgspec.ValidationError as error:
        # It may stop at a wrong type before it sees that the body is no JSON at all.
        _check_json(body)
        path, message = _read_fault(error)
        raise _Faults((path.removeprefix(".") or argument.key, message)) from None
    except _UNDECODABLE as error:
        raise Problem(400, detail=f"The body is no JSON: {error}") from None


def _check_json(body: bytes) -> None:
    with suppress(RecursionError):  # too deep to tell, and refused already
        try:
            msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem(400, detail=f"The body is no JSON: {error}") from None


async def _read_form(arguments: Sequence[Argument], request: web.Request) -> MultiMapping[Any]:
    is_empty = not request.can_read_body and not request.content.total_bytes
    if is_empty and not any(a.is_required for a in arguments if a.where == "form"):
        return _NOTHING
    return (await read_form(request)).sent


def _describe(kind: Any, what: str) -> Any:
    """Give what msgspec knows of the type *kind*."""
    if isinstance(kind, TypeVar):
        raise RouteError(f"{what}, which is no type yet. Say of what type it is, such as Query[int].")
    try:
        info = msgspec.inspect.type_info(kind)
        msgspec.json.Decoder(kind)
    except Exception as error:
        raise RouteError(f"{what}, which msgspec cannot make: {error}.") from None
    return info


def _split(annotation: Any) -> tuple[Any, Source | None]:
    """Separate the type from the ``Source`` beside it; ``Header[str] | None`` is ``Header[str | None]``."""
    annotation = getattr(annotation, "__value__", annotation)  # type Page = Query[int]
    if get_origin(annotation) in {Union, UnionType}:
        members = [_split(member) for member in get_args(annotation)]
        source = next((source for _, source in members if source is not None), None)
        return (reduce(or_, (kind for kind, _ in members)), source) if source else (annotation, None)
    if get_origin(annotation) is not Annotated:
        return annotation, None
    kind, *metadata = get_args(annotation)
    source = next((item for item in metadata if isinstance(item, Source)), None)
    others = tuple(item for item in metadata if not isinstance(item, Source))
    return (Annotated[(kind, *others)] if others else kind), source


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)
