"""Every touch of what aiohttp does not promise, with its reason. ``tests/test_aiohttp.py`` fails when one breaks."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict, MultiDict, MultiDictProxy, MultiMapping

__all__ = [
    "PulledReader",
    "before_headers",
    "before_waiting",
    "begin_anew",
    "busy_task_of",
    "cancels_with_client",
    "content_of",
    "give_match",
    "has_queued_requests",
    "is_left",
    "keep_posted",
    "let_go_of_parser",
    "limit_body",
    "limits_of_forms",
    "listen_to",
    "replace_content",
    "replace_server",
    "take_body",
    "take_full_names",
    "take_loop",
    "unindex",
    "wrap_parser",
]

_KNOWS_FIELDS = "client_max_fields" in inspect.signature(web.Application).parameters


def has_queued_requests(connection: RequestHandler) -> bool:
    """Whether the client has sent more requests on *connection* than were begun (pipelining).

    While the server stops, an answer says ``Connection: close`` only when nothing is queued behind it: aiohttp drops
    what is, and has no public way to ask.
    """
    return bool(connection._messages)


def busy_task_of(connection: RequestHandler) -> "asyncio.Task[Any] | None":
    """Give the task that serves a request on *connection*, its answer included; ``None`` where none is served.

    To note the task of each request from outside would be public, cost time in each, and keep what each idle connection
    has done last: its task with the answer.
    """
    if not connection._request_in_progress:
        return None
    # The connection forgets its task when the client leaves, whatever the handler still does.
    request = connection._current_request
    return connection._task_handler if request is None else request.task


def give_match(request: web.Request, match: web.UrlMappingMatchInfo) -> None:
    """Let *request* go where *match* says: what aiohttp's application does once its router has told it.

    PERF: webkit's server finds the route itself where the table is all that the router has. To go through aiohttp's
    application and router to the same match is a tenth of a request.
    """
    request._match_info = match


def cancels_with_client(request: web.BaseRequest) -> bool:
    """Whether the server of *request* cancels its handler when the client leaves (``handler_cancellation``).

    The server knows it, and nothing public leads from a request to its server.
    """
    return getattr(request.protocol._manager, "handler_cancellation", False) is True


def is_left(request: web.BaseRequest) -> bool:
    """Whether the cancelling that has just come to the handler of *request* says that the client has left, no more.

    A cancelled task is not told why. The connection has let go of its server then, and was cancelled once; a server
    that stops cancels it while it still has the connection, and the end of the connection cancels it once more.
    """
    return request.protocol._manager is None and request.task.cancelling() == 1


def limits_of_forms(client_max_fields: int) -> dict[str, Any]:
    """Give the argument that limits the fields of a form; aiohttp knows it since 3.14.4."""
    return {"client_max_fields": client_max_fields} if _KNOWS_FIELDS else {}


def take_body(request: web.Request) -> bytes | None:
    """Give the body of *request* where it has come as a whole, in one piece that nobody has touched, else ``None``.

    It is what ``await request.read()`` gives, now and later. The limit of the application is for the caller to see to.

    PERF: ``read()`` waits three times for what is there, and wakes the parser for more: 9 % of a request with a small
    body. The public ``content.read_nowait()`` wakes it too, and leaves nothing for who reads once more.
    """
    content = request._payload
    # The stream of a request without a body, and one that stands in for another, are of other classes.
    if content.__class__ is not StreamReader or not content._eof or len(content._buffer) != 1:
        return None
    if content._buffer_offset or content._http_chunk_splits is not None or content._exception is not None:
        return None
    body = request._read_bytes = content._buffer.popleft()
    content._size = 0
    content._cursor += len(body)
    return body


def keep_posted(request: web.Request, fields: MultiMapping[str]) -> None:
    """Let ``await request.post()`` give *fields* from now on: the body of *request* was read in another way.

    It would fail to read the body once more, and packages such as aiohttp-debugtoolbar ask every request. Files are
    none of it: aiohttp would close them before the answer, which may be one of them.
    """
    request._post = MultiDictProxy(MultiDict(fields))


def limit_body(request: web.Request, limit_bytes: int) -> None:
    """Let ``read()``, ``json()`` and ``post()`` of *request* take *limit_bytes*, in the place of ``client_max_size``.

    The public way, ``request.clone(client_max_size=...)``, makes another request: what the handler notes in it,
    aiohttp, the middlewares and the signals do not see, and files of its form are not closed.
    """
    request._client_max_size = limit_bytes


def replace_server(runner: web.BaseRunner, make: Callable[..., web.Server]) -> None:
    """Let *runner*, which is set up, serve with ``make(handler, **options)``; the options are those of its own server.

    An ``AppRunner`` makes a server whose connections are aiohttp's, and there is no public way to give it another, nor
    to learn what ``handler_args`` of the application have added to the options.
    """
    made = runner.server
    if made is not None:
        runner._server = make(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )


def wrap_parser(connection: RequestHandler, wrap: Callable[[Any], Any]) -> None:
    """Put ``wrap(parser)`` between *connection* and its parser.

    A connection has no hook for the bytes and the requests in them: it asks the parser, and turns its errors into 400.
    """
    connection._parser = wrap(connection._parser)


def let_go_of_parser(connection: RequestHandler) -> None:
    """Let *connection*, which has become a WebSocket, forget its parser: there will be no request any more.

    PERF: it is 1.4 KiB for each WebSocket, a tenth of what it takes. aiohttp keeps it until the connection is lost, and
    forgets it then in the same way.
    """
    connection._parser = None


def listen_to(connection: RequestHandler, callback: Callable[[], object]) -> None:
    """Call *callback* for all that comes over *connection*, which has become a WebSocket without a heartbeat.

    Pongs, and parts of a message that comes slowly, are seen nowhere else. aiohttp tells its own heartbeat in this way.
    """
    connection._data_received_cb = callback  # type: ignore[assignment]


def before_waiting(content: StreamReader, callback: Callable[[], bool]) -> None:
    """Call *callback* each time somebody is about to wait for bytes of *content*, until it says true.

    What it raises, the reader gets. Whoever reads, by whatever method, waits in one place: aiohttp enters a timer of
    the stream there, which bounds the waiting for responses of its client and does nothing for requests.
    """
    # The stream of a request without a body is shared by all, and nobody waits for it.
    if not content.is_eof():
        content._timer = _Timer(content, callback)  # type: ignore[assignment]


class _Timer:
    """What stands in for the timer of a stream."""

    def __init__(self, content: StreamReader, callback: Callable[[], bool]) -> None:
        self._content = content
        self._callback = callback
        self._former = content._timer

    def __enter__(self) -> None:
        if self._callback():
            self._content._timer = self._former

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def assert_timeout(self) -> None:
        """Do nothing: there is no timeout."""


def before_headers(request: web.Request, callback: Callable[[CIMultiDict[str]], Awaitable[None]]) -> None:
    """Call *callback* with the headers of the response to *request*, which may still change, right before they go.

    The signal ``on_response_prepare`` would be asked for every request. The writer has a hook for one, which aiohttp's
    client uses for its tracing and can be set from outside in no other way. Whoever asked before is called before.
    """
    writer: Any = request.writer
    former = writer._on_headers_sent

    async def call_both(headers: CIMultiDict[str]) -> None:
        await former(headers)
        await callback(headers)

    writer._on_headers_sent = callback if former is None else call_both


def begin_anew(request: web.Request) -> None:
    """Let an answer to *request* begin as if none had begun: nothing of the one that did was sent.

    What that one has said of its body, that it goes in chunks, compressed or not at all, stays with the writer
    otherwise, and the next answer is framed so whatever its headers say. No other writer can take its place: who is
    called before headers go, and whoever has asked for the writer already, knows this one.
    """
    writer: Any = request.writer
    writer.chunked, writer.length, writer._compress = False, None, None
    writer._headers_buf, writer._headers_written, writer._eof = None, False, False
    for replaced in ("write", "write_eof"):  # by what lets no body follow
        vars(writer).pop(replaced, None)


def replace_content(request: web.Request, content: StreamReader) -> None:
    """Let *request* read *content* from now on.

    A request class of our own could not do it: applications are unmodified and make aiohttp's. Whatever reads the
    body of a request, by ``read()``, ``post()`` or ``content``, reads this attribute, and the last one from a cache.
    """
    request._payload = content
    request._cache.pop("content", None)


def content_of(reader: Any) -> Any:
    """Give the stream that a ``MultipartReader`` or a ``BodyPartReader`` reads, ``None`` where it is neither.

    Needed to tell the body of the request from a multipart body that the handler reads elsewhere.
    """
    return getattr(reader, "_content", None)


class PulledReader(StreamReader):
    """A stream whose bytes are fetched when somebody waits for them.

    ``await fetch()`` gives some bytes, or ``b""`` at the end; what it raises, the reader gets, now and ever after.
    aiohttp's streams are filled by a protocol, and all their methods wait for it in the one that is replaced here.
    *source* is the stream that is behind this one, and gets to know what aiohttp tells this one.
    """

    def __init__(self, source: StreamReader, fetch: Callable[[], Awaitable[bytes]]) -> None:
        super().__init__(_NoProtocol(), 2**16, loop=asyncio.get_running_loop())  # type: ignore[arg-type]
        self.source = source
        self._fetch = fetch

    async def _wait(self, func_name: str) -> None:
        try:
            data = await self._fetch()
        except Exception as error:
            super().set_exception(error)
            raise
        if data:
            self.feed_data(data)
        else:
            self.feed_eof()

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Fail for *exc*: the client is gone."""
        super().set_exception(exc, *cause)
        self.source.set_exception(exc, *cause)


class _NoProtocol:
    """The protocol of a stream that takes no more than is asked for: there is nothing to pause."""

    connected = True

    def pause_reading(self) -> None:
        """Do nothing."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Do nothing."""


def take_full_names(domain: web.AbstractResource) -> None:
    """Let *domain*, which ``add_domain`` gave, match ``example.org.`` as well as ``example.org``.

    Both are the same host (RFC 3986, 3.2.2). aiohttp compares texts, and takes no rule but its own.
    """
    rule: Any = domain.get_info()["rule"]
    match = rule.match_domain

    def match_domain(host: str) -> bool:
        name, colon, port = host.partition(":")
        return bool(match(name.removesuffix(".") + colon + port))

    rule.match_domain = match_domain


def unindex(router: web.UrlDispatcher, resource: web.AbstractResource) -> None:
    """Take *resource* out of the index of *router*, and leave nothing behind.

    The public ``unindex_resource`` leaves an empty list for each path: a server that mounts and unmounts ever new ones
    would grow for ever.
    """
    router.unindex_resource(resource)
    key = router._get_resource_index_key(resource)
    if not router._resource_index[key]:
        del router._resource_index[key]


def take_loop(app: web.Application) -> None:
    """Let *app*, and what is mounted in it, know the event loop that runs.

    aiohttp tells those that are mounted before it serves, and packages read ``app.loop``. There is no public way for
    one that is mounted later.
    """
    app._set_loop(asyncio.get_running_loop())
