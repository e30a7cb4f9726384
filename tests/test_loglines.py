"""Lines for the standard error: collected, written together, never lost where that can be helped, never waited for."""

import asyncio
import io
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

import pytest

from tests.processes import PATIENCE_S, environment
from webkit.loglines import LineWriter, StandardErrorHandler

# A pipe that nobody reads takes so much at most, whatever system this is.
MORE_THAN_A_PIPE_TAKES = 4 * 1024 * 1024


class Pipe:
    """A pipe that lines are written into, and the writer for it."""

    def __init__(self, *, interval_s: float = 0.2, most_size: int = 64 * 1024 * 1024) -> None:
        reader, writer = os.pipe()
        self.reader = os.fdopen(reader, "rb", buffering=0)
        self.stream: TextIO = os.fdopen(writer, "w", encoding="utf-8")
        self.lines = LineWriter(lambda: self.stream, interval_s=interval_s, most_size=most_size)

    def read(self) -> bytes:
        """Give what one read gives: what was written with one write, as long as that is not more than a page."""
        return self.reader.read(4096) or b""

    def read_lines(self, count: int) -> list[str]:
        """Read until *count* lines have come."""
        data = b""
        while data.count(b"\n") < count:
            data += self.reader.read(1024 * 1024) or b""
        return data.decode().splitlines()

    def close(self) -> None:
        self.reader.close()
        self.stream.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.reader.close()
    made.lines.flush()
    made.stream.close()


def test_lines_are_written_when_the_interval_is_over(pipe: Pipe) -> None:
    pipe.lines.write("one")
    assert pipe.read() == b"one\n"
    pipe.lines.write("and later")
    assert pipe.read() == b"and later\n"


def test_a_flush_waits_until_the_lines_are_written(pipe: Pipe) -> None:
    os.set_blocking(pipe.reader.fileno(), False)
    pipe.lines.write("one")
    assert pipe.lines.flush(PATIENCE_S)
    assert pipe.read() == b"one\n"
    assert pipe.lines.flush(PATIENCE_S)
    assert pipe.read() == b""


def test_lines_that_came_together_are_written_together_and_at_once_where_there_is_haste_or_64_kib() -> None:
    # With an interval that no test waits for, only the size and the haste can be the reason.
    pipe = Pipe(interval_s=10 * PATIENCE_S)
    for number in range(3):
        pipe.lines.write(f"line {number}")
    pipe.lines.hurry()
    assert pipe.read() == b"line 0\nline 1\nline 2\n"
    pipe.lines.write("x" * 40_000)
    pipe.lines.write("y" * 40_000)
    assert pipe.read_lines(2) == ["x" * 40_000, "y" * 40_000]
    pipe.close()


def test_threads_that_write_at_once_lose_nothing(pipe: Pipe) -> None:
    def write(name: int) -> None:
        for number in range(5_000):
            pipe.lines.write(f"{name} {number}")

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    lines = pipe.read_lines(20_000)
    for thread in threads:
        thread.join()
    # Each thread's own lines are in their order, and all are there.
    for name in range(4):
        assert [line for line in lines if line.startswith(f"{name} ")] == [f"{name} {n}" for n in range(5_000)]


async def test_loops_in_several_threads_share_a_writer(pipe: Pipe) -> None:
    async def write(name: int) -> None:
        for number in range(100):
            pipe.lines.write(f"{name} {number}")
            await asyncio.sleep(0)

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, write(name)) for name in range(3)))
    lines = await asyncio.to_thread(pipe.read_lines, 300)
    assert sorted(lines) == sorted(f"{name} {number}" for name in range(3) for number in range(100))


def test_a_pipe_that_nobody_reads_is_not_waited_for_and_loses_nothing_once_it_is_read(pipe: Pipe) -> None:
    line = "x" * 1023
    for _ in range(MORE_THAN_A_PIPE_TAKES // 1024):
        pipe.lines.write(line)
    assert not pipe.lines.flush(0.01)
    # Nobody waits a second time: with this patience the test would never end.
    assert not pipe.lines.flush(100 * PATIENCE_S)
    assert pipe.read_lines(MORE_THAN_A_PIPE_TAKES // 1024) == [line] * (MORE_THAN_A_PIPE_TAKES // 1024)
    pipe.lines.write("and on")
    assert pipe.read_lines(1) == ["and on"]


def test_what_is_more_than_the_memory_for_it_is_dropped_counted_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    pipe = Pipe(most_size=MORE_THAN_A_PIPE_TAKES)
    line = "x" * 1024
    sent = 3 * MORE_THAN_A_PIPE_TAKES // 1024
    for _ in range(sent):
        pipe.lines.write(line)
    pipe.lines.write("the last")
    # To its end: what comes last may be read before it is told that something was lost.
    with ThreadPoolExecutor(1) as readers:
        reading = readers.submit(pipe.reader.read)
        is_written = pipe.lines.flush(PATIENCE_S)
        pipe.stream.close()
    assert is_written
    received = reading.result().count(b"\n")
    (message,) = [message for message in caplog.messages if "were lost" in message]
    lost = sent + 1 - received
    assert lost > 0
    assert message == f"{lost} lines of the log were lost: the standard error did not take them."
    pipe.close()


def test_a_pipe_whose_reader_has_left_costs_its_lines_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    broken, whole = Pipe(), Pipe()
    stream = broken.stream
    lines = LineWriter(lambda: stream)
    broken.reader.close()
    lines.write("for nobody")
    assert lines.flush(PATIENCE_S)
    stream = whole.stream
    lines.write("for somebody")
    assert lines.flush(PATIENCE_S)
    assert whole.read() == b"for somebody\n"
    assert caplog.messages == ["1 lines of the log were lost: the standard error did not take them."]
    broken.stream.close()
    whole.close()


def test_a_closed_stream_and_none_at_all_are_no_reason_to_fail() -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (closed, None):
        lines = LineWriter(lambda stream=stream: stream)  # type: ignore[misc]
        lines.write("for nobody")
        assert lines.flush(PATIENCE_S)


def test_a_stream_in_memory_is_written_to() -> None:
    stream = io.StringIO()
    lines = LineWriter(lambda: stream)
    lines.write("one")
    lines.write("two")
    assert lines.flush(PATIENCE_S)
    assert stream.getvalue() == "one\ntwo\n"


def test_a_non_blocking_stream_gets_everything(pipe: Pipe) -> None:
    os.set_blocking(pipe.stream.fileno(), False)
    for _ in range(512):
        pipe.lines.write("x" * 1023)
    assert pipe.read_lines(512) == ["x" * 1023] * 512


def test_what_the_encoding_does_not_have_is_escaped() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as read, os.fdopen(writer, "w", encoding="ascii") as stream:
        lines = LineWriter(lambda: stream)
        lines.write("caf\u00e9 \udcff")
        assert lines.flush(PATIENCE_S)
        assert read.read(100) == b"caf\\xe9 \\udcff\n"


def test_after_its_end_each_line_is_written_at_once(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LineWriter.flush, "__defaults__", (PATIENCE_S,))  # the thread may stand still for a second
    pipe.lines.write("one")
    pipe.lines.close()
    os.set_blocking(pipe.reader.fileno(), False)
    assert pipe.read() == b"one\n"
    pipe.lines.write("two")
    assert pipe.read() == b"two\n"


def test_after_its_end_nobody_waits_for_a_pipe_that_nobody_reads(pipe: Pipe) -> None:
    for _ in range(MORE_THAN_A_PIPE_TAKES // 1024):
        pipe.lines.write("x" * 1023)
    assert not pipe.lines.flush(0.01)
    pipe.lines.close()
    for _ in range(3):
        pipe.lines.write("for nobody")


# The process


def run_script(
    code: str, *, stderr: int = subprocess.PIPE, patience_s: float = PATIENCE_S
) -> "subprocess.CompletedProcess[str]":
    """Run *code*. It waits *patience_s* for lines: webkit's own second is over where the thread stands still."""
    prelude = (
        "import logging, os, sys\nfrom webkit.loglines import STANDARD_ERROR, LineWriter, StandardErrorHandler\n"
        f"LineWriter.flush.__defaults__ = ({patience_s},)\n"
    )
    command = [sys.executable, "-W", "error", "-c", prelude + code]
    return subprocess.run(
        command, env=environment(), stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.mark.parametrize(
    ("code", "end"),
    [
        ("", ""),
        ("sys.exit(3)", ""),
        ("raise KeyboardInterrupt", "KeyboardInterrupt\n"),
        ("raise SystemError('crash')", "SystemError: crash\n"),
        ("import atexit; atexit.register(lambda: STANDARD_ERROR.write('very last'))", ""),
        ("logging.getLogger().addHandler(StandardErrorHandler()); logging.error('E'); os._exit(0)", "ERROR root: E\n"),
    ],
)
def test_whatever_ends_the_process_the_lines_are_written(code: str, end: str) -> None:
    done = run_script(f"STANDARD_ERROR.write('first'); STANDARD_ERROR.write('second')\n{code}")
    assert "first\nsecond\n" in done.stderr
    if end:
        assert end in done.stderr


def test_lines_written_by_other_exit_handlers_are_not_lost() -> None:
    done = run_script(
        "import atexit, importlib\natexit.register(STANDARD_ERROR.write, 'before')\nSTANDARD_ERROR.write('running')\n"
        "atexit.unregister(STANDARD_ERROR.close)\natexit.register(STANDARD_ERROR.close)\n"
    )
    assert done.stderr == "running\nbefore\n"


def test_a_forked_child_writes_its_own_lines_and_not_those_of_its_parent() -> None:
    done = run_script(
        "import warnings; warnings.simplefilter('ignore')\n"
        "STANDARD_ERROR.write('parent')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    STANDARD_ERROR.write('child')\n"
        "    sys.exit()\n"
        "os.waitpid(child, 0)\n"
    )
    assert sorted(done.stderr.splitlines()) == ["child", "parent"]


def test_a_process_without_standard_error_runs() -> None:
    code = "from webkit.loglines import STANDARD_ERROR as out; out.write('x'); out.flush(); print('runs')"
    command = f'exec "{sys.executable}" -c "{code}" 2>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stdout) == (0, "runs\n")


def test_a_process_ends_although_nobody_reads_its_standard_error() -> None:
    reader, writer = os.pipe()
    try:
        done = run_script(
            "for _ in range(4096): STANDARD_ERROR.write('x' * 1023)\nprint('has ended', flush=True)",
            stderr=writer,
            patience_s=1,
        )
    finally:
        os.close(writer)
        os.close(reader)
    assert (done.returncode, done.stdout) == (0, "has ended\n")


def test_a_signal_handler_may_write_at_any_moment(pipe: Pipe) -> None:
    signals = 0

    def write(*_: object) -> None:
        nonlocal signals
        signals += 1
        pipe.lines.write("signal")

    before = signal.signal(signal.SIGALRM, write)
    time_limit = signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)  # that of pytest-timeout
    try:
        for number in range(20_000):
            pipe.lines.write(str(number))
            if number % 1000 == 0:
                pipe.lines.flush(0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *time_limit)
    # All of them: what is there after fewer may end within a line.
    lines = [line for line in pipe.read_lines(20_000 + signals) if line != "signal"]
    assert lines == [str(number) for number in range(20_000)]


# The handler


def test_the_handler_writes_what_logging_writes_and_waits_for_errors(tmp_path: Path) -> None:
    done = run_script(
        "logging.basicConfig(level=logging.INFO, handlers=[StandardErrorHandler()])\n"
        "logging.getLogger('shop').info('%s apples', 3)\n"
        "try: 1/0\n"
        "except ZeroDivisionError: logging.exception('failed')\n"
        "os._exit(0)"
    )
    first, second, *traceback = done.stderr.splitlines()
    assert first.endswith(" INFO shop: 3 apples")
    assert second.endswith(" ERROR root: failed")
    assert traceback[-1].startswith("ZeroDivisionError")


def test_an_error_behind_lines_that_were_lost_is_written_and_not_held_up_by_telling_that() -> None:
    done = run_script(
        "logging.basicConfig(level=logging.INFO, handlers=[StandardErrorHandler()])\n"
        "whole, broken = sys.stderr, open(os.devnull)\n"  # one can only read from it
        "sys.stderr = broken\n"
        "logging.info('for nobody')\n"
        "STANDARD_ERROR.flush()\n"
        "sys.stderr = whole\n"
        "logging.error('one')\n"
        "logging.error('two')\n"
        "os._exit(0)"
    )
    assert [line.partition(": ")[2] for line in done.stderr.splitlines()] == [
        "one",
        "1 lines of the log were lost: the standard error did not take them.",
        "two",
    ]


def test_a_record_that_cannot_be_formatted_is_reported_as_logging_does(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("shop", logging.INFO, __file__, 1, "%d apples", ("three",), None)
    StandardErrorHandler().handle(record)
    assert "--- Logging error ---" in capsys.readouterr().err
