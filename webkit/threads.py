"""Plain functions in threads: they cannot block the loop, and a server that stops does not wait for them for ever."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["counted", "run_in_thread", "running", "start_in_thread"]

_lock = threading.Lock()
_running = 0


async def run_in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Give what *function* gives, called in a thread with the context variables of the caller."""
    return await asyncio.to_thread(counted, function, args, kwargs)


def start_in_thread(function: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
    """Call *function* in a thread now, and give a future for what it gives; it is called even if nobody waits."""
    return asyncio.get_running_loop().run_in_executor(None, counted, function, args, {})


def running() -> int:
    """Say how many functions run now. A thread cannot be cancelled: it may outlive its request."""
    return _running


def counted(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Give what *function* gives, and count it as running meanwhile: for those who have threads of their own."""
    global _running  # noqa: PLW0603
    with _lock:
        _running += 1
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        # It cannot be raised through a future: the request would never be answered.
        raise RuntimeError(f"{function!r} raised StopIteration") from error
    finally:
        with _lock:
            _running -= 1
