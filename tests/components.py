"""A framework of iPOPO with webkit's bundle in it, and its components talked to over HTTP."""

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pelix import http as pelix_http
from pelix.framework import BundleContext, FrameworkFactory, ServiceRegistration, create_framework
from pelix.ipopo.constants import IPopoService

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    text: str


class Components:
    """One framework: its services, and the server that was started last."""

    def __init__(self, context: BundleContext, ipopo: IPopoService) -> None:
        self.context = context
        self.ipopo = ipopo
        self.port = 0

    def start_server(self, name: str = "server", **properties: Any) -> Any:
        """Start a component on a free port of this machine; dots in names of properties are written ``__``."""
        given = {key.replace("__", "."): value for key, value in properties.items()}
        where = {pelix_http.HTTP_SERVICE_ADDRESS: "127.0.0.1", pelix_http.HTTP_SERVICE_PORT: 0}
        service = self.ipopo.instantiate(pelix_http.FACTORY_HTTP_ASYNC, name, where | given)
        if self.is_valid(name):
            self.port = service.get_access()[1]
        return service

    def is_valid(self, name: str = "server") -> bool:
        """Whether the component serves."""
        return bool(self.ipopo.get_instance_details(name)["state"] == 1)

    def is_erroneous(self, name: str = "server") -> bool:
        """Whether it failed to start."""
        return bool(self.ipopo.get_instance_details(name)["state"] == 4)

    def register(self, specification: Any, service: Any, **properties: Any) -> "ServiceRegistration[Any]":
        """Register a service; dots in names of properties are written ``__``."""
        given = {key.replace("__", "."): value for key, value in properties.items()}
        return self.context.register_service(specification, service, given)

    def request(
        self, target: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send a request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read().decode())
        finally:
            connection.close()


@pytest.fixture
def components() -> Iterator[Components]:
    """A framework with webkit's bundle, without a server yet; nothing of it is left when the test is over."""
    before = set(threading.enumerate())
    framework = create_framework(("pelix.ipopo.core", "webkit.ipopo"))
    try:
        framework.start()
        context = framework.get_bundle_context()
        reference = context.get_service_reference(IPopoService)
        assert reference is not None
        yield Components(context, context.get_service(reference))
    finally:
        FrameworkFactory.delete_framework(framework)
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), thread
