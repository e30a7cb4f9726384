"""What happens between start and stop: lists that freeze, signals, and contexts that are always left.

A plain function among the handlers of a signal is refused before anything is begun: aiohttp would call it, fail to
await what it gave, and at ``on_response_prepare`` drop the connection. That holds for mounted applications of aiohttp's
as well.

aiohttp leaves only the root application's contexts when a startup step fails; here everything that was entered
is left in reverse order, mounted applications included, and the first error is what the user sees.
"""

import inspect
from asyncio import CancelledError
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableSequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from logging import Logger
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from aiohttp import web

from webkit.callables import is_coroutine_function, is_plain_function, name_of
from webkit.errors import ConfigError
from webkit.requests import APPLICATION

if TYPE_CHECKING:
    from webkit.application import Application

__all__ = [
    "Contexts",
    "FreezableList",
    "Lifespan",
    "Signal",
    "SignalOfAiohttp",
    "check_signals",
    "check_wrapped",
    "leave_all",
    "leave_below",
    "sub_applications",
]

T = TypeVar("T")
H = TypeVar("H", bound=Callable[..., Awaitable[Any]])
Owner = TypeVar("Owner")
SignalHandler = Callable[..., Awaitable[Any]]
#: ``async def context(app): ...; yield; ...``, or anything that gives an asynchronous context manager.
ContextFactory = Callable[[Owner], AbstractAsyncContextManager[Any] | AsyncIterator[Any]]


class FreezableList(MutableSequence[T], Generic[T]):
    """A list that can change until the application serves.

    *name* and *remedy* are for the message of a change that comes too late.
    """

    def __init__(self, items: Iterable[T] = (), *, name: str, remedy: str) -> None:
        self._items = list(items)
        self._name = name
        self._remedy = remedy
        self.frozen = False

    def freeze(self) -> None:
        """Refuse every change from now on."""
        self.frozen = True

    def insert(self, index: int, value: T) -> None:
        """Insert *value* before *index*."""
        self._check()
        self._items.insert(index, self._accept(value))

    def __delitem__(self, index: int | slice) -> None:
        self._check()
        del self._items[index]

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        return self._items[index]

    @overload
    def __setitem__(self, index: int, value: T) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[T]) -> None: ...
    def __setitem__(self, index: Any, value: Any) -> None:
        self._check()
        self._items[index] = map(self._accept, value) if isinstance(index, slice) else self._accept(value)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<{self._name}{' (frozen)' if self.frozen else ''} {self._items!r}>"

    def _accept(self, value: T) -> T:
        """Give what is stored for *value*."""
        return value

    def _check(self) -> None:
        if self.frozen:
            raise RuntimeError(f"{self._name} cannot change any more: the application serves. {self._remedy}")


class Signal(FreezableList[SignalHandler]):
    """Coroutine functions that are called one after another: ``signal.append(f)``, ``await signal.send(app)``.

    Make your own with a name for its messages, ``Signal("shop.paid")``; its owner does too, as in aiosignal. A signal
    that is frozen takes no more handlers; it can be sent before.
    """

    def __init__(self, name: object = "signal") -> None:
        self.name = name if isinstance(name, str) else f"the signal of {type(name).__name__}"
        super().__init__(name=self.name, remedy=f"Append to {self.name} before the application is run or mounted.")

    def __call__(self, handler: H) -> H:
        """Append *handler*, as a decorator."""
        self.append(handler)
        return handler

    def check(self) -> None:
        """Refuse handlers that are plain functions (``ConfigError``)."""
        for handler in self:
            _check_handler(self.name, handler)

    def freeze(self) -> None:
        """Refuse every change from now on, and handlers that are plain functions (``ConfigError``)."""
        self.check()
        super().freeze()

    async def send(self, *args: Any, **kwargs: Any) -> None:
        """Call every handler with the arguments, in order; the first error ends it.

        Raises:
            ConfigError: a handler gave nothing to await.
        """
        for handler in tuple(self):
            await _call_handler(self.name, handler, *args, **kwargs)


class SignalOfAiohttp(Signal):
    """A signal of aiohttp's own, which sends it to what is in here; with webkit's words for a change that is late."""

    def __init__(self, name: str, wrapped: MutableSequence[Any]) -> None:
        super().__init__(name)
        self._items = wrapped  # type: ignore[assignment]


def check_signals(application: "Application") -> None:
    """Refuse plain functions among the handlers of the signals of *application*.

    Those of aiohttp's application in it are looked at too, and those of all that is mounted, aiohttp's own
    applications as well.

    Raises:
        ConfigError: there is one; the message names it, its signal and the remedy.
    """
    for signal in (application.on_startup, application.on_shutdown, application.on_cleanup):
        signal.check()
    check_wrapped(application.aiohttp)
    hooks = application.on_response_prepare
    for index, hook in enumerate(hooks):
        if not is_coroutine_function(hook):
            # What it gives is seen when it is called, and aiohttp's own message would not name it.
            hooks[index] = _checked("on_response_prepare", hook)


def check_wrapped(wrapped: web.Application) -> None:
    """Refuse plain functions among the handlers of the signals of *wrapped*, and of all that is mounted in it.

    Raises:
        ConfigError: there is one.
    """
    for signal in ("on_startup", "on_shutdown", "on_cleanup", "on_response_prepare"):
        for handler in getattr(wrapped, signal):
            _check_handler(signal, handler)
    for app in sub_applications(wrapped):
        check_wrapped(app)


def _check_handler(signal: str, handler: SignalHandler) -> None:
    if not is_plain_function(handler):
        return
    name = name_of(handler)
    if inspect.isasyncgenfunction(handler):
        raise ConfigError(f"{name} cannot handle {signal}: it is a generator. Append it to app.cleanup_ctx instead.")
    raise ConfigError(f"{name} cannot handle {signal}: it is a plain function. Write 'async def' instead of 'def'.")


async def _call_handler(signal: str, handler: SignalHandler, *args: Any, **kwargs: Any) -> None:
    result = handler(*args, **kwargs)
    if not inspect.isawaitable(result):
        raise ConfigError(f"{name_of(handler)} handled {signal} without giving anything to await. Write 'async def'.")
    await result


def _checked(signal: str, handler: SignalHandler) -> SignalHandler:
    async def call(*args: Any, **kwargs: Any) -> None:
        await _call_handler(signal, handler, *args, **kwargs)

    return call


class Contexts(FreezableList[ContextFactory[Owner]], Generic[Owner]):
    """``cleanup_ctx``: contexts entered at start in order, and left at the end in reverse order."""

    def __init__(self, owner: Owner, logger: Logger) -> None:
        super().__init__(name="cleanup_ctx", remedy="Append to it before the application is run or mounted.")
        self._owner = owner
        self._logger = logger
        self._entered: list[AbstractAsyncContextManager[Any]] = []

    async def enter(self) -> None:
        """Enter all contexts. When one fails, those before it are left again, and its error is raised."""
        for factory in tuple(self):
            try:
                context = factory(self._owner)
                if not isinstance(context, AbstractAsyncContextManager):
                    context = asynccontextmanager(_as_generator(context))()
                await context.__aenter__()
            except BaseException:
                await self.leave_quietly()
                raise
            self._entered.append(context)

    def add_entered(self, context: AbstractAsyncContextManager[Any]) -> None:
        """Leave *context*, which somebody else has entered, before those that were entered by now."""
        self._entered.append(context)

    async def leave(self) -> None:
        """Leave what was entered, in reverse order, whatever fails on the way.

        Raises:
            Exception: the error of the one context that failed.
            aiohttp.web.CleanupError: several failed; all are in ``.exceptions``.
        """
        errors: list[BaseException] = []
        while self._entered:
            try:
                await self._entered.pop().__aexit__(None, None, None)
            except (Exception, CancelledError) as error:  # awaiting a task that was cancelled is usual here
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise web.CleanupError("Several contexts failed when they were left.", errors)

    async def leave_quietly(self) -> None:
        """Leave what was entered; errors are logged, because another one is on its way to the user."""
        try:
            await self.leave()
        except (Exception, CancelledError):
            self._logger.exception("A context failed when it was left after a failed start.")


def _as_generator(iterator: AsyncIterator[Any]) -> Callable[[], AsyncIterator[Any]]:
    """``asynccontextmanager`` wants the function, and the factory was called already to see what it gives."""
    return lambda: iterator


class Lifespan(AbstractAsyncContextManager[None]):
    """All contexts of a webkit application as the one context that aiohttp sees.

    When the start fails, aiohttp leaves the contexts of the root only: then this one leaves those below it first.
    """

    def __init__(self, wrapped: web.Application, contexts: Contexts[Any], logger: Logger) -> None:
        self._wrapped = wrapped
        self._contexts = contexts
        self._logger = logger

    async def __aenter__(self) -> None:
        check_signals(self._wrapped[APPLICATION])
        await self._contexts.enter()

    async def __aexit__(self, *error: object) -> None:
        # aiohttp freezes the root when every step of the start went well.
        if not self._wrapped.frozen:
            await leave_below(self._wrapped, self._logger)
            await self._contexts.leave_quietly()
        else:
            # What is mounted may stand on what its parent has opened.
            await leave_below(self._wrapped, self._logger, only_contexts=True)
            await self._contexts.leave()


def sub_applications(wrapped: web.Application) -> list[web.Application]:
    """Give the applications mounted directly into *wrapped*, in the order of mounting."""
    found = (resource.get_info().get("app") for resource in wrapped.router.resources())
    return [app for app in found if app is not None]


async def leave_below(wrapped: web.Application, logger: Logger, *, only_contexts: bool = False) -> None:
    """Leave the contexts of everything mounted into *wrapped*, the last entered first; errors are logged.

    With *only_contexts* plain applications are left to aiohttp, which sends their ``on_cleanup`` in the end.
    """
    for app in reversed(sub_applications(wrapped)):
        await leave_all(app, logger, only_contexts=only_contexts)


async def leave_all(app: web.Application, logger: Logger, *, only_contexts: bool = False) -> None:
    """Leave the contexts of *app*, which is mounted, and of everything below it (see ``leave_below``)."""
    await leave_below(app, logger, only_contexts=only_contexts)
    application = app.get(APPLICATION)
    try:
        if application is not None:
            await application.cleanup_ctx.leave()
        elif not only_contexts:
            await app.cleanup()
    except (Exception, CancelledError):
        logger.exception("A mounted application failed to leave its contexts.")
