"""Plain functions in threads: they cannot block the loop, and a server that stops does not wait for them for ever."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["run_in_thread", "running"]

_lock = threading.Lock()
_running = 0


async def run_in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Give what *function* gives, called in a thread with the context variables of the caller."""
    return await asyncio.to_thread(_counted, function, args, kwargs)


def running() -> int:
    """Say how many functions run now. A thread cannot be cancelled: it may outlive its request."""
    return _running


def _counted(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
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
