"""How WebSockets are held: the options, written once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from webkit.backlog import SlowPolicy, check_policy
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
    #: Compress where the client offers it: each connection then takes some 300 KiB.
    compress: bool = False
    #: What becomes of a client that reads slowly: it is closed with 1013, misses the oldest messages, or gets the
    #: newest of each key alone (and is closed where that is too much still).
    slow: SlowPolicy = "close"
    #: How many messages may wait for a slow client, and how many bytes they may hold.
    queue_messages: int = 256
    queue_bytes: int = 2**20

    def __post_init__(self) -> None:
        read_origins(self.origins)
        check_policy(self.slow)
        if isinstance(self.subprotocols, str):
            raise ConfigError(f"subprotocols={self.subprotocols!r}: write [{self.subprotocols!r}].")
        if self.heartbeat_s is not None and self.heartbeat_s <= 0:
            raise ConfigError(f"heartbeat_s={self.heartbeat_s!r}: seconds above 0, or None for no pings.")
        for name in ("max_message_bytes", "queue_messages", "queue_bytes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)!r}: at least 1.")
