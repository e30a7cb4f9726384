"""Where a server listens: addresses, sockets that are open already, Unix sockets, with TLS or without."""

import asyncio
import errno
import os
import socket
import ssl
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web
from yarl import URL

from webkit.checks import name_of_host
from webkit.config import ServerConfig
from webkit.errors import ConfigError
from webkit.protocol import Server

__all__ = ["AddressError", "listen", "remove_socket_file", "sockets_from_systemd", "start_redirects", "url_of"]


class AddressError(OSError):
    """It cannot be listened where it was asked for: ``filename`` is the path or ``host:port``, ``errno`` the reason."""


async def listen(runner: web.BaseRunner, config: ServerConfig) -> None:
    """Open everything that *config* names.

    Raises:
        AddressError: an address cannot be had.
        ConfigError: the files for TLS do not fit.
    """
    context = config.make_tls_context()
    if config.path is not None:
        await _listen_on_path(runner, Path(config.path), config, context)
    for opened in config.sockets:
        site = web.SockSite(runner, opened, ssl_context=context, backlog=config.backlog)
        await _open(site, str(opened.getsockname()))
    for host in config.hosts:
        await _listen_on_host(runner, host, config, context)


async def start_redirects(config: ServerConfig) -> web.ServerRunner:
    """Answer plain HTTP on ``redirect_port`` with a redirect to HTTPS, and give the runner to clean up."""

    async def redirect(request: web.BaseRequest) -> web.StreamResponse:
        # SECURITY: what a client says goes into Location; a name or an address, and nothing else.
        host = name_of_host(request.headers.get("Host", ""))
        if host is None:
            raise web.HTTPBadRequest(text="The Host header is missing or no host.")
        port = "" if config.port == 443 else f":{config.port}"
        path = "/" + request.rel_url.raw_path_qs.lstrip("/")
        raise web.HTTPPermanentRedirect(URL(f"https://{host}{port}{path}", encoded=True))

    runner = web.ServerRunner(Server(redirect, access_log=None, keepalive_timeout=config.keepalive_s))
    await runner.setup()
    for host in config.hosts:
        site = web.TCPSite(runner, host, config.redirect_port, backlog=config.backlog)
        await _open(site, f"{host}:{config.redirect_port}")
    return runner


def sockets_from_systemd() -> list[socket.socket]:
    """Give the sockets that systemd has opened for this process (``LISTEN_FDS``, sd_listen_fds(3)).

    Raises:
        ConfigError: the number of sockets is no number.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    said = os.environ.get("LISTEN_FDS", "")
    if not said.isdecimal():
        raise ConfigError(f"LISTEN_FDS is {said!r}, not the number of sockets that systemd has opened.")
    return [socket.socket(fileno=number) for number in range(3, 3 + int(said))]


def url_of(address: Any, config: ServerConfig) -> str:
    """Give the URL of a socket's *address*; with the name that was asked for, when there is only one."""
    scheme = "https" if config.speaks_tls else "http"
    if not isinstance(address, tuple):
        return f"{scheme}://unix:{address}:"
    named = config.hosts[0] if len(config.hosts) == 1 and not config.sockets else ""
    host = named or address[0]  # "" is every address
    return f"{scheme}://[{host}]:{address[1]}" if ":" in host else f"{scheme}://{host}:{address[1]}"


def remove_socket_file(path: Path) -> None:
    """Remove the file of a Unix socket that nobody listens on any more.

    Raises:
        AddressError: somebody does, or the file is no socket.
    """
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise AddressError(errno.EADDRINUSE, "there is a file that is no socket", str(path))
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise AddressError(error.errno, error.strerror or str(error), str(path)) from error
    raise AddressError(errno.EADDRINUSE, "another server listens there", str(path))


async def _listen_on_path(
    runner: web.BaseRunner, path: Path, config: ServerConfig, context: ssl.SSLContext | None
) -> None:
    await asyncio.to_thread(remove_socket_file, path)
    site = web.UnixSite(runner, path, ssl_context=context, backlog=config.backlog)
    # Nobody else may connect before the permissions are what was asked for.
    before = os.umask(0o177) if config.path_mode is not None else None
    try:
        await _open(site, str(path))
    finally:
        if before is not None:
            os.umask(before)
    if config.path_mode is not None:
        await asyncio.to_thread(path.chmod, config.path_mode)


async def _listen_on_host(
    runner: web.BaseRunner, host: str, config: ServerConfig, context: ssl.SSLContext | None
) -> None:
    # With any free port ::1 would get one of its own.
    name = "127.0.0.1" if host == "localhost" and config.port == 0 else host
    try:
        await _open(_tcp_site(runner, name, config, context), f"{name}:{config.port}")
    except AddressError as error:
        # A machine without IPv6 whose name table has ::1 for localhost all the same.
        if name != "localhost" or error.errno != errno.EADDRNOTAVAIL:
            raise
        await _open(_tcp_site(runner, "127.0.0.1", config, context), f"127.0.0.1:{config.port}")


def _tcp_site(runner: web.BaseRunner, host: str, config: ServerConfig, context: ssl.SSLContext | None) -> web.TCPSite:
    return web.TCPSite(
        runner,
        host,
        config.port,
        ssl_context=context,
        backlog=config.backlog,
        reuse_address=config.reuse_address,
        reuse_port=config.reuse_port or None,
    )


async def _open(site: web.BaseSite, where: str) -> None:
    try:
        await site.start()
    except OSError as error:
        # A site that did not start is registered all the same.
        with suppress(RuntimeError):
            await site.stop()
        raise AddressError(error.errno, error.strerror or str(error), where) from error
