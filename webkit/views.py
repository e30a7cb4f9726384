"""Class-based views: one class per resource, methods named after HTTP methods."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web
from aiohttp.abc import AbstractView
from yarl import URL

from webkit.binding import Binding, bind
from webkit.errors import ConfigError, HTTPMethodNotAllowed, HTTPNotFound
from webkit.paths import Template, parse
from webkit.requests import application_of, redirect_to, url_for
from webkit.responses import Response, make_response
from webkit.types import RENDERER

if TYPE_CHECKING:
    from webkit.application import Application

__all__ = ["View", "ViewBinding", "bind_view"]


class View(web.View):
    """A resource as a class. ``async def get(self, id: int)`` answers GET with the path parameter ``id``.

    HEAD falls back to ``get``; OPTIONS, and 405 for what is missing, answer ``Allow`` with what the class has.
    It is an ``aiohttp.web.View``, so aiohttp's own router takes it too.
    """

    @property
    def app(self) -> "Application":
        """The innermost webkit application around the request (``LookupError`` if there is none)."""
        return application_of(self.request)

    @classmethod
    def allowed_methods(cls) -> frozenset[str]:
        """Give the methods that this class answers."""
        methods = {method for method in hdrs.METH_ALL if callable(getattr(cls, method.lower(), None))}
        return frozenset(methods | {"HEAD"} if "GET" in methods else methods)

    async def options(self) -> Any:
        """Answer what the resource allows, or as the next class does: ``class Users(View, CorsViewMixin)``."""
        inherited = getattr(super(), "options", None)
        if inherited is not None:
            return await inherited()
        return Response(status=204, headers={"Allow": ",".join(sorted(self.allowed_methods()))})

    def url_for(self, name: str, /, *, query: Mapping[str, Any] | str | None = None, **parts: Any) -> URL:
        """Give the URL of the route *name* (see :func:`webkit.url_for`)."""
        return url_for(self.request, name, query=query, **parts)

    def redirect_to(
        self, name: str, /, *, status: int = 303, query: Mapping[str, Any] | str | None = None, **parts: Any
    ) -> web.StreamResponse:
        """Answer with a redirect to the route *name*; 303 makes the browser GET it."""
        return redirect_to(self.request, name, status=status, query=query, **parts)

    async def render(self, name: str, /, *, status: int = 200, **context: Any) -> web.StreamResponse:
        """Answer with the template *name*, rendered over *context*.

        Raises:
            ConfigError: the application uses no templates.
        """
        renderer = self.request.config_dict.get(RENDERER)
        if renderer is None:
            raise ConfigError("No templates are set up: app.use(Templates('templates')) before the application runs.")
        return await renderer.render(self.request, name, context, status=status)

    def __await__(self) -> Generator[None, None, web.StreamResponse]:
        """Answer the request, where another router than webkit's calls the class."""
        return self._respond().__await__()

    async def _respond(self) -> web.StreamResponse:
        texts = dict(self.request.match_info)
        binding = _bind_by_names(type(self), tuple(texts))
        values = binding.binding_for(self.request.method).decode(texts)
        if values is None:
            raise HTTPNotFound
        return await binding.respond(self, values)


@dataclass(frozen=True, slots=True)
class ViewBinding:
    """A View class, ready to be called: one binding for each method that it has."""

    view: type[View]
    bindings: Mapping[str, Binding]

    def binding_for(self, method: str) -> Binding:
        """Give the binding for *method*.

        Raises:
            HTTPMethodNotAllowed: the class does not answer it.
        """
        binding = self.bindings.get(method)
        if binding is None:
            raise HTTPMethodNotAllowed(method, self.bindings)
        return binding

    async def respond(self, view: View, values: Mapping[str, Any]) -> web.StreamResponse:
        """Call the method of *view* that its request asks for, and make a response of what it returns."""
        binding = self.binding_for(view.request.method)
        return await make_response(await binding.call(view, values), view.request, binding.origin)


def bind_view(view: type[AbstractView], template: Template) -> ViewBinding | None:
    """Prepare each method of *view*; ``None`` for a View of aiohttp's, which dispatches by itself.

    Raises:
        RouteError: a method has a parameter that the path does not fill.
    """
    if not issubclass(view, View):
        return None
    bindings = {
        method: bind(getattr(view, _name_of_method(view, method)), template, of_view=True)
        for method in view.allowed_methods()
    }
    return ViewBinding(view, bindings)


def _name_of_method(view: type[View], method: str) -> str:
    return "get" if method == "HEAD" and not hasattr(view, "head") else method.lower()


@lru_cache(maxsize=1024)
def _bind_by_names(view: type[View], names: tuple[str, ...]) -> ViewBinding:
    """Bind for a path of another router, of which only the names of the parameters are known."""
    template = parse("".join(f"/{{{name}}}" for name in names))
    binding = bind_view(view, template)
    if binding is None:
        raise TypeError(f"{view!r} is no webkit.View.")
    return binding
