"""webkit: a batteries-included web framework on top of ``aiohttp.web``."""

from webkit._version import __version__
from webkit.application import Application
from webkit.errors import ConfigError, NoSuchRoute, RouteError
from webkit.requests import url_for
from webkit.responses import Response, add_cookie, html, json_response, redirect
from webkit.types import Feature, Handler, Middleware, Mountable, Route
from webkit.views import View

__all__ = [
    "Application",
    "ConfigError",
    "Feature",
    "Handler",
    "Middleware",
    "Mountable",
    "NoSuchRoute",
    "Response",
    "Route",
    "RouteError",
    "View",
    "__version__",
    "add_cookie",
    "html",
    "json_response",
    "redirect",
    "url_for",
]
