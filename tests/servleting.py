"""Servlets in tests: made of one function, mounted, and asked."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from tests.serving import Client, Serve
from webkit import Application
from webkit.servlets import AsyncRequest, AsyncResponse, ServletService, ServletType, SyncRequest, SyncResponse

Asked = Callable[[AsyncRequest, AsyncResponse], Awaitable[Any]]
AskedInThread = Callable[[SyncRequest, SyncResponse], Any]

METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS", "PURGE")


def servlet_of(answer: Asked) -> Any:
    """An asynchronous servlet that answers each method with *answer*."""
    return type("Made", (), {f"do_async_{method}": staticmethod(answer) for method in METHODS})()


def sync_servlet_of(answer: AskedInThread) -> Any:
    """A synchronous servlet that answers each method with *answer*."""
    return type("Made", (), {f"do_{method}": staticmethod(answer) for method in METHODS})()


async def serve_servlet(
    serve: Serve, answer: Asked, parameters: dict[str, Any] | None = None, **options: Any
) -> Client:
    """Serve *answer* at ``/plugins/it``."""
    service = ServletService(logger=logging.getLogger("webkit.servlets"), **options)
    service.register_servlet("/it", servlet_of(answer), parameters, ServletType.ASYNC)
    return await serve_service(serve, service)


async def serve_in_thread(
    serve: Serve, answer: AskedInThread, parameters: dict[str, Any] | None = None, **options: Any
) -> Client:
    """Serve *answer*, a plain function, at ``/plugins/it``."""
    service = ServletService(**options)
    service.register_servlet("/it", sync_servlet_of(answer), parameters)
    return await serve_service(serve, service)


async def serve_service(serve: Serve, service: ServletService, path: str = "/plugins") -> Client:
    """Serve *service* below *path*."""
    app = Application()
    app.mount(path, service)
    return await serve(app)
