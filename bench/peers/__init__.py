"""Who is measured, and how each is served: by what its documentation advises for production, with one worker."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

_UVICORN: Final = (
    *("-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--loop", "uvloop", "--http", "httptools"),
    *("--no-access-log", "--log-level", "warning", "--timeout-keep-alive", "75"),
)
_GRANIAN: Final = (
    *("-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1"),
    *("--loop", "uvloop", "--no-access-log", "--log-level", "warning"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One application under one server."""

    name: str
    title: str
    words: tuple[str, ...]  #: the command line behind ``python``; ``{port}`` is filled in
    module: str  #: whose import is measured
    used: str = ""  #: the modules of an application's class and its like, where that one loads them only when asked for
    lacks: frozenset[str] = frozenset()  #: of the headers that a server owes
    is_pinned: bool = True  #: whether it has one core, as all others; who has not is not compared

    @property
    def missing(self) -> list[str]:
        """The packages of framework and server that are not installed."""
        packages = dict.fromkeys(name.partition(".")[0] for name in (self.module, self.words[1]))
        return [name for name in packages if find_spec(name) is None]


WEBKIT: Final = "webkit"
AIOHTTP: Final = "aiohttp"
#: Who has servlets, and is measured with nothing else.
IPOPO: Final = "ipopo"
#: A handler of webkit that is no servlet, beside one that is.
PLAIN: Final = "plain"

PEERS: Final = {
    peer.name: peer
    for peer in (
        Peer(
            name=WEBKIT,
            title="webkit",
            words=("-m", "bench.peers.webkit_app", "{port}"),
            module="webkit",
            used="webkit.application, webkit.views",
        ),
        Peer(
            name=AIOHTTP,
            title="bare aiohttp",
            words=("-m", "bench.peers.aiohttp_app", "{port}"),
            module="aiohttp.web",
        ),
        Peer(
            name="starlette",
            title="Starlette",
            words=(*_UVICORN, "bench.peers.starlette_app:app"),
            module="starlette.applications",
        ),
        Peer(name="fastapi", title="FastAPI", words=(*_UVICORN, "bench.peers.fastapi_app:app"), module="fastapi"),
        Peer(name="litestar", title="Litestar", words=(*_UVICORN, "bench.peers.litestar_app:app"), module="litestar"),
        Peer(
            name="blacksheep",
            title="BlackSheep",
            words=(*_UVICORN, "bench.peers.blacksheep_app:app"),
            module="blacksheep",
        ),
        Peer(
            name="blacksheep-granian",
            title="BlackSheep on granian",
            words=(*_GRANIAN, "bench.peers.blacksheep_app:app"),
            module="blacksheep",
        ),
        Peer(
            name="blacksheep-granian-unpinned",
            title="BlackSheep on granian, unpinned",
            words=(*_GRANIAN, "bench.peers.blacksheep_app:app"),
            module="blacksheep",
            is_pinned=False,
        ),
        Peer(
            name="falcon",
            title="Falcon",
            words=(*_UVICORN, "bench.peers.falcon_app:app"),
            module="falcon.asgi",
        ),
        Peer(
            name="sanic",
            title="Sanic",
            words=(
                *("-m", "sanic", "bench.peers.sanic_app:app", "--host", "127.0.0.1", "--port", "{port}"),
                *("--single-process", "--no-access-logs", "--no-motd"),
            ),
            module="sanic",
            lacks=frozenset({"date", "server"}),
        ),
    )
}

#: Who is compared with others: everybody on one core.
COMPARED: Final = tuple(name for name, peer in PEERS.items() if peer.is_pinned and name not in (WEBKIT, AIOHTTP))
