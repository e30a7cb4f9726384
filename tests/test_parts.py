"""``uploads(request)``: the parts of a form one after the other, for files of any size."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, web

from tests.leftovers import names_in
from tests.multiparts import CONTENT_TYPE, GIF, PNG, field, file, form
from tests.multiparts import part as raw_part
from tests.serving import Answer, Client, Serve
from webkit import Application, Limits, View, safe_filename, uploads

BIG = bytes(range(256)) * 20_000  # 5 MB
PROBLEM = {"Content-Type": CONTENT_TYPE, "Accept": "application/json"}


async def describe(request: web.Request) -> list[Any]:
    """Answer what each part is."""
    return [
        [part.name, part.filename, part.content_type, part.media_type, len(await part.read())]
        async for part in uploads(request)
    ]


async def send(client: Client, *parts: bytes, target: str = "/") -> Answer:
    return await client.post(target, data=io.BytesIO(form(*parts)), headers=PROBLEM)


def make_app(handler: Callable[..., Any], limits: Limits | None = None) -> Application:
    app = Application()
    app.post("/", limits=limits or Limits(body=2**30))(handler)
    return app


async def test_the_parts_come_in_the_order_of_the_form(serve: Serve) -> None:
    client = await serve(make_app(describe))
    photo = file("photo", "tea.png", PNG, "image/PNG")
    answer = await send(client, field("title", "Tea"), photo, file("raw", "é.bin", b"?"))
    assert answer.json == [
        ["title", None, None, "text/plain", 3],
        ["photo", "tea.png", "image/png", "image/png", len(PNG)],
        ["raw", "é.bin", "application/octet-stream", "application/octet-stream", 1],
    ]


async def test_what_aiohttp_s_client_sends_is_understood(serve: Serve) -> None:
    client = await serve(make_app(describe))
    data = FormData({"title": "Tée"}, quote_fields=False, default_to_multipart=True)
    data.add_field("photo", io.BytesIO(PNG), filename="t é;.png", content_type="image/png")
    answer = await client.post("/", data=data)
    assert answer.json == [
        ["title", None, "text/plain", "text/plain", 4],
        ["photo", "t é;.png", "image/png", "image/png", len(PNG)],
    ]


async def test_a_part_is_read_in_pieces_as_they_arrive(serve: Serve) -> None:
    async def count(request: web.Request) -> list[Any]:
        answer: list[Any] = []
        async for part in uploads(request):
            pieces = [len(piece) async for piece in part]
            answer.append([part.name, sum(pieces), part.size])
            assert min(pieces) > 0
        return answer

    client = await serve(make_app(count))
    answer = await send(client, file("a", "a", BIG), file("b", "b", b"x"))
    assert answer.json == [["a", len(BIG), len(BIG)], ["b", 1, 1]]


async def test_what_is_not_read_of_a_part_is_thrown_away(serve: Serve) -> None:
    async def peek(request: web.Request) -> list[str]:
        names = []
        async for part in uploads(request):
            names.append(part.name)
            if part.name == "b":
                async for _ in part:
                    break
        return names

    client = await serve(make_app(peek))
    assert (await send(client, file("a", "a", BIG), file("b", "b", BIG), field("c", ""))).json == ["a", "b", "c"]


async def test_a_part_that_is_over_says_so(serve: Serve) -> None:
    async def keep(request: web.Request) -> str:
        parts = [part async for part in uploads(request)]
        with pytest.raises(RuntimeError, match="The part 'a' is over: read it before you ask for the next one"):
            await parts[0].read()
        return "over"

    client = await serve(make_app(keep))
    assert (await send(client, field("a", "1"), field("b", "2"))).text == "over"


async def test_an_input_in_which_no_file_was_chosen_is_no_part(serve: Serve) -> None:
    client = await serve(make_app(describe, Limits(types=("image/png",))))
    answer = await send(client, file("a", "", b""), file("b", "b.png", PNG, "image/png"), file("c", "", b""))
    assert [name for name, *_ in answer.json] == ["b"]


async def test_the_text_of_a_field_is_utf_8_or_what_its_part_says(serve: Serve) -> None:
    async def read(request: web.Request) -> list[str]:
        return [await part.text() async for part in uploads(request)]

    client = await serve(make_app(read))
    latin = raw_part("form-data; name=b", b"\xe9", "Content-Type: text/plain; charset=ISO-8859-1")
    assert (await send(client, field("a", "é"), latin)).json == ["é", "é"]
    answer = await send(client, field("_charset_", "iso-8859-1"), field("a", b"\xe9"))
    assert (answer.status, answer.json["detail"]) == (
        400,
        "The field 'a' is no text in utf-8. Send UTF-8, or a file.",
    )
    answer = await send(client, raw_part("form-data; name=a", "x", "Content-Type: text/plain; charset=idna"))
    assert (answer.status, answer.json["detail"]) == (415, "The field 'a' is sent in the charset 'idna'. Send UTF-8.")


# Where files go


async def test_a_file_is_saved_whole_under_a_safe_name(serve: Serve, tmp_path: Path) -> None:
    class Files(View):
        async def post(self) -> list[Any]:
            answer = []
            async for part in uploads(self.request):
                await part.save(tmp_path / safe_filename(part.filename or ""))
                answer.append([part.size, part.sha256])
            return answer

    app = Application()
    app.view("/", limits=Limits(body=2**24, sha256=True))(Files)
    client = await serve(app)
    answer = await send(client, file("a", "../../a?.bin", BIG), file("b", "b", b""))
    hashes = [hashlib.sha256(content).hexdigest() for content in (BIG, b"")]
    assert answer.json == [[len(BIG), hashes[0]], [0, hashes[1]]]
    assert names_in(tmp_path) == ["a_.bin", "b"]
    assert (tmp_path / "a_.bin").read_bytes() == BIG


async def test_a_file_is_copied_to_a_file_object_or_a_coroutine_function(serve: Serve) -> None:
    class Writer:
        def __init__(self) -> None:
            self.content = b""

        async def write(self, chunk: bytes) -> None:
            self.content += chunk

    copies: list[Any] = [io.BytesIO(), Writer(), Writer()]
    hashes = []

    async def copy(request: web.Request) -> str:
        sinks = iter((copies[0], copies[1], copies[2].write))
        async for part in uploads(request):
            await part.copy_to(next(sinks))
            hashes.append(part.sha256)
        return "copied"

    client = await serve(make_app(copy, Limits(body=2**30, sha256=True)))
    assert (await send(client, *[file("a", "a", BIG)] * 3)).text == "copied"
    assert copies[0].getvalue() == copies[1].content == copies[2].content == BIG
    assert hashes == [hashlib.sha256(BIG).hexdigest()] * 3


@pytest.mark.parametrize("sink", [print, 1, object()])
async def test_what_takes_no_bytes_is_no_sink(serve: Serve, sink: Any) -> None:
    async def copy(request: web.Request) -> str:
        async for part in uploads(request):
            with pytest.raises(TypeError, match="neither a coroutine function nor a file"):
                await part.copy_to(sink)
        return "refused"

    client = await serve(make_app(copy))
    assert (await send(client, file("a", "a", b"x"))).text == "refused"


# Limits


@pytest.mark.parametrize(
    ("limits", "parts", "status", "words"),
    [
        (Limits(body=10_000), [file("a", "a", bytes(9000))], 200, ""),
        (Limits(body=10_000), [file("a", "a", bytes(10_000))], 413, "at most 10000 are taken"),
        (Limits(body=10_000, file=100), [file("a", "a", bytes(100))], 200, ""),
        (Limits(body=10_000, file=100), [file("a", "a", bytes(101))], 413, "file 'a' has more than the 100 bytes"),
        (Limits(field=100), [field("a", bytes(100)), field("b", bytes(100))], 200, ""),
        (Limits(field=100), [field("a", bytes(101))], 413, "The field 'a' has more than the 100 bytes"),
        (Limits(fields=2), [field("a", "")] * 2 + [file("a", "a", "")] * 3, 200, ""),
        (Limits(fields=2), [field("a", "")] * 3, 413, "more than the 2 fields"),
        (Limits(files=2), [file("a", "a", "")] * 3, 413, "more than the 2 files"),
        (Limits(part_header=100), [raw_part("form-data; name=a", "", "A: " + "b" * 100)], 413, "exceed 100 bytes"),
        (Limits(memory=1000, field=1000), [file("a", "a", bytes(1001))], 413, "has more than 1000 bytes"),
        (Limits(types=("image/png",)), [file("a", "a.png", PNG, "image/png"), field("b", "")], 200, ""),
        (Limits(types=("image/png",)), [file("a", "a.gif", GIF, "image/gif")], 415, "says that it is image/gif"),
        (
            Limits(types=("image/*",)),
            [file("a", "a.png", b"<html>", "image/png")],
            415,
            "are text/html. Taken are image/*",
        ),
    ],
)
async def test_what_the_limits_do_not_let_in_is_refused(
    serve: Serve, limits: Limits, parts: list[bytes], status: int, words: str
) -> None:
    client = await serve(make_app(describe, limits))
    answer = await send(client, *parts)
    assert (answer.status, words in answer.text) == (status, True), answer.text


async def test_a_file_that_is_not_read_is_counted_too(serve: Serve) -> None:
    async def skip(request: web.Request) -> list[str]:
        return [part.name async for part in uploads(request)]

    client = await serve(make_app(skip, Limits(body=10_000, file=100)))
    assert (await send(client, file("a", "a", bytes(101)))).status == 413


async def test_limits_may_be_given_where_the_parts_are_asked_for(serve: Serve) -> None:
    async def take(request: web.Request) -> list[int]:
        return [len(await part.read()) async for part in uploads(request, limits=Limits(body=1000))]

    app = Application(client_max_size=100)
    app.post("/")(take)
    client = await serve(app)
    assert (await send(client, file("a", "a", bytes(800)))).json == [800]
    assert (await send(client, file("a", "a", bytes(1000)))).status == 413


async def test_parts_that_somebody_has_read_before_are_gone(serve: Serve) -> None:
    async def read(request: web.Request) -> str:
        await request.post()
        with pytest.raises(RuntimeError, match="Take it as form: Form instead"):
            uploads(request)
        return "gone"

    client = await serve(make_app(read))
    assert (await send(client, field("a", "1"))).text == "gone"


async def test_an_application_of_aiohttp_may_use_them_as_well(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(await describe(request))

    app = web.Application()
    app.router.add_post("/", handler)
    client = await serve(app)
    assert len((await send(client, field("a", "1"), field("b", "2"))).json) == 2
