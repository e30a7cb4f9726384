"""Lines for the standard error, collected and written together by a thread.

Who writes a line only puts it in a queue, so the event loop never waits: not for a disk, nor for a pipe that nobody
reads. The thread writes what has come within 200 ms, or once there are 64 KiB, with one write;
:meth:`LineWriter.flush` waits for it, at errors and at the end of the process. A stream that takes nothing costs memory
up to a bound; what comes then is dropped and counted. One that is closed or broken costs its lines, and nothing else.

The rules that make this right without a lock, so that a signal handler or a finalizer may write at any time:

1. A line is put into the queue, and taken out of it, in one step for Python.
2. The thread sets the mark to zero *before* it takes lines. A line that it misses therefore meets a mark of zero, and
   calls the thread again.
3. The size is a sum that two threads may get wrong for a moment. It decides when to write, never what.
"""

import atexit
import io
import logging
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, TextIO

__all__ = ["STANDARD_ERROR", "LineWriter", "StandardErrorHandler"]

_INTERVAL_S: Final = 0.2
_FULL_SIZE: Final = 64 * 1024
_MOST_SIZE: Final = 16 * 1024 * 1024
# How long somebody waits for a stream that takes nothing.
_PATIENCE_S: Final = 1.0

# Wishes for the thread: a line has begun a new interval; write now.
_BEGUN: Final = object()
_NOW: Final = object()

logger = logging.getLogger("webkit.server")


class LineWriter:
    """Collects lines for *interval_s* seconds, at most *most_size* characters, for the stream that *stream* gives.

    ``stream()`` is asked for each write, as ``sys.stderr`` may be replaced; ``None`` is nobody who reads.
    """

    def __init__(
        self, stream: Callable[[], TextIO | None], *, interval_s: float = _INTERVAL_S, most_size: int = _MOST_SIZE
    ) -> None:
        self._stream = stream
        self._interval_s = interval_s
        self._most_size = most_size
        #: Lines that were lost so far, and of which nobody was told yet.
        self._lost = 0
        # Whether somebody waited in vain.
        self._is_stuck = False
        # Whether each line is written at once.
        self._is_closed = False
        self.begin_anew()

    def write(self, line: str) -> None:
        """Take *line*, which comes without its end. Never waits, and never raises."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= self._mark:
            self._pass_mark()

    def hurry(self) -> None:
        """Let what has come be written now, without waiting for it."""
        self._wishes.put(_NOW)

    def flush(self, patience_s: float = _PATIENCE_S) -> bool:
        """Wait until what has come is written, and tell whether it is.

        A stream that takes nothing is waited for once, and again when it has gone on.
        """
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return not self._lines
        written = threading.Event()
        self._wishes.put(written)
        if not written.wait(0 if self._is_stuck else patience_s):
            self._is_stuck = True
            return False
        return True

    def close(self) -> None:
        """Flush. From now on each line is written at once: the interpreter ends, and its threads with it."""
        self.flush()
        self._is_closed = True

    def begin_anew(self) -> None:
        """Begin as a new one, such as in a forked process: the lines are the parent's, and so is the thread."""
        self._lines: deque[str] = deque()
        self._size = 0
        # The size at which something has to be done.
        self._mark = 0
        self._thread: threading.Thread | None = None
        self._starting = threading.RLock()
        # Unlike events and conditions it may be used by a signal handler that interrupts its use.
        self._wishes: SimpleQueue[object] = SimpleQueue()
        self._is_stuck = False
        self._is_closed = False

    def _pass_mark(self) -> None:
        if self._mark == 0:
            self._mark = _FULL_SIZE
            self._wishes.put(_BEGUN)
            if self._thread is None or self._is_closed:
                self._start()
        elif self._size < self._most_size:
            self._mark = self._most_size
            self._wishes.put(_NOW)
        else:
            with suppress(IndexError):  # the thread has just taken it
                self._size -= len(self._lines.pop())
                self._lost += 1

    def _start(self) -> None:
        with self._starting:
            if self._is_closed:
                if not self._is_stuck:  # or the process would never end
                    self._write_lines()
            elif self._thread is None:
                self._thread = threading.Thread(target=self._run, name="webkit-log-lines", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # there can be no more threads
                    self._thread = None
                    self._write_lines()

    def _run(self) -> None:
        while True:
            wish = self._wishes.get()
            if wish is _BEGUN:
                with suppress(Empty):
                    wish = self._wishes.get(timeout=self._interval_s)
            self._write_lines()
            if isinstance(wish, threading.Event):
                wish.set()

    def _write_lines(self) -> None:
        self._mark = 0
        self._size = 0
        lines = [*self._taken(), ""]
        if len(lines) == 1:
            return
        try:
            _write(self._stream(), "\n".join(lines))
        except Exception:  # closed, broken, full, or no stream at all; there is nobody to tell
            self._lost += len(lines) - 1
            return
        self._is_stuck = False
        if self._lost:
            lost, self._lost = self._lost, 0
            with suppress(Exception):  # a handler of somebody; the thread has to go on
                logger.warning("%d lines of the log were lost: the standard error did not take them.", lost)

    def _taken(self) -> Iterator[str]:
        """Take what is there now; what comes meanwhile is for the next time."""
        with suppress(IndexError):  # somebody else has dropped or taken it
            for _ in range(len(self._lines)):
                yield self._lines.popleft()


class StandardErrorHandler(logging.Handler):
    """What ``webkit.run`` sets up where nobody has set up logging: all records, through :data:`STANDARD_ERROR`."""

    def __init__(self) -> None:
        super().__init__()
        self._usual_formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self.setFormatter(self._usual_formatter)

    @property
    def is_untouched(self) -> bool:
        """Whether nobody has given it a level, a filter or a formatter."""
        return not self.level and not self.filters and self.formatter is self._usual_formatter

    def handle(self, record: logging.LogRecord) -> Any:
        """Write *record*, if no filter is against it.

        Without the lock of other handlers: it would be held while an error is waited for. Then nobody else could log,
        and the thread that is waited for could not either.
        """
        taken = self.filter(record)
        if taken:
            self.emit(taken if isinstance(taken, logging.LogRecord) else record)
        return taken

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record*; an error is waited for, so that it is not lost with the process."""
        try:
            STANDARD_ERROR.write(self.format(record))
        except Exception:
            self.handleError(record)
        if record.levelno >= logging.ERROR:
            STANDARD_ERROR.flush()

    def flush(self) -> None:
        """Write what has come (``logging.shutdown`` calls this)."""
        STANDARD_ERROR.flush()


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        descriptor = stream.fileno()
    except (AttributeError, io.UnsupportedOperation):  # in memory
        stream.write(text)
        stream.flush()
        return
    # Not by the stream itself: a thread that waits in there would keep its lock, and the interpreter could not end.
    data = memoryview(text.encode(stream.encoding or "utf-8", "backslashreplace"))
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # somebody has made it non-blocking
            select.select([], [descriptor], [], _PATIENCE_S)


#: For the access log, and for all that the server logs where nobody has set up logging.
STANDARD_ERROR: Final = LineWriter(lambda: sys.stderr)

atexit.register(STANDARD_ERROR.close)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=STANDARD_ERROR.begin_anew)
