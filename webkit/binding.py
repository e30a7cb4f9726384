"""From a handler's signature to its arguments, decided once, when the route is added.

The request is the parameter named ``request``, or annotated ``Request``, else the first without annotation that is no
path parameter. The others are path parameters by name; what is left and annotated comes from the query, or from
where ``Header[...]``, ``Cookie[...]``, ``Body[...]`` say (see :mod:`webkit.parameters`). What nobody would fill is
refused here, not at the first request.

``*args`` and ``**kwargs`` without a type are those of a wrapper; ``**parameters`` alone takes what the path has. With a
type, as in ``*ids: int``, nobody would fill them.
"""

import importlib
import inspect
import types
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, NamedTuple, ParamSpecArgs, ParamSpecKwargs, Union, get_args, get_origin

from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict, MultiDict

from webkit.callables import innermost, is_coroutine_function, name_of, signature_of, without_partials
from webkit.converters import BY_TYPE, Converter
from webkit.errors import Problem, RouteError, did_you_mean
from webkit.parameters import Argument, Collector, Inputs, check_arguments, convert_all, make_argument, make_collector
from webkit.paths import Parameter, Template, parse
from webkit.threads import run_in_thread
from webkit.types import Endpoint

__all__ = ["Binding", "Call", "Direct", "bind", "bind_values", "is_coroutine_function", "name_of"]

Values = Mapping[str, Any]
Call = Callable[[Any, Values], Awaitable[Any]]

_BY_POSITION: Final = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
_ANY_NUMBER: Final = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
_UNRESOLVED: Final = object()


class Direct(NamedTuple):
    """A handler that takes the request, by position, and all parameters of the path, by name; or one of them, or none.

    Most do: they are called with what is there anyway.
    """

    function: Endpoint
    takes_request: bool
    takes_values: bool


@dataclass(frozen=True, slots=True)
class Binding:
    """A handler, ready to be called: ``await binding.call(request, values)``.

    *decoders*, by the name of a path parameter, give its value from its text, or ``None`` for "no match"; *values*
    are what they gave, and text for the rest. *arguments* come from elsewhere in the request. *direct* is the same call
    in a form that costs less, where there is one.
    """

    origin: str
    decoders: Mapping[str, Callable[[str], Any]]
    call: Call
    arguments: tuple[Argument, ...] = ()
    direct: Direct | None = None

    def decode(self, texts: Mapping[str, str]) -> dict[str, Any] | None:
        """Give the values of *texts*, or ``None`` when one of them does not convert."""
        values: dict[str, Any] = {}
        name = ""
        try:
            for name, text in texts.items():
                value = self.decoders[name](text) if name in self.decoders else text
                if value is None:
                    return None
                values[name] = value
        except Exception as error:
            self.note(error, name)
            raise
        return values

    def note(self, error: Exception, name: str) -> None:
        """Say at *error*, which the converter of the parameter *name* has raised, where that happened.

        No route is chosen then, so nothing else in the log would name this one.
        """
        error.add_note(f"It was asked for {name!r} of {self.origin}.")


def bind(endpoint: Endpoint, template: Template, *, of_view: bool = False) -> Binding:
    """Prepare *endpoint* for the parameters of *template*.

    *of_view* is true for a View's method: it is called with the view in the place of the request.

    Raises:
        RouteError: it is a generator, a parameter would stay without a value, or an annotation contradicts the path.
    """
    origin = name_of(endpoint)
    _refuse_generators(endpoint, origin)
    parameters, annotate = _read_signature(endpoint)
    in_path = {parameter.name: parameter for parameter in template.parameters}
    if of_view:
        request = parameters[0] if parameters and parameters[0].kind in _BY_POSITION else None
    else:
        request = _find_request(parameters, in_path, annotate)
    decoders = {name: known.converter.decode for name, known in in_path.items() if known.converter}
    arguments: list[Argument] = []
    filled = _filled_by_partials(endpoint)
    _check_any_number(parameters, annotate, in_path, origin)
    for parameter in parameters:
        if parameter is request or parameter.kind in _ANY_NUMBER:
            continue
        if parameter.name in in_path:
            converter = _choose_converter(in_path[parameter.name], parameter, annotate(parameter), origin, template)
            if converter is not None:
                # The text was matched against the converter of the path, but not against that of an annotation.
                decoders.setdefault(parameter.name, converter.convert)
        elif parameter.name not in filled and _is_annotated(annotate(parameter)):
            arguments.append(make_argument(parameter, annotate(parameter), origin))
        else:
            _check_leftover(parameter, annotate(parameter), origin, template)
    check_arguments(arguments, origin)
    passed = {*in_path, *(argument.name for argument in arguments)}
    by_position, by_name = _arrange(parameters, request, passed, in_path, origin)
    run = _as_coroutine_function(endpoint)
    direct = _find_direct(run, by_position, by_name, passed)
    call = _make_call(run, by_position, by_name) if direct is None else _make_direct_call(direct)
    if arguments:
        call = _collecting(call, make_collector(arguments), of_view)
        direct = None if of_view else _make_direct(call, takes_values=bool(in_path))
    return Binding(origin, decoders, call, tuple(arguments), direct)


def bind_values(
    handler: Endpoint,
    path: str = "/",
    parts: Mapping[str, str] | None = None,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    body: bytes = b"",
    form: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Give the arguments that *handler* would get, for tests: ``webkit.bind(show, query={"page": "2"})``.

    *path* is the template of its route and *parts* the texts of its parameters; *body* is JSON. A method of a View is
    given as ``User.get``.

    Raises:
        Problem: what does not fit, as a client would get it; 404 for *parts* that do not convert.
        RouteError: *handler* cannot be bound to *path*.
    """
    binding = bind(handler, parse(path), of_view=_first_name(handler) == "self")
    values = binding.decode(parts or {})
    if values is None:
        raise Problem(404, detail=f"{dict(parts or {})} does not fit the path {path!r}.")
    inputs = Inputs(
        query=MultiDict(query or {}),
        headers=CIMultiDict(headers or {}),
        cookies=cookies or {},
        body=body,
        form=MultiDict(form or {}),
    )
    return values | convert_all(binding.arguments, inputs)


def _refuse_generators(endpoint: Endpoint, origin: str) -> None:
    if inspect.isgeneratorfunction(_routine_of(endpoint)):
        raise RouteError(
            f"{origin} is a generator. Write 'return' instead of 'yield', or 'async def' for a stream of events."
        )


def _routine_of(endpoint: Endpoint) -> Any:
    target = without_partials(endpoint)
    return target if inspect.isroutine(target) else getattr(target, "__call__", target)  # noqa: B004


def _read_signature(endpoint: Endpoint) -> tuple[list[inspect.Parameter], Callable[[inspect.Parameter], Any]]:
    """Give the parameters that count, and a function for their annotations."""
    target = innermost(endpoint)
    parameters = list(signature_of(target).parameters.values())
    written: Any = without_partials(target)
    if not inspect.isroutine(written):
        written = written.__call__
    namespace = getattr(written, "__globals__", {})
    return parameters, partial(_resolve_annotation, namespace)


def _filled_by_partials(endpoint: Endpoint) -> set[str]:
    """Give the names that a partial has filled, decorated or not: no query may fill them in its place."""
    names: set[str] = set()
    target: Any = innermost(endpoint)
    while isinstance(target, partial):
        names.update(target.keywords)
        target = target.func
    return names


def _resolve_annotation(namespace: dict[str, Any], parameter: inspect.Parameter) -> Any:
    """Give the annotation as an object, ``_UNRESOLVED`` for a name that exists for type checkers only."""
    annotation = parameter.annotation
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, namespace)  # noqa: S307 - the application's own source
    except Exception:
        # "web.Request" behind TYPE_CHECKING is the usual case, and no reason to refuse.
        return BaseRequest if annotation.rpartition(".")[2] == "Request" else _UNRESOLVED


def _find_request(
    parameters: list[inspect.Parameter],
    in_path: Mapping[str, Parameter],
    annotate: Callable[[inspect.Parameter], Any],
) -> inspect.Parameter | None:
    named = [p for p in parameters if p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}]
    for parameter in named:
        if parameter.name == "request" and parameter.name not in in_path:
            return parameter
    for parameter in named:
        if _is_request(annotate(parameter)):
            return parameter
    for parameter in named:
        is_free = parameter.kind in _BY_POSITION and parameter.default is parameter.empty
        # "Body[User]" that cannot be resolved, because User is local to a function, is no request.
        is_plain = not _is_annotated(annotate(parameter)) and "[" not in str(parameter.annotation)
        if is_free and is_plain and parameter.name not in in_path:
            return parameter
    return None


def _is_request(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseRequest)


def _check_any_number(
    parameters: list[inspect.Parameter],
    annotate: Callable[[inspect.Parameter], Any],
    in_path: Collection[str],
    origin: str,
) -> None:
    """Refuse ``*ids: int`` and ``**filters: int``, which a type makes look like parameters."""
    has_rest = _takes_the_rest(parameters) and not {parameter.name for parameter in parameters}.issuperset(in_path)
    for parameter in parameters:
        kind, name = annotate(parameter), parameter.name
        if isinstance(kind, ParamSpecArgs | ParamSpecKwargs) or not _is_annotated(kind) or _is_request(kind):
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            wanted = f"{name}: Query[list[{_type_name(kind)}]]"
            raise RouteError(f"Nobody fills '*{name}' of {origin}. Write '{wanted}' for what is sent several times.")
        if parameter.kind is parameter.VAR_KEYWORD and not has_rest:
            raise RouteError(f"Nobody fills '**{name}' of {origin}. Name each parameter, or take a Struct: Query[...].")


def _is_annotated(annotation: Any) -> bool:
    """Whether *annotation* says what is wanted."""
    return annotation is not inspect.Parameter.empty and annotation not in (Any, object, _UNRESOLVED)


def _check_leftover(parameter: inspect.Parameter, annotation: Any, origin: str, template: Template) -> None:
    if parameter.default is not parameter.empty:
        return
    if annotation is _UNRESOLVED:
        raise RouteError(
            f"The annotation {parameter.annotation!r} of {parameter.name!r} of {origin} cannot be resolved when the "
            "route is added. Define its names in the module, and before the route."
        )
    names = [known.name for known in template.parameters]
    hint = did_you_mean(parameter.name, names) or f" The path has {', '.join(names) or 'no parameters'}."
    raise RouteError(
        f"Nobody fills the parameter {parameter.name!r} of {origin}: the path {template.path!r} does not name it."
        f"{hint} Add it to the path, annotate it to take it from the query, or give it a default."
    )


def _choose_converter(
    in_path: Parameter, parameter: inspect.Parameter, annotation: Any, origin: str, template: Template
) -> Converter | None:
    """Choose by the path or by the annotation; they must not contradict each other."""
    wanted = _plain_type(annotation)
    if wanted in {inspect.Parameter.empty, Any, object}:
        return in_path.converter
    where = f"{in_path.name!r} of {origin}, in the path {template.path!r},"
    if wanted is _UNRESOLVED:
        raise RouteError(
            f"The annotation {parameter.annotation!r} of {where} cannot be resolved when the route is added."
        )
    if in_path.converter is not None:
        if wanted is not in_path.converter.type and in_path.converter.type is not Any:
            raise RouteError(
                f"{where} is annotated {_type_name(wanted)}, but the path converts it to "
                f"{in_path.converter.type.__name__}. Make them agree."
            )
        return in_path.converter
    if wanted is str:
        return None
    if wanted not in BY_TYPE:
        names = ", ".join(kind.__name__ for kind in BY_TYPE)
        raise RouteError(f"{where} is annotated {_type_name(wanted)}; a path parameter can be {names}.")
    return BY_TYPE[wanted]


def _plain_type(annotation: Any) -> Any:
    """Give ``int`` for ``int``, ``int | None`` and ``Annotated[int, ...]``."""
    if get_origin(annotation) is Annotated:
        return _plain_type(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return _plain_type(members[0])
    try:
        hash(annotation)
    except TypeError:
        return _UNRESOLVED
    return annotation


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _takes_the_rest(parameters: list[inspect.Parameter]) -> bool:
    """``**parameters`` takes what the path has. Beside ``*args`` it is a wrapper that knows the request only."""
    kinds = {parameter.kind for parameter in parameters}
    return inspect.Parameter.VAR_KEYWORD in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds


def _arrange(
    parameters: list[inspect.Parameter],
    request: inspect.Parameter | None,
    passed: Collection[str],
    in_path: Collection[str],
    origin: str,
) -> tuple[tuple[str | None, ...], dict[str, str | None]]:
    """Say which values are passed by position and which by name; ``None`` stands for the request."""
    by_position: list[str | None] = []
    by_name: dict[str, str | None] = {}
    gap = ""
    for parameter in parameters:
        if parameter is not request and (parameter.name not in passed or parameter.kind in _ANY_NUMBER):
            gap = gap or parameter.name
            continue
        if gap and parameter.kind is parameter.POSITIONAL_ONLY:
            raise RouteError(
                f"{origin} cannot get {parameter.name!r}, since nobody fills {gap!r} before it. Drop the '/'."
            )
        value = None if parameter is request else parameter.name
        is_first = parameter is request and parameter is parameters[0]
        if parameter.kind is parameter.POSITIONAL_ONLY or (is_first and parameter.kind in _BY_POSITION):
            by_position.append(value)
        else:
            by_name[parameter.name] = value
    if request is None and parameters and parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        by_position.append(None)
    if _takes_the_rest(parameters):
        by_name |= {name: name for name in in_path if name not in by_position and name not in by_name}
    return tuple(by_position), by_name


def _find_direct(
    run: Endpoint, by_position: tuple[str | None, ...], by_name: Mapping[str, str | None], in_path: Collection[str]
) -> Direct | None:
    takes_all = set(by_name) == set(in_path) and all(name == value for name, value in by_name.items())
    if by_position not in ((), (None,)) or not (takes_all or not by_name):
        return None
    return Direct(run, takes_request=bool(by_position), takes_values=bool(by_name))


def _make_direct_call(direct: Direct) -> Call:
    run, takes_request, takes_values = direct
    if takes_request:
        return (
            (lambda request, values: run(request, **values)) if takes_values else lambda request, values: run(request)
        )
    return (lambda request, values: run(**values)) if takes_values else lambda request, values: run()


def _make_call(
    run: Callable[..., Awaitable[Any]], by_position: tuple[str | None, ...], by_name: Mapping[str, str | None]
) -> Call:
    def call(request: Any, values: Values) -> Awaitable[Any]:
        positional = [request if name is None else values[name] for name in by_position]
        named = {key: request if name is None else values[name] for key, name in by_name.items()}
        return run(*positional, **named)

    return call


def _as_coroutine_function(endpoint: Endpoint) -> Callable[..., Awaitable[Any]]:
    if inspect.isasyncgenfunction(_routine_of(endpoint)):
        # PERF: who has no event streams does not load them: 3 % of the time that webkit takes to import.
        return partial(_generate_events, endpoint, importlib.import_module("webkit.events").Events)
    return endpoint if is_coroutine_function(endpoint) else partial(_run_in_thread, endpoint)


def _collecting(call: Call, collector: Collector, of_view: bool) -> Call:
    """Put what the request brings beside the path to the values of *call*."""
    at_once, collect = collector

    async def wait(request: Any, values: Values) -> Any:
        collected = await collect(request.request if of_view else request)
        return await call(request, {**values, **collected})

    # PERF: no coroutine where there is nothing to wait for.
    def begin(request: Any, values: Values) -> Awaitable[Any]:
        collected = at_once(request.request if of_view else request)
        if collected is None:
            return wait(request, values)
        return call(request, {**values, **collected} if values else collected)

    return begin


def _make_direct(call: Call, *, takes_values: bool) -> Direct:
    """Give *call* as a handler that takes the request and all parameters of the path."""
    if takes_values:
        return Direct(lambda request, /, **values: call(request, values), takes_request=True, takes_values=True)
    return Direct(lambda request: call(request, {}), takes_request=True, takes_values=False)


def _first_name(handler: Endpoint) -> str | None:
    return next(iter(signature_of(handler).parameters), None)


async def _generate_events(generate: Endpoint, events: Callable[[Any], Any], *args: Any, **kwargs: Any) -> Any:
    return events(generate(*args, **kwargs))


async def _run_in_thread(function: Endpoint, *args: Any, **kwargs: Any) -> Any:
    """Run a plain function where it cannot block the loop; an awaitable that it returns is awaited here."""
    result = await run_in_thread(function, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result
