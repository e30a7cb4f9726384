"""How WebSockets are held: the options, written once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from webkit.backlogs import Policy, check_bounds
from webkit.errors import ConfigError
from webkit.handshakes import read_origins
from webkit.websocket_responses import HEARTBEAT_S, MAX_MESSAGE_BYTES

__all__ = ["WebSocketOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketOptions:
    """How WebSockets are held, written once: ``options = WebSocketOptions(origins="*")`` in a handler.

    Raises:
        ConfigError: an option that cannot mean anything.
    """

    #: The subprotocols that the server speaks; the first that the client names is chosen.
    subprotocols: Sequence[str] = ()
    #: The pages that may connect; ``None`` for those of the same scheme, host and port, ``"*"`` for all.
    origins: str | Collection[str] | None = None
    #: Seconds of silence after which a client has to answer a ping, in half as many; ``None`` for no pings.
    heartbeat_s: float | None = HEARTBEAT_S
    #: A message of so many bytes closes with 1009.
    max_message_bytes: int = MAX_MESSAGE_BYTES
    #: Compress where the client offers it: each connection then takes 110 KiB and more, and 15 without.
    compress: bool = False
    #: What becomes of a client that reads slowly, where somebody else than its own session sends: ``"close"`` (1013),
    #: or it misses the oldest of what waits (``"drop_oldest"``); with ``"coalesce"`` a message replaces the one with
    #: the same key before that.
    when_slow: Policy = "close"
    #: How many messages may wait for a slow client, and how many bytes they may hold.
    queue_messages: int = 256
    queue_bytes: int = 2**20

    def __post_init__(self) -> None:
        read_origins(self.origins)
        check_bounds(self.queue_messages, self.when_slow)
        if isinstance(self.subprotocols, str):
            raise ConfigError(f"subprotocols={self.subprotocols!r}: write [{self.subprotocols!r}].")
        if self.heartbeat_s is not None and self.heartbeat_s <= 0:
            raise ConfigError(f"heartbeat_s={self.heartbeat_s!r}: seconds above 0, or None for no pings.")
        for name in ("max_message_bytes", "queue_bytes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)!r}: at least 1.")
