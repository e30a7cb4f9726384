"""What stands in aiohttp's router beside the routes: the places of mounted applications, and other names of routes."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web
from yarl import URL

from webkit.errors import RouteError
from webkit.limits import take_limits
from webkit.paths import normalize_literal
from webkit.requests import APPLICATION, add_query, url_of
from webkit.resources import INDEX_PREFIX, DynamicResource, Miss, PlainResource

if TYPE_CHECKING:
    from webkit.routing import RouteTable

__all__ = ["MountPoint", "NameAlias", "Resolved", "Unlisted"]

# aiohttp's answer of a resource: the match or None, and the methods that the path would allow.
Resolved = tuple[web.UrlMappingMatchInfo | None, set[str]]


class Unlisted(web.AbstractResource):
    """A resource of webkit's own machinery: it has no routes to list, and no URL."""

    def url_for(self, /, **parts: Any) -> URL:
        """Refuse: only routes have URLs."""
        raise RouteError(f"{self!r} has no URL; ask for a route by its name.")

    def get_info(self) -> Any:
        """Describe it as aiohttp describes a prefix."""
        return {"prefix": self.canonical}

    def raw_match(self, path: str) -> bool:
        """Never: aiohttp's router adds nothing to it."""
        return False

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.canonical}>"


class MountPoint(Unlisted):
    """The place of a mounted application, ahead of it: asks the routes that are more exact, then the application.

    aiohttp's rule is the longest literal prefix, then registration: ``/admin/help`` of the parent comes before an
    application mounted at ``/admin``. The table stands behind all mounts, so those of its routes are asked here.
    """

    def __init__(self, table: "RouteTable", prefix: str) -> None:
        super().__init__()
        self._table = table
        self._outer = ""
        self._path = prefix
        self._depth = prefix.count("/")
        self._order = len(table.resources)
        table.last = None
        #: aiohttp's resource of the mounted application, known once it is mounted.
        self.target: web.AbstractResource | None = None
        self._is_foreign = False

    def comes_after(self, resource: "PlainResource | DynamicResource") -> bool:
        """Whether *resource* is asked before the mounted application."""
        depth = resource.path_template.literal_depth
        return depth > self._depth or (depth == self._depth and resource.order < self._order)

    @property
    def canonical(self) -> str:
        """The path of the mount."""
        return self._outer + self._path

    async def resolve(self, request: web.Request) -> Resolved:
        """Ask the parent's more exact routes, then the mounted application."""
        path = self._table.path_below(request)
        # The mounted application may be one of aiohttp's, and refuse nothing.
        if path is not None and (refused := self._table.refuse(request)) is not None:
            return refused, set()
        found, allowed = (None, set()) if path is None else self._table.find(request.method, path, ahead_of=self)
        if found is not None or self.target is None:
            take_limits(request, found)
            return found, allowed
        match, allowed = await self.target.resolve(request)
        if match is None or isinstance(match, Miss):
            return match, allowed
        if self._is_foreign and request.headers.get(hdrs.EXPECT) and match.http_exception:
            match = Miss(match)
        return match, allowed

    def freeze(self) -> None:
        """Note whether what is mounted is an application of aiohttp's, whose 404 invites bodies."""
        self._is_foreign = self.target is not None and APPLICATION not in self.target.get_info()["app"]

    def add_prefix(self, prefix: str) -> None:
        """Note the prefix of an application that mounts the parent."""
        self._outer = normalize_literal(prefix) + self._outer


class NameAlias(Unlisted):
    """A route of a mounted application under its name in the parent: ``"admin:user"``."""

    def __init__(self, name: str, target: web.AbstractResource) -> None:
        super().__init__(name=name)
        self.target = target

    @property
    def canonical(self) -> str:
        """A key that no path equals."""
        return f"{INDEX_PREFIX}alias"

    @property
    def template(self) -> str:
        """The template of the route it names."""
        return getattr(self.target, "template", self.target.canonical)

    def url_for(self, /, **parts: Any) -> URL:
        """Give the URL of the route it names."""
        return url_of(self.target, parts)

    def url(self, *, parts: Mapping[str, Any] | None = None, query: Mapping[str, Any] | str | None = None) -> str:
        """Give the URL as a string (aiohttp 0.21)."""
        return str(add_query(self.url_for(**(parts or {})), query))

    async def resolve(self, request: web.Request) -> Resolved:
        """Never: the mounted application answers."""
        return None, set()

    def add_prefix(self, prefix: str) -> None:
        """Do nothing: the route it names gets the prefix itself."""

    def get_info(self) -> Any:
        """Describe the route it names."""
        return self.target.get_info()
