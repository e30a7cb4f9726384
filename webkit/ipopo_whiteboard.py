"""Servlets that are there as iPOPO services: found by their specification, and bound to the paths in their properties.

iPOPO calls this under the lock of the component, one change after the other. Each kind of servlet is looked after by
itself: one object may be three services, with paths for each kind.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pelix.framework import ServiceReference
from pelix.http.auth import SERVLET_AUTH_PARAMETERS
from pelix.http.cors import SERVLET_CORS_PARAMETERS
from pelix.remote import PROP_IMPORTED

from webkit.ipopo_settings import paths_of
from webkit.servlet_names import (
    HTTP_MAX_BODY_SIZE,
    HTTP_SERVLET_ASYNC_PATH,
    HTTP_SERVLET_PATH,
    HTTP_WEBSOCKET_PATH,
    ServletType,
)
from webkit.servlet_service import ServletService

__all__ = ["Whiteboard"]

#: What a service says in its properties besides its paths: it comes to the parameters of the registration.
_PARAMETERS: Final = (HTTP_MAX_BODY_SIZE, *SERVLET_CORS_PARAMETERS, *SERVLET_AUTH_PARAMETERS)
_PATH_PROPERTIES: Final = {
    ServletType.SYNC: HTTP_SERVLET_PATH,
    ServletType.ASYNC: HTTP_SERVLET_ASYNC_PATH,
    ServletType.WEBSOCKET: HTTP_WEBSOCKET_PATH,
}

_Reference = ServiceReference[Any]


@dataclass(frozen=True, slots=True)
class _Found:
    """A servlet as a service of one kind."""

    kind: ServletType
    reference: _Reference


class Whiteboard:
    """The servlets of one component. They wait until there is a service to be bound to."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger
        self._service: ServletService | None = None
        self._servlets: dict[_Found, Any] = {}
        self._paths: dict[_Found, list[str]] = {}

    def attach(self, service: ServletService) -> None:
        """Bind all servlets to *service*, and from now on those that come."""
        self._service = service
        for found in list(self._servlets):
            self._register(found)

    def detach(self) -> None:
        """Unbind all servlets; they wait for another service."""
        for found in list(self._servlets):
            self._unregister(found)
        self._service = None

    def add(self, kind: ServletType, servlet: Any, reference: _Reference) -> None:
        """Take a servlet in."""
        if reference.get_property(PROP_IMPORTED):
            self.logger.debug("Ignoring a servlet of another framework: %s", reference)
            return
        found = _Found(kind, reference)
        self._servlets[found] = servlet
        self._register(found)

    def update(self, kind: ServletType, reference: _Reference, before: Mapping[str, Any]) -> None:
        """Bind a servlet anew, if its paths or parameters are others than *before*."""
        found = _Found(kind, reference)
        watched = (_PATH_PROPERTIES[kind], *_PARAMETERS)
        if found in self._servlets and any(before.get(name) != reference.get_property(name) for name in watched):
            self._unregister(found)
            self._register(found)

    def remove(self, kind: ServletType, reference: _Reference) -> None:
        """Let a servlet go."""
        found = _Found(kind, reference)
        if found in self._servlets:
            self._unregister(found)
            del self._servlets[found]

    def _register(self, found: _Found) -> None:
        if self._service is None:
            return
        for path in paths_of(found.reference.get_property(_PATH_PROPERTIES[found.kind])):
            # Each path has parameters of its own: the service writes into them.
            parameters = {
                name: value for name in _PARAMETERS if (value := found.reference.get_property(name)) is not None
            }
            try:
                if self._service.register_servlet(path, self._servlets[found], parameters, found.kind):
                    self._paths.setdefault(found, []).append(path)
            except ValueError as error:
                # Whoever registered the service sees nothing of it; its other paths are as good as before.
                self.logger.error("%s is not bound to %r: %s", found.reference, path, error)

    def _unregister(self, found: _Found) -> None:
        for path in self._paths.pop(found, ()):
            if self._service is not None:
                self._service.unregister_path(path, self._servlets[found])
