"""How a servlet ends: by itself, or with the server, never because its client has left.

Where ``handler_cancellation`` is on, aiohttp cancels the task of a request whose client leaves. A servlet runs in a
task of its own there, and the one that waits for it takes that one cancelling back. Every other one, by a timeout, by
an unmount or by a server that stops, is passed on.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

from aiohttp import web

from webkit._aiohttp import is_left

__all__ = ["run_to_end"]


async def run_to_end(request: web.Request, servlet: Awaitable[Any]) -> Any:
    """Give what *servlet* gives, which answers *request*.

    Raises:
        asyncio.CancelledError: it was cancelled, by anything but the leaving of its client.
    """
    running = asyncio.ensure_future(servlet)
    has_left = False
    while not running.done():
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and not has_left and is_left(request):
                has_left = True
                task.uncancel()
            else:
                running.cancel()
    return running.result()
