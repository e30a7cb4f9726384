"""The plugin for pytest: the fixture ``client`` asks the application that the fixture ``app`` gives.

pytest finds it where webkit is installed; ``pip install webkit[testing]`` brings what it needs. It stands beside
pytest-aiohttp's fixtures, which work with ``app.aiohttp``.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn

import pytest

from webkit.application import Application
from webkit.testing import TestClient

try:
    import pytest_asyncio
except ImportError:  # an extra: `_asyncio_plugin` says so where it is missed
    _async_fixture: Callable[..., Any] = pytest.fixture
else:
    # Marked as one for asyncio, it works in the strict mode too.
    _async_fixture = pytest_asyncio.fixture

__all__ = ["app", "client"]


@pytest.fixture
def _asyncio_plugin(pytestconfig: pytest.Config) -> None:
    """Fail, with the remedy, where nobody would run the asynchronous fixture ``client``."""
    try:
        pytestconfig.getini("asyncio_mode")
    except ValueError:
        message = "The fixture client needs pytest-asyncio: `pip install webkit[testing]`."
        raise pytest.fail.Exception(message, pytrace=False) from None


@pytest.fixture
def app() -> NoReturn:
    """The application to test: override it in your conftest.py, and return a new application."""
    pytest.fail(
        "The fixture client asks the application that the fixture app gives, and there is none. Put into conftest.py:\n"
        "\n"
        "@pytest.fixture\n"
        "def app():\n"
        "    return create_app()  # a new one for each test",
        pytrace=False,
    )


@_async_fixture
async def client(_asyncio_plugin: None, app: Application) -> AsyncIterator[TestClient]:
    """A `webkit.testing.TestClient` of the application that the fixture `app` gives."""
    async with TestClient(app) as client:
        yield client
