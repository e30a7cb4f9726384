"""What all tests share: the installed browser, rules for property tests, markers, and CI's rule that nothing skips."""

import faulthandler
import os
import shutil
import signal
from collections.abc import AsyncIterator, Generator
from typing import Any

import aiohttp
import hypothesis
import pytest
from packaging.version import Version
from playwright.async_api import Browser, async_playwright

pytest_plugins = ["tests.serving"]

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")

CHROMIUM_ARGUMENTS = (
    "--no-sandbox",  # containers run as root
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",  # a container's /dev/shm is too small for a page
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
)

# How long the process may take to end behind the last test, and a test behind its time limit.
EXIT_S = 60

# Where it is told what hangs: while tests run, pytest keeps what is written to the standard error itself.
STANDARD_ERROR = pytest.StashKey[int]()

# A deadline measures the machine, not the code, and so does the check that examples are made fast enough.
# HYPOTHESIS_PROFILE=long is for one property test at a time: about ten minutes for that of tests/test_parameters.py.
hypothesis.settings.register_profile("default", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("long", deadline=None, max_examples=80_000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# A shell starts what runs in its background with SIGINT ignored, and the processes that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def is_ci() -> bool:
    """True where CI=true: nothing may skip."""
    return os.environ.get("CI") == "true"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the installed Chromium. A machine without one skips the test; CI fails it."""
    for name in CHROMIUM_NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    reason = f"No browser is installed: none of {', '.join(CHROMIUM_NAMES)} is on the PATH."
    if is_ci():
        pytest.fail(f"{reason} .ci/run installs Debian's chromium.")
    pytest.skip(reason)


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """A fresh browser for one test. `tests.browsing.open_page` opens a window in it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield browser
        await browser.close()


def pytest_configure(config: pytest.Config) -> None:
    """Explain the markers that let a run leave tests out by what they need, and remember the standard error."""
    config.stash[STANDARD_ERROR] = os.dup(2)
    config.addinivalue_line("markers", "browser: drives a browser. Every test with the fixture `chromium` has it.")
    config.addinivalue_line("markers", "needs_aiohttp(version): skips under an older aiohttp.")


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that drive a browser: nobody has to remember it."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a newer aiohttp than is installed."""
    for marker in item.iter_markers("needs_aiohttp"):
        (needed,) = marker.args
        if Version(aiohttp.__version__) < Version(needed):
            pytest.skip(f"This needs aiohttp {needed}, and {aiohttp.__version__} is installed.")


def end_later(item: pytest.Item, seconds: float) -> None:
    """Tell what all threads do and end the process, unless *item* is through in time."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=item.config.stash[STANDARD_ERROR])


@pytest.hookimpl(optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> None:
    """Do not wait for ever behind the time limit either: a loop that is closed waits for its threads."""
    end_later(item, settings.timeout + EXIT_S)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Do the same where pytest-asyncio closes the loop; with a failure, pytest has forgotten what was to come later."""
    end_later(item, EXIT_S)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Let the next test have its own time."""
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_unconfigure() -> None:
    """Do not wait for ever for threads that tests have left: tell what they do."""
    faulthandler.dump_traceback_later(EXIT_S, exit=True, file=2)  # the standard error


def list_skipped(config: pytest.Config) -> list[str]:
    """A line for each test or module that skipped so far, with its reason."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None:
        return []
    return [
        f"{report.nodeid}: {report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr}"
        for report in terminal.stats.get("skipped", [])
    ]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under CI a skipped test is a failed session."""
    passed = session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    if is_ci() and passed and list_skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which tests skipped, and that this is why CI fails."""
    skipped = list_skipped(config)
    if is_ci() and skipped:
        terminalreporter.section("CI=true: nothing may skip", sep="=", red=True)
        for line in skipped:
            terminalreporter.line(line)
