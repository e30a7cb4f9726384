"""Callables as users write them: functions, methods, partials and objects with ``__call__``."""

import inspect
import sys
from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any

__all__ = [
    "annotation_of",
    "innermost",
    "is_coroutine_function",
    "is_plain_function",
    "name_of",
    "parameters_of",
    "signature_of",
    "without_partials",
]


def without_partials(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give what is below the partials around *function*."""
    while isinstance(function, partial):
        function = function.func
    return function


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether calling *function* gives a coroutine; an object whose ``__call__`` does is one too."""
    function = without_partials(function)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def is_plain_function(function: Callable[..., Any]) -> bool:
    """Whether *function* was written with ``def``, and nothing says that it might return an awaitable all the same.

    A lambda, a partial, a wrapper of another function and an object with ``__call__`` might: that is seen when they
    are called.
    """
    if isinstance(function, partial) or is_coroutine_function(function):
        return False
    is_written = inspect.isfunction(function) or inspect.ismethod(function)
    return is_written and getattr(function, "__name__", "") != "<lambda>" and not hasattr(function, "__wrapped__")


def name_of(function: Callable[..., Any]) -> str:
    """Name *function* for people: ``shop.views.show``."""
    function = without_partials(function)
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


if sys.version_info >= (3, 14):
    import annotationlib

    def signature_of(function: Callable[..., Any]) -> inspect.Signature:
        """Give the signature of *function* itself, whatever it wraps; names unknown at run time stay as they are."""
        return inspect.signature(function, follow_wrapped=False, annotation_format=annotationlib.Format.FORWARDREF)
else:

    def signature_of(function: Callable[..., Any]) -> inspect.Signature:
        """Give the signature of *function* itself, whatever it wraps."""
        return inspect.signature(function, follow_wrapped=False)


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Give the parameters that count (see ``innermost``); none for what tells nothing of itself, as some builtins."""
    try:
        return list(signature_of(innermost(function)).parameters.values())
    except (TypeError, ValueError):
        return []


def annotation_of(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """Give the annotation of a *parameter* of *function* as an object.

    Raises:
        Exception: it is a text that names what does not exist when the route is added.
    """
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    written: Any = without_partials(innermost(function))
    if not inspect.isroutine(written):
        written = written.__call__
    return eval(parameter.annotation, getattr(written, "__globals__", {}))  # noqa: S307 - the application's own source


def innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give what *function* wraps, where it takes ``*args, **kwargs``; any other wrapper passes on what it says itself.

    What is given is called as *function* is: a wrapped method stays bound, a partial keeps what it has filled.
    """
    while (inner := _wrapped_in(function)) is not None and _takes_anything(function):
        function = inner
    return function


def _takes_anything(function: Callable[..., Any]) -> bool:
    try:
        kinds = {parameter.kind for parameter in signature_of(function).parameters.values()}
    except (TypeError, ValueError):  # a function in functools.cache does not say
        return True
    return kinds >= {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def _wrapped_in(function: Callable[..., Any]) -> Callable[..., Any] | None:
    if isinstance(function, partial):
        inner = _wrapped_in(function.func)
        return None if inner is None else partial(inner, *function.args, **function.keywords)
    wrapped: Callable[..., Any] | None = getattr(function, "__wrapped__", None)
    if wrapped is not None and inspect.ismethod(function):
        return MethodType(wrapped, function.__self__)
    return wrapped
