import asyncio
import logging
import re
from collections.abc import Iterator, Callable
import pytest
from hypothesis import given, target as _t
from tests import typed_app
from tests.serving import run_by_aiohttp
from tests.typed_requests import raw_requests

STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) ")

@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[[bytes], bytes]]:
    logging.getLogger('aiohttp.server').setLevel(logging.CRITICAL)
    with asyncio.Runner() as runner:
        serving = run_by_aiohttp(typed_app.make())
        client = runner.run(serving.__aenter__())
        async def send(request: bytes) -> bytes:
            async with asyncio.timeout(5):
                return await client.send(request)
        yield lambda request: runner.run(send(request))
        runner.run(serving.__aexit__(None, None, None))

@pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionHeader","ignore::aiohttp.multipart.BadContentDispositionParam")
@given(request=raw_requests())
def test_whatever_is_sent_no_answer_is_a_5xx_and_none_hangs(ask: Callable[[bytes], bytes], request: bytes) -> None:
    answer = ask(request)
    statuses = [int(status) for status in STATUS.findall(answer)]
    assert statuses
    assert max(statuses) < 500, answer[:300]
