"""Where a request belongs: its clean path behind the mount of the service, and the servlet that answers it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from webkit.servlet_names import ServletType
from webkit.servlet_registry import Binding

__all__ = ["Around", "Routing", "Serve"]


@dataclass(slots=True)  # PERF: not frozen, which takes five times as long to make
class Routing:
    """Where a request belongs."""

    mount: str  #: the path that the service is mounted at
    path: str  #: the clean path behind it; as it came where it is refused
    binding: Binding | None = None  #: what answers it
    error: int | None = None  #: 400 where the path is refused

    @property
    def servlet(self) -> Any:
        """The servlet, ``None`` where there is none."""
        return None if self.binding is None else self.binding.servlet

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that the servlet was bound with."""
        return {} if self.binding is None else self.binding.parameters

    @property
    def prefix(self) -> str:
        """The path that the servlet is registered on."""
        return "" if self.binding is None else self.binding.path

    @property
    def servlet_type(self) -> ServletType:
        """How the servlet is called."""
        return ServletType.SYNC if self.binding is None else self.binding.type


Serve = Callable[[web.Request, Routing], Awaitable[web.StreamResponse]]
#: ``async def around(request, routing, serve)``: does its part, and ``return await serve(request, routing)``.
Around = Callable[[web.Request, Routing, Serve], Awaitable[web.StreamResponse]]
