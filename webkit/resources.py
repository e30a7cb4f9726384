"""Resources and routes: what a path is to aiohttp, with webkit's converters, conflicts and URLs.

They are registered with aiohttp's router for their names, URLs and routes to be seen by everybody, but under an
index key that no path can equal: aiohttp never asks them. :mod:`webkit.routing` does.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aiohttp import web
from aiohttp.abc import AbstractView
from yarl import URL

from webkit.binding import Binding, Direct, bind, is_coroutine_function, name_of
from webkit.boundary import Boundary, Run, meet_expectation
from webkit.errors import RouteError
from webkit.expect import when_read
from webkit.limits import Limits, check_length
from webkit.middleware import check_middlewares, compose
from webkit.paths import PATH_SAFE, Template, normalize_literal
from webkit.requests import add_query
from webkit.responses import MAKERS, make_response
from webkit.types import Endpoint, ExpectHandler, Handler, Middleware
from webkit.views import ViewBinding, bind_view

if TYPE_CHECKING:
    from webkit.routing import RouteTable

__all__ = [
    "INDEX_PREFIX",
    "DynamicResource",
    "MatchInfo",
    "Miss",
    "MissRoute",
    "OwnMiss",
    "PlainResource",
    "TableRoute",
]

# No path starts like this, so aiohttp's router never comes to the resources indexed under it.
INDEX_PREFIX: Final = "webkit:"
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")


class MatchInfo(web.UrlMappingMatchInfo):
    """aiohttp's match info, and what is known of one request on the way through a route of webkit's.

    Its strings are what a handler's arguments are made of; *arguments* holds them converted.
    """

    __slots__ = ("arguments", "handler", "is_quick", "is_running", "table_route")

    def __init__(self, texts: dict[str, str], route: "TableRoute", arguments: Mapping[str, Any]) -> None:
        super().__init__(texts, route)
        self.table_route = route
        self.arguments = arguments
        #: What aiohttp calls: the same for all routes of a table that has middlewares (see ``TableRoute.entry``).
        self.handler = route.entry  # type: ignore[misc]
        #: Whether a response that nobody has touched may be sent the short way (see :mod:`webkit.buffered`).
        self.is_quick = False
        #: Whether the handler runs, so that a stream which it has begun can be ended by cancelling it.
        self.is_running = False


class OwnMiss(MatchInfo):
    """A 404 or 405 that the table alone has found: *error* is raised by the handler of its route."""

    __slots__ = ("error",)

    def __init__(self, route: "TableRoute", error: web.HTTPException) -> None:
        super().__init__({}, route, {})
        self.error = error

    @property
    def http_exception(self) -> web.HTTPException:
        """The error."""
        return self.error

    def get_info(self) -> Any:
        """Describe it as aiohttp describes one of its own."""
        return {"http_exception": self.error}


class Miss(web.UrlMappingMatchInfo):
    """aiohttp's 404 or 405, with webkit's way to meet an expectation: aiohttp's invites a body, to refuse it then.

    *answer* is called in the place of aiohttp's handler, which raises the error.
    """

    __slots__ = ("_answer", "_miss")

    def __init__(self, miss: web.UrlMappingMatchInfo, answer: Handler | None = None) -> None:
        super().__init__({}, miss.route)
        self._miss = miss
        self._answer = answer
        for app in reversed(miss.apps):
            self.add_app(app)

    @property
    def handler(self) -> Any:
        """What aiohttp calls."""
        return self._answer or self._miss.handler

    @property
    def http_exception(self) -> web.HTTPException | None:
        """The error."""
        return self._miss.http_exception

    @property
    def expect_handler(self) -> ExpectHandler:
        """What aiohttp calls for a request with the header."""
        return _meet_by_default


async def _meet_by_default(request: web.Request) -> web.StreamResponse | None:
    return await meet_expectation(request, when_read)


class TableRoute(web.ResourceRoute):
    """One method of one resource. ``endpoint`` is what the user registered, ``entry`` what aiohttp calls for it."""

    #: The call with all that webkit has around it, for who has found the match without aiohttp.
    run: Run

    def __init__(
        self,
        method: str,
        endpoint: Endpoint,
        resource: "PlainResource | DynamicResource",
        *,
        expect_handler: ExpectHandler | None = None,
        middlewares: Sequence[Middleware] = (),
        implied: bool = False,
        meta: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.table_resource = resource
        self.table = resource.table
        self.middlewares = check_middlewares(middlewares)
        #: Whether it is the HEAD that a GET brings along; an explicit one replaces it.
        self.implied = implied
        #: What middlewares and tools want to know of the route.
        self.meta: Mapping[str, Any] = dict(meta or {})
        #: How much of what it takes.
        self.limits = limits
        self._view: ViewBinding | None = None
        self._binding: Binding | None = None
        self._plain = self._prepare(endpoint, resource.path_template)
        #: Gives the match for the texts of the path's parameters, and the method.
        self.read = self._make_reader()
        self.inner = self._plain
        self.chain = self._plain
        self.entry: Handler = self._plain
        self._meet = expect_handler or when_read
        super().__init__(method, self._plain, resource, expect_handler=self._meet)

    @property
    def handler(self) -> Any:
        """What the user registered, as in aiohttp: packages look here for a View class, or for a function's source."""
        return self.endpoint

    @property
    def origin(self) -> str:
        """The endpoint's name for people."""
        return name_of(self.endpoint)

    async def handle_expect_header(self, request: web.Request) -> web.StreamResponse | None:
        """Ask the expect handler of the route; aiohttp calls this for a request with the header, before all else."""
        return await meet_expectation(request, self._meet)

    def match(self, texts: dict[str, str], method: str) -> MatchInfo | None:
        """Give the match for *texts*, or ``None`` when one of them does not convert."""
        binding = self._binding if self._view is None else self._view.bindings.get(method)
        if binding is None or not binding.decoders:
            return MatchInfo(texts, self, texts)
        values = binding.decode(texts)
        return None if values is None else MatchInfo(texts, self, values)

    def _make_reader(self) -> Callable[[Sequence[str], str], MatchInfo | None]:
        """Give ``match`` for the texts alone, in the order of the path's parameters: called for most requests."""
        names = [parameter.name for parameter in self.table_resource.path_template.parameters]
        binding = self._binding
        if len(names) != 1 or binding is None:
            return lambda texts, method: self.match(dict(zip(names, texts, strict=True)), method)
        # PERF: with one parameter, which is the usual, it takes half as long.
        name = names[0]
        decode = binding.decoders.get(name)

        def read(texts: Sequence[str], method: str) -> MatchInfo | None:
            text = texts[0]
            strings = {name: text}
            if decode is None:
                return MatchInfo(strings, self, strings)
            try:
                value = decode(text)
            except Exception as error:
                binding.note(error, name)
                raise
            return None if value is None else MatchInfo(strings, self, {name: value})

        return read

    def compile(
        self,
        middlewares: Sequence[Middleware],
        errors: Boundary,
        shared: Handler | None,
        around: Callable[[Handler], Handler] | None = None,
    ) -> None:
        """Compose the chains. *shared* is the entry of a table whose requests come through the boundary anyway.

        *around* is put around all of it.
        """
        inner = compose(self.middlewares, self._plain, like=self.endpoint)
        if self.limits is not None:
            inner = _within(self.limits, inner)
        self.inner = inner
        self.run = self._enter(errors, compose(middlewares, inner, like=self.endpoint))
        #: The same for the match that aiohttp has found.
        self.chain = errors.begin(self.run, inner)
        if around is not None:
            self.chain = around(self.chain)
        # PERF: aiohttp caches the chains of 1,024 handlers; with one entry for all, any number of routes is one.
        self.entry = shared or self.chain
        if hasattr(self.endpoint, "get_request_config"):
            self.entry = _with_cors_config(self.entry, self.endpoint)

    def _enter(self, errors: Boundary, chain: Handler) -> Run:
        """Put the boundary around *chain*, and around the endpoint itself where that is all there is of it."""
        binding = self._binding
        if chain is self._plain and binding is not None:
            direct = binding.direct or Direct(chain, takes_request=True, takes_values=False)
            return errors.enter(direct, binding.origin)
        return errors.enter(Direct(chain, takes_request=True, takes_values=False), "a middleware")

    def _prepare(self, endpoint: Endpoint, template: Template) -> Handler:
        """Give the coroutine function that calls *endpoint* and makes a response of what it returns."""
        if isinstance(endpoint, type) and issubclass(endpoint, AbstractView):
            self._view = bind_view(endpoint, template)
            return _call_foreign_view(endpoint) if self._view is None else _call_view(self._view)
        if isinstance(endpoint, type) or not callable(endpoint):
            raise RouteError(f"{endpoint!r} is no handler; use a function, a callable object or a View class.")
        self._binding = bind(endpoint, template)
        return _call(self._binding)


class MissRoute(TableRoute):
    """The route of all misses, which is on no resource: whoever counts requests by their paths looks there."""

    @property
    def resource(self) -> None:
        """None, as it is for aiohttp's."""
        return None


def _call(binding: Binding) -> Handler:
    """Give the coroutine function that calls a handler with what its path has, and makes the response."""
    call, origin = binding.call, binding.origin

    async def handle(request: web.Request) -> web.StreamResponse:
        match_info: MatchInfo = request.match_info  # type: ignore[assignment]
        result = await call(request, match_info.arguments)
        # PERF: what make_response does at its beginning, without the call; 1 % of a request with middlewares.
        make = MAKERS.get(result.__class__)
        if make is not None and match_info.is_quick and (response := make(result)) is not None:
            return response
        return await make_response(result, request, origin)

    return handle


def _within(limits: Limits, inner: Handler) -> Handler:
    """Refuse what says itself that it is too large, before anybody asks for its first byte."""

    async def handle(request: web.Request) -> web.StreamResponse:
        check_length(request, limits)
        return await inner(request)

    return handle


def _call_view(view: ViewBinding) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        match_info: MatchInfo = request.match_info  # type: ignore[assignment]
        return await view.respond(view.view(request), match_info.arguments)

    return handle


def _call_foreign_view(view: type[AbstractView]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await make_response(await view(request), request, name_of(view))

    return handle


def _with_cors_config(entry: Handler, view: Any) -> Handler:
    """Give *entry* the method that aiohttp-cors calls on the handler of a request where a View class has its mixin."""

    def get_request_config(request: web.Request, method: str) -> Any:
        # The mixin answers KeyError for what the class does not have: HEAD, which is get's, and the method of a 405.
        name = "GET" if method == "HEAD" and not hasattr(view, "head") else method
        return view.get_request_config(request, name) if hasattr(view, name.lower()) else {}

    known: Any = partial(entry)
    known.get_request_config = get_request_config
    return known  # type: ignore[no-any-return]


class _TableResource(web.Resource):
    """What webkit's two kinds of resources share. ``template`` is the path as written, the prefixes included."""

    table: "RouteTable"
    path_template: Template
    order: int
    prefix: str

    @property
    def canonical(self) -> str:
        """The template behind an index key that no path equals; use ``template`` in metrics and logs."""
        return INDEX_PREFIX + self.template

    @property
    def template(self) -> str:
        """The template of the whole path, such as ``/admin/users/{id:int}``."""
        return self.prefix + self.path_template.path

    def add_prefix(self, prefix: str) -> None:
        """Note the prefix of an application that mounts this one."""
        super().add_prefix(prefix)  # type: ignore[safe-super]
        self.prefix = normalize_literal(prefix) + self.prefix

    def raw_match(self, path: str) -> bool:
        """Never: aiohttp's router must not put its own routes onto this resource."""
        return False

    def url_for(self, /, **parts: Any) -> URL:
        """Give the URL with *parts* in it, percent-encoded (``NoSuchRoute``, ``RouteError``)."""
        path = quote(self.prefix, safe=PATH_SAFE) + self.path_template.build(parts)
        if path.startswith("//"):
            raise RouteError(f"{path!r} begins with '//': a browser would take what follows for the name of a host.")
        return URL.build(path=path or "/", encoded=True)

    def url(self, *, parts: Mapping[str, Any] | None = None, query: Mapping[str, Any] | str | None = None) -> str:
        """Give the URL as a string (aiohttp 0.21): ``url(parts={"user": "john_doe"}, query="?a=b")``."""
        return str(add_query(self.url_for(**(parts or {})), query))

    def add_route(
        self,
        method: str,
        handler: Any,
        *,
        expect_handler: ExpectHandler | None = None,
        middlewares: Sequence[Middleware] = (),
        implied: bool = False,
        meta: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
    ) -> TableRoute:
        """Answer *method* (or ``"*"``: any other) with *handler*.

        Raises:
            RouteError: the table is frozen, the method is none, it is taken, or the handler cannot be called.
        """
        self.table.check_open()
        method = method.upper()
        if not method or not _TOKEN.issuperset(method):
            raise RouteError(f"{method!r} is no HTTP method.")
        if expect_handler is not None and not is_coroutine_function(expect_handler):
            raise RouteError(f"The expect_handler {expect_handler!r} must be a coroutine function: 'async def'.")
        route = TableRoute(
            method,
            handler,
            self,  # type: ignore[arg-type]
            expect_handler=expect_handler,
            middlewares=middlewares,
            implied=implied,
            meta=meta,
            limits=limits,
        )
        if self.table.claim(route):
            self.register_route(route)
        return route

    def route_for(self, method: str) -> "TableRoute | None":
        """Give the route for *method*; the wildcard answers what no other route does."""
        return self.by_method.get(method) or self.by_method.get("*")

    def register_route(self, route: web.ResourceRoute) -> None:
        """Note *route* (aiohttp's hook, called by ``add_route``)."""
        super().register_route(route)
        if isinstance(route, TableRoute):
            self.by_method[route.method] = route
            self.table.changed()

    def drop_implied(self) -> None:
        """Give up the HEAD that a GET brought along: another resource answers it explicitly."""
        self.by_method.pop("HEAD", None)

    @property
    def table_routes(self) -> list[TableRoute]:
        """The routes, in the order of their registration."""
        return list(self.by_method.values())

    def __iter__(self) -> Iterator[web.ResourceRoute]:
        return iter(self.table_routes)

    def __len__(self) -> int:
        return len(self.by_method)

    def _place(self, table: "RouteTable", template: Template) -> None:
        self.table = table
        self.path_template = template
        self.order = len(table.resources)
        self.prefix = ""
        #: The routes by their methods.
        self.by_method: dict[str, TableRoute] = {}


class PlainResource(_TableResource, web.PlainResource):
    """A path without parameters."""

    def __init__(self, table: "RouteTable", template: Template, *, name: str | None = None) -> None:
        self._place(table, template)
        super().__init__(template.path, name=name)


class DynamicResource(_TableResource, web.DynamicResource):
    """A path with parameters."""

    def __init__(self, table: "RouteTable", template: Template, *, name: str | None = None) -> None:
        self._place(table, template)
        super().__init__(_for_aiohttp(template), name=name)


def _for_aiohttp(template: Template) -> str:
    """Write the template in aiohttp's words, for ``get_info()``: it knows no converters, and no braces in literals."""
    return "".join(
        quote(part, safe=PATH_SAFE) if isinstance(part, str) else f"{{{part.name}:{part.pattern}}}"
        for part in template.parts
    )
