"""iPOPO's own asynchronous HTTP service with one servlet, for the event loop that measures everybody.

It serves in a thread and a loop of its own; what its handler needs of them is put in its place here.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web
from pelix.http import ServletType
from pelix.http.basic_async import AsyncHttpServiceImpl

__all__ = ["create_app"]


def create_app(path: str, servlet: object) -> web.Application:
    """Make the application that iPOPO would make, in the running event loop."""
    service: Any = AsyncHttpServiceImpl()
    service._loop = asyncio.get_running_loop()  # noqa: SLF001 - it has no public seam
    service._executor = ThreadPoolExecutor(5)  # noqa: SLF001
    service.register_servlet(path, servlet, None, ServletType.ASYNC)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", service._AsyncHttpServiceImpl__global_handler)  # noqa: SLF001
    app.on_response_prepare.append(service._AsyncHttpServiceImpl__add_cors_headers)  # noqa: SLF001
    return app
