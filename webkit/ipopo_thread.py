"""A server in a thread of its own, for programs that have no event loop: iPOPO's components are started and stopped by
plain calls, from any thread.

1. The thread has a loop of its own. It touches neither signals nor the loops and the policy of others.
2. ``start`` blocks until the server answers or has failed, and gives up after a while.
3. ``stop`` blocks until the server has ended, and gives up after a while; soon where the loop does not even notice: it
   is blocked, perhaps by code that waits for a lock of who calls ``stop``. Called from the thread of the server itself,
   by a servlet that ends its own server, it does not wait: the server ends when the servlet is through.
4. What was given up goes on ending by itself, and nobody hangs on it.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Final

__all__ = ["ServerThread"]

Step = Callable[[], Awaitable[None]]

# A loop that runs notices in no time.
_NOTICING_S: Final = 2.0


class ServerThread:
    """Runs *open* and *close* of a server, in its own thread and loop; once."""

    def __init__(
        self, name: str, open: Step, close: Step, *, new_loop: Callable[[], asyncio.AbstractEventLoop]
    ) -> None:
        self._open, self._close = open, close
        self._new_loop = new_loop
        self._opened: Future[None] = Future()
        self._ending: Future[None] = Future()
        self._has_noticed = threading.Event()
        # A daemon: a program that forgets to stop its server ends all the same.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self, patience_s: float) -> None:
        """Start the thread, and wait until the server is open.

        Raises:
            TimeoutError: it is not open after *patience_s*; it is being given up.
            Exception: what *open* raised.
        """
        self._thread.start()
        try:
            self._opened.result(patience_s)
        except BaseException:
            self._end()
            raise

    def stop(self, patience_s: float) -> bool:
        """Let the server end; false where it has not after *patience_s*, or cannot yet."""
        self._end()
        if threading.current_thread() is self._thread:
            return False
        if self._thread.ident is not None and self._has_noticed.wait(min(patience_s, _NOTICING_S)):
            self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _end(self) -> None:
        with suppress(InvalidStateError):  # it was told before
            self._ending.set_result(None)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._new_loop) as runner:
                runner.run(self._serve())
        finally:
            self._has_noticed.set()
            if not self._opened.done():
                self._opened.set_exception(RuntimeError("The loop of the server could not be started."))

    async def _serve(self) -> None:
        ending = asyncio.wrap_future(self._ending)
        opening = asyncio.ensure_future(self._open())
        await asyncio.wait({ending, opening}, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            opening.cancel()  # it was given up
        try:
            await opening
        except BaseException as error:
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        await ending
        self._has_noticed.set()
        await self._close()
