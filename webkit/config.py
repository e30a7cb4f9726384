"""How an application is served: the options of ``run()`` and of the command line, written once."""

import ssl
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Final

from webkit.accessformat import compile_format
from webkit.errors import ConfigError
from webkit.tls import make_tls_context

__all__ = ["DEBUG", "ServerConfig"]

#: Whether applications that are made from now on are in debug mode. The command line says so before it calls init, so
#: that init can do more there: ``if app.debug:``.
DEBUG: Final = ContextVar("webkit.debug", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """How an application is served. ``run()`` and the command line take the same options."""

    host: str | Sequence[str] | None = None  #: None: localhost, or no TCP at all where a path or sockets are given
    port: int = 8080  #: 0 lets the system choose
    path: str | Path | None = None  #: of a Unix socket
    path_mode: int | None = None  #: permissions of the Unix socket, such as 0o660
    sockets: Sequence[socket] = ()  #: that are listening already
    tls_cert: str | Path | None = None  #: PEM file; with it the server speaks HTTPS
    tls_key: str | Path | None = None  #: PEM file of the key, when it is not in that of the certificate
    tls_password: str | None = None  #: of the key
    ssl_context: ssl.SSLContext | None = None  #: one's own, in place of the two files
    redirect_port: int | None = None  #: where plain HTTP is redirected to HTTPS
    request_id_header: str | None = None  #: of a trusted proxy, such as X-Request-ID
    backlog: int = 128  #: connections that wait to be accepted
    keepalive_s: float = 75.0  #: how long an idle connection stays open
    grace_s: float = 25.0  #: how long running requests may finish when the server stops
    access_log: bool = True  #: whether each answer is a line in the log ``webkit.access``
    access_log_format: str = '%a %t "%r" %s %b %Tfs %L'  #: see ``webkit.accessformat``; "json" for JSON lines
    reuse_address: bool | None = None  #: SO_REUSEADDR; None: as the system has it
    reuse_port: bool = False  #: SO_REUSEPORT, for several processes on one port
    handler_cancellation: bool = False  #: whether a handler is cancelled when its client leaves

    def __post_init__(self) -> None:
        for port in (self.port, self.redirect_port or 0):
            if not 0 <= port <= 65535:
                raise ConfigError(f"{port} is no port; choose 1 to 65535, or 0 for any free one.")
        for name in ("backlog", "keepalive_s", "grace_s"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} cannot be negative: {getattr(self, name)}.")
        compile_format(self.access_log_format)
        if self.tls_cert is not None and self.ssl_context is not None:
            raise ConfigError("Give either tls_cert or ssl_context: both say how to speak TLS.")
        if self.tls_key is not None and self.tls_cert is None:
            raise ConfigError("tls_key needs tls_cert: a key alone is no certificate.")
        if self.redirect_port is not None and not self.speaks_tls:
            raise ConfigError("redirect_port needs tls_cert: there is no HTTPS to redirect to.")
        if self.redirect_port is not None and (not self.hosts or self.port == 0):
            raise ConfigError("redirect_port needs a host and a port: a redirect must know where HTTPS is.")

    @property
    def speaks_tls(self) -> bool:
        """Whether the server speaks HTTPS."""
        return self.tls_cert is not None or self.ssl_context is not None

    @property
    def hosts(self) -> list[str]:
        """The addresses to listen on, none where only a path or sockets are wanted."""
        if self.host is None:
            return [] if self.path is not None or self.sockets else ["localhost"]
        return [self.host] if isinstance(self.host, str) else list(self.host)

    def make_tls_context(self) -> ssl.SSLContext | None:
        """Make the context for TLS, ``None`` for plain HTTP.

        Raises:
            ConfigError: a file is missing, or does not fit.
        """
        if self.tls_cert is None:
            return self.ssl_context
        return make_tls_context(self.tls_cert, self.tls_key, password=self.tls_password)
