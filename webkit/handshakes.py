"""The handshake of a WebSocket: what is none, and which pages may connect.

A browser lets the page of any site open a WebSocket to any other, and sends the cookies of that other with it. Nobody
but the server looks at the ``Origin`` of such a request: what is not of the same scheme, host and port as the request
itself is refused, unless origins are listed. Programs that are no browser send none, and are let in.

What a proxy says of scheme and host is not believed here: behind one that speaks TLS, list the origins.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.web_request import BaseRequest

from webkit.errors import ConfigError, Problem

__all__ = ["BadHandshake", "ForeignOrigin", "Origins", "WrongVersion", "check_handshake", "is_welcome", "read_origins"]

_VERSION: Final = "13"
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")  # 16 bytes
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._~!$&'()*+,;=%-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_PORTS: Final = {"http": "80", "https": "443"}
_EVERYBODY: Final = "*"

_Origin = tuple[str, str, str | None]
#: The origins that may connect: none where all may, ``None`` for the own one alone.
Origins = tuple[_Origin, ...] | None


class BadHandshake(Problem, web.HTTPBadRequest):
    """The request does not ask for a WebSocket, or not as RFC 6455 wants it."""


class ForeignOrigin(Problem, web.HTTPForbidden):
    """The page that wants to connect belongs to another site."""


class WrongVersion(Problem, web.HTTPUpgradeRequired):
    """The client speaks another version of the protocol than 13."""


def check_handshake(request: BaseRequest, origins: Origins) -> None:
    """Refuse what is no handshake of RFC 6455 (section 4.2.1), and pages that are not welcome.

    Raises:
        BadHandshake: 400.
        WrongVersion: 426.
        ForeignOrigin: 403.
    """
    _check_protocol(request)
    sent = request.headers.getall("Origin", [])
    if not sent:
        return
    own = f"{request.scheme}://{request.host}"
    if not is_welcome(sent, own, origins):
        raise ForeignOrigin(
            403,
            detail=f"Pages of {', '.join(sent)!r} may not connect to {own}. "
            "WebSocketResponse(origins=...) lists those that may.",
        )


def is_welcome(sent: Collection[str], own: str, listed: Origins) -> bool:
    """Whether a request with the ``Origin`` headers *sent* may connect to the site *own*, ``"https://example.org"``.

    *listed* are the origins that may; empty for all, ``None`` for *own* alone.
    """
    if not sent or (listed is not None and not listed):
        return True
    origin = _read_origin(next(iter(sent))) if len(sent) == 1 else None
    return origin is not None and (origin == _read_origin(own) if listed is None else origin in listed)


def read_origins(origins: str | Collection[str] | None) -> Origins:
    """Read what may connect.

    Raises:
        ConfigError: one of *origins* is no origin.
    """
    if origins is None:
        return None
    return _read_origins((origins,) if isinstance(origins, str) else tuple(origins))


def _check_protocol(request: BaseRequest) -> None:
    headers = request.headers
    if headers.get("Upgrade", "").strip().lower() != "websocket" or request.version < HttpVersion11:
        raise BadHandshake(400, detail="This address speaks WebSocket only: connect with a WebSocket client.")
    if request.method != "GET":
        raise BadHandshake(400, detail=f"A WebSocket begins with GET, not with {request.method}.")
    if "upgrade" not in (token.strip().lower() for token in ",".join(headers.getall("Connection", ())).split(",")):
        raise BadHandshake(400, detail="A WebSocket begins with 'Connection: Upgrade'.")
    if headers.getall("Sec-WebSocket-Version", []) != [_VERSION]:
        raise WrongVersion(
            426,
            detail=f"The server speaks version {_VERSION} of the WebSocket protocol.",
            headers={"Sec-WebSocket-Version": _VERSION, "Upgrade": "websocket", "Connection": "Upgrade"},
        )
    keys = headers.getall("Sec-WebSocket-Key", [])
    if len(keys) != 1 or not _KEY.fullmatch(keys[0].strip()):
        raise BadHandshake(400, detail="Sec-WebSocket-Key is not the Base64 of 16 bytes.")


def _read_origin(text: str) -> _Origin | None:
    """Give scheme, host and port; ``None`` for what is no origin, such as the ``null`` of a sandboxed page."""
    found = _ORIGIN.fullmatch(text.strip().lower())
    if found is None:
        return None
    scheme, host, port = found.groups()
    return scheme, host, port.lstrip("0") if port else _PORTS.get(scheme)


@lru_cache(maxsize=256)
def _read_origins(listed: tuple[str, ...]) -> tuple[_Origin, ...]:
    """Give the origins *listed*, none where all are meant."""
    if _EVERYBODY in listed:
        return ()
    origins = tuple(map(_read_origin, listed))
    if not origins or None in origins:
        wrong = listed[origins.index(None)] if origins else ()
        raise ConfigError(
            f"{wrong!r} is no origin. Write WebSocketResponse(origins=['https://app.example.org']): scheme, host and "
            "perhaps a port, and nothing behind them; or origins='*' for all."
        )
    return tuple(origin for origin in origins if origin is not None)
