"""Any free port, on every address of a name: ``localhost`` is two addresses, and clients try either of them first.

Left to the system each address would get a port of its own, and a client that knows one of the two would now and then
be refused before it reaches the server.
"""

import asyncio
import errno
import socket
from contextlib import ExitStack
from typing import Final

__all__ = ["bind_one_port"]

# Another program may have the port on the second address; then another one is tried.
_ATTEMPTS: Final = 20
_NOT_HERE: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}

_Address = tuple[socket.AddressFamily, str]


async def bind_one_port(host: str) -> list[socket.socket]:
    """Give a socket for each address of *host*, all on one free port, in the order of the system.

    Raises:
        OSError: the name has no address, or none that belongs to this machine.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = list(dict.fromkeys((family, str(name[0])) for family, _, _, _, name in found))
    for attempt in range(_ATTEMPTS):
        try:
            return _bind_all(addresses)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("The last attempt returns or raises.")


def _bind_all(addresses: list[_Address]) -> list[socket.socket]:
    """Bind all of *addresses* that there are here, the others to the port that the first was given."""
    bound: list[socket.socket] = []
    missing: OSError | None = None
    with ExitStack() as undo:
        for family, address in addresses:
            try:
                opened = socket.create_server(
                    (address, bound[0].getsockname()[1] if bound else 0), family=family, dualstack_ipv6=False
                )
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
