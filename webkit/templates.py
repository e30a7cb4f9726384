"""Templates: Jinja2 pages through aiohttp-jinja2, with links by name, and errors that say where they are.

``app.use(Templates("templates"))`` is all a site needs. In a template there are

* ``url_for("user", id=1, query={...})``, looked up in the own application, then from the root, and
  ``url("user", id=1)`` as aiohttp-jinja2 spells it;
* ``static("site.css")``, the URL of a file with the hash of its content;
* ``request`` and ``app``, the webkit application around the request.

A template ``errors/404.html`` is the page that browsers get for a 404, and so for every status. It knows ``status``,
``title``, ``detail`` and, for a 500, the ``reference`` that is in the log.

The request is kept in a context variable while a template renders: macros that were imported ``without context`` can
make links too.
"""

import inspect
import os
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec

import aiohttp_jinja2
import jinja2
from aiohttp import web
from yarl import URL

from webkit.errors import ConfigError, did_you_mean
from webkit.rendering import Environment
from webkit.requests import application_of
from webkit.requests import url_for as url_of_route
from webkit.responses import html
from webkit.staticurls import static_url
from webkit.types import RENDERER, Renderer

if TYPE_CHECKING:
    from webkit.application import Application

__all__ = ["TemplateFault", "Templates", "render", "render_string", "template"]

P = ParamSpec("P")
#: ``async def processor(request)`` or a plain function; the names that it gives are known in every template.
ContextProcessor = Callable[[web.Request], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]

# Beside the environment that somebody may set up with aiohttp-jinja2 itself, whichever comes first.
_ENVIRONMENT: Final = web.AppKey("webkit.templates.environment", jinja2.Environment)
_REQUEST: Final[ContextVar[web.Request | None]] = ContextVar("webkit.templates.request", default=None)


class TemplateFault(ConfigError):
    """A template is missing or failed; the message names it and the line, the cause is the error itself."""

    def __init__(self, message: str, template: str, line: int | None = None) -> None:
        super().__init__(message)
        self.template = template
        self.line = line


class Templates:
    """The templates of an application and of those mounted in it: ``app.use(Templates("templates"))``.

    Everything is escaped as HTML unless a template says ``|safe`` or *environment_options* say otherwise.

    Args:
        folders: where templates are looked for, in this order.
        packages: Python packages with a folder ``templates``, looked in after the folders; ``"shop:pages"`` names
            another folder of the package ``shop``.
        filters: functions for ``{{ price|euro }}``, by name.
        globals: names that every template and every macro knows.
        context_processors: functions of the request, plain ones or coroutine functions, whose dictionaries are added to
            the context when a page is rendered, and only then. What a handler passes wins.
        enable_async: let templates await (``{% for row in rows() %}`` over an asynchronous generator).
        auto_reload: see changed files without a restart; by default where ``app.debug`` is true.
        environment_options: anything else ``jinja2.Environment`` takes; a ``loader`` is asked after the others.

    Raises:
        ConfigError: a folder is not there, a package cannot be imported or has no templates.
    """

    def __init__(
        self,
        *folders: str | os.PathLike[str],
        packages: Iterable[str] = (),
        filters: Mapping[str, Callable[..., Any]] | None = None,
        globals: Mapping[str, Any] | None = None,
        context_processors: Sequence[ContextProcessor] = (),
        enable_async: bool = False,
        auto_reload: bool | None = None,
        **environment_options: Any,
    ) -> None:
        sources = dict(_sources(folders, packages, environment_options.pop("loader", None)))
        if not sources:
            raise ConfigError("Templates() has nowhere to look: write Templates('templates').")
        self._places = ", ".join(sources)
        self._loader = jinja2.ChoiceLoader(list(sources.values()))
        self._filters = dict(filters or {})
        self._globals = dict(globals or {})
        self._context_processors = tuple(context_processors)
        self._auto_reload = auto_reload
        self._options = {"autoescape": True} | environment_options | {"enable_async": enable_async}

    def setup(self, app: "Application") -> None:
        """Make an environment for *app*. aiohttp-jinja2's own functions and decorator use it, if they have no other."""
        wrapped = app.aiohttp
        has_other = wrapped.get(aiohttp_jinja2.APP_KEY) is not wrapped.get(_ENVIRONMENT)
        environment = wrapped[_ENVIRONMENT] = Environment(
            loader=self._loader, auto_reload=self._auto_reload is not False, **self._options
        )
        environment.filters.update(self._filters)
        links = _Links(app)
        own = {"app": app, "static": links.static, "url": links.url, "url_for": links.url_for}
        environment.globals.update(own | self._globals)
        if not has_other:
            wrapped[aiohttp_jinja2.APP_KEY] = environment
        app[RENDERER] = self

        async def follow_debug(app: "Application") -> None:
            environment.auto_reload = app.debug

        if self._auto_reload is None:
            app.on_startup.append(follow_debug)

    async def render(
        self, request: web.Request, name: str, context: Mapping[str, Any], *, status: int = 200
    ) -> web.StreamResponse:
        """Answer with the template *name*, rendered over *context*.

        Raises:
            TemplateFault: there is no such template, or it failed.
        """
        return html(await self.render_string(request, name, context), status=status)

    async def render_error(self, request: web.Request, status: int, context: Mapping[str, Any]) -> str | None:
        """Give ``errors/STATUS.html`` rendered over *context*, ``None`` where there is no such template.

        It is rendered as a page of the application that has these templates, wherever the error happened.
        """
        name = f"errors/{status}.html"
        matched = request.match_info
        app = next(app for app in reversed(matched.apps) if app.get(RENDERER) is self)
        if not _has_template(app[_ENVIRONMENT], name):
            return None
        asking, matched.current_app = matched.current_app, app
        try:
            return await self.render_string(request, name, context)
        finally:
            matched.current_app = asking

    async def render_string(self, request: web.Request, name: str, context: Mapping[str, Any]) -> str:
        """Give the text of the template *name*, rendered over *context* (``TemplateFault``)."""
        environment = self._environment_around(request)
        names = {"request": request, "app": _application_of(request)}
        for processor in self._context_processors:
            names.update(await _process(processor, request))
        names.update(context)
        token = _REQUEST.set(request)
        try:
            page = environment.get_template(name)
            return await page.render_async(names) if environment.is_async else page.render(names)
        except (TemplateFault, TimeoutError, web.HTTPException):
            raise  # it says already where, or is an answer
        except Exception as error:
            raise self._explain(error, environment, name) from error
        finally:
            _REQUEST.reset(token)

    def _environment_around(self, request: web.Request) -> jinja2.Environment:
        for app in _apps_around(request):
            if app.get(RENDERER) is self:
                return app[_ENVIRONMENT]
        raise ConfigError("These templates are not those of the request's application: app.use(templates).")

    def _explain(self, error: Exception, environment: jinja2.Environment, name: str) -> "TemplateFault":
        """Give the error that says where *error*, one of the template *name*, happened."""
        place, line = _place_of(error, environment, name)
        where = [f"Template {place!r}"] if place else []
        where += [f"line {line}"] if line else []
        what = _explain(error, environment, self._places)
        return TemplateFault(": ".join(filter(None, [", ".join(where), what])), place or name, line)


async def render(request: web.Request, name: str, /, *, status: int = 200, **context: Any) -> web.StreamResponse:
    """Answer with the template *name*, rendered over *context*.

    Raises:
        TemplateFault: there is no such template, or it failed.
        ConfigError: the application uses no templates.
    """
    return await _renderer_of(request).render(request, name, context, status=status)


async def render_string(request: web.Request, name: str, /, **context: Any) -> str:
    """Give the text of the template *name*, rendered over *context*, for a mail or a part of a page.

    Raises:
        TemplateFault: there is no such template, or it failed.
        ConfigError: the application uses no templates.
    """
    renderer = _renderer_of(request)
    if not isinstance(renderer, Templates):
        raise ConfigError(f"{renderer!r} renders pages, but no strings: app.use(Templates('templates')) does both.")
    return await renderer.render_string(request, name, context)


def template(name: str, /, *, status: int = 200) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """Render what a handler returns: ``@template("page.html")`` above a function or a View's method.

    The handler returns the context, a dictionary or ``None`` for an empty one; a response stays what it is. The
    decorator stands below the one that adds the route.
    """

    def decorate(handler: Callable[P, Any]) -> Callable[P, Any]:
        def page_of(result: Any) -> Any:
            return _page_of(result, name, status, handler)

        async def finish(result: Awaitable[Any]) -> Any:
            return page_of(await result)

        if inspect.iscoroutinefunction(handler):

            @wraps(handler)
            async def wrapped(*args: P.args, **kwargs: P.kwargs) -> Any:
                return page_of(await handler(*args, **kwargs))

        else:

            @wraps(handler)
            def wrapped(*args: P.args, **kwargs: P.kwargs) -> Any:
                result = handler(*args, **kwargs)
                return finish(result) if inspect.isawaitable(result) else page_of(result)

        return wrapped

    return decorate


@dataclass(frozen=True, slots=True)
class _Page:
    """What a decorated handler returns: it becomes a response where the request is known (``Renderable``)."""

    name: str
    status: int
    context: Mapping[str, Any]

    async def respond(self, request: web.Request) -> web.StreamResponse:
        return await _renderer_of(request).render(request, self.name, dict(self.context), status=self.status)


def _page_of(result: Any, name: str, status: int, handler: Callable[..., Any]) -> Any:
    # First: a response of aiohttp is a mapping too.
    if isinstance(result, web.StreamResponse | web.HTTPException):
        return result
    if isinstance(result, Mapping) or result is None:
        return _Page(name, status, result or {})
    origin = getattr(handler, "__qualname__", repr(handler))
    raise TypeError(
        f"{handler.__module__}.{origin} returned {result!r} ({type(result).__name__}). Under "
        f"@template({name!r}) a handler returns the context, a dict, or a response."
    )


class _Links:
    """The functions that templates make links with. *app* is asked where no request is known."""

    def __init__(self, app: "Application") -> None:
        self._app = app

    def url_for(self, name: str, /, *, query: Mapping[str, Any] | str | None = None, **parts: Any) -> str:
        """Give the URL of the route *name* as text."""
        return str(self._find(name, query, parts))

    def url(self, name: str, /, query_: Mapping[str, Any] | None = None, **parts: Any) -> URL:
        """Give the URL of the route *name*, in the spelling of aiohttp-jinja2."""
        return self._find(name, query_, parts)

    def static(self, filename: str, /, name: str | None = None) -> str:
        """Give the URL of the static file *filename* in the folder *name*, or in the one that was mounted first."""
        request = _REQUEST.get()
        return static_url(self._app if request is None else request, filename, name)

    def _find(self, name: str, query: Mapping[str, Any] | str | None, parts: Mapping[str, Any]) -> URL:
        request = _REQUEST.get()
        if request is None:
            return self._app.url_for(name, query=query, **parts)
        return url_of_route(request, name, query=query, **parts)


def _sources(
    folders: Iterable[str | os.PathLike[str]], packages: Iterable[str], loader: jinja2.BaseLoader | None
) -> Iterator[tuple[str, jinja2.BaseLoader]]:
    """Give the loaders in the order they are asked, each after its name for people."""
    for folder in folders:
        # Once, at the start: a later os.chdir() must not move the site.
        real = Path(folder).resolve()
        if not real.is_dir():
            problem = "is no folder" if real.exists() else "does not exist"
            raise ConfigError(
                f"Templates({os.fspath(folder)!r}): {str(real)!r} {problem} (the current folder is "
                f"{str(Path.cwd())!r}). Create it, or write Path(__file__).parent / {real.name!r} to look beside your "
                "module."
            )
        yield repr(str(real)), jinja2.FileSystemLoader(real)
    for package in packages:
        module, _, path = package.partition(":")
        try:
            yield f"the package {package!r}", jinja2.PackageLoader(module, path or "templates")
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"Templates(packages=[{package!r}]): {error} Write the name as it is imported; ':FOLDER' behind it "
                "names another folder than 'templates'."
            ) from error
    if loader is not None:
        yield repr(loader), loader


def _has_template(environment: jinja2.Environment, name: str) -> bool:
    try:
        environment.get_template(name)
    except jinja2.TemplateNotFound:
        return False
    except Exception:
        return True  # and it is broken, which rendering it will explain
    return True


def _apps_around(request: web.Request) -> Iterable[web.Application]:
    """Give the applications around *request*, from the innermost to the root."""
    apps = request.match_info.apps
    return reversed(apps[: apps.index(request.app) + 1])


def _application_of(request: web.Request) -> "Application | None":
    try:
        return application_of(request)
    except LookupError:
        return None


def _renderer_of(request: web.Request) -> Renderer:
    renderer: Renderer | None = request.config_dict.get(RENDERER)
    if renderer is None:
        raise ConfigError("No templates are set up: app.use(Templates('templates')) before the application runs.")
    return renderer


async def _process(processor: ContextProcessor, request: web.Request) -> Mapping[str, Any]:
    result = processor(request)
    names = await result if inspect.isawaitable(result) else result
    if not isinstance(names, Mapping):
        raise ConfigError(f"The context processor {processor!r} returned {names!r}; it must return a dictionary.")
    return names


def _place_of(error: Exception, environment: jinja2.Environment, name: str) -> tuple[str | None, int | None]:
    """Give the template and the line where *error* happened, either ``None`` where nobody can know."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return error.name or name, error.lineno
    place = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        # Jinja puts a frame for the template, marked like this, in the place of each one of compiled code.
        if "__jinja_exception__" in frame.f_globals:
            place = frame.f_code.co_filename, line
    if place is not None:
        return _name_of_file(place[0], environment) or name, place[1]
    # What was asked for and does not exist has no place.
    return (None, None) if isinstance(error, jinja2.TemplateNotFound) else (name, None)


def _name_of_file(filename: str, environment: jinja2.Environment) -> str | None:
    """Give the name under which *filename* is loaded, ``None`` where templates are no files."""
    parts = Path(filename).parts
    for start in reversed(range(1, len(parts))):
        name = "/".join(parts[start:])
        with suppress(Exception):
            if environment.loader is not None and environment.loader.get_source(environment, name)[1] == filename:
                return name
    return None


def _explain(error: Exception, environment: jinja2.Environment, places: str) -> str:
    if isinstance(error, jinja2.TemplateNotFound):
        wanted = [str(name) for name in getattr(error, "templates", None) or [error.name]]
        known: list[str] = []
        with suppress(TypeError):  # a loader that cannot list what it has
            known = environment.list_templates()
        hint = did_you_mean(wanted[-1], known)
        return f"No template is named {' or '.join(map(repr, wanted))}.{hint} Looked in {places}."
    if isinstance(error, jinja2.TemplateError):
        return error.message or type(error).__name__
    return str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
