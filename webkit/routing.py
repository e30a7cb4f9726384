"""Routing: webkit's table inside aiohttp's router. With :mod:`webkit.resources` and :mod:`webkit.mountpoints` all that
knows aiohttp's protocol of resources.

The table is one resource of the wrapped router, so a request takes the same path under every runner. aiohttp's
router asks its resources by prefix, the longest first; the table stands under the shortest and is moved behind
everything else there when the application freezes. What is added straight to aiohttp's router is asked before it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, get_args

from aiohttp import hdrs, web
from yarl import URL

from webkit.boundary import Boundary
from webkit.checks import find_refusal, is_ordinary
from webkit.errors import ConfigError, RouteError
from webkit.limits import take_limits
from webkit.matching import Leaf, Matcher, Rest
from webkit.mountpoints import MountPoint, Resolved, Unlisted
from webkit.paths import normalize_literal, parse
from webkit.refusals import REFUSAL, closing, pass_expectation, refuse
from webkit.requests import APPLICATION
from webkit.resources import DynamicResource, MatchInfo, Miss, MissRoute, OwnMiss, PlainResource, TableRoute
from webkit.types import Handler, Middleware

__all__ = ["Frozen", "RouteTable", "TrailingSlash", "note_begun"]

#: What becomes of a path that misses or has a slash at its end too much: 404, a redirect (308), or the route itself.
TrailingSlash = Literal["strict", "redirect", "ignore"]

# The table that has found nothing and asks what the others have.
_STEPS_BACK: "Final[web.RequestKey[Any]]" = web.RequestKey("webkit.steps_back", object)

# Whether 404 or 405 was found for a request.
_MISSED: Final = web.RequestKey("webkit.missed", bool)


class Frozen(NamedTuple):
    """What an application has around its routes when it freezes.

    *is_bare* is whether the wrapped application has no middlewares, not even the boundary. *answer_miss* answers 404
    and 405, where requests do not come through the boundary and somebody wants to see them.
    """

    middlewares: Sequence[Middleware]
    is_behind_boundary: bool
    is_bare: bool
    answer_miss: Handler | None


class RouteTable(Unlisted):
    """All routes of one application. It knows no prefix but the one it is asked under, which may still grow."""

    def __init__(
        self,
        router: web.UrlDispatcher,
        *,
        errors: Boundary,
        before_freeze: Callable[[], Frozen],
        trailing_slash: TrailingSlash = "strict",
    ) -> None:
        """Register with *router*.

        *errors* is the error boundary around each endpoint; *before_freeze* gives what the application has around
        them, which may not change any more.
        """
        super().__init__()
        self.resources: list[PlainResource | DynamicResource] = []
        #: What a route of the same path joins; a mount in between ends that, as in aiohttp.
        self.last: PlainResource | DynamicResource | None = None
        self.frozen = False
        self._router = router
        self._errors = errors
        #: Whether no application around the routes wants to see every response; not known before the first one.
        self.is_quiet: bool | None = None
        self._prefix = ""
        self._claims: dict[tuple[str, str], TableRoute] = {}
        #: The entry of all routes where requests come through a boundary anyway; always the same object.
        self.call_inner: Handler = _make_entry()
        self._matcher: Matcher[PlainResource | DynamicResource] | None = None
        self._literal: dict[str, dict[str, TableRoute]] = {}
        self._leaves: dict[str, Leaf[PlainResource | DynamicResource]] = {}
        self._rests: dict[str, Rest[PlainResource | DynamicResource]] = {}
        self._only_rest: Rest[PlainResource | DynamicResource] | None = None
        self._has_rests = False
        #: Whether the router has nothing but this table, and nothing of aiohttp's is around that (see ``dispatch``).
        self.is_alone = False
        #: Answers 404 and 405, where there is no boundary and somebody wants to see them.
        self.answer_miss: Handler | None = None
        self._before_freeze = before_freeze
        if trailing_slash not in get_args(TrailingSlash):
            raise ConfigError(f"trailing_slash={trailing_slash!r}: choose one of {', '.join(get_args(TrailingSlash))}.")
        self._trailing_slash = trailing_slash
        # Of no resource that anybody sees: they answer for paths that are no route's.
        nowhere = PlainResource(self, parse("/"))
        self._slash_route = TableRoute("*", _redirect_slash, nowhere)
        self._missed = MissRoute("*", _raise_miss, nowhere)
        self._whole_server = TableRoute("OPTIONS", _answer_for_server, nowhere)
        self._refused = TableRoute("*", refuse, nowhere, expect_handler=pass_expectation)
        router.register_resource(self)

    def add_resource(self, path: str, *, name: str | None = None) -> PlainResource | DynamicResource:
        """Give the resource of *path*: the last one when path and name are the same, or the one that *name* names.

        Raises:
            RouteError: the path or the name is no good, or the name is taken by another path.
        """
        self.check_open()
        for known in (self.last,) if name is None else self.resources:
            if known is not None and known.name == name and known.path_template.path == path:
                return known
        template = parse(path)
        kind = DynamicResource if template.parameters else PlainResource
        resource = kind(self, template, name=name)
        try:
            self._router.register_resource(resource)
        except ValueError as error:
            raise RouteError(f"The route name {name!r} for {path!r} cannot be: {error}.") from None
        self.resources.append(resource)
        self.last = resource
        self.changed()
        return resource

    def check_open(self) -> None:
        """Refuse a change that comes too late."""
        if self.frozen or self._router.frozen:
            raise RouteError(
                "The routes are frozen: the application serves or is mounted. Add routes before mounting and running."
            )

    def changed(self) -> None:
        """Forget what was prepared for the routes so far."""
        self._matcher = None
        self._literal = {}
        self._leaves = {}
        self._rests = {}
        self._only_rest = None
        self._has_rests = False

    def claim(self, route: TableRoute) -> bool:
        """Take the method and the shape of *route*'s path; false where an implied HEAD is not needed.

        Raises:
            RouteError: another route has them.
        """
        resource = route.table_resource
        key = (route.method, resource.path_template.shape)
        taken = self._claims.get(key)
        if taken is not None and not taken.implied:
            if route.implied:
                return False
            other = taken.table_resource
            raise RouteError(
                f"{route.method} {resource.path_template.path} ({route.origin}) is never reached: "
                f"{taken.method} {other.path_template.path} ({taken.origin}) has the same method and path."
            )
        if taken is not None:
            taken.table_resource.drop_implied()
        self._claims[key] = route
        return True

    def find(
        self, method: str, path: str, *, ahead_of: "MountPoint | None" = None
    ) -> tuple[MatchInfo | None, set[str]]:
        """Find the route for *method* and *path* (``path_safe``, without the prefix of the application).

        Gives aiohttp's pair: the match or ``None``, and the methods that the path would allow.
        """
        return self._find_among(self._prepared_matcher().candidates(path), method, ahead_of)

    def _find_sole(self, method: str, path: str) -> MatchInfo | None:
        """Find the route where *path* can go one way only; ``None`` where :meth:`find` has to tell."""
        entries: Sequence[Any] = ()
        texts: Sequence[str] = ()
        # PERF: most paths with parameters have one, which is the last segment, or all of the rest below a mounted
        # folder or service. Either takes a third of the time that the tree takes.
        if self._has_rests:
            rest = self._only_rest or self._rests.get(path[1 : path.find("/", 1)])
            if rest is not None and path.startswith(rest.prefix) and len(path) >= rest.least:
                entries, texts = (rest,), (path[len(rest.prefix) :],)
        if not entries and self._leaves:
            start = path.rfind("/") + 1
            leaf = self._leaves.get(path[:start])
            if leaf is not None and leaf.test(last := path[start:]) is not None and last not in leaf.others:
                entries, texts = leaf.entries, (last,)
        if not entries:
            entries, texts = (self._matcher or self._prepared_matcher()).sole(path)
        if "%" in path:
            texts = [_unquote(text) for text in texts]
        for entry in entries:
            by_method = entry.target.by_method
            route = by_method.get(method) or by_method.get("*")
            if route is not None and (match := route.read(texts, method)) is not None:
                return match
        return None

    def _find_among(
        self,
        candidates: Iterable[tuple[PlainResource | DynamicResource, dict[str, str]]],
        method: str,
        ahead_of: "MountPoint | None",
    ) -> tuple[MatchInfo | None, set[str]]:
        allowed: set[str] = set()
        for resource, quoted in candidates:
            if ahead_of is not None and not ahead_of.comes_after(resource):
                continue
            texts = {name: _unquote(text) for name, text in quoted.items()}
            route = resource.route_for(method)
            if route is None:
                routes = resource.table_routes
                allowed.update(known.method for known in routes if known.match(texts, method) is not None)
            elif (match := route.match(texts, method)) is not None:
                return match, allowed
        return None, allowed

    def has_foreign_routes(self, *, with_folders: bool) -> bool:
        """Whether aiohttp's router has routes of its own, or folders where those count.

        A resource without routes counts too: aiohttp lets it have some at any time.
        """
        ours = (Unlisted, PlainResource, DynamicResource)
        foreign = [known for known in self._router.resources() if not isinstance(known, ours)]
        return any(with_folders or not isinstance(known, web.StaticResource) for known in foreign)

    def move_to_end(self) -> None:
        """Stand behind everything that aiohttp's router holds under the same key."""
        self._router.unindex_resource(self)
        self._router.index_resource(self)

    def note_around(self, apps: Sequence[web.Application]) -> None:
        """Note whether *apps*, which are around the routes, have somebody who wants to see responses."""
        self.is_quiet = all(len(app.on_response_prepare) == (APPLICATION in app) for app in apps)
        self._errors.note_around(apps)

    # What aiohttp's router asks of a resource.

    @property
    def canonical(self) -> str:
        """The shortest path below the application, so that every path below it comes here."""
        return self._prefix + "/"

    def freeze(self) -> None:
        """Compose the chain of every route; called by aiohttp when the application freezes or is mounted."""
        if self.frozen:
            return
        middlewares, is_behind_boundary, is_bare, self.answer_miss = self._before_freeze()
        self.frozen = True
        ours = (RouteTable, PlainResource, DynamicResource)
        self.is_alone = is_bare and all(isinstance(known, ours) for known in self._router.resources())
        shared = self.call_inner if is_behind_boundary else None
        routes = [route for resource in self.resources for route in resource.table_routes]
        for route in (*routes, self._slash_route, self._missed, self._whole_server):
            route.compile(middlewares, self._errors, shared)
        self._refused.compile((), self._errors, shared, closing)
        self._prepared_matcher()
        self.move_to_end()

    def add_prefix(self, prefix: str) -> None:
        """Note the prefix of an application that mounts this one."""
        self._prefix = normalize_literal(prefix) + self._prefix
        self.changed()

    async def resolve(self, request: web.Request) -> Resolved:
        """Find the route for *request*."""
        path = self.path_below(request)
        if path is None:
            return None, set()
        match = self.find_at_once(request, path)
        if match is not None:
            return match, set()
        if (refused := self.refuse(request)) is not None:
            return refused, set()
        match, allowed = self.find(request.method, path)
        if match is None:
            return await self._resolve_miss(request, path, allowed)
        match.is_quick = self.is_quiet is True and request.method != "HEAD" and is_ordinary(request)
        take_limits(request, match)
        return match, set()

    def find_at_once(self, request: web.Request, path: str) -> MatchInfo | None:
        """Find the route for *request*, which is *path* here, if both are ordinary; ``None`` where more is to ask."""
        # PERF: every request comes here, so no refusal is looked for where there is nothing unusual.
        if not is_ordinary(request):
            return None
        method = request.method
        routes = self._literal.get(path)
        if routes is None:
            match = self._find_sole(method, path)
        else:
            route = routes.get(method) or routes.get("*")
            match = None if route is None else MatchInfo({}, route, {})
        if match is not None:
            match.is_quick = self.is_quiet is True and method != "HEAD"
            if match.table_route.limits is not None:
                take_limits(request, match)
        return match

    def find_or_miss(self, request: web.Request, path: str) -> MatchInfo | None:
        """Find the route for *request*, or the match of its 404 or 405; ``None`` where others have a say in it.

        Only for a table that is alone, and after :meth:`find_at_once`.
        """
        # PERF: who looks for holes in a server brings little else, and aiohttp takes twice as long to tell him.
        method = request.method
        has_more = self._trailing_slash != "strict" or self.answer_miss is not None
        # SECURITY: what follows a CONNECT need not be HTTP, so its miss closes the connection (see ``protocol``).
        if has_more or method == "CONNECT" or not is_ordinary(request):
            return None
        match, allowed = self.find(method, path)
        if match is None:
            error = web.HTTPMethodNotAllowed(method, allowed) if allowed else web.HTTPNotFound()
            match = OwnMiss(self._missed, error)
        match.is_quick = self.is_quiet is True and method != "HEAD"
        take_limits(request, match)
        return match

    def refuse(self, request: web.Request) -> web.UrlMappingMatchInfo | None:
        """Give the match that refuses *request*, ``None`` where nothing is wrong with it."""
        refusal = find_refusal(request.version, request.raw_path, request.headers)
        if refusal is None:
            return None
        request[REFUSAL] = refusal
        return MatchInfo({}, self._refused, {})

    async def _resolve_miss(self, request: web.Request, path: str, allowed: set[str]) -> Resolved:
        """Give what answers for *path*, of which no route takes the method."""
        if path == "*":
            return MatchInfo({}, self._whole_server, {}), set()
        match: MatchInfo | None = None
        if not allowed and self._trailing_slash != "strict":
            match, allowed = self._find_with_other_slash(request.method, path)
            take_limits(request, match)
        is_ours = self.answer_miss is not None or hdrs.EXPECT in request.headers
        if match is None and is_ours and request.get(_STEPS_BACK) is not self:
            return await self._miss(request), allowed
        return match, allowed

    async def _miss(self, request: web.Request) -> web.UrlMappingMatchInfo:
        """Give aiohttp's own 404 or 405, as one that comes through the middlewares and invites no body."""
        # Only aiohttp's router knows what is allowed elsewhere, so it is asked once more, without this table's answer.
        request[_STEPS_BACK] = self
        found = await self._router.resolve(request)
        del request[_STEPS_BACK]
        if found.http_exception is None:
            return found
        # A middleware that asks once more is within the chain already.
        answer = None if request.get(_MISSED) else self.answer_miss
        request[_MISSED] = True
        return Miss(found, answer)

    def _find_with_other_slash(self, method: str, path: str) -> tuple[MatchInfo | None, set[str]]:
        match, allowed = self.find(method, path[:-1] if path.endswith("/") else path + "/")
        if match is None or self._trailing_slash == "ignore":
            return match, allowed
        return MatchInfo({}, self._slash_route, {}), allowed

    def path_below(self, request: web.Request) -> str | None:
        """Give the path of *request* below the application, ``None`` where it is outside."""
        path = request.rel_url.path_safe
        if not self._prefix:
            return path
        return path[len(self._prefix) :] if path.startswith(self._prefix) else None

    def _prepared_matcher(self) -> Matcher[PlainResource | DynamicResource]:
        if self._matcher is None:
            # aiohttp's rule: the empty path is "/" for the root, and the bare prefix for a mounted application.
            root = "" if self._prefix else "/"
            pairs = [(r.path_template if r.path_template.path else parse(root), r) for r in self.resources]
            self._matcher = Matcher(pairs)
            self._literal = {path: routes for path in self._matcher.literals if (routes := self._routes_of(path))}
            self._leaves = self._matcher.leaves
            self._rests, self._only_rest = self._matcher.rests, self._matcher.only_rest
            self._has_rests = bool(self._rests or self._only_rest)
        return self._matcher

    def _routes_of(self, path: str) -> dict[str, TableRoute]:
        """Give the routes that answer *path* by their methods, where it is all that they answer."""
        routes: dict[str, TableRoute] = {}
        for resource, texts in self._prepared_matcher().candidates(path):
            if texts:
                break  # what comes after a template with parameters depends on their values
            routes = {**resource.by_method, **routes}
            if "*" in resource.by_method:
                break
        return routes


async def _redirect_slash(request: web.Request) -> None:
    """Redirect to the path with the slash at its end added or taken away."""
    raw = request.rel_url.raw_path
    other = raw[:-1] if raw.endswith("/") else raw + "/"
    # SECURITY: "//example.org" in Location is another host, and to a browser so is "/\\example.org".
    path = "/" + other.replace("\\", "%5C").lstrip("/")
    raise web.HTTPPermanentRedirect(URL.build(path=path, query_string=request.rel_url.raw_query_string, encoded=True))


async def _raise_miss(request: web.Request) -> None:
    match_info: OwnMiss = request.match_info  # type: ignore[assignment]
    raise match_info.error


async def _answer_for_server(request: web.Request) -> web.StreamResponse:
    """Answer ``OPTIONS *``, which asks whether the server is there (RFC 9110, 9.3.7)."""
    return web.Response(status=204)


def _make_entry() -> Handler:
    async def call_inner(request: web.Request) -> web.StreamResponse:
        return await request.match_info.route.inner(request)  # type: ignore[attr-defined, no-any-return]

    return call_inner


def _unquote(text: str) -> str:
    """Turn what a path is compared by into the text of a parameter."""
    return text.replace("%2F", "/").replace("%25", "%")


def note_begun(request: web.Request) -> None:
    """Note that the answer to *request* has begun: no other may go the short way.

    The first answer of all tells whether the applications around the routes want to see each one. Their signals are
    frozen then, and the same applications are around a table for ever.
    """
    match_info = request.match_info
    if isinstance(match_info, MatchInfo):
        match_info.is_quick = False
        table = match_info.table_route.table
        if table.is_quiet is None:
            table.note_around(match_info.apps)
