"""webkit as a process of its own: ``python -m webkit ...`` in a folder, talked to and ended as a shell would."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

import webkit

ROOT = Path(webkit.__file__).parent.parent

# No test waits this long; it turns a hanging process into a failing test.
PATIENCE_S = 20


def environment(**more: str) -> dict[str, str]:
    """Give the environment of the process: it finds webkit, wherever it runs."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | more


def run_to_its_end(folder: Path, *words: str, flags: tuple[str, ...] = (), **more: str) -> tuple[int, str, str]:
    """Run ``python -m webkit`` with *words* in *folder*; give its exit code and what it wrote to stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *flags, "-m", "webkit", *words],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def run_python(code: str) -> tuple[str, str]:
    """Run *code* in a process of its own that shows all warnings; give what it printed and what it warned of."""
    command = [sys.executable, "-W", "always", "-c", code]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return done.stdout, done.stderr


class Process:
    """A server process, and what it has written so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.stdout = ""
        self.stderr = ""
        self.banner = ""

    @property
    def urls(self) -> list[str]:
        """The addresses of the banner."""
        return self.banner.partition(" on ")[2].removesuffix(" (Ctrl+C stops)\n").split(", ")

    @property
    def port(self) -> int:
        """The TCP port of the banner."""
        return int(self.urls[-1].rpartition(":")[2])

    def send_signal(self, number: signal.Signals) -> None:
        """Send *number* to the process."""
        self._process.send_signal(number)

    async def until_stdout(self, text: str) -> str:
        """Wait for a line with *text* on standard output, and give it."""
        assert self._process.stdout is not None
        line = ""
        while text not in line:
            line = await self._next_line(self._process.stdout)
            self.stdout += line
        return line

    async def until_stderr(self, text: str) -> str:
        """Wait for a line with *text* on standard error, and give it."""
        assert self._process.stderr is not None
        line = ""
        while text not in line:
            line = await self._next_line(self._process.stderr)
            self.stderr += line
        return line

    async def get(self, path: str) -> tuple[int, str]:
        """Ask over TCP for *path*; give status and text."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.urls[-1]}{path}") as response:
            return response.status, await response.text()

    async def exit_code(self) -> int:
        """Wait for the end, and give the exit code."""
        out, err = await asyncio.wait_for(self._process.communicate(), PATIENCE_S)
        self.stdout += out.decode()
        self.stderr += err.decode()
        assert self._process.returncode is not None
        return self._process.returncode

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send *number*, and give the exit code."""
        self.send_signal(number)
        return await self.exit_code()

    async def kill(self) -> None:
        """End a process that is still there, whatever it does."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()

    async def _next_line(self, stream: asyncio.StreamReader) -> str:
        line = (await asyncio.wait_for(stream.readline(), PATIENCE_S)).decode()
        if not line:
            code = await self.exit_code()
            raise AssertionError(f"The process ended with {code}:\n{self.stdout}\n{self.stderr}")
        return line


@asynccontextmanager
async def started(folder: Path, *words: str, flags: tuple[str, ...] = (), **more: str) -> AsyncIterator[Process]:
    """Start ``python -m webkit`` with *words* in *folder*; it is gone when the block is left."""
    process = Process(
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", *flags, "-m", "webkit", *words),
            cwd=folder,
            env=environment(**more),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    )
    try:
        yield process
    finally:
        await process.kill()


@asynccontextmanager
async def serving(folder: Path, *words: str, flags: tuple[str, ...] = (), **more: str) -> AsyncIterator[Process]:
    """Start as ``started`` does, and wait for the banner."""
    async with started(folder, *words, flags=flags, **more) as process:
        process.banner = await process.until_stdout("webkit ")
        yield process


async def is_listened_on(port: int) -> bool:
    """Whether somebody accepts connections on *port*."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
