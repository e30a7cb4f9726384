"""iPOPO's asynchronous HTTP service, made of webkit: install the bundle ``webkit.ipopo`` in place of its own.

>>> context.install_bundle("webkit.ipopo").start()  # was: "pelix.http.basic_async"

The factory has iPOPO's name, ``pelix.http.service.async.factory``, and so have all properties: components, servlets,
WebSocket handlers and whatever else finds its way by names goes on as it did. What iPOPO's service is made of in webkit
is a :class:`~webkit.servlet_service.ServletService` in a thread of its own.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

try:
    from pelix import http
except ImportError as error:
    raise ImportError('webkit.ipopo needs iPOPO: pip install "webkit[ipopo]".') from error
from pelix.framework import BundleContext, ServiceReference
from pelix.http.auth import DEFAULT_REALM
from pelix.ipopo.constants import IPOPO_INSTANCE_NAME
from pelix.ipopo.decorators import (
    BindField,
    ComponentFactory,
    HiddenProperty,
    Invalidate,
    Property,
    Provides,
    Requires,
    UnbindField,
    UpdateField,
    Validate,
)

from webkit.ipopo_serving import Serving
from webkit.ipopo_settings import DEFAULT_ADDRESS, DEFAULT_PORT, PROPERTIES, Settings, as_bool, log_level_of
from webkit.ipopo_whiteboard import Whiteboard
from webkit.servlet_names import ServletType
from webkit.servlet_service import ServletService

__all__ = ["HttpService", "RequestRouting"]

_EXTRA: Final = "http.extra"
_LOGGER_NAME: Final = "pelix.http.logger.name"
_LOGGER_LEVEL: Final = "pelix.http.logger.level"

_KINDS: Final = {
    "_servlets": ServletType.SYNC,
    "_async_servlets": ServletType.ASYNC,
    "_websocket_handlers": ServletType.WEBSOCKET,
}


class RequestRouting(NamedTuple):
    """Where a request goes."""

    path: str  #: decoded and clean; as it came where it is refused
    servlet: Any  #: ``None`` where there is none
    parameters: dict[str, Any]  #: those of the servlet
    prefix: str  #: the path that it is registered on
    servlet_type: http.ServletType  #: how it is called
    error: int | None = None  #: 400 where the path is refused


@ComponentFactory(http.FACTORY_HTTP_ASYNC)
@Provides(http.HTTP_SERVICE)
@Requires("_servlets", http.Servlet, aggregate=True, optional=True)
@Requires("_async_servlets", http.AsyncServlet, aggregate=True, optional=True)
@Requires("_websocket_handlers", http.WebSocketHandler, aggregate=True, optional=True)
@Requires("_error_handler", http.ErrorHandler, optional=True)
@Requires("_error_pages", http.HTTP_ERROR_PAGES, optional=True)
@Requires("_injected_cors_handler", http.CorsHandler, optional=True)
@Requires("_injected_authenticators", http.HttpAuthenticator, aggregate=True, optional=True)
@Property("_address", http.HTTP_SERVICE_ADDRESS, DEFAULT_ADDRESS)
@Property("_port", http.HTTP_SERVICE_PORT, DEFAULT_PORT)
@Property("_uses_tls", http.HTTP_USES_SSL, False)
@Property("_cert_file", http.HTTPS_CERT_FILE, None)
@Property("_key_file", http.HTTPS_KEY_FILE, None)
@HiddenProperty("_key_password", http.HTTPS_KEY_PASSWORD, None)
@Property("_debug", http.HTTP_DEBUG_ERRORS, False)
@Property("_max_body_size", http.HTTP_MAX_BODY_SIZE, 2**20)
@Property("_socket_timeout", http.HTTP_SOCKET_TIMEOUT, 60.0)
@Property("_case_sensitive_paths", http.HTTP_CASE_SENSITIVE_PATHS, True)
@Property("_auth_required", http.HTTP_AUTH_REQUIRED, False)
@Property("_auth_realm", http.HTTP_AUTH_REALM, DEFAULT_REALM)
@Property("_extra", _EXTRA, None)
@Property("_name", IPOPO_INSTANCE_NAME)
@Property("_logger_name", _LOGGER_NAME, "")
@Property("_logger_level", _LOGGER_LEVEL, None)
class HttpService:
    """The component: reads its properties, serves in a thread while it is valid, and passes the calls on."""

    def __init__(self) -> None:
        # iPOPO puts the values of the properties in their place before it validates the component.
        self._address: Any = DEFAULT_ADDRESS
        self._port: Any = DEFAULT_PORT
        self._uses_tls = False
        self._cert_file: Any = None
        self._key_file: Any = None
        self._key_password: Any = None
        self._debug: Any = False
        self._max_body_size: Any = 2**20
        self._socket_timeout: Any = 60.0
        self._case_sensitive_paths: Any = True
        self._auth_required: Any = False
        self._auth_realm: Any = DEFAULT_REALM
        self._extra: Any = None
        self._name: str | None = None
        self._logger_name: Any = ""
        self._logger_level: Any = None
        # And these come and go as services.
        self._error_handler: http.ErrorHandler | None = None
        self._error_pages: http.ErrorHandler | None = None
        self._injected_cors_handler: http.CorsHandler | None = None
        self._injected_authenticators: list[http.HttpAuthenticator] | None = None

        self._logger = logging.getLogger("webkit.ipopo")
        self._whiteboard = Whiteboard(self._logger)
        self._settings: Settings | None = None
        self._serving: Serving | None = None

    # What holds for the next request

    @property
    def error_handler(self) -> http.ErrorHandler | None:
        """Who makes the pages of errors, found by its class or by the specification that iPOPO documents."""
        return self._error_handler or self._error_pages

    @property
    def cors_handler(self) -> http.CorsHandler | None:
        """Who says what other origins may do."""
        return self._injected_cors_handler

    @property
    def authenticators(self) -> Sequence[http.HttpAuthenticator]:
        """Who read credentials."""
        return self._injected_authenticators or ()

    @property
    def auth_required(self) -> bool:
        """Whether requests need credentials, where their servlet says nothing of it."""
        return as_bool(self._auth_required)

    @property
    def auth_realm(self) -> str:
        """What credentials are asked for."""
        return str(self._auth_realm or DEFAULT_REALM)

    @property
    def debug(self) -> bool:
        """Whether pages of errors show tracebacks and paths."""
        return as_bool(self._debug)

    # The life of the component

    @Validate
    def validate(self, context: BundleContext) -> None:
        """Start to serve.

        Raises:
            OSError: the address cannot be had, or nothing listens there after ten seconds.
            ValueError: a property makes no sense, or the files for TLS do not fit.
        """
        self._logger = self._whiteboard.logger = logging.getLogger(self._logger_name or self._name)
        self._logger.setLevel(log_level_of(self._logger_level))
        self._settings = settings = Settings.read({name: getattr(self, f"_{name}") for name in PROPERTIES})
        self._address, self._port, self._uses_tls = settings.address, settings.port, settings.uses_tls
        self._serving = serving = Serving(settings, self._name, self._logger, self)
        self._logger.info("Starting HTTP%s server: [%s]:%s ...", *self._where())
        try:
            serving.start()
        except TimeoutError:
            self._logger.error("HTTP server did not start in time")
            raise
        self._port = serving.service.get_access()[1]
        self._whiteboard.attach(serving.service)
        self._logger.info("HTTP%s server bound to: [%s]:%d ...", *self._where())

    @Invalidate
    def invalidate(self, context: BundleContext) -> None:
        """Stop to serve: streams end at once, other requests may take some seconds to finish."""
        self._logger.info("Stopping HTTP%s server: [%s]:%s ...", *self._where())
        if self._serving is not None and not self._serving.stop():
            self._logger.warning("HTTP server still has requests: it ends when they do.")
        self._whiteboard.detach()

    def _where(self) -> tuple[str, Any, Any]:
        return "S" if self._uses_tls else "", self._address, self._port

    # Servlets that are there as services

    @BindField("_servlets")
    @BindField("_async_servlets")
    @BindField("_websocket_handlers")
    def _bind(self, field: str, servlet: Any, reference: ServiceReference[Any]) -> None:
        self._whiteboard.add(_KINDS[field], servlet, reference)

    @UpdateField("_servlets")
    @UpdateField("_async_servlets")
    @UpdateField("_websocket_handlers")
    def _update(self, field: str, _: Any, reference: ServiceReference[Any], before: dict[str, Any]) -> None:
        self._whiteboard.update(_KINDS[field], reference, before)

    @UnbindField("_servlets")
    @UnbindField("_async_servlets")
    @UnbindField("_websocket_handlers")
    def _unbind(self, field: str, _: Any, reference: ServiceReference[Any]) -> None:
        self._whiteboard.remove(_KINDS[field], reference)

    # What the service is asked

    def _served(self) -> ServletService:
        if self._serving is None:
            raise RuntimeError("The HTTP service has not been started: its component was never valid.")
        return self._serving.service

    def get_access(self) -> tuple[str, int]:
        """Give the address and the port that are listened on."""
        return self._served().get_access()

    def get_hostname(self) -> str:
        """Give the name of this machine."""
        return self._served().get_hostname()

    def is_https(self) -> bool:
        """Whether requests come over TLS."""
        return self._uses_tls

    def get_max_body_size(self) -> int | None:
        """Give how many bytes a body may have, ``None`` for any number."""
        return self._served().get_max_body_size()

    def get_socket_timeout(self) -> float | None:
        """Give the property of that name in seconds, ``None`` for no limit. As in iPOPO, nothing follows from it."""
        return None if self._settings is None else self._settings.socket_timeout_s

    def get_registered_paths(self) -> list[str]:
        """Give the paths that servlets are registered on, sorted."""
        return self._served().get_registered_paths()

    def get_servlet(self, path: str | None) -> tuple[Any, dict[str, Any], str, http.ServletType] | None:
        """Give ``(servlet, parameters, prefix, type)`` of what answers *path*."""
        found = self._served().get_servlet(path)
        return None if found is None else (*found[:3], http.ServletType(found[3].value))

    def resolve_request(self, raw_path: str) -> RequestRouting:
        """Find what answers *raw_path*, the target of a request as it is sent; a path that is refused has an error."""
        found = self._served().resolve_request(raw_path)
        path = raw_path if found.error else found.path
        servlet_type = http.ServletType(found.servlet_type.value)
        return RequestRouting(path, found.servlet, found.parameters, found.prefix, servlet_type, found.error)

    def register_servlet(
        self,
        path: str,
        servlet: Any,
        parameters: dict[str, Any] | None = None,
        servlet_type: http.ServletType = http.ServletType.SYNC,
    ) -> bool:
        """Let *servlet* answer *path*: see :meth:`webkit.servlet_service.ServletService.register_servlet`."""
        if not isinstance(servlet_type, http.ServletType):
            raise ValueError(f"{servlet_type!r} is no type of servlet: write pelix.http.ServletType.ASYNC or the like.")
        return self._served().register_servlet(path, servlet, parameters, ServletType(servlet_type.value))

    def unregister(self, path: str | None, servlet: Any = None) -> bool:
        """End what answers *path*, or everything of *servlet*; false where there is nothing."""
        return self._served().unregister(path, servlet)

    def make_not_found_page(self, path: str) -> str:
        """Give the page for *path*, which no servlet answers."""
        return self._served().make_not_found_page(path)

    def make_exception_page(self, path: str, stack: str) -> str:
        """Log a crash at *path*, and give the page of it."""
        return self._served().make_exception_page(path, stack)

    def log(self, level: int, message: str, *args: Any, **options: Any) -> None:
        """Write to the log of the component."""
        self._logger.log(level, message, *args, **options)

    def log_exception(self, message: str, *args: Any, **options: Any) -> None:
        """Write to the log of the component, with the exception that is being handled."""
        self._logger.exception(message, *args, **options)  # noqa: LOG004 - the caller handles one
