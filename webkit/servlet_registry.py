"""Which servlet is bound where: it changes while requests are served, from any thread, and nobody waits for it.

The rules:

1. Readers take one reference, to a table that never changes. Writers make a new one, under a lock that is held for the
   making alone, never while code of a servlet runs.
2. A path is reserved while the servlet is asked (``accept_binding``, ``bound_to``) and while it is told of its end
   (``unbound_from``): nobody else gets it meanwhile. The callbacks run in the thread of the caller.
3. A servlet answers when its ``bound_to`` is through. It answers no new request as soon as its end begins, but
   ``get_servlet`` knows it until ``unbound_from`` is through.
4. A request that has begun finishes on its servlet. Beginning is two steps, being noted and then looking whether the
   end has begun; the end is two steps as well, beginning and then looking who is noted. So one of them sees the other.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from logging import Logger
from typing import Any, Final

from webkit.servlet_names import HTTP_MAX_BODY_SIZE, ServletType, max_body_size_of
from webkit.servlet_paths import Prefixes

__all__ = ["Binding", "Registry"]


#: What stands for the request that is served here, among those that are active.
ANSWERING: "Final[ContextVar[object]]" = ContextVar("webkit.servlets.answering", default=None)


class Binding:
    """A servlet on a path."""

    __slots__ = (
        "_idle",
        "active",
        "closers",
        "is_async",
        "is_draining",
        "max_body_size",
        "parameters",
        "path",
        "retired",
        "servlet",
        "type",
    )

    def __init__(
        self,
        path: str,
        servlet: Any,
        parameters: dict[str, Any],
        servlet_type: ServletType,
        max_body_size: int | None = None,
    ) -> None:
        self.path = path
        self.servlet = servlet
        self.parameters = parameters
        self.type = servlet_type
        self.is_async = servlet_type is ServletType.ASYNC
        #: Bytes that the body of a request may have, ``None`` for any number.
        self.max_body_size = max_body_size
        if HTTP_MAX_BODY_SIZE in parameters:
            self.max_body_size = max_body_size_of(parameters[HTTP_MAX_BODY_SIZE])
        #: Whether its end has begun.
        self.retired = False
        #: Whether somebody waits for the requests that run: streams of events end at their next event then.
        self.is_draining = False
        #: What closes the WebSockets that are open, from any thread.
        self.closers: set[Callable[[], object]] = set()
        #: What stands for the requests that run.
        self.active: set[object] = set()
        self._idle: Future[None] | None = None

    def settle(self) -> None:
        """Tell who waits for it when no request runs any more; called behind each that is over once the end began."""
        if not self.active and self._idle is not None:
            _settle(self._idle)

    def when_idle(self) -> "Future[None]":
        """End what would go on for ever, and give what is done when no request runs; ask once, after the end began."""
        self.is_draining = True
        for close in tuple(self.closers):
            close()
        idle: Future[None] = Future()
        self._idle = idle
        if not self.active:
            _settle(idle)
        return idle


class Registry:
    """All servlets of a service."""

    def __init__(
        self,
        logger: Logger,
        *,
        fold: Callable[[str], str],
        describe: Callable[[dict[str, Any], ServletType], None],
        max_body_size: int | None,
    ) -> None:
        """*fold* gives the path to compare by; *describe* puts what the service says of itself into parameters."""
        self._logger = logger
        self._max_body_size = max_body_size
        self._fold = fold
        self._describe = describe
        self._lock = threading.Lock()
        self._reserved: set[str] = set()
        self._bindings: dict[str, Binding] = {}
        #: What answers requests.
        self.serving: Prefixes[Binding] = Prefixes({})
        #: What ``get_servlet`` knows: those that are told of their end, too.
        self._known: Prefixes[Binding] = self.serving

    @property
    def paths(self) -> list[str]:
        """The paths, sorted."""
        return sorted(self._known.targets)

    def find(self, path: str | None) -> Binding | None:
        """Give the binding that *path* belongs to; it is compared as it is."""
        if not path or not path.startswith("/"):
            return None
        return self._known.find(self._fold(path))

    def register(
        self, path: str | None, servlet: Any, parameters: dict[str, Any] | None, servlet_type: ServletType
    ) -> bool:
        """Bind *servlet* to *path*; false where it refuses.

        *parameters* are kept, and what the service says of itself is written into them.

        Raises:
            ValueError: the type is none, there is no servlet, the path is none, or another one has it.
        """
        kind = _type_of(servlet_type)
        if servlet is None:
            raise ValueError("Invalid servlet instance: None. Give an object with do_GET, do_async_GET or the like.")
        if not path or not path.startswith("/"):
            raise ValueError(f"Invalid path given to register the servlet: {path}. A path starts with '/'.")
        path = self._fold(path)
        with self._lock:
            present = self._bindings.get(path)
            if present is not None and present.servlet is servlet and not present.retired:
                return True
            is_ours = path not in self._reserved and present is None
            if is_ours:
                self._reserved.add(path)
        try:
            return self._bind(path, servlet, {} if parameters is None else parameters, kind, is_ours=is_ours)
        finally:
            if is_ours:
                with self._lock:
                    self._reserved.discard(path)

    def _bind(
        self, path: str, servlet: Any, parameters: dict[str, Any], servlet_type: ServletType, *, is_ours: bool
    ) -> bool:
        self._describe(parameters, servlet_type)
        # One that does not want to be here is not told that somebody else is.
        if not self._ask(servlet, "accept_binding", path, parameters):
            return False
        if not is_ours:
            raise ValueError(f"A servlet is already registered on {path}")
        if not self._ask(servlet, "bound_to", path, parameters):
            return False
        with self._lock:
            self._bindings[path] = Binding(path, servlet, parameters, servlet_type, self._max_body_size)
            self._publish()
        return True

    def retire(self, path: str | None, servlet: Any = None) -> Binding | None:
        """Let no new request come to *path*; ``unbind`` has to follow.

        ``None`` where there is nothing to end, or another servlet than *servlet*, if one is named.
        """
        if not path:
            return None
        path = self._fold(path)
        with self._lock:
            binding = self._bindings.get(path)
            if binding is None or binding.retired or (servlet is not None and binding.servlet is not servlet):
                return None
            binding.retired = True
            self._reserved.add(path)
            self._publish()
        return binding

    def unbind(self, binding: Binding) -> None:
        """Tell the servlet of a retired *binding* of its end, and forget it."""
        try:
            self._ask(binding.servlet, "unbound_from", binding.path, binding.parameters)
        finally:
            with self._lock:
                del self._bindings[binding.path]
                self._reserved.discard(binding.path)
                self._publish()

    async def drain(self, path: str, timeout: float) -> bool:
        """Retire, wait for the requests that run, and unbind; false where there is nothing to end."""
        binding = self.retire(path)
        if binding is None:
            return False
        # A servlet that drains itself would wait for itself.
        binding.active.discard(ANSWERING.get())
        with self._ending(binding, timeout):
            idle = binding.when_idle()
            if not idle.done():  # to hear of it takes a turn of the loop, which no time at all does not leave
                async with asyncio.timeout(timeout):
                    await asyncio.wrap_future(idle)
        return True

    def drain_threadsafe(self, path: str, timeout: float) -> bool:
        """Do the same from a thread (``RuntimeError`` where an event loop runs in it)."""
        if _is_in_loop():
            raise RuntimeError(
                "An event loop runs in this thread, and would wait for itself: await service.drain(...)."
            )
        binding = self.retire(path)
        if binding is None:
            return False
        binding.active.discard(ANSWERING.get())
        with self._ending(binding, timeout):
            binding.when_idle().result(timeout)
        return True

    @contextmanager
    def _ending(self, binding: Binding, timeout: float) -> Iterator[None]:
        """Unbind in the end, whether or not the requests have finished by then."""
        try:
            yield
        except TimeoutError:
            self._logger.warning(
                "%d requests to %s did not finish in %g s; its servlet is unregistered all the same.",
                len(binding.active),
                binding.path,
                timeout,
            )
        finally:
            self.unbind(binding)

    def paths_of(self, servlet: Any) -> list[str]:
        """Give the paths that *servlet* is bound to."""
        with self._lock:
            return [path for path, binding in self._bindings.items() if binding.servlet is servlet]

    def _publish(self) -> None:
        """Make new tables; the lock is held."""
        self._known = Prefixes(self._bindings)
        serving = {path: known for path, known in self._bindings.items() if not known.retired}
        self.serving = self._known if len(serving) == len(self._bindings) else Prefixes(serving)

    def _ask(self, servlet: Any, name: str, path: str, parameters: dict[str, Any]) -> bool:
        """Call a callback; one that is not there, or gives ``None``, agrees. What it raises is logged, and refuses."""
        callback = getattr(servlet, name, None)
        if callback is None:
            return True
        try:
            result = callback(path, parameters)
            if isinstance(result, Coroutine):
                result.close()
                self._logger.error("%s of %r is called, not awaited: write it with def, not async def.", name, servlet)
            return result is None or bool(result)
        except Exception:
            self._logger.exception("%s of %r failed for %s", name, servlet, path)
            return False


def _settle(idle: "Future[None]") -> None:
    # Two threads may come to it at once, and who waits may have given up.
    with suppress(InvalidStateError):
        idle.set_result(None)


def _type_of(servlet_type: Any) -> ServletType:
    """Give the type; that of iPOPO's own enumeration, which has the same values, is one too."""
    try:
        return ServletType(getattr(servlet_type, "value", servlet_type))
    except ValueError:
        kinds = ", ".join(f"ServletType.{kind.name}" for kind in ServletType)
        raise ValueError(f"{servlet_type!r} is no type of servlet; choose one of {kinds}.") from None


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
