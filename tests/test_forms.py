"""Forms: what a handler gets of one, and what becomes of its files."""

import hashlib
import io
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
import pytest
from aiohttp import FormData, web
from hypothesis import given
from hypothesis import strategies as st

from tests.leftovers import count_descriptors, names_in, settled_descriptors, until
from tests.multiparts import CONTENT_TYPE, GIF, JPEG, PNG, field, file, form
from tests.multiparts import part as raw_part
from tests.serving import Answer, Client, Serve
from webkit import Application, Body, Form, FormBody, Limits, Problem, Query, RouteError, Upload, View, bind, uploads
from webkit.forms import parse_urlencoded, read_form
from webkit.threads import running
from webkit.types import Handler

BIG = bytes(range(256)) * 20_000  # 5 MB
PROBLEM = {"Accept": "application/json"}
URLENCODED = "application/x-www-form-urlencoded"
ROOMY = Limits(body=2**30)


async def send(client: Client, *parts: bytes, target: str = "/", content_type: str = CONTENT_TYPE) -> Answer:
    return await client.post(target, data=io.BytesIO(form(*parts)), headers={**PROBLEM, "Content-Type": content_type})


def make_app(handler: Any, limits: Limits | None = None, **options: Any) -> Application:
    app = Application(**options)
    app.post("/", limits=limits)(handler)
    return app


async def describe(form: Form) -> dict[str, Any]:
    return {
        "fields": {name: form.getall(name) for name in form},
        "files": {name: [[file.filename, file.size] for file in form.files.getall(name)] for name in form.files},
    }


# What a handler gets


@pytest.mark.parametrize("multipart", [False, True])
async def test_a_form_has_fields_by_their_names(serve: Serve, multipart: bool) -> None:
    client = await serve(make_app(describe))
    data = [("title", "Tée & co"), ("tag", "a"), ("tag", "b"), ("empty", "")]
    answer = await client.post("/", data=FormData(data, default_to_multipart=multipart))
    assert answer.json == {"fields": {"title": ["Tée & co"], "tag": ["a", "b"], "empty": [""]}, "files": {}}


async def test_a_form_has_files_beside_its_fields(serve: Serve) -> None:
    client = await serve(make_app(describe, ROOMY))
    answer = await send(client, field("title", "Tea"), file("p", "a", BIG), file("p", "b", b"x"), file("none", "", b""))
    assert answer.json == {"fields": {"title": ["Tea"]}, "files": {"p": [["a", len(BIG)], ["b", 1]]}}


async def test_a_view_takes_a_form_and_beside_it_what_is_elsewhere(serve: Serve) -> None:
    class Pictures(View):
        async def post(self, id: int, form: Form, page: int = 1) -> str:
            return f"{id} {page} {form['title']}"

    app = Application()
    app.add_view("/{id}", Pictures)
    client = await serve(app)
    assert (await client.post("/7?page=2", data={"title": "Tea"})).text == "7 2 Tea"


async def test_a_missing_field_is_the_clients_fault(serve: Serve) -> None:
    async def show(form: Form) -> str:
        assert form.get("title") is None
        assert form.get("title", "Tea") == "Tea"
        assert "title" not in form
        return form["title"]

    async def show_file(form: Form) -> str:
        return form.files["photo"].filename

    app = make_app(show)
    app.post("/file")(show_file)
    client = await serve(app)
    answer = await client.post("/", data={"other": "x"}, headers=PROBLEM)
    assert answer.status == 422
    assert answer.json["errors"] == [{"in": "form", "name": "title", "message": "is missing"}]
    answer = await client.post("/file", data={"photo": "x"}, headers=PROBLEM)
    assert (answer.status, answer.json["errors"][0]["name"]) == (422, "photo")


def test_a_form_is_a_mapping_whose_missing_keys_are_key_errors_too() -> None:
    empty = Form()
    assert (dict(empty), len(empty), list(empty.files), repr(empty)) == ({}, 0, [], "<Form >")
    with pytest.raises(KeyError):
        empty["title"]


async def test_typed_fields_and_files_come_as_arguments(serve: Serve) -> None:
    async def post(title: FormBody[str], photo: Upload, more: list[Upload] = [], icon: Upload | None = None) -> Any:  # noqa: B006
        return [title, photo.filename, photo.media_type, [file.filename for file in more], icon and icon.filename]

    client = await serve(make_app(post))
    answer = await send(client, field("title", "Tea"), file("photo", "a.png", PNG), *[file("more", "b", "")] * 2)
    assert answer.json == ["Tea", "a.png", "image/png", ["b", "b"], None]
    answer = await send(client, field("title", "Tea"), field("photo", "x"))
    assert (answer.status, answer.json["errors"][0]["name"]) == (422, "photo")
    answer = await client.post("/", data={}, headers=PROBLEM)
    assert [error["name"] for error in answer.json["errors"]] == ["title", "photo"]


async def test_a_record_may_have_files_among_its_fields(serve: Serve) -> None:
    class Picture(msgspec.Struct):
        title: Annotated[str, msgspec.Meta(min_length=1)]
        year: int
        photo: Upload
        icon: web.FileField | None = None

    async def post(picture: FormBody[Picture]) -> Any:
        assert picture.icon is not None
        return [picture.title, picture.year, await picture.photo.read() == PNG, picture.icon.file.read() == GIF]

    client = await serve(make_app(post))
    files = [file("photo", "a.png", PNG), file("icon", "a.gif", GIF)]
    answer = await send(client, field("title", "Tea"), field("year", "1901"), *files)
    assert answer.json == ["Tea", 1901, True, True]
    assert (await send(client, field("title", ""), field("year", "1901"), *files)).status == 422


async def test_a_form_may_be_left_out_where_it_has_a_default(serve: Serve) -> None:
    async def post(form: Form | None = None, tags: FormBody[list[str]] = []) -> Any:  # noqa: B006
        return [form is not None, tags]

    client = await serve(make_app(post))
    assert (await client.post("/")).json == [False, []]
    assert (await client.post("/", data={"tags": "a"})).json == [True, ["a"]]
    assert (await client.post("/", json={})).status == 415


@pytest.mark.parametrize("annotation", [Query[Upload], Body[Upload], FormBody[dict[str, Upload]]])
def test_a_file_comes_from_a_form_alone(annotation: Any) -> None:
    async def post(photo: Any) -> None: ...

    post.__annotations__["photo"] = annotation
    with pytest.raises(RouteError):
        Application().post("/")(post)


async def test_a_body_is_no_form_as_well() -> None:
    async def post(form: Form, user: Body[dict[str, str]]) -> None: ...

    with pytest.raises(RouteError, match="more than once"):
        Application().post("/")(post)


async def test_bind_gives_forms_and_files_without_a_server() -> None:
    async def post(form: Form, title: FormBody[str], photo: Upload | None = None) -> None: ...

    upload = Upload("photo", "a.png", io.BytesIO(PNG), size=len(PNG))
    values = bind(post, form={"title": "Tea", "photo": upload})
    assert (values["form"]["title"], values["form"].files["photo"]) == ("Tea", upload)
    assert (values["title"], values["photo"]) == ("Tea", upload)


# Files


async def test_a_file_is_read_in_pieces_or_as_a_whole_and_saved(serve: Serve, tmp_path: Path) -> None:
    async def post(form: Form) -> Any:
        answer = []
        for upload in form.files.getall("photo"):
            await upload.save(tmp_path / upload.safe_name)
            with pytest.raises(FileExistsError):
                await upload.save(tmp_path / upload.safe_name)
            pieces = [len(piece) async for piece in upload]
            answer.append([upload.is_in_memory, len(await upload.read()), sum(pieces), upload.file.tell()])
        return answer

    client = await serve(make_app(post, ROOMY))
    answer = await send(client, file("photo", "../a", BIG), file("photo", "b", PNG))
    assert answer.json == [[False] + [len(BIG)] * 3, [True] + [len(PNG)] * 3]
    assert (tmp_path / "a").read_bytes() == BIG
    assert (tmp_path / "b").read_bytes() == PNG


async def test_a_file_tells_what_it_is(serve: Serve) -> None:
    async def post(form: Form) -> Any:
        photo = form.files["photo"]
        assert repr(photo) == f"<Upload 'photo' 'a/b.jpg' image/png {len(PNG)} bytes>"
        return [photo.name, photo.safe_name, photo.content_type, photo.media_type, photo.headers["X-More"]]

    client = await serve(make_app(post))
    photo = raw_part(
        'form-data; name="photo"; filename="a/b.jpg"', PNG, "Content-Type: IMAGE/JPEG; x=y", "X-More: words"
    )
    assert (await send(client, photo)).json == ["photo", "b.jpg", "image/jpeg", "image/png", "words"]


async def test_the_hash_of_a_file_is_made_on_the_way_where_it_is_asked_for(serve: Serve) -> None:
    async def post(form: Form) -> Any:
        return [file.sha256 for file in form.files.getall("photo")]

    async def without(form: Form) -> str:
        with pytest.raises(LookupError, match=r"limits=Limits\(sha256=True\)"):
            _ = form.files["photo"].sha256
        return "none"

    app = make_app(post, Limits(body=2**30, sha256=True))
    app.post("/without")(without)
    client = await serve(app)
    answer = await send(client, file("photo", "a", BIG), file("photo", "b", b""), file("photo", "c", PNG))
    assert answer.json == [hashlib.sha256(content).hexdigest() for content in (BIG, b"", PNG)]
    assert (await send(client, file("photo", "c", PNG), target="/without")).text == "none"


async def test_files_are_gone_with_the_request_but_not_before_its_answer(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept: list[Upload] = []

    async def post(form: Form) -> web.Response:
        kept.extend(form.files.getall("photo"))
        assert names_in(tmp_path) == []  # without a name, and yet on the disk
        return web.Response(body=kept[0].file)

    client = await serve(make_app(post, ROOMY))
    await client.get("/")
    before = settled_descriptors()
    assert (await send(client, file("photo", "a", BIG), file("photo", "b", PNG))).body == BIG
    await until(lambda: all(upload.file.closed for upload in kept) and not running())
    assert count_descriptors() == before


async def test_small_files_and_fields_share_the_memory_that_a_form_may_have(serve: Serve) -> None:
    async def post(form: Form) -> Any:
        return [file.is_in_memory for file in form.files.getall("p")]

    client = await serve(make_app(post, Limits(memory=1000, field=1000)))
    assert (await send(client, *[file("p", "a", bytes(400))] * 4)).json == [True, True, False, False]
    assert (await send(client, field("a", "x" * 700), file("p", "a", bytes(400)))).json == [False]
    answer = await send(client, *[field("a", "x" * 400)] * 3)
    assert (answer.status, answer.json["detail"]) == (413, "The fields of the form have more than 1000 bytes together.")


# Limits


@pytest.mark.parametrize(
    ("limits", "parts", "status", "words"),
    [
        (None, [file("a", "a", bytes(2**19))], 200, ""),
        (Limits(file=100, body=10_000), [file("a", "a", bytes(101))], 413, "The file 'a' has more than the 100 bytes"),
        (Limits(field=100), [field("a", "x" * 101)], 413, "The field 'a' has more than the 100 bytes"),
        (Limits(fields=2), [field("a", "")] * 3, 413, "more than the 2 fields"),
        (Limits(files=2), [file("a", "a", "x")] * 3, 413, "more than the 2 files"),
        (Limits(types=("image/png",)), [file("a", "a.jpg", JPEG, "image/jpeg")], 415, "says that it is image/jpeg"),
        (
            Limits(types=("image/png",)),
            [file("a", "a.png", JPEG, "image/png")],
            415,
            "the bytes of 'a.png' are image/jpeg",
        ),
    ],
)
async def test_what_the_limits_do_not_let_in_is_refused(
    serve: Serve, limits: Limits | None, parts: list[bytes], status: int, words: str
) -> None:
    client = await serve(make_app(describe, limits))
    answer = await send(client, *parts)
    assert (answer.status, words in answer.text) == (status, True), answer.text


async def test_without_limits_of_the_route_those_of_the_application_hold(serve: Serve) -> None:
    app = make_app(describe, client_max_size=5000, client_max_fields=20)
    client = await serve(app)
    assert (await send(client, file("a", "a", bytes(5000)))).status == 413
    counts_fields = hasattr(web.BaseRequest, "client_max_fields")
    assert (await send(client, *[field("a", "")] * 21)).status == (413 if counts_fields else 200)
    assert (await client.post("/", data=[("a", "")] * 21)).status == (413 if counts_fields else 200)


async def test_an_application_without_a_limit_takes_any_form(serve: Serve) -> None:
    client = await serve(make_app(describe, client_max_size=0, client_max_fields=0))
    assert (await send(client, file("a", "a", BIG))).status == 200
    counts_fields = hasattr(web.BaseRequest, "client_max_fields")
    assert (await send(client, *[field("a", "")] * 2000)).status == (200 if counts_fields else 413)


# Urlencoded


LIMITS = Limits(fields=5, field=10)


@pytest.mark.parametrize(
    ("data", "charset", "pairs"),
    [
        (b"", None, []),
        (b"a=1&b=2&a=3", None, [("a", "1"), ("b", "2"), ("a", "3")]),
        (b"a", None, [("a", "")]),
        (b"a=&&=b&", None, [("a", ""), ("", "b")]),
        (b"a+b=c+d%2Be\r\n", None, [("a b", "c d+e")]),
        (b"a=b=c;d", None, [("a", "b=c;d")]),
        (b"%C3%A9=%E2%82%AC", None, [("é", "€")]),
        ("é=€".encode(), "UTF-8", [("é", "€")]),
        (b"%E9=\xe9", "iso-8859-1", [("é", "é")]),
        (b"a=%zz%", None, [("a", "%zz%")]),
        (b"_charset_=latin1&a=%C3%A9", None, [("_charset_", "latin1"), ("a", "é")]),
        (b"a=" + b"%41" * 3, None, [("a", "AAA")]),
    ],
)
def test_an_urlencoded_form_is_pairs(data: bytes, charset: str | None, pairs: list[tuple[str, str]]) -> None:
    assert list(parse_urlencoded(data, charset, LIMITS).items()) == pairs


@pytest.mark.parametrize(
    ("data", "charset", "status", "words"),
    [
        (b"a=%ff", None, 400, "The field 'a' is no text in utf-8"),
        (b"%ff=a", None, 400, "The name of a field is no text in utf-8"),
        (b"\xff=%ff", None, 400, "no text in utf-8"),
        (b"a=b", "hex", 415, "The name of a field is sent in the charset 'hex'. Send UTF-8."),
        (b"a=" + b"x" * 11, None, 413, "The field 'a' has more than the 10 bytes"),
        (b"a&b&c&d&e&f", None, 413, "The form has more than the 5 fields"),
        (b"&" * 5, None, 413, "The form has more than the 5 fields"),
    ],
)
def test_an_urlencoded_form_that_is_none_is_refused(data: bytes, charset: str | None, status: int, words: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_urlencoded(data, charset, LIMITS)
    assert (caught.value.status, words in (caught.value.detail or "")) == (status, True)


@given(pairs=st.lists(st.tuples(st.text(), st.text(max_size=30)), max_size=9).map(lambda p: [x for x in p if any(x)]))
def test_what_a_client_encodes_is_what_a_form_has(pairs: list[tuple[str, str]]) -> None:
    assert list(parse_urlencoded(urlencode(pairs).encode(), None, Limits()).items()) == pairs


async def test_a_large_urlencoded_form_does_not_stop_the_others(serve: Serve) -> None:
    async def post(form: Form) -> str:
        return str(len(form["a"]))

    client = await serve(make_app(post))
    answer = await client.post("/", data=b"a=" + b"%41" * 300_000, headers={"Content-Type": URLENCODED})
    assert answer.text == "300000"


# Who reads first


async def test_a_middleware_that_reads_the_form_first_leaves_it_to_the_handler(serve: Serve) -> None:
    seen: list[Any] = []

    async def by_form(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(await read_form(request))
        return await handler(request)

    async def by_post(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(await request.post())
        return await handler(request)

    async def show(form: Form) -> str:
        photo = form.files.get("photo")
        return f"{form['title']} {photo and [photo.media_type, photo.size, len(await photo.read())]}"

    app = Application()
    app.group("/form", middlewares=[by_form]).post("", limits=ROOMY)(show)
    app.group("/post", middlewares=[by_post]).post("", limits=ROOMY)(show)
    client = await serve(app)
    for target in ("/form", "/post"):
        answer = await send(client, field("title", "Tea"), file("photo", "a.png", PNG + BIG), target=target)
        size = len(PNG + BIG)
        assert answer.text == f"Tea {['image/png', size, size]}"
        assert (await client.post(target, data={"title": "Tea"})).text == "Tea None"
    assert len(seen) == 4


async def test_who_asks_for_the_posted_fields_afterwards_gets_them_too(serve: Serve) -> None:
    """As aiohttp-debugtoolbar does, and middlewares that look at a token behind the handler."""
    seen: list[Any] = []

    async def by_post(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        seen.append(dict(await request.post()))
        return response

    async def stream(request: web.Request) -> str:
        return ",".join([part.name async for part in uploads(request)])

    app = Application(middlewares=[by_post])
    app.post("/form")(describe)
    app.post("/stream")(stream)
    client = await serve(app)
    for target in ("/form", "/stream"):
        assert (await send(client, field("a", "1"), file("p", "p", PNG), target=target)).status == 200
    assert (await client.post("/form", data={"a": "2"})).status == 200
    assert seen == [{"a": "1"}, {}, {"a": "2"}]


async def test_the_limits_hold_for_a_form_that_a_middleware_has_read(serve: Serve) -> None:
    async def by_post(request: web.Request, handler: Handler) -> web.StreamResponse:
        await request.post()
        return await handler(request)

    app = Application()
    limits = Limits(body=10_000, file=1000, types=("image/png",))
    app.group("", middlewares=[by_post]).post("/", limits=limits)(describe)
    client = await serve(app)
    assert (await send(client, file("photo", "a.png", PNG))).status == 200
    assert (await send(client, file("photo", "a.png", GIF))).status == 415
    assert (await send(client, file("photo", "a.png", PNG * 10))).status == 413
