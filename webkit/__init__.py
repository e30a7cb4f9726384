"""webkit: a batteries-included web framework on top of ``aiohttp.web``.

Each name is loaded when it is first asked for (PEP 562): an application without templates does not load Jinja2, and a
program that only asks for the version loads next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from webkit._version import __version__

if TYPE_CHECKING:
    from webkit import web
    from webkit.access import AccessLogger
    from webkit.application import Application
    from webkit.binding import bind_values as bind
    from webkit.broadcast import Broadcast
    from webkit.errors import ConfigError, NoSuchRoute, Problem, RouteError
    from webkit.events import Events, event_stream
    from webkit.eventstreams import EventStream
    from webkit.filenames import safe_filename
    from webkit.forms import Form, Upload
    from webkit.history import History
    from webkit.lifespan import Signal
    from webkit.limits import Limits
    from webkit.parameters import Body, Cookie, FormBody, Header, Query
    from webkit.parts import uploads
    from webkit.progress import UploadProgress
    from webkit.requests import REQUEST_ID, accepts, redirect_to, url_for
    from webkit.responses import Response, add_cookie, html, json_response, redirect
    from webkit.run import Server, ServerConfig, run, serve
    from webkit.servlets import ServletService, ServletType
    from webkit.sse import Event
    from webkit.static import Static
    from webkit.staticurls import static_url
    from webkit.templates import Templates, render, render_string, template
    from webkit.types import Feature, Handler, Middleware, Mountable, Route
    from webkit.views import View
    from webkit.websockets import (
        AbstractWebSocketHandler,
        WebSocketClosed,
        WebSocketOptions,
        WebSocketResponse,
        WebSocketSession,
    )

__all__ = [
    "REQUEST_ID",
    "AbstractWebSocketHandler",
    "AccessLogger",
    "Application",
    "Body",
    "Broadcast",
    "ConfigError",
    "Cookie",
    "Event",
    "EventStream",
    "Events",
    "Feature",
    "Form",
    "FormBody",
    "Handler",
    "Header",
    "History",
    "Limits",
    "Middleware",
    "Mountable",
    "NoSuchRoute",
    "Problem",
    "Query",
    "Response",
    "Route",
    "RouteError",
    "Server",
    "ServerConfig",
    "ServletService",
    "ServletType",
    "Signal",
    "Static",
    "Templates",
    "Upload",
    "UploadProgress",
    "View",
    "WebSocketClosed",
    "WebSocketOptions",
    "WebSocketResponse",
    "WebSocketSession",
    "__version__",
    "accepts",
    "add_cookie",
    "bind",
    "event_stream",
    "html",
    "json_response",
    "redirect",
    "redirect_to",
    "render",
    "render_string",
    "run",
    "safe_filename",
    "serve",
    "static_url",
    "template",
    "uploads",
    "url_for",
    "web",
]

# Where each of them is; a name of its own is a module.
_MODULES = {
    "AbstractWebSocketHandler": "websockets",
    "AccessLogger": "access",
    "Application": "application",
    "Body": "parameters",
    "Broadcast": "broadcast",
    "ConfigError": "errors",
    "Cookie": "parameters",
    "Event": "sse",
    "EventStream": "eventstreams",
    "Events": "events",
    "Feature": "types",
    "Form": "forms",
    "FormBody": "parameters",
    "Handler": "types",
    "Header": "parameters",
    "History": "history",
    "Limits": "limits",
    "Middleware": "types",
    "Mountable": "types",
    "NoSuchRoute": "errors",
    "Problem": "errors",
    "Query": "parameters",
    "REQUEST_ID": "requests",
    "Response": "responses",
    "Route": "types",
    "RouteError": "errors",
    "Server": "run",
    "ServerConfig": "run",
    "ServletService": "servlets",
    "ServletType": "servlets",
    "Signal": "lifespan",
    "Static": "static",
    "Templates": "templates",
    "Upload": "forms",
    "UploadProgress": "progress",
    "View": "views",
    "WebSocketClosed": "websockets",
    "WebSocketOptions": "websockets",
    "WebSocketResponse": "websockets",
    "WebSocketSession": "websockets",
    "accepts": "requests",
    "add_cookie": "responses",
    "bind": "binding",
    "event_stream": "events",
    "html": "responses",
    "json_response": "responses",
    "redirect": "responses",
    "redirect_to": "requests",
    "render": "templates",
    "render_string": "templates",
    "run": "run",
    "safe_filename": "filenames",
    "serve": "run",
    "static_url": "staticurls",
    "template": "templates",
    "uploads": "parts",
    "url_for": "requests",
    "web": "web",
}
# Those that have another name there.
_OTHER_NAMES = {"bind": "bind_values"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'webkit' has no attribute {name!r}")
    module = import_module(f"webkit.{_MODULES[name]}")
    found = module if name == _MODULES[name] else getattr(module, _OTHER_NAMES.get(name, name))
    globals()[name] = found  # nobody has to ask again
    return found


def __dir__() -> list[str]:
    return __all__
