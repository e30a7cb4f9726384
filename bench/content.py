"""What every application of the benchmark answers: in one place, so that no peer can do less than another."""

import asyncio
import os
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

TEXT: Final = "Hello, world"
MESSAGE: Final = {"hello": "world"}

TEMPLATES: Final = Path(__file__).parent / "templates"
#: Of files that do not change while the server runs: the showcase's style sheet.
FILES: Final = Path(__file__).parent.parent / "static"
FILE: Final = "site.css"
#: What is sent on event streams.
EVENT: Final = {"id": 4711, "title": "Lost umbrella", "text": "Black, with a wooden handle.", "author": "Grace"}


class Row(NamedTuple):
    """One line of the page. Names have something to escape in them."""

    number: int
    name: str
    price: float


ROWS: Final = [Row(number, f"Tea & <Biscuits> no. {number}", 1.25 * number) for number in range(1, 21)]


class User(Struct):
    """What is posted as JSON, checked and sent back. Peers that bring a way to say this say it in their own."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    age: Annotated[int, Meta(ge=0, le=150)]
    tags: Annotated[list[str], Meta(max_length=10)]


def new_upload() -> Path:
    """Give the path of a file that is not there yet, in the folder that the harness watches."""
    return Path(os.environ.get("BENCH_UPLOADS", tempfile.gettempdir())) / uuid.uuid4().hex


async def seconds_to_tell(tell: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Give the processor time of *tell*, and of the loop until the system has what was sent."""
    began = time.process_time()
    await tell()
    for _ in range(3):  # uvloop writes at the end of its turn
        await asyncio.sleep(0)
    return {"seconds": time.process_time() - began}
