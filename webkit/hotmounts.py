"""Applications that come and go while another one serves: ``await app.hot_mount("/shop", shop)``.

A mount is ready before anybody sees it: started, frozen, and then put into aiohttp's index of prefixes in one step,
where it is found as any other mount is. It is taken out in one step as well, before anything of it is ended: what has
begun goes on, and what comes from then on finds what was there before. An application without hot mounts pays nothing.

The order is that of aiohttp's own runner. ``pre_freeze()`` fixes routes, middlewares and signals, ``startup()`` runs
the steps and enters the contexts, and ``freeze()`` comes last: it fixes the state, and a step or a context that does
``app[key] = ...``, as nearly each does, would be refused by an application that is frozen already.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from webkit._aiohttp import take_loop, unindex
from webkit.errors import ConfigError, RouteError
from webkit.hotmatches import HotMatch, make_hot
from webkit.lifespan import check_wrapped, leave_all
from webkit.mountpoints import MountPoint, NameAlias, Resolved
from webkit.paths import mount_prefix, normalize_literal
from webkit.requests import APPLICATION
from webkit.routing import RouteTable
from webkit.streams import OpenStreams

if TYPE_CHECKING:
    from webkit.application import Application

__all__ = ["HotHost", "HotMounts"]

# Who was cancelled may take this long to end.
_CANCEL_S: Final = 1.0
# While requests are waited for, one of them may begin a stream that has to be ended.
_LOOK_AGAIN_S: Final = 0.25


class HotHost:
    """What an application has for those that are mounted while it serves."""

    _hot: "HotMounts"

    @property
    def hot_mounts(self) -> "Mapping[str, Application | web.Application]":
        """The applications that are hot-mounted now, by their paths: a view that does not change."""
        return self._hot.served

    @property
    def hot_names(self) -> "Mapping[str, web.AbstractResource]":
        """The routes of what is hot-mounted now with a name, as ``"name:route"``."""
        return self._hot.names

    async def hot_mount(self, path: str, thing: "Application | web.Application", *, name: str | None = None) -> None:
        """Mount *thing* below *path* while this application serves: it is frozen and started, and then seen at once.

        It is as if it had been mounted with ``mount``: the middlewares and error handlers of this application are
        around it, its own run once, and the longest path wins. With a *name* ``url_for`` knows its routes as
        ``"name:route"``.

        Raises:
            ConfigError: this application does not serve, *thing* is no application, was mounted or served before (an
                application lives once), or *path* is taken by another mount.
            RouteError: *path* is no literal path, or a name is taken.
            Exception: what a startup step of *thing* raised; the contexts that it had entered are left.
        """
        await self._hot.mount(mount_prefix(path), thing, name)

    async def hot_unmount(self, path: str, *, timeout: float = 25.0) -> None:
        """Take out what is hot-mounted at *path*, and end it: requests from now on find what was there before.

        WebSockets are closed with 1001 and event streams end; other requests have *timeout* seconds, and are cancelled
        then. After that ``on_shutdown`` is sent and the contexts are left. It goes on if the caller is cancelled.
        Requests to *thing* itself that call this are not waited for.

        Raises:
            ConfigError: nothing is hot-mounted there, or it is being started.
            Exception: what shutdown or clean-up raised; an ``ExceptionGroup`` where both did.
        """
        await self._hot.unmount(mount_prefix(path), timeout)


class HotMount:
    """One application that is mounted while another one serves, from the first step to the last."""

    def __init__(
        self, path: str, thing: "Application | web.Application", child: web.Application, table: RouteTable
    ) -> None:
        self.path = path
        self.thing = thing
        self.child = child
        self.names: Mapping[str, web.AbstractResource] = {}
        self.point = _HotPoint(table, self)
        #: What starts it, and what ends it.
        self.starting: asyncio.Task[None] | None = None
        self.closing: asyncio.Task[None] | None = None
        self.is_served = False
        #: The requests that have come to it, by the tasks that serve them, their answers included.
        self.running: dict[asyncio.Task[Any], tuple[web.Request, HotMatch]] = {}
        #: Those of them that wait for the end themselves.
        self.enders: set[asyncio.Task[Any]] = set()
        self._was_shut_down = False

    def note(self, request: web.Request, match: HotMatch) -> None:
        """Remember *request* until its answer is sent."""
        task = asyncio.current_task()
        if task is not None and task not in self.running:
            self.running[task] = request, match
            task.add_done_callback(lambda done: self.running.pop(done, None))

    async def drain(self, timeout: float) -> None:
        """Wait until no request is running that does not wait for this itself; what is left then is cancelled."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while (running := self.running.keys() - self.enders) and (left := deadline - loop.time()) > 0:
            await _end_streams([self.running[task] for task in running])
            await asyncio.wait(running, timeout=min(left, _LOOK_AGAIN_S))
        if running:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=_CANCEL_S)
            _log(self.thing).warning(
                "%d requests to %s did not finish in %g s and were cancelled.", len(running), self.path, timeout
            )

    async def shutdown(self) -> None:
        """Send ``on_shutdown``, once."""
        if not self._was_shut_down:
            self._was_shut_down = True
            await self.child.shutdown()

    async def end(self) -> list[BaseException]:
        """Send ``on_shutdown`` and leave the contexts, whatever fails on the way; give what failed."""
        return [error for step in (self.shutdown, self.child.cleanup) if (error := await _error_of(step)) is not None]


class _HotPoint(MountPoint):
    """The place of a hot mount in aiohttp's index, which is that of a mount."""

    def __init__(self, table: RouteTable, mount: HotMount) -> None:
        super().__init__(table, mount.path)
        outer = table.canonical[:-1]
        self.add_prefix(outer)
        self.target = web.PrefixedSubAppResource(outer + mount.path, mount.child)
        self._mount = mount

    async def resolve(self, request: web.Request) -> Resolved:
        """Ask the parent's more exact routes, then the mounted application, and note who goes there."""
        found, allowed = await super().resolve(request)
        if found is None or not found.apps:
            return found, allowed
        hot = make_hot(found)
        self._mount.note(request, hot)
        return hot, allowed


class HotMounts(AbstractAsyncContextManager[None]):
    """What is hot-mounted in one application: a context that it leaves before all others."""

    def __init__(self, application: "Application", table: RouteTable) -> None:
        self._application = application
        self._table = table
        self._router = application.aiohttp.router
        #: All there are, those that start or end among them: their paths are taken.
        self._all: dict[str, HotMount] = {}
        self.served: Mapping[str, Application | web.Application] = MappingProxyType({})
        #: The routes by name, of those with a name.
        self.names: Mapping[str, web.AbstractResource] = MappingProxyType({})
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_over = False

    def begin(self) -> None:
        """Note the event loop: the application starts."""
        self._loop = asyncio.get_running_loop()
        self._application.cleanup_ctx.add_entered(self)

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def mount(self, path: str, thing: Any, name: str | None) -> None:
        """Start *thing*, and let it be found below *path* (see ``HotHost.hot_mount``)."""
        self._check_serving()
        if not path:
            raise RouteError("An application cannot be mounted at '/': it would hide every route. Give it a path.")
        self._check_free(path)
        child = self._application._check_below(thing)  # noqa: SLF001 - one of our own
        names = self._names_of(child, name)
        mount = self._all[path] = HotMount(path, thing, child, self._table)
        mount.names = names
        try:
            self._freeze(mount)
            mount.starting = asyncio.create_task(self._start(mount))
            await mount.starting
        except BaseException as error:
            if mount.is_served:  # cancelled in the very moment in which it was through: nobody would know of it
                await asyncio.shield(self._close_quietly(mount))
            elif mount.closing is None:
                del self._all[path]
            task = asyncio.current_task()
            if self._is_over and isinstance(error, asyncio.CancelledError) and task and not task.cancelling():
                raise ConfigError(f"{thing!r} is not mounted: the application stopped meanwhile.") from None
            raise

    async def unmount(self, path: str, timeout: float) -> None:
        """Take out what is at *path*, and end it (see ``HotHost.hot_unmount``)."""
        self._check_serving()
        mount = self._all.get(path)
        if mount is None:
            known = ", ".join(map(repr, self._all)) or "nothing"
            raise ConfigError(f"Nothing is hot-mounted at {path!r}; hot-mounted is {known}.")
        if mount.closing is None and not mount.is_served:
            raise ConfigError(f"{mount.thing!r} at {path!r} is being started: await hot_mount first.")
        if (task := asyncio.current_task()) is not None:
            mount.enders.add(task)
        # Half an end would be none: it goes on when the caller is cancelled, and a second caller waits for it.
        await asyncio.shield(self._close(mount, timeout))

    async def shut_down(self) -> None:
        """Tell all that the server stops, when the application itself knows; from now on nothing comes.

        Raises:
            Exception: what one raised; an ``ExceptionGroup`` where several did.
        """
        self._is_over = True
        served = [mount for mount in self._all.values() if mount.is_served]
        _raise([error for mount in served if (error := await _error_of(mount.shutdown)) is not None])

    async def close(self) -> None:
        """End all, the last mounted first, before the application leaves its contexts; errors are logged."""
        self._is_over = True
        for mount in reversed(tuple(self._all.values())):
            if mount.starting is not None:
                mount.starting.cancel()
                await asyncio.wait({mount.starting})
            if mount.is_served or mount.closing is not None:
                await self._close_quietly(mount)

    # The steps

    def _freeze(self, mount: HotMount) -> None:
        if APPLICATION in mount.child:
            mount.child[APPLICATION]._parent = self._application  # noqa: SLF001 - one of our own
        else:
            check_wrapped(mount.child)
        take_loop(mount.child)
        mount.child.pre_freeze()
        mount.point.freeze()

    async def _start(self, mount: HotMount) -> None:
        try:
            await mount.child.startup()
        except BaseException:
            await leave_all(mount.child, _log(mount.thing))
            raise
        mount.child.freeze()
        if self._is_over:
            for error in await mount.end():
                _log(mount.thing).error("%s failed when it was ended again.", mount.path, exc_info=error)
            raise asyncio.CancelledError
        self._table.is_alone = False
        self._router.index_resource(mount.point)
        mount.is_served = True
        self._show()

    def _close(self, mount: HotMount, timeout: float) -> "asyncio.Task[None]":
        if mount.closing is None:
            unindex(self._router, mount.point)
            mount.is_served = False
            self._show()
            mount.closing = asyncio.create_task(self._end(mount, timeout))
        return mount.closing

    async def _close_quietly(self, mount: HotMount) -> None:
        error = await _error_of(lambda: self._close(mount, 0.0))
        if error is not None:
            _log(self._application).error("%s failed when it was unmounted.", mount.path, exc_info=error)

    async def _end(self, mount: HotMount, timeout: float) -> None:
        try:
            await mount.drain(timeout)
        finally:
            errors = await mount.end()
            del self._all[mount.path]
        _raise(errors)

    def _show(self) -> None:
        served = [mount for mount in self._all.values() if mount.is_served]
        self.served = MappingProxyType({mount.path: mount.thing for mount in served})
        self.names = MappingProxyType({name: found for mount in served for name, found in mount.names.items()})

    # What is refused

    def _check_serving(self) -> None:
        if self._is_over:
            raise ConfigError("The application stops, or has stopped: nothing is mounted or unmounted any more.")
        if self._loop is None or not self._application.aiohttp.frozen:
            raise ConfigError("The application does not serve yet. Until then it is app.mount(path, thing).")
        if self._loop is not asyncio.get_running_loop():
            raise ConfigError(
                "Another event loop serves the application. From another thread it is "
                "asyncio.run_coroutine_threadsafe(app.hot_mount(...), loop)."
            )

    def _check_free(self, path: str) -> None:
        there = self._all.get(path)
        if there is not None:
            state = "is being ended" if there.closing else "is hot-mounted" if there.is_served else "is being started"
            raise ConfigError(f"{there.thing!r} {state} at {path!r}. Await hot_unmount({path!r}) first.")
        place = self._table.canonical[:-1] + path
        for known in self._router.resources():
            prefix = known.get_info().get("prefix")
            if prefix and not isinstance(known, NameAlias) and normalize_literal(prefix) == place:
                raise ConfigError(f"{path!r} is taken by {known!r}, which would answer first. Choose another path.")

    def _names_of(self, child: web.Application, name: str | None) -> Mapping[str, web.AbstractResource]:
        """Give the routes of *child* by the names that they have here."""
        # A router of its own knows which names aiohttp takes.
        aliases = web.UrlDispatcher()
        for inner, resource in child.router.named_resources().items() if name is not None else ():
            outer = f"{name}:{inner}"
            if outer in self._router or any(outer in mount.names for mount in self._all.values()):
                raise RouteError(f"The route name {outer!r} is taken. Choose another name than {name!r}.")
            try:
                aliases.register_resource(NameAlias(outer, resource))
            except ValueError as error:
                raise RouteError(f"The name {name!r} cannot be: {error}.") from None
        return aliases.named_resources()


async def _end_streams(running: Iterable[tuple[web.Request, HotMatch]]) -> None:
    """Close the WebSockets and end the event streams of requests; the outermost application knows them."""
    found: dict[OpenStreams, set[asyncio.Transport]] = {}
    for request, match in running:
        if match.has_begun and request.transport is not None:
            outermost = next(app[APPLICATION] for app in match.apps if APPLICATION in app)
            found.setdefault(outermost._streams, set()).add(request.transport)  # noqa: SLF001 - one of our own
    for streams, transports in found.items():
        await streams.close_those(transports)


async def _error_of(step: Callable[[], Awaitable[None]]) -> BaseException | None:
    """Give what *step* raises; awaiting a task that was cancelled is usual at the end."""
    try:
        await step()
    except (Exception, asyncio.CancelledError) as error:
        return error
    return None


def _raise(errors: "list[BaseException]") -> None:
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("Several steps failed.", errors)


def _log(thing: Any) -> logging.Logger:
    return thing.logger  # type: ignore[no-any-return]
