"""webkit: a batteries-included web framework on top of ``aiohttp.web``."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from webkit._version import __version__
from webkit.application import Application
from webkit.binding import bind_values as bind
from webkit.errors import ConfigError, NoSuchRoute, Problem, RouteError
from webkit.filenames import safe_filename
from webkit.forms import Form, Upload
from webkit.lifespan import Signal
from webkit.limits import Limits
from webkit.parameters import Body, Cookie, FormBody, Header, Query
from webkit.parts import uploads
from webkit.progress import UploadProgress
from webkit.requests import REQUEST_ID, accepts, redirect_to, url_for
from webkit.responses import Response, add_cookie, html, json_response, redirect
from webkit.types import Feature, Handler, Middleware, Mountable, Route
from webkit.views import View

if TYPE_CHECKING:
    from webkit import web
    from webkit.broadcast import Broadcast
    from webkit.events import Events, event_stream
    from webkit.eventstreams import EventStream
    from webkit.history import History
    from webkit.run import Server, ServerConfig, run, serve
    from webkit.sse import Event
    from webkit.static import Static
    from webkit.staticurls import static_url
    from webkit.templates import Templates, render, render_string, template
    from webkit.websockets import WebSocketResponse

__all__ = [
    "REQUEST_ID",
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
    "Signal",
    "Static",
    "Templates",
    "Upload",
    "UploadProgress",
    "View",
    "WebSocketResponse",
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

# Loaded when they are first asked for (PEP 562): an application without templates does not import Jinja2.
_LAZY = {
    "Broadcast": "broadcast",
    "Event": "sse",
    "EventStream": "eventstreams",
    "Events": "events",
    "History": "history",
    "Server": "run",
    "ServerConfig": "run",
    "Static": "static",
    "Templates": "templates",
    "WebSocketResponse": "websockets",
    "event_stream": "events",
    "render": "templates",
    "render_string": "templates",
    "run": "run",
    "serve": "run",
    "static_url": "staticurls",
    "template": "templates",
    "web": "web",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'webkit' has no attribute {name!r}")
    module = import_module(f"webkit.{_LAZY[name]}")
    return module if name == _LAZY[name] else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
