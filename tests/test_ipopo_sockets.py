"""Any free port on every address of a name."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from webkit.ipopo_sockets import Address, addresses_of, bind_one_port

FIRST, SECOND = Address(socket.AF_INET, "127.0.0.1"), Address(socket.AF_INET, "127.0.0.2")
# Reserved for documentation: no machine has it.
ELSEWHERE = Address(socket.AF_INET, "192.0.2.1")


@contextmanager
def bound(*addresses: Address) -> Iterator[list[tuple[str, int]]]:
    """Bind *addresses*, and give where that is."""
    with ExitStack() as closing:
        opened = [closing.enter_context(each) for each in bind_one_port(addresses)]
        yield [each.getsockname()[:2] for each in opened]


def test_all_addresses_of_a_name_get_one_port() -> None:
    """IP-002, IP-020: ``localhost`` with port 0 opens two sockets, and the port of the first counts for both."""
    with bound(FIRST, SECOND) as names:
        assert [host for host, _ in names] == ["127.0.0.1", "127.0.0.2"]
        (port,) = {port for _, port in names}
        assert port > 0
        for name in names:
            socket.create_connection(name).close()


def test_an_address_that_this_machine_does_not_have_is_left_out() -> None:
    """``localhost`` may be ::1 in the table of names where there is no IPv6."""
    with bound(FIRST, ELSEWHERE) as names:
        assert [host for host, _ in names] == ["127.0.0.1"]


def test_without_any_address_of_this_machine_it_is_an_error() -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1") as raised, bound(ELSEWHERE):
        pass
    assert raised.value.errno == errno.EADDRNOTAVAIL


def test_a_port_that_is_never_free_on_all_addresses_is_an_error_and_leaves_nothing_open() -> None:
    with pytest.raises(OSError, match=r"127\.0\.0\.1") as raised, bound(FIRST, FIRST):
        pass
    assert raised.value.errno == errno.EADDRINUSE


async def test_a_name_is_looked_up_and_each_of_its_addresses_is_there_once() -> None:
    found = await addresses_of("localhost")
    assert len(found) == len(set(found))
    assert {address.host for address in found} <= {"127.0.0.1", "::1"}
