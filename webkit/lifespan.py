"""What happens between start and stop: lists that freeze, signals, and contexts that are always left.

aiohttp leaves only the root application's contexts when a startup step fails; here everything that was entered
is left in reverse order, mounted applications included, and the first error is what the user sees.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableSequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from logging import Logger
from typing import Any, Generic, TypeVar, overload

from aiohttp import web

from webkit.requests import APPLICATION

__all__ = ["Contexts", "FreezableList", "Lifespan", "Signal", "sub_applications"]

T = TypeVar("T")
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
        self._items.insert(index, value)

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
        self._items[index] = value

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<{self._name}{' (frozen)' if self.frozen else ''} {self._items!r}>"

    def _check(self) -> None:
        if self.frozen:
            raise RuntimeError(f"{self._name} cannot change any more: the application serves. {self._remedy}")


class Signal(FreezableList[SignalHandler]):
    """Coroutine functions that are called one after another: ``signal.append(f)``, ``await signal.send(app)``."""

    def __init__(self, name: str = "signal") -> None:
        super().__init__(name=name, remedy=f"Append to {name} before the application is run or mounted.")

    async def send(self, *args: Any, **kwargs: Any) -> None:
        """Call every handler with the arguments, in order; the first error ends it."""
        for handler in tuple(self):
            await handler(*args, **kwargs)


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
            except Exception as error:
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise web.CleanupError("Several contexts failed when they were left.", errors)

    async def leave_quietly(self) -> None:
        """Leave what was entered; errors are logged, because another one is on its way to the user."""
        try:
            await self.leave()
        except Exception:
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
        await self._contexts.enter()

    async def __aexit__(self, *error: object) -> None:
        # aiohttp freezes the root when every step of the start went well.
        if not self._wrapped.frozen:
            await leave_below(self._wrapped, self._logger)
            await self._contexts.leave_quietly()
        else:
            await self._contexts.leave()


def sub_applications(wrapped: web.Application) -> list[web.Application]:
    """Give the applications mounted directly into *wrapped*, in the order of mounting."""
    found = (resource.get_info().get("app") for resource in wrapped.router.resources())
    return [app for app in found if app is not None]


async def leave_below(wrapped: web.Application, logger: Logger) -> None:
    """Leave the contexts of everything mounted into *wrapped*, the last entered first; errors are logged."""
    for app in reversed(sub_applications(wrapped)):
        await leave_below(app, logger)
        application = app.get(APPLICATION)
        try:
            await (application.cleanup_ctx.leave() if application is not None else app.cleanup())
        except Exception:
            logger.exception("A mounted application failed to clean up after a failed start.")
