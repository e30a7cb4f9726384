"""An application as aiohttp 0.21 knew it: the arguments it took, and the methods of those who serve by hand."""

import importlib
from collections.abc import Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, TypedDict

from webkit.hints import give_hint

if TYPE_CHECKING:
    from webkit.byhand import RequestHandlerFactory

__all__ = ["OldApplication", "OldArguments", "accept_old_arguments", "register_on_finish"]


class OldArguments(TypedDict, total=False):
    """What ``Application(...)`` took in aiohttp 0.21 and takes no more."""

    loop: Any
    router: Any
    handler_factory: Any


_REMEDIES: Final = {
    "router": "An application has its own router: add routes to app.router, or mount another application.",
    "handler_factory": "aiohttp's protocol class is set up by Application(handler_args={...}).",
}


def accept_old_arguments(old: OldArguments) -> None:
    """Take the arguments that ``Application(...)`` no longer has: *loop* with one hint, the others not at all.

    What is ``None`` asks for nothing, and is let through.

    Raises:
        TypeError: an argument cannot be taken, or there never was one of this name.
    """
    for name, value in old.items():
        if name not in OldArguments.__optional_keys__:
            raise TypeError(f"Application() got an unexpected keyword argument {name!r}.")
        if value is not None and name in _REMEDIES:
            raise TypeError(f"Application() no longer takes {name!r}. {_REMEDIES[name]}")
        if value is not None:
            give_hint(
                f"Application({name}=...)",
                "Application(loop=...) does nothing: the application runs in the loop that serves it. Remove it.",
                stacklevel=3,
            )


class OldApplication:
    """The methods of an application that is served by hand, with ``loop.create_server`` (see :mod:`webkit.byhand`)."""

    #: What serves this application by hand; there is one as soon as somebody asks for it.
    served_by: "RequestHandlerFactory | None" = None

    def make_handler(self, **options: Any) -> "RequestHandlerFactory":
        """Give the factory of connections for ``loop.create_server``: see :func:`webkit.compat.make_handler`."""
        factory: RequestHandlerFactory = _by_hand().make_handler(self, **options)
        return factory

    async def startup(self) -> None:
        """Start the application that is served by hand; else its first connection does.

        Raises:
            Exception: what a startup step raised; the contexts entered are left.
        """
        await _by_hand().start(self)

    async def shutdown(self) -> None:
        """Send ``on_shutdown``, and end WebSockets and event streams."""
        await _by_hand().shut_down(self)

    async def cleanup(self) -> None:
        """Leave the contexts, and send ``on_cleanup``."""
        await _by_hand().clean_up(self)

    async def finish(self) -> None:
        """Do the same as :meth:`cleanup`, under its name before aiohttp 0.21."""
        await self.cleanup()

    def register_on_finish(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call ``function(app, *args, **kwargs)`` in the end; append to ``on_cleanup`` today."""
        register_on_finish(self, function, *args, **kwargs)


def register_on_finish(app: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Call ``function(app, *args, **kwargs)`` in the end, ``app.register_on_finish`` in aiohttp 0.21.

    Append a coroutine function to ``app.on_cleanup``, or better a context to ``app.cleanup_ctx``.
    """

    async def finish(finished: Any) -> None:
        result = function(finished, *args, **kwargs)
        if isawaitable(result):
            await result

    app.on_cleanup.append(finish)


def _by_hand() -> Any:
    # A call upwards, as that of run(): how an application is served is decided above it.
    return importlib.import_module("webkit.byhand")
