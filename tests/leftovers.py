"""What a request may leave behind: files, descriptors, threads."""

import asyncio
import gc
import os
from collections.abc import Callable
from pathlib import Path

from tests.serving import PATIENCE_S


def names_in(folder: Path) -> list[str]:
    """The names in *folder*, hidden ones too."""
    return sorted(os.listdir(folder))  # noqa: PTH208


def settled_descriptors() -> int:
    """How many descriptors this process has when those are closed that earlier tests have left to the collector."""
    gc.collect()
    return count_descriptors()


def count_descriptors() -> int:
    """How many descriptors this process has now."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds; what is waited for happens in threads or in other tasks, and tells nobody."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
