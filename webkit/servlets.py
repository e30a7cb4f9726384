"""Servlets: objects that answer below a path, and come and go while the server runs.

>>> class Hello:
...     async def do_async_GET(self, request, response):
...         await response.send_content(200, "Hello, World!", mime_type="text/plain")

``app.mount("/hello", Hello())`` mounts one. A :class:`ServletService` has any number, and is changed at any time.
"""

from webkit.servlet_names import (
    HTTP_CASE_SENSITIVE_PATHS,
    HTTP_DEBUG_ERRORS,
    HTTP_ERROR_PAGES,
    HTTP_MAX_BODY_SIZE,
    HTTP_SERVICE,
    HTTP_SERVICE_ADDRESS,
    HTTP_SERVICE_PORT,
    HTTP_SERVLET,
    HTTP_SERVLET_ASYNC,
    HTTP_SERVLET_ASYNC_PATH,
    HTTP_SERVLET_PATH,
    HTTP_SOCKET_TIMEOUT,
    HTTP_USES_SSL,
    HTTP_WEBSOCKET_HANDLER,
    HTTP_WEBSOCKET_PATH,
    HTTPS_CERT_FILE,
    HTTPS_KEY_FILE,
    HTTPS_KEY_PASSWORD,
    PARAM_ADDRESS,
    PARAM_ASYNC,
    PARAM_EXTRA,
    PARAM_HTTPS,
    PARAM_NAME,
    PARAM_PORT,
    BodyTooLargeError,
    ServletType,
    make_html_list,
    read_body,
)
from webkit.servlet_pages import make_exception_page, make_not_found_page
from webkit.servlet_requests import AsyncRequest, SyncRequest
from webkit.servlet_responses import AsyncResponse
from webkit.servlet_routing import Around, Routing, Serve
from webkit.servlet_service import ServletService
from webkit.servlet_sync import SyncResponse
from webkit.servlet_types import (
    AbstractAsyncHTTPServletRequest,
    AbstractAsyncHTTPServletResponse,
    AbstractAsyncWriter,
    AbstractHTTPServletRequest,
    AbstractHTTPServletResponse,
    AsyncServlet,
    ErrorHandler,
    Servlet,
)
from webkit.servlet_websockets import WebSocketAdapter
from webkit.websocket_handlers import AbstractWebSocketHandler
from webkit.websocket_sessions import WebSocketSession

__all__ = [
    "HTTPS_CERT_FILE",
    "HTTPS_KEY_FILE",
    "HTTPS_KEY_PASSWORD",
    "HTTP_CASE_SENSITIVE_PATHS",
    "HTTP_DEBUG_ERRORS",
    "HTTP_ERROR_PAGES",
    "HTTP_MAX_BODY_SIZE",
    "HTTP_SERVICE",
    "HTTP_SERVICE_ADDRESS",
    "HTTP_SERVICE_PORT",
    "HTTP_SERVLET",
    "HTTP_SERVLET_ASYNC",
    "HTTP_SERVLET_ASYNC_PATH",
    "HTTP_SERVLET_PATH",
    "HTTP_SOCKET_TIMEOUT",
    "HTTP_USES_SSL",
    "HTTP_WEBSOCKET_HANDLER",
    "HTTP_WEBSOCKET_PATH",
    "PARAM_ADDRESS",
    "PARAM_ASYNC",
    "PARAM_EXTRA",
    "PARAM_HTTPS",
    "PARAM_NAME",
    "PARAM_PORT",
    "AbstractAsyncHTTPServletRequest",
    "AbstractAsyncHTTPServletResponse",
    "AbstractAsyncWriter",
    "AbstractHTTPServletRequest",
    "AbstractHTTPServletResponse",
    "AbstractWebSocketHandler",
    "Around",
    "AsyncRequest",
    "AsyncResponse",
    "AsyncServlet",
    "BodyTooLargeError",
    "ErrorHandler",
    "Routing",
    "Serve",
    "Servlet",
    "ServletService",
    "ServletType",
    "SyncRequest",
    "SyncResponse",
    "WebSocketAdapter",
    "WebSocketSession",
    "make_exception_page",
    "make_html_list",
    "make_not_found_page",
    "read_body",
]
