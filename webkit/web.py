"""aiohttp.web's names, webkit's where it has its own: ``from webkit import web``, for code written for aiohttp.

webkit's are ``Application``, ``AppRunner``, ``Response``, ``View``, ``WebSocketResponse``, ``json_response`` and
``run_app``; everything else is aiohttp's own. What aiohttp no longer has is in :mod:`webkit.compat`.
"""

import asyncio
import builtins
import json
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final

import aiohttp.web
import msgspec
from aiohttp.abc import AbstractAccessLogger
from aiohttp.typedefs import LooseHeaders
from aiohttp.web import (
    AbstractResource,
    AbstractRoute,
    AbstractRouteDef,
    AppKey,
    BaseRequest,
    BaseRunner,
    BaseSite,
    CleanupError,
    ContentCoding,
    DynamicResource,
    FileField,
    FileResponse,
    GracefulExit,
    HTTPAccepted,
    HTTPBadGateway,
    HTTPBadRequest,
    HTTPClientError,
    HTTPConflict,
    HTTPCreated,
    HTTPError,
    HTTPException,
    HTTPExpectationFailed,
    HTTPFailedDependency,
    HTTPForbidden,
    HTTPFound,
    HTTPGatewayTimeout,
    HTTPGone,
    HTTPInsufficientStorage,
    HTTPInternalServerError,
    HTTPLengthRequired,
    HTTPMethodNotAllowed,
    HTTPMisdirectedRequest,
    HTTPMove,
    HTTPMovedPermanently,
    HTTPMultipleChoices,
    HTTPNetworkAuthenticationRequired,
    HTTPNoContent,
    HTTPNonAuthoritativeInformation,
    HTTPNotAcceptable,
    HTTPNotExtended,
    HTTPNotFound,
    HTTPNotImplemented,
    HTTPNotModified,
    HTTPOk,
    HTTPPartialContent,
    HTTPPaymentRequired,
    HTTPPermanentRedirect,
    HTTPPreconditionFailed,
    HTTPPreconditionRequired,
    HTTPProxyAuthenticationRequired,
    HTTPRedirection,
    HTTPRequestEntityTooLarge,
    HTTPRequestHeaderFieldsTooLarge,
    HTTPRequestRangeNotSatisfiable,
    HTTPRequestTimeout,
    HTTPRequestURITooLong,
    HTTPResetContent,
    HTTPSeeOther,
    HTTPServerError,
    HTTPServiceUnavailable,
    HTTPSuccessful,
    HTTPTemporaryRedirect,
    HTTPTooManyRequests,
    HTTPUnauthorized,
    HTTPUnavailableForLegalReasons,
    HTTPUnprocessableEntity,
    HTTPUnsupportedMediaType,
    HTTPUpgradeRequired,
    HTTPUseProxy,
    HTTPVariantAlsoNegotiates,
    HTTPVersionNotSupported,
    NamedPipeSite,
    NotAppKeyWarning,
    PayloadAccessError,
    PlainResource,
    PrefixedSubAppResource,
    Request,
    RequestHandler,
    RequestKey,
    RequestPayloadError,
    Resource,
    ResourceRoute,
    ResponseKey,
    RouteDef,
    RouteTableDef,
    Server,
    ServerRunner,
    SockSite,
    StaticDef,
    StaticResource,
    StreamResponse,
    TCPSite,
    UnixSite,
    UrlDispatcher,
    UrlMappingMatchInfo,
    WebSocketReady,
    WSMsgType,
    delete,
    get,
    head,
    json_bytes_response,
    middleware,
    normalize_path_middleware,
    options,
    patch,
    post,
    put,
    route,
    static,
    view,
)

from webkit.accessformat import translate_log_format
from webkit.application import Application
from webkit.compat import HttpVersion as HttpVersion
from webkit.compat import MsgType as MsgType
from webkit.errors import ConfigError
from webkit.responses import Response
from webkit.run import AnyApplication, run
from webkit.views import View
from webkit.websocket_responses import WebSocketResponse

__all__ = [
    "AbstractResource",
    "AbstractRoute",
    "AbstractRouteDef",
    "AppKey",
    "AppRunner",
    "Application",
    "BaseRequest",
    "BaseRunner",
    "BaseSite",
    "CleanupError",
    "ContentCoding",
    "DynamicResource",
    "FileField",
    "FileResponse",
    "GracefulExit",
    "HTTPAccepted",
    "HTTPBadGateway",
    "HTTPBadRequest",
    "HTTPClientError",
    "HTTPConflict",
    "HTTPCreated",
    "HTTPError",
    "HTTPException",
    "HTTPExpectationFailed",
    "HTTPFailedDependency",
    "HTTPForbidden",
    "HTTPFound",
    "HTTPGatewayTimeout",
    "HTTPGone",
    "HTTPInsufficientStorage",
    "HTTPInternalServerError",
    "HTTPLengthRequired",
    "HTTPMethodNotAllowed",
    "HTTPMisdirectedRequest",
    "HTTPMove",
    "HTTPMovedPermanently",
    "HTTPMultipleChoices",
    "HTTPNetworkAuthenticationRequired",
    "HTTPNoContent",
    "HTTPNonAuthoritativeInformation",
    "HTTPNotAcceptable",
    "HTTPNotExtended",
    "HTTPNotFound",
    "HTTPNotImplemented",
    "HTTPNotModified",
    "HTTPOk",
    "HTTPPartialContent",
    "HTTPPaymentRequired",
    "HTTPPermanentRedirect",
    "HTTPPreconditionFailed",
    "HTTPPreconditionRequired",
    "HTTPProxyAuthenticationRequired",
    "HTTPRedirection",
    "HTTPRequestEntityTooLarge",
    "HTTPRequestHeaderFieldsTooLarge",
    "HTTPRequestRangeNotSatisfiable",
    "HTTPRequestTimeout",
    "HTTPRequestURITooLong",
    "HTTPResetContent",
    "HTTPSeeOther",
    "HTTPServerError",
    "HTTPServiceUnavailable",
    "HTTPSuccessful",
    "HTTPTemporaryRedirect",
    "HTTPTooManyRequests",
    "HTTPUnauthorized",
    "HTTPUnavailableForLegalReasons",
    "HTTPUnprocessableEntity",
    "HTTPUnsupportedMediaType",
    "HTTPUpgradeRequired",
    "HTTPUseProxy",
    "HTTPVariantAlsoNegotiates",
    "HTTPVersionNotSupported",
    "NamedPipeSite",
    "NotAppKeyWarning",
    "PayloadAccessError",
    "PlainResource",
    "PrefixedSubAppResource",
    "Request",
    "RequestHandler",
    "RequestKey",
    "RequestPayloadError",
    "Resource",
    "ResourceRoute",
    "Response",
    "ResponseKey",
    "RouteDef",
    "RouteTableDef",
    "Server",
    "ServerRunner",
    "SockSite",
    "StaticDef",
    "StaticResource",
    "StreamResponse",
    "TCPSite",
    "UnixSite",
    "UrlDispatcher",
    "UrlMappingMatchInfo",
    "View",
    "WSMsgType",
    "WebSocketReady",
    "WebSocketResponse",
    "delete",
    "get",
    "head",
    "json_bytes_response",
    "json_response",
    "middleware",
    "normalize_path_middleware",
    "options",
    "patch",
    "post",
    "put",
    "route",
    "run_app",
    "static",
    "view",
]

PathLike = str | os.PathLike[str]

_ACCESS_LOGGER: Final = logging.getLogger("aiohttp.access")
_ACCESS_LOG_FORMAT: Final = '%a %t "%r" %s %b "%{Referer}i" "%{User-Agent}i"'
_ALL_INTERFACES: Final = ""
_MISSING: Final[Any] = object()


class AppRunner(aiohttp.web.AppRunner):
    """aiohttp's runner, which takes webkit's Application too."""

    def __init__(self, app: AnyApplication, **options: Any) -> None:
        super().__init__(app.aiohttp if isinstance(app, Application) else app, **options)


def json_response(
    data: Any = _MISSING,
    *,
    text: str | None = None,
    body: bytes | None = None,
    status: int = 200,
    reason: str | None = None,
    headers: LooseHeaders | None = None,
    content_type: str = "application/json",
    dumps: Callable[[Any], str] | None = None,
) -> Response:
    """Answer with *data* as JSON, or with JSON that is made already: *text* or *body*.

    msgspec encodes it, or *dumps* where it is given. What msgspec does not know, such as subclasses of ``str``, is left
    to ``json.dumps``, as aiohttp does.

    Raises:
        ValueError: both *data* and one of the others is given.
        TypeError: *data* is no JSON.
    """
    if data is not _MISSING:
        if text is not None or body is not None:
            raise ValueError("Give one of data, text and body, not several.")
        if dumps is None:
            body, text = _encode(data)
        else:
            text = dumps(data)
    return Response(text=text, body=body, status=status, reason=reason, headers=headers, content_type=content_type)


def run_app(
    app: AnyApplication | Awaitable[AnyApplication],
    *,
    host: str | Iterable[str] | None = None,
    port: int | None = None,
    path: PathLike | Iterable[PathLike] | None = None,
    sock: socket.socket | Iterable[socket.socket] | None = None,
    shutdown_timeout: float = 60.0,
    keepalive_timeout: float = 75.0,
    ssl_context: ssl.SSLContext | None = None,
    print: Callable[..., object] | None = print,
    backlog: int = 128,
    access_log_class: type[AbstractAccessLogger] | None = None,
    access_log_format: str = _ACCESS_LOG_FORMAT,
    access_log: logging.Logger | None = _ACCESS_LOGGER,
    handle_signals: bool = True,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    handler_cancellation: bool = False,
    loop: asyncio.AbstractEventLoop | None = None,
    **kwargs: Any,
) -> None:
    """Serve *app* until SIGINT, SIGTERM or ``GracefulExit``: aiohttp's arguments for :func:`webkit.run`.

    Without *host* it listens on all interfaces, unless *path* or *sock* is given and no *port*. The access log goes to
    the logger ``webkit.access``.

    Raises:
        ConfigError: what an argument asks for is said elsewhere; the message names the place.
        OSError: the address cannot be had.
    """
    protocol_options = dict(kwargs)
    if access_log_class is not None:
        protocol_options["access_log_class"] = access_log_class
    if access_log is not None and access_log is not _ACCESS_LOGGER:
        protocol_options["access_log"] = access_log
    _refuse_protocol_options(protocol_options)
    if host is None and (port is not None or (path is None and sock is None)):
        host = _ALL_INTERFACES
    run(
        app,
        host=host if host is None or isinstance(host, str) else tuple(host),
        port=port if port is not None else 8443 if ssl_context else 8080,
        path=_choose_path(path),
        sockets=() if sock is None else (sock,) if isinstance(sock, socket.socket) else tuple(sock),
        ssl_context=ssl_context,
        grace_s=shutdown_timeout,
        keepalive_s=keepalive_timeout,
        backlog=backlog,
        access_log=access_log is not None,
        access_log_format=translate_log_format(access_log_format),
        reuse_address=reuse_address,
        reuse_port=bool(reuse_port),
        handler_cancellation=handler_cancellation,
        announce=partial(print, flush=True) if print is builtins.print else print,
        handle_signals=handle_signals,
        loop=loop,
    )


def _encode(data: Any) -> tuple[bytes | None, str | None]:
    """Give *data* as JSON, in bytes or as text."""
    try:
        return msgspec.json.encode(data), None
    except (TypeError, ValueError):
        return None, json.dumps(data)


def _refuse_protocol_options(options: dict[str, Any]) -> None:
    if options:
        given = ", ".join(f"{name!r}: {value!r}" for name, value in options.items())
        raise ConfigError(
            f"run_app() does not take {', '.join(options)}: give it to the application, "
            f"Application(handler_args={{{given}}})."
        )


def _choose_path(path: PathLike | Iterable[PathLike] | None) -> str | None:
    if path is None:
        return None
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    if len(paths) != 1:
        raise ConfigError(f"run_app(path={paths!r}) cannot be; give one path of a Unix socket.")
    return os.fspath(paths[0])
