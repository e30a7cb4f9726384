"""iPOPO components that answer on the web, served by webkit: this file is a bundle, and the program that starts it.

Run:  python -m examples.ipopo_servlets 8080
See:  curl localhost:8080/hello ; curl localhost:8080/visits ; curl -N localhost:8080/clock

It needs the package: pip install "webkit[ipopo]"
"""

import asyncio
import itertools
import signal
import sys
import time
from contextlib import suppress

from pelix.framework import create_framework
from pelix.http import (
    FACTORY_HTTP_ASYNC,
    HTTP_SERVICE_ADDRESS,
    HTTP_SERVICE_PORT,
    HTTP_SERVLET_ASYNC_PATH,
    HTTP_SERVLET_PATH,
    AbstractAsyncHTTPServletRequest,
    AbstractAsyncHTTPServletResponse,
    AbstractHTTPServletRequest,
    AbstractHTTPServletResponse,
    AsyncServlet,
    Servlet,
)
from pelix.ipopo.constants import use_ipopo
from pelix.ipopo.decorators import ComponentFactory, Instantiate, Property, Provides


@ComponentFactory("greeter-factory")
@Provides(AsyncServlet)
@Property("_paths", HTTP_SERVLET_ASYNC_PATH, ["/hello", "/clock"])
@Instantiate("greeter")
class Greeter:
    """Says hello, and tells the time as long as somebody listens."""

    async def do_async_GET(
        self, request: AbstractAsyncHTTPServletRequest, response: AbstractAsyncHTTPServletResponse
    ) -> None:
        """Answer in the event loop."""
        if request.get_prefix_path() == "/hello":
            return await response.send_content(200, "Hello from iPOPO!", mime_type="text/plain")
        response.setup_sse(strict=False)
        await response.end_headers()
        while True:
            await response.send_sse(event="time", data=time.strftime("%H:%M:%S"))
            await asyncio.sleep(1)


@ComponentFactory("visits-factory")
@Provides(Servlet)
@Property("_path", HTTP_SERVLET_PATH, "/visits")
@Instantiate("visits")
class Visits:
    """Counts its visits."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def do_GET(self, request: AbstractHTTPServletRequest, response: AbstractHTTPServletResponse) -> None:
        """Answer in a thread."""
        response.send_content(200, f"This is visit {next(self._numbers)}.", mime_type="text/plain")


if __name__ == "__main__":
    framework = create_framework(("pelix.ipopo.core", "webkit.ipopo", "examples.ipopo_servlets"))
    framework.start()
    with use_ipopo(framework.get_bundle_context()) as ipopo:
        where = {HTTP_SERVICE_ADDRESS: "127.0.0.1", HTTP_SERVICE_PORT: int(sys.argv[1])}
        host, port = ipopo.instantiate(FACTORY_HTTP_ASYNC, "http-server", where).get_access()
    print(f"The bundle is served on http://{host}:{port} (Ctrl+C stops)", flush=True)  # noqa: T201
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        framework.wait_for_stop()
    framework.delete(True)
