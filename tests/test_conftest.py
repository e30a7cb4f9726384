"""The fixtures and rules that all tests lean on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, ViewportSize

from tests.browsing import DESKTOP, PHONE, open_page

ROOT = Path(__file__).parent.parent

SKIPPING = "import pytest\ndef test_one(): pytest.skip('not today')\n"
SKIPPING_MODULE = "import pytest\npytest.skip('not today', allow_module_level=True)\n"
BROWSING = "def test_one(chromium): pass\n"
BROWSING_OR_NOT = f"{BROWSING}def test_two(): pass\n"
VERSIONED = "import pytest\n@pytest.mark.needs_aiohttp({version!r})\ndef test_one(): pass\n"
FAILING = "def test_one(): assert 1 == 2\n"
HANGING = """
import asyncio, pytest, threading
from tests import conftest
conftest.EXIT_S = 0.5
def wait_for_nobody(): threading.Event().wait()
async def wait(): await asyncio.to_thread(wait_for_nobody)
"""
HANGING_AT_THE_END = f"{HANGING}@pytest.mark.asyncio\nasync def test_one(): await wait()\n"
HANGING_WITHIN = f"{HANGING}def test_one(): asyncio.run(wait())\n"


def run_pytest(folder: Path, source: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest with this project's conftest over one test module, in a process of its own."""
    (folder / "test_sample.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", folder / "pytest.ini", folder, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("source", [SKIPPING, SKIPPING_MODULE], ids=["test", "module"])
def test_under_ci_a_skipped_test_fails_the_session_and_is_named(tmp_path: Path, source: str) -> None:
    result = run_pytest(tmp_path, source, CI="true")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "CI=true: nothing may skip" in result.stdout
    assert "test_sample.py" in result.stdout
    assert "not today" in result.stdout


def test_on_a_users_machine_a_test_may_skip(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, SKIPPING, CI="")
    assert result.returncode == pytest.ExitCode.OK
    assert "nothing may skip" not in result.stdout


def test_on_a_users_machine_without_a_browser_the_browser_tests_skip(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, BROWSING, CI="", PATH="")
    assert result.returncode == pytest.ExitCode.OK
    assert "1 skipped" in result.stdout


def test_under_ci_a_missing_browser_fails_the_browser_tests(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, BROWSING, CI="true", PATH="")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert ".ci/run installs Debian's chromium" in result.stdout


def test_what_drives_a_browser_can_be_left_out_without_skipping(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, BROWSING_OR_NOT, "-m", "not browser", CI="true", PATH="")
    assert result.returncode == pytest.ExitCode.OK
    assert "1 passed, 1 deselected" in result.stdout


@pytest.mark.parametrize(("version", "outcome"), [("3.14", "1 passed"), ("3.14.0", "1 passed"), ("99.1", "1 skipped")])
def test_what_needs_a_newer_aiohttp_skips(tmp_path: Path, version: str, outcome: str) -> None:
    result = run_pytest(tmp_path, VERSIONED.format(version=version), CI="")
    assert result.returncode == pytest.ExitCode.OK
    assert outcome in result.stdout


def test_the_asserts_of_a_test_are_executed_under_optimizing_too(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, FAILING, PYTHONOPTIMIZE="1")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "assert 1 == 2" in result.stdout


@pytest.mark.parametrize("source", [HANGING_AT_THE_END, HANGING_WITHIN], ids=["at the end", "within"])
def test_a_thread_that_waits_for_ever_is_shown_and_ended_although_its_loop_waits_for_it(
    tmp_path: Path, source: str
) -> None:
    result = run_pytest(tmp_path, source, "--timeout=5")  # on a busy machine too, the thread waits by then
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "in wait_for_nobody" in result.stderr


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_a_page_in_the_browser_tells_its_complaints(browser: Browser, viewport: ViewportSize) -> None:
    async def answer(request: web.Request) -> web.Response:
        body = "<title>Hello</title><link rel=icon href='data:,'><script src=/gone.js></script><script>oops()</script>"
        return web.Response(text=body, content_type="text/html", status=404)

    async def gone(request: web.Request) -> web.Response:
        raise web.HTTPNotFound

    app = web.Application()
    app.router.add_get("/", answer)
    app.router.add_get("/gone.js", gone)
    async with TestServer(app) as server:
        page, complaints = await open_page(browser, viewport)
        await page.goto(str(server.make_url("/")))
        assert await page.title() == "Hello"
        assert await page.evaluate("innerWidth") == viewport["width"]
    missing, uncaught = complaints
    assert "404" in missing
    assert "/gone.js" in missing
    assert uncaught == "uncaught: oops is not defined"
