"""A service of servlets, served alone: an application of its own with nothing else in it."""

from typing import TYPE_CHECKING, Any

from webkit.application import Application
from webkit.config import ServerConfig
from webkit.errors import ConfigError
from webkit.run import Server

if TYPE_CHECKING:
    from webkit.servlet_service import ServletService

__all__ = ["StandaloneServer"]


class StandaloneServer:
    """Serves one service, once: ``ServletService.start`` makes another one for the next time."""

    def __init__(self, service: "ServletService") -> None:
        self._service = service
        self.application = Application(logger=service.logger)
        self.application.mount("/", service)
        self._server: Server | None = None

    async def start(self, host: str | None, port: int | None, options: dict[str, Any]) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
            RuntimeError: it listens already.
            ConfigError: an option is none, or out of range.
        """
        if self._server is not None:
            raise RuntimeError("The service is started already; stop() comes before the next start().")
        listens = options.get("sockets") or options.get("path")
        unknown = set(options) - set(ServerConfig.__dataclass_fields__)
        if unknown:
            raise ConfigError(f"start() has no option {', '.join(sorted(unknown))}; it takes those of ServerConfig.")
        config = ServerConfig(host=None if listens else host or "127.0.0.1", port=max(0, int(port or 0)), **options)
        self._server = server = Server(self.application, config)
        try:
            await server.start()
        except BaseException:
            self._service._server = None  # noqa: SLF001 - its own other half: an application starts once
            raise
        address = server.runner.addresses[0]
        if isinstance(address, tuple):
            self._service.set_access(address[0], address[1], is_https=config.speaks_tls, asked=host)

    async def stop(self) -> None:
        """Stop listening, and wait for the requests that run."""
        if self._server is not None:
            await self._server.stop()
