"""Any free port, on every address of a name: ``localhost`` is two addresses, and clients try either of them first.

Left to the system each address would get a port of its own, and a client that knows one of the two would now and then
be refused before it reaches the server.
"""

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

__all__ = ["Address", "addresses_of", "bind_one_port"]

# Another program may have the port on the second address; then another one is tried.
_ATTEMPTS: Final = 20
_NOT_HERE: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class Address(NamedTuple):
    """An address of a name, without a port."""

    family: int
    host: str
    scope: tuple[Any, ...] = ()  #: the rest of an address of IPv6: flow and scope


async def addresses_of(name: str) -> list[Address]:
    """Look up the addresses of *name*, in the order of the system.

    Raises:
        OSError: there are none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(name, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(Address(family, str(at[0]), at[2:]) for family, _, _, _, at in found))


def bind_one_port(addresses: Sequence[Address]) -> list[socket.socket]:
    """Give a listening socket for each of *addresses* that this machine has, all on one free port.

    Raises:
        OSError: it has none of them, or no port is free on all.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _bind_all(addresses)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return _bind_all(addresses)


def _bind_all(addresses: Sequence[Address]) -> list[socket.socket]:
    """Bind the first to any port, the others to the same."""
    bound: list[socket.socket] = []
    missing: OSError | None = None
    with ExitStack() as undo:
        for family, host, scope in addresses:
            port = bound[0].getsockname()[1] if bound else 0
            try:
                opened = socket.create_server((host, port, *scope), family=family)
            except OSError as error:
                # A machine without IPv6 whose table of names has ::1 for localhost all the same.
                if error.errno not in _NOT_HERE:
                    raise
                missing = error
                continue
            undo.callback(opened.close)
            bound.append(opened)
        if not bound:
            raise missing or OSError(errno.EADDRNOTAVAIL, "The name has no address.")
        undo.pop_all()
    return bound
