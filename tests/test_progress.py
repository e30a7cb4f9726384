"""How far an upload is, told to another request."""

import asyncio
from typing import Any

import pytest

from tests.leftovers import until
from tests.multiparts import field, file, form, request
from tests.rawsockets import connect
from tests.serving import Serve
from webkit import Application, Form, Limits, Problem, UploadProgress, uploads
from webkit.errors import ConfigError
from webkit.progress import Progress

TOKEN = "0123456789abcdef"


def make_app(progress: UploadProgress) -> Application:
    async def take(form: Form) -> str:
        return f"{len(form.files)} files"

    app = Application()
    app.post("/", limits=Limits(body=2**24))(take)
    app.mount("/progress", progress)
    return app


async def test_another_request_sees_how_far_an_upload_is(serve: Serve) -> None:
    client = await serve(make_app(UploadProgress()))
    body = form(field("title", "Tea"), file("photo", "tea", bytes(3_000_000)))
    async with connect(client.url) as connection:
        connection.writer.write(request(f"/?progress={TOKEN}", b"", length=len(body)) + body[:2_000_000])
        answer: Any = {}
        async with asyncio.timeout(30):
            while answer.get("received") != 2_000_000:
                shown = await client.get(f"/progress/{TOKEN}")
                answer = shown.json if shown.status == 200 else {}
        assert (answer["state"], answer["total"]) == ("receiving", len(body))
        assert answer["bytes_per_second"] > 0
        assert shown.headers["Cache-Control"] == "no-store"
        assert (await connection.ask(body[2_000_000:])).body == "1 files"
    answer = (await client.get(f"/progress/{TOKEN}")).json
    assert (answer["state"], answer["received"]) == ("done", len(body))


async def test_an_upload_that_is_broken_off_or_refused_has_failed(serve: Serve) -> None:
    progress = UploadProgress()
    client = await serve(make_app(progress))
    async with connect(client.url) as connection:
        connection.writer.write(request(f"/?progress={TOKEN}", form(field("a", "1"))[:-9], length=1000))
        await until(lambda: progress.find(TOKEN) is not None)
    await until(lambda: progress.find(TOKEN).state == "failed")  # type: ignore[union-attr]
    async with connect(client.url) as connection:
        assert (await connection.ask(request(f"/?progress=x{TOKEN}", b"nonsense"))).status == 400
    assert (await client.get(f"/progress/x{TOKEN}")).json["state"] == "failed"


async def test_a_token_that_could_be_guessed_is_refused_and_one_in_use_too(serve: Serve) -> None:
    progress = UploadProgress()
    client = await serve(make_app(progress))
    async with connect(client.url) as connection:
        for token in ("1", "x" * 65, "a%2Fb" * 5, "%C3%A9" * 16, ""):
            assert (await connection.ask(request(f"/?progress={token}", form()))).status == 400
        answer = await connection.ask(request("/?progress=1", form()))
        assert "takes a token of 16 to 64 letters" in answer.body
    async with connect(client.url) as first, connect(client.url) as second:
        first.writer.write(request(f"/?progress={TOKEN}", b"", length=100))
        await until(lambda: progress.find(TOKEN) is not None)
        assert (await second.ask(request(f"/?progress={TOKEN}", form()))).status == 409
    await until(lambda: progress.find(TOKEN).state == "failed")  # type: ignore[union-attr]
    async with connect(client.url) as connection:
        assert (await connection.ask(request(f"/?progress={TOKEN}", form()))).status == 200


async def test_nobody_is_told_of_what_there_is_not(serve: Serve) -> None:
    client = await serve(make_app(UploadProgress()))
    assert (await client.get(f"/progress/{TOKEN}")).status == 404
    assert (await client.get("/progress/")).status == 404


async def test_without_a_token_or_a_place_to_ask_an_upload_goes_on_as_ever(serve: Serve) -> None:
    seen: list[Progress] = []

    async def take(request: Any) -> str:
        parts = uploads(request)
        async for part in parts:
            await part.read()
        seen.append(parts.progress)
        return parts.progress.state

    app = Application()
    app.post("/")(take)
    client = await serve(app)
    async with connect(client.url) as connection:
        body = form(field("a", "1"))
        assert (await connection.ask(request("/?progress=x", body))).body == "done"
        assert (await connection.ask(request("/", body))).body == "done"
    assert [known.received for known in seen] == [len(body)] * 2


async def test_the_end_of_an_upload_is_known_for_some_time() -> None:
    board = UploadProgress(keep_s=0)
    progress = board.begin(TOKEN, 10)
    progress.add(10)
    board.end(TOKEN, progress)
    assert board.find(TOKEN) is progress
    await until(lambda: board.find(TOKEN) is None)


async def test_a_token_that_was_used_again_is_not_forgotten_with_its_first_upload() -> None:
    board = UploadProgress(keep_s=0)
    board.end(TOKEN, board.begin(TOKEN, None))
    second = board.begin(TOKEN, None)
    await asyncio.sleep(0.01)  # the first is forgotten now
    assert board.find(TOKEN) is second


async def test_no_more_uploads_are_known_than_there_is_room_for() -> None:
    board = UploadProgress(entries=2)
    first, second, third = [f"{number}{TOKEN}" for number in range(3)]
    ended = board.begin(first, None)
    board.begin(second, None)
    assert board.begin(third, None) is not board.find(third)
    board.end(first, ended)
    assert board.begin(third, None) is board.find(third)
    assert board.find(first) is None


def test_how_it_ended_is_said_once() -> None:
    progress = Progress(total=3)
    progress.add(3)
    progress.end("done")
    progress.end("failed")
    assert progress.as_dict() | {"seconds": 0, "bytes_per_second": 0} == {
        "state": "done",
        "received": 3,
        "total": 3,
        "seconds": 0,
        "bytes_per_second": 0,
    }


def test_one_of_them_is_enough_for_an_application() -> None:
    app = make_app(UploadProgress())
    with pytest.raises(ConfigError, match="one is enough"):
        app.use(UploadProgress())


def test_a_token_is_refused_in_code_as_well() -> None:
    with pytest.raises(Problem):
        UploadProgress().begin("short", None)
