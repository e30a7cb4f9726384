"""How long something takes, whatever else goes on meanwhile."""

import time
from collections.abc import Callable


def time_of(do: Callable[[], object]) -> float:
    """Give the seconds that this thread works for *do*: the least of three, as garbage may be collected in one."""

    def measure() -> float:
        began = time.thread_time()
        do()
        return time.thread_time() - began

    return min(measure() for _ in range(3))
