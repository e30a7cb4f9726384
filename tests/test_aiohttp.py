"""What aiohttp does not promise, and webkit relies on: these tests fail when it changes."""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from webkit import Application, Server, ServerConfig
from webkit._aiohttp import has_queued_requests, limits_of_forms, take_full_names


async def test_requests_that_wait_behind_another_on_their_connection_are_seen() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    queued: list[bool] = []

    async def note(request: web.Request) -> str:
        begun.set()
        await go_on.wait()
        queued.append(has_queued_requests(request.protocol))
        return "noted"

    app = Application()
    app.add_get("/", note)
    server = Server(app, ServerConfig(host="127.0.0.1", port=0))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.urls[0].rpartition(":")[2]))
    writer.write(b"GET / HTTP/1.1\r\nHost: l\r\n\r\n" * 2)
    await begun.wait()
    go_on.set()
    for _ in range(2):
        await reader.readuntil(b"noted")
    assert queued == [True, False]
    writer.close()
    await writer.wait_closed()
    await server.stop()


def test_the_limit_of_form_fields_is_passed_where_aiohttp_knows_it() -> None:
    try:
        web.Application(client_max_fields=7)
    except TypeError:
        assert limits_of_forms(7) == {}
    else:
        assert limits_of_forms(7) == {"client_max_fields": 7}


async def test_a_domain_is_taught_that_a_full_name_is_the_same_host() -> None:
    domain = web.Application().add_domain("example.org", web.Application())
    rule: Any = domain.get_info()["rule"]
    full = make_mocked_request("GET", "/", headers={"Host": "example.org."})
    assert not await rule.match(full)
    take_full_names(domain)
    assert await rule.match(full)
    assert not await rule.match(make_mocked_request("GET", "/", headers={"Host": "www.example.org."}))
