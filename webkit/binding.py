"""From a handler's signature to its arguments, decided once, when the route is added.

The request is the parameter named ``request``, or annotated ``Request``, else the first that is no path parameter.
The others are path parameters by name. What nobody would fill is refused here, not at the first request.
"""

import asyncio
import inspect
import sys
import types
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Union, get_args, get_origin

from aiohttp.web_request import BaseRequest

from webkit.converters import BY_TYPE, Converter
from webkit.errors import RouteError, did_you_mean
from webkit.paths import Parameter, Template
from webkit.types import Endpoint

__all__ = ["Binding", "Call", "bind", "is_coroutine_function", "name_of"]

Values = Mapping[str, Any]
Call = Callable[[Any, Values], Awaitable[Any]]

_BY_POSITION: Final = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
_UNRESOLVED: Final = object()


@dataclass(frozen=True, slots=True)
class Binding:
    """A handler, ready to be called: ``await binding.call(request, values)``.

    *decoders*, by the name of a path parameter, give its value from its text, or ``None`` for "no match";
    *values* are what they gave, and text for the rest.
    """

    origin: str
    decoders: Mapping[str, Callable[[str], Any]]
    call: Call

    def decode(self, texts: Mapping[str, str]) -> dict[str, Any] | None:
        """Give the values of *texts*, or ``None`` when one of them does not convert."""
        values: dict[str, Any] = dict(texts)
        for name, decode in self.decoders.items():
            value = decode(values[name])
            if value is None:
                return None
            values[name] = value
        return values


def bind(endpoint: Endpoint, template: Template, *, of_view: bool = False) -> Binding:
    """Prepare *endpoint* for the parameters of *template*.

    *of_view* is true for a View's method: it is called with the view in the place of the request.

    Raises:
        RouteError: it is a generator, a parameter would stay without a value, or an annotation contradicts the path.
    """
    origin = name_of(endpoint)
    _refuse_generators(endpoint, origin)
    signature, annotate = _read_signature(endpoint)
    parameters = list(signature.parameters.values())
    in_path = {parameter.name: parameter for parameter in template.parameters}
    if of_view:
        request = parameters[0] if parameters and parameters[0].kind in _BY_POSITION else None
    else:
        request = _find_request(parameters, in_path, annotate)
    decoders = {name: known.converter.decode for name, known in in_path.items() if known.converter}
    by_position: list[str] = []
    by_name: list[str] = []
    for parameter in parameters:
        if parameter is request or parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        if parameter.name not in in_path:
            _check_leftover(parameter, origin, template)
            continue
        converter = _choose_converter(in_path[parameter.name], annotate(parameter), origin, template)
        if converter is not None:
            # The text was matched against the converter of the path, but not against that of an annotation.
            decoders.setdefault(parameter.name, converter.convert)
        (by_position if parameter.kind is parameter.POSITIONAL_ONLY else by_name).append(parameter.name)
    if _takes_the_rest(parameters):
        by_name.extend(name for name in in_path if name not in by_name and name not in by_position)
    call = _make_call(endpoint, _pass_request(parameters, request), tuple(by_position), tuple(by_name))
    return Binding(origin, decoders, call)


def is_coroutine_function(endpoint: Endpoint) -> bool:
    """Whether calling *endpoint* gives a coroutine; an object whose ``__call__`` does is one too."""
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
    return inspect.iscoroutinefunction(endpoint) or inspect.iscoroutinefunction(getattr(endpoint, "__call__", None))  # noqa: B004


def name_of(endpoint: Endpoint) -> str:
    """Name *endpoint* for people: ``shop.views.show``."""
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
    named = endpoint if hasattr(endpoint, "__qualname__") else type(endpoint)
    return f"{named.__module__}.{named.__qualname__}"


def _refuse_generators(endpoint: Endpoint, origin: str) -> None:
    target = endpoint
    while isinstance(target, partial):
        target = target.func
    if not inspect.isroutine(target):
        target = getattr(target, "__call__", target)  # noqa: B004
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise RouteError(f"{origin} is a generator. Write 'async def' with 'return' instead of 'yield'.")


def _read_signature(
    endpoint: Endpoint,
) -> tuple[inspect.Signature, Callable[[inspect.Parameter], Any]]:
    """Give the signature that counts, and a function for its annotations.

    ``__wrapped__`` is followed only where the wrapper takes ``*args, **kwargs``: any other wrapper passes on
    what it says itself.
    """
    target: Any = endpoint
    if not inspect.isroutine(target) and not isinstance(target, partial):
        target = target.__call__
    skip = 0
    while True:
        if inspect.ismethod(target):
            target, skip = target.__func__, skip + 1
        signature = _signature(target)
        kinds = {parameter.kind for parameter in signature.parameters.values()}
        wrapped = getattr(target, "__wrapped__", None)
        if wrapped is None or not {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds:
            break
        target = wrapped
    parameters = list(signature.parameters.values())
    if parameters and parameters[0].kind in _BY_POSITION:
        parameters = parameters[skip:]
    while isinstance(target, partial):
        target = target.func
    namespace = getattr(target, "__globals__", {})
    return signature.replace(parameters=parameters), partial(_resolve_annotation, namespace)


if sys.version_info >= (3, 14):
    import annotationlib

    def _signature(target: Any) -> inspect.Signature:
        return inspect.signature(target, follow_wrapped=False, annotation_format=annotationlib.Format.FORWARDREF)
else:

    def _signature(target: Any) -> inspect.Signature:
        return inspect.signature(target, follow_wrapped=False)


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
        annotation = annotate(parameter)
        if isinstance(annotation, type) and issubclass(annotation, BaseRequest):
            return parameter
    for parameter in named:
        if parameter.kind in _BY_POSITION and parameter.name not in in_path and parameter.default is parameter.empty:
            return parameter
    return None


def _check_leftover(parameter: inspect.Parameter, origin: str, template: Template) -> None:
    if parameter.default is not parameter.empty:
        return
    names = [known.name for known in template.parameters]
    hint = did_you_mean(parameter.name, names) or f" The path has {', '.join(names) or 'no parameters'}."
    raise RouteError(
        f"Nobody fills the parameter {parameter.name!r} of {origin}: the path {template.path!r} does not name it."
        f"{hint} Give it a default, or add it to the path."
    )


def _choose_converter(parameter: Parameter, annotation: Any, origin: str, template: Template) -> Converter | None:
    """Choose by the path or by the annotation; they must not contradict each other."""
    wanted = _plain_type(annotation)
    if wanted in {inspect.Parameter.empty, Any, object}:
        return parameter.converter
    where = f"{parameter.name!r} of {origin}, in the path {template.path!r},"
    if wanted is _UNRESOLVED:
        raise RouteError(f"The annotation {annotation!r} of {where} cannot be resolved when the route is added.")
    if parameter.converter is not None:
        if wanted is not parameter.converter.type:
            raise RouteError(
                f"{where} is annotated {_type_name(wanted)}, but the path converts it to "
                f"{parameter.converter.type.__name__}. Make them agree."
            )
        return parameter.converter
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


def _pass_request(parameters: list[inspect.Parameter], request: inspect.Parameter | None) -> str | None:
    """Say how the request is passed: ``""`` as the first argument, a name as keyword, ``None`` not at all."""
    if request is not None:
        first = parameters[0] is request and request.kind in _BY_POSITION
        return "" if first else request.name
    has_varargs = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    return "" if has_varargs else None


def _make_call(
    endpoint: Endpoint, pass_request: str | None, by_position: tuple[str, ...], by_name: tuple[str, ...]
) -> Call:
    run = endpoint if is_coroutine_function(endpoint) else partial(_run_in_thread, endpoint)
    if pass_request == "" and not by_position and not by_name:
        return lambda request, values: run(request)
    if pass_request is None and not by_position and not by_name:
        return lambda request, values: run()

    def call(request: Any, values: Values) -> Awaitable[Any]:
        named = {name: values[name] for name in by_name}
        positional = [values[name] for name in by_position]
        if pass_request == "":
            positional.insert(0, request)
        elif pass_request is not None:
            named[pass_request] = request
        return run(*positional, **named)

    return call


async def _run_in_thread(function: Endpoint, *args: Any, **kwargs: Any) -> Any:
    """Run a plain function where it cannot block the loop; an awaitable that it returns is awaited here."""
    result = await asyncio.to_thread(function, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result
