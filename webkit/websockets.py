"""WebSockets: handlers as classes or coroutines, and the safe response below them, at one address.

What a handler is and how it is mounted: :class:`AbstractWebSocketHandler`. What it talks through:
:class:`WebSocketSession`. How it is held: :class:`WebSocketOptions`. One request by hand: :func:`serve_websocket`.
"""

from webkit.conversations import WebSocketHandler, WebSocketRefused, serve_websocket
from webkit.handshakes import BadHandshake, ForeignOrigin, WrongVersion, is_welcome
from webkit.websocket_handlers import AbstractWebSocketHandler, WebSocketEndpoint
from webkit.websocket_options import WebSocketOptions
from webkit.websocket_responses import WebSocketResponse, check_closing, may_be_sent
from webkit.websocket_sessions import WebSocketClosed, WebSocketSession

__all__ = [
    "AbstractWebSocketHandler",
    "BadHandshake",
    "ForeignOrigin",
    "WebSocketClosed",
    "WebSocketEndpoint",
    "WebSocketHandler",
    "WebSocketOptions",
    "WebSocketRefused",
    "WebSocketResponse",
    "WebSocketSession",
    "WrongVersion",
    "check_closing",
    "is_welcome",
    "may_be_sent",
    "serve_websocket",
]
