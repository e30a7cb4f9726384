"""Middlewares: chains that are composed once. A middleware is ``async def m(request, handler)``.

Until aiohttp 2.3 it was a factory instead, ``async def factory(app, handler)``, which gave a handler. One is known by
its first parameter, ``app``, and is taken as it was documented: it is awaited for each request with the rest of the
chain, the last listed first, before any middleware runs.
"""

import inspect
import warnings
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import update_wrapper
from typing import Any, Final
from weakref import WeakSet

from aiohttp import web

from webkit.callables import name_of, parameters_of, without_partials
from webkit.errors import RouteError
from webkit.types import Handler, Middleware

__all__ = ["as_aiohttp_middleware", "check_middlewares", "compose", "from_factory"]

_hinted: "Final[WeakSet[Any]]" = WeakSet()


def check_middlewares(middlewares: Iterable[Any]) -> tuple[Middleware, ...]:
    """Give *middlewares* as a tuple, old factories among them as middlewares.

    Raises:
        RouteError: one of them cannot be called.
    """
    return tuple(_check(middleware) for middleware in middlewares)


def from_factory(factory: Callable[[web.Application, Handler], Awaitable[Handler]]) -> Middleware:
    """Make a middleware of an old factory, ``async def factory(app, handler)``, whatever its parameters are named.

    The factory gets ``request.app``. Replace it by ``async def middleware(request, handler)`` when you can.

    Raises:
        RouteError: it cannot be called.
    """
    if not callable(factory):
        raise RouteError(f"{factory!r} is no middleware factory; write 'async def middleware(request, handler)'.")
    return _FromFactory(factory)


def compose(middlewares: Sequence[Middleware], handler: Handler, *, like: Any = None) -> Handler:
    """Put *middlewares* around *handler*, the first listed outermost: nothing is left to decide for a request.

    With *like*, the handler as it was written, what each of them gets has its name and its attributes, as in aiohttp.
    """
    if any(isinstance(middleware, _FromFactory) for middleware in middlewares):
        _look_like(like, handler)
        return lambda request: _call_with_factories(middlewares, handler, request)
    # Innermost first: each wrapper must already hold the handler it calls.
    for middleware in reversed(middlewares):
        _look_like(like, handler)
        handler = _wrap(middleware, handler)
    return handler


def as_aiohttp_middleware(function: Callable[[web.Request, Handler], Any]) -> Any:
    """Give *function* as a middleware for aiohttp's own list, which wants a mark that methods cannot carry."""
    return web.middleware(lambda request, handler: function(request, handler))  # noqa: PLW0108


class _FromFactory:
    """An old factory as a middleware."""

    def __init__(self, factory: Callable[[web.Application, Handler], Any]) -> None:
        self._factory = factory

    async def make(self, app: web.Application, handler: Handler) -> Handler:
        """Give the handler that the factory makes for one request."""
        made = self._factory(app, handler)
        if inspect.isawaitable(made):
            made = await made
        if not callable(made):
            raise TypeError(f"{name_of(self._factory)} gave {made!r}; an old middleware factory returns a handler.")
        return made  # type: ignore[no-any-return]

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await (await self.make(request.app, handler))(request)

    def __repr__(self) -> str:
        return f"<middleware from factory {name_of(self._factory)}>"


def _look_like(like: Any, handler: Handler) -> None:
    """Give *handler* name and attributes of *like*, which may say what a middleware has to do: who may call it."""
    if isinstance(like, type):
        update_wrapper(handler, like, updated=())
        attributes = {name: value for kind in reversed(like.__mro__) for name, value in vars(kind).items()}
        vars(handler).update((name, value) for name, value in attributes.items() if not name.startswith("__"))
    elif like is not None:
        update_wrapper(handler, like)


def _wrap(middleware: Middleware, handler: Handler) -> Handler:
    return lambda request: middleware(request, handler)


async def _call_with_factories(
    middlewares: Sequence[Middleware], handler: Handler, request: web.Request
) -> web.StreamResponse:
    for middleware in reversed(middlewares):
        if isinstance(middleware, _FromFactory):
            handler = await middleware.make(request.app, handler)
        else:
            handler = _wrap(middleware, handler)
    return await handler(request)


def _check(middleware: Any) -> Middleware:
    if not callable(middleware):
        raise RouteError(f"{middleware!r} is no middleware; write 'async def middleware(request, handler)'.")
    if not _is_old_factory(middleware):
        return middleware  # type: ignore[no-any-return]
    _hint(middleware)
    return _FromFactory(middleware)


def _is_old_factory(middleware: Callable[..., Any]) -> bool:
    parameters = parameters_of(middleware)
    return bool(parameters) and parameters[0].name == "app"


def _hint(factory: Callable[..., Any]) -> None:
    """Say once for each factory, and for the line where it is written, that it is an old one."""
    with suppress(TypeError):  # one that cannot be remembered is told about each time
        known = getattr(factory, "__func__", factory)  # a bound method is a new object each time
        if known in _hinted:
            return
        _hinted.add(known)
    target: Any = inspect.unwrap(without_partials(factory))
    code = getattr(target, "__code__", None) or getattr(type(target).__call__, "__code__", None)
    warnings.warn_explicit(
        f"{name_of(factory)} is an old middleware factory, since its first parameter is 'app'. Write 'async def "
        "middleware(request, handler)' instead, or webkit.middleware.from_factory(factory) to keep it.",
        DeprecationWarning,
        filename=code.co_filename if code else __file__,
        lineno=code.co_firstlineno if code else 1,
        module=target.__module__,
    )
