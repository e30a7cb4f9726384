"""Testing: an application served as in production, on a free port of this machine, and a client that asks it.

``async with TestClient(app) as client:`` gives aiohttp's test client in front of webkit's own server, so that a test
sees what users will see: the same connections, limits and shutdown. Errors of start and clean-up fail the test.
"""

import asyncio
import inspect
import reprlib
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import IO, Any, Protocol, Self, TypeAlias

import msgspec
from aiohttp import ClientResponse, FormData, test_utils, web
from aiohttp.abc import AbstractCookieJar
from multidict import CIMultiDict
from yarl import URL

from webkit.application import Application
from webkit.config import ServerConfig
from webkit.errors import ConfigError
from webkit.mediatypes import content_type_of
from webkit.run import Server

__all__ = ["FileValue", "FormValue", "PendingResponse", "TestClient", "TestServer"]

#: A file of a form: its path, an open file, or ``(filename, content)`` and perhaps the content type.
FileValue: TypeAlias = Path | IO[Any] | tuple[str, bytes | str | IO[Any]] | tuple[str, bytes | str | IO[Any], str]
#: What a field of a form holds; a list repeats the field.
FormValue: TypeAlias = str | int | float | FileValue | list[Any]


class PendingResponse(Awaitable[ClientResponse], AbstractAsyncContextManager[ClientResponse], Protocol):
    """A request on its way: ``response = await pending``, or ``async with pending as response``."""


class TestServer(test_utils.TestServer):
    """An application, served as ``webkit.run`` does, on a free port of this machine.

    ``TestClient(app)`` makes one. By itself it is for what takes aiohttp's test server, such as the fixture
    ``aiohttp_client`` of pytest-aiohttp, and for a browser: ``async with TestServer(app) as server``, and
    ``server.make_url("/")`` is where it answers.

    Args:
        app: an application that was not served before.
        config: how it is served, except where: only 127.0.0.1 is listened on. Without one there is no access log.

    Raises:
        TypeError: *app* is no application.
        ConfigError: it was served already, or is mounted in another one.
    """

    __test__ = False

    def __init__(self, app: Application | web.Application, *, config: ServerConfig | None = None) -> None:
        _check_application(app)
        super().__init__(app.aiohttp if isinstance(app, Application) else app)
        #: What was given: the application of webkit or of aiohttp.
        self.application = app
        config = config or ServerConfig(access_log=False)
        where: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "path": None, "sockets": (), "redirect_port": None}
        self._serving = Server(app, replace(config, **where))
        self._url: URL | None = None
        self._has_stopped = False

    async def start_server(self, loop: asyncio.AbstractEventLoop | None = None, **options: Any) -> None:
        """Start the application and listen; once.

        Raises:
            Exception: what a startup step of the application raised.
        """
        if options:
            raise TypeError(f"{', '.join(options)}: say how to serve by TestServer(app, config=ServerConfig(...)).")
        if not self.started:
            await self._serving.start()
            self._url = url = URL(self._serving.urls[0])
            self.scheme, self.host, self.port = url.scheme, str(url.host), url.port

    async def close(self) -> None:
        """Stop, as on SIGTERM; once.

        Raises:
            Exception: what the application raised while it was stopped and cleaned up.
        """
        if self._url is not None:
            self._url = self.port = None
            self._has_stopped = True
            await self._serving.stop(raise_errors=True)

    @property
    def started(self) -> bool:
        """Whether it was started."""
        return self._url is not None or self._has_stopped

    @property
    def closed(self) -> bool:
        """Whether it was stopped."""
        return self._has_stopped

    def make_url(self, path: str | URL) -> URL:
        """Give the whole URL of *path*.

        Raises:
            ValueError: *path* is a whole URL already.
            RuntimeError: the server does not run.
        """
        url = URL(path)
        if self._url is None:
            raise RuntimeError("The server does not run: write `async with TestClient(app) as client:`.")
        if url.absolute:
            raise ValueError(
                f"{str(path)!r} is no path of this server. Write '/...'; client.session asks other servers."
            )
        return self._url.join(url)


class TestClient(test_utils.TestClient[web.Request, web.Application]):
    """aiohttp's test client: ``async with TestClient(app) as client``, and ``await client.get("/")``.

    It keeps cookies. Responses and WebSockets that a test leaves open are closed in the end.

    Args:
        app: an application that was not served before.
        config: how it is served, except where: only 127.0.0.1 is listened on. Without one there is no access log.
        cookie_jar: where cookies are kept; a new one if not given.
        session: the other arguments of ``aiohttp.ClientSession``, such as ``headers``.

    Raises:
        TypeError: *app* is no application.
        ConfigError: it was served already, or is mounted in another one.
        RuntimeError: there is no running event loop.
    """

    __test__ = False

    def __init__(
        self,
        app: Application | web.Application,
        *,
        config: ServerConfig | None = None,
        cookie_jar: AbstractCookieJar | None = None,
        **session: Any,
    ) -> None:
        server = TestServer(app, config=config)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("Make a TestClient within `async def`: there is no running event loop.") from None
        super().__init__(server, cookie_jar=cookie_jar, **session)
        self._given = app

    @property
    def app(self) -> Any:
        """The application that was given: webkit's, or a plain one of aiohttp."""
        return self._given

    async def start_server(self) -> None:
        """Start the application and listen; ``async with`` does it."""
        try:
            await super().start_server()
        except BaseException:
            await self.close()
            raise

    def form(
        self, path: str | URL, data: Mapping[str, FormValue], *, method: str = "POST", **options: Any
    ) -> PendingResponse:
        """Send a form as a browser does: multipart with a file in it, url-encoded without, in the query with GET.

        A value is a text, a number, or a file: a ``Path``, an open file, or ``(filename, content)``, if need be with
        the content type as a third. A list repeats its field. *options* are those of ``client.post``.

        Raises:
            TypeError: a value is nothing that a form can hold.
            ValueError: a name holds a control character.
        """
        fields = list(_read_fields(data))
        if method.upper() in {"GET", "HEAD"}:
            # A browser sends the name of a file then.
            texts = [(name, value if isinstance(value, str) else value.filename) for name, value in fields]
            return self.request(method, path, params=texts, **options)
        return self.request(method, path, data=_encode_form(fields), **options)

    def json(
        self, path: str | URL, value: Any = msgspec.UNSET, *, method: str | None = None, **options: Any
    ) -> PendingResponse:
        """Ask for JSON: with a *value*, which msgspec must know (Struct, dataclass, date, ...), POST it; else GET.

        *options* are those of ``client.post``; ``await response.json()`` reads the answer.

        Raises:
            TypeError: *value* cannot be JSON.
        """
        headers = CIMultiDict(options.pop("headers", None) or ())
        headers.setdefault("Accept", "application/json")
        if value is msgspec.UNSET:
            return self.request(method or "GET", path, headers=headers, **options)
        headers.setdefault("Content-Type", "application/json")
        return self.request(method or "POST", path, data=msgspec.json.encode(value), headers=headers, **options)


def _check_application(app: Any) -> None:
    if isinstance(app, Application | web.Application):
        wrapped = app.aiohttp if isinstance(app, Application) else app
        if wrapped.pre_frozen:
            raise ConfigError(
                f"{app!r} was served already, or is mounted in another application. Make a new one for each test."
            )
        return
    remedy = "Pass a webkit.Application, or a web.Application of aiohttp."
    if inspect.iscoroutine(app):
        app.close()  # nobody will await it
        remedy = "Await it first."
    elif isinstance(app, test_utils.BaseTestServer):
        remedy = "Pass the application: webkit's TestClient makes the server."
    elif callable(app):
        remedy = "Call it first, and pass what it gives."
    raise TypeError(f"What is tested is an application, not {app!r}. {remedy}")


# Forms


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a form, read."""

    filename: str
    content: bytes
    content_type: str

    @classmethod
    def read(cls, filename: str, content: Any, content_type: str | None = None) -> Self:
        """Read *content*, bytes, a text or an open file; the content type is that of the name if not given."""
        if hasattr(content, "read"):
            content = content.read()
        if isinstance(content, str):
            content = content.encode()
        if not isinstance(content, bytes):
            raise TypeError("The content of a file is bytes, a text or an open file.")
        # Browsers send no charset with the type of a file.
        return cls(filename, content, content_type or content_type_of(PurePath(filename)).partition(";")[0])


def _read_fields(data: Mapping[str, Any]) -> Iterator[tuple[str, str | _File]]:
    """Give the fields of *data* one by one, each with its text or its file.

    Raises:
        TypeError: a value is neither.
    """
    for name, value in data.items():
        for one in value if isinstance(value, list) else [value]:
            try:
                read = _read_value(one)
            except TypeError as error:
                raise TypeError(f"The form field {name!r} cannot be {reprlib.repr(one)}. {error}") from None
            yield name, read


def _read_value(value: Any) -> str | _File:
    match value:
        case bool():
            raise TypeError("Write 'on', which a ticked box sends, or leave the field out.")
        case str() | int() | float():
            return str(value)
        case Path():
            return _File.read(value.name, value.read_bytes())
        case tuple((str() as filename, content)):
            return _File.read(filename, content)
        case tuple((str() as filename, content, str() as content_type)):
            return _File.read(filename, content, content_type)
    name = getattr(value, "name", None)
    if hasattr(value, "read") and isinstance(name, str):
        return _File.read(PurePath(name).name, value)
    if hasattr(value, "read") or isinstance(value, bytes):
        raise TypeError("A file needs a name: write ('name.txt', content).")
    raise TypeError("Write a text, a number, a Path, an open file, ('name.txt', content), or a list of these.")


def _encode_form(fields: Iterable[tuple[str, str | _File]]) -> FormData:
    form = FormData(quote_fields=False)  # names in UTF-8, as browsers send them
    for name, value in fields:
        if isinstance(value, str):
            form.add_field(name, value)
        else:
            form.add_field(name, value.content, filename=value.filename, content_type=value.content_type)
    return form
