"""Requests: the webkit application around one, and URLs by name as seen from it."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from yarl import URL

from webkit.errors import NoSuchRoute, did_you_mean

if TYPE_CHECKING:
    from webkit.application import Application

__all__ = ["APPLICATION", "application_of", "build_url", "url_for"]

#: Where a wrapped ``web.Application`` keeps the webkit application that wraps it.
APPLICATION: "Final[web.AppKey[Application]]" = web.AppKey("webkit.application")


def application_of(request: web.Request) -> "Application":
    """Give the innermost webkit application around *request*, as seen from where it is asked.

    Raises:
        LookupError: no webkit application takes part in this request.
    """
    apps = request.match_info.apps
    for position in range(apps.index(request.app), -1, -1):
        application = apps[position].get(APPLICATION)
        if application is not None:
            return application
    raise LookupError("No webkit application is around this request; it was routed by a plain web.Application.")


def url_for(request: web.Request, name: str, /, *, query: Mapping[str, Any] | str | None = None, **parts: Any) -> URL:
    """Give the URL of the route *name*: looked up in the application of *request*, then from the root.

    *query* is a mapping or a string; *parts* are the parameters of the path, of any type their converters take.

    Raises:
        NoSuchRoute: no route has this name, or its path has other parameters.
        RouteError: a value does not fit its parameter.
    """
    try:
        own = application_of(request).aiohttp
    except LookupError:
        own = request.app
    return build_url((own.router, request.match_info.apps[0].router), name, query, parts)


def build_url(
    routers: Iterable[Mapping[str, web.AbstractResource]],
    name: str,
    query: Mapping[str, Any] | str | None,
    parts: Mapping[str, Any],
) -> URL:
    """Give the URL of the route *name* in the first of *routers* that knows it."""
    known: list[str] = []
    for router in routers:
        if name in router:
            url = _url_of(router[name], parts)
            return url.with_query(query) if query else url
        known.extend(router)
    hint = did_you_mean(name, known)
    raise NoSuchRoute(f"No route is named {name!r}.{hint} `python -m webkit --routes ...` lists them.")


def _url_of(resource: web.AbstractResource, parts: Mapping[str, Any]) -> URL:
    if hasattr(resource, "template"):
        return resource.url_for(**parts)
    # A resource of aiohttp's own takes strings only.
    return resource.url_for(**{name: str(value) for name, value in parts.items()})
