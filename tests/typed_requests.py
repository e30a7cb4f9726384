"""Requests for ``tests.typed_app``, drawn at random: near its routes, and far from them."""

import gzip
import json
from typing import TypeVar
from urllib.parse import quote

from hypothesis import strategies as st

T = TypeVar("T")

ROUTES = [
    *("GET /search", "GET /numbers", "GET /moments", "GET /choices", "GET /lists", "GET /headers", "GET /cookies"),
    *("GET /filtered", "GET /keys/00000000-0000-4000-8000-000000000000", "GET /threaded/1", "POST /trees"),
    *("POST /shapes", "POST /anything", "POST /users", "PUT /users", "PATCH /settings", "POST /forms/user"),
    *("POST /forms/upload", "PUT /forms/settings", "GET /profiles/a", "PUT /profiles/a", "DELETE /profiles/a"),
]
OPEN_PATHS = ["/keys/", "/threaded/", "/profiles/", "/"]
NAMES = [
    *("q", "page", "tags", "i", "f", "d", "b", "day", "at", "clock", "took", "color", "level", "mode", "ids", "pair"),
    *("names", "secret", "either", "words", "limit", "strict", "sort", "text", "dry_run", "x", "y", "labels", "folder"),
    *("reason", "name", "age", "born", "colors", "title", "photo", "public", "theme", "size", "id"),
]
TEXTS = [
    *("", "0", "1", "-1", "7", "150", "1e400", "1.5", "nan", "inf", "-0", "9" * 30, "9" * 5000, "true", "on", "null"),
    *("2024-02-29", "2023-02-29", "2024-02-29T12:00:00Z", "12:30:00", "P1D", "P99999999999D", "99999999999999", "1_0"),
    *("red", "a", "light", "spam", "root", "00000000-0000-4000-8000-000000000000", "AAAA", "A", "e\u0301", "\u0661"),
    *("%", "%2F", "%FF", "%ED%A0%80", "+", ";", "&", "=", "\x00", "\r\n", "\ufffd", "\U0001f600", "../..", "sNaN"),
]
HEADERS = [
    *("Accept", "Accept-Language", "X-Version", "Forwarded", "Cookie", "User-Agent", "Lock", "Range"),
    *("Content-Encoding", "Content-Disposition", "Expect", "Upgrade", "Origin", "If-None-Match", "X-Other"),
]
HEADER_TEXTS = [
    *(b"text/html", b"application/json", b"theme=dark; visits=3", b"theme=\xff", b'theme="\\377"', b"visits=x", b"1"),
    *(b"gzip", b"deflate", b"br", b"zstd", b"identity", b"100-continue", b"websocket", b"utf-8", b"\xff", b"", b"*/*"),
    *(b"application/x-www-form-urlencoded", b"multipart/form-data", b"multipart/form-data; boundary=b", b";", b"a/b;c"),
    *(
        b"text/html;q=1e9",
        b"application/json; charset=utf-16",
        b"application/json; charset=\xff",
        b"bytes=0-1",
        b"e\xcc",
    ),
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]

JSON_TYPES = [b"application/json"] * 12 + [
    b"application/problem+json",
    b"text/plain",
    b"application/json; charset=latin1",
]
FORM_TYPES = [
    *[b"application/x-www-form-urlencoded"] * 12,
    *(b"application/x-www-form-urlencoded; charset=latin1", b"application/x-www-form-urlencoded; charset=hex"),
    *(b"application/x-www-form-urlencoded; charset=utf-16", b"application/x-www-form-urlencoded; charset=\xff"),
]
MULTIPART_TYPES = [
    *[b"multipart/form-data; boundary=b"] * 18,
    *(b'multipart/form-data; boundary="b"', b"multipart/form-data; boundary=", b"multipart/form-data; boundary=c"),
    *(b"multipart/form-data", b"multipart/form-data; boundary=" + b"b" * 71, b"multipart/mixed; boundary=b"),
    *(b"multipart/form-data; boundary=\xff", b'multipart/form-data; boundary="', b"multipart/form-data; charset=hex"),
]
PART_HEADERS = [
    *(b"Content-Type: text/plain", b"Content-Type: text/plain; charset=hex", b"Content-Type: image/png", b": x", b"x"),
    *(b"Content-Type: text/plain; charset=utf-16", b"Content-Type: multipart/mixed; boundary=c", b"Content-Type: \xff"),
    *(b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"Content-Length: -1"),
    *(b"Content-Transfer-Encoding: rot13", b"Content-Encoding: gzip", b"Content-Length: 1", b"A" * 9000 + b": b"),
    *(b"Content-Transfer-Encoding: binary", b"Content-Encoding: x", b"Content-Disposition: form-data; name=name"),
]
DISPOSITIONS = [
    *(b'form-data; name="photo"; filename="a.png"', b'form-data; name="photo"; filename=""', b"form-data", b""),
    *(b'form-data; name="photo"; filename="\xff"', b"form-data; name=\xff", b"form-data; name*=utf-8''title", b"\xff"),
    *(
        b"form-data; name=photo; filename*=utf-8''%ff",
        b'form-data; name="title',
        b"attachment; name=title",
        b"form-data; =",
    ),
]


def mostly(likely: st.SearchStrategy[T], rare: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Draw from *rare* once in eight times; ``|`` has no weights."""
    return st.integers(0, 7).flatmap(lambda number: rare if number == 7 else likely)


def encode(text: str) -> bytes:
    return quote(text, safe="", errors="surrogatepass").encode()


texts = mostly(st.sampled_from(TEXTS), st.text(max_size=8) | st.integers().map(str))
names = mostly(st.sampled_from(NAMES), st.text(max_size=4))
raw_bytes = st.binary(max_size=20)


def join_query(pairs: list[tuple[str, str]]) -> bytes:
    return b"&".join(encode(name) + b"=" + encode(text) for name, text in pairs)


pairs = st.lists(st.tuples(names, texts), max_size=8)
joined = pairs.map(join_query)
queries = mostly(joined, raw_bytes.map(lambda data: data.translate(None, b" \r\n")))
known = st.sampled_from(sorted({route.split()[1] for route in ROUTES}))
opened = st.tuples(st.sampled_from(OPEN_PATHS), texts.map(lambda text: encode(text).decode())).map("".join)
odd = st.sampled_from(["*", "//", "///a", "/../x", "http://h/numbers", "/%", "/%zz", "/profiles/", ""])
paths = mostly(known | opened, odd)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
keys = (
    st.sampled_from(["name", "age", "born", "colors", "address", "streetName", "zipCode", "value", "children"]) | names
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5))
users = st.fixed_dictionaries(
    {"name": texts},
    optional={
        "age": st.integers(-1, 200) | values,
        "born": texts | values,
        "colors": st.lists(st.sampled_from(["red", "green", "blue"]), max_size=3) | values,
        "address": st.fixed_dictionaries({"streetName": texts}, optional={"zipCode": texts}) | values,
    },
)
documents = (
    users
    | st.lists(users, max_size=3)
    | st.fixed_dictionaries({"type": st.sampled_from(["circle", "square", "cube"]), "radius": leaves, "side": leaves})
    | st.fixed_dictionaries({"theme": st.sampled_from(["light", "x"])}, optional={"size": values})
    | values
)


def spoil(body: bytes, place: int, junk: bytes) -> bytes:
    """Replace a few bytes of *body*."""
    place %= len(body) + 1
    return body[:place] + junk + body[place + len(junk) :]


def spoiled(bodies: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Bodies as they are, and some that are broken."""
    junk = st.binary(min_size=1, max_size=4)
    cut = st.builds(lambda body, end: body[: end % (len(body) + 1)], bodies, st.integers(0, 1000))
    return mostly(bodies, st.builds(spoil, bodies, st.integers(0, 1000), junk) | cut)


def make_part(disposition: bytes, headers: list[bytes], content: bytes) -> bytes:
    lines = [b"Content-Disposition: " + disposition, *headers] if disposition else headers
    return b"\r\n".join(lines) + b"\r\n\r\n" + content + b"\r\n"


named = names.map(lambda name: b'form-data; name="' + encode(name) + b'"')
contents = texts.map(lambda text: text.encode(errors="replace")) | raw_bytes | st.just(b"eA==") | st.just(b"=3")
parts = st.builds(
    make_part,
    mostly(named, st.sampled_from(DISPOSITIONS)),
    st.lists(st.sampled_from(PART_HEADERS), max_size=1),
    contents,
)
multiparts = st.builds(
    lambda preamble, parts, end: preamble + b"".join(b"--b\r\n" + part for part in parts) + end,
    st.sampled_from([b"", b"", b"", b"\r\n", b"preamble\r\n", b"--\r\n"]),
    st.lists(parts, max_size=5),
    st.sampled_from(
        [b"--b--\r\n", b"--b--\r\n", b"--b--\r\n", b"--b--", b"--b\r\n", b"", b"--b-", b"--b--\r\nepilogue"]
    ),
)
DEEP = [b"[" * 20_000, b'{"children":[' * 3_000, b"[" * 500 + b"]" * 500, b'{"a":' * 400 + b"1" + b"}" * 400]
LARGE = [b"x=1&" * 10_000, b'"' + b"x" * 70_000 + b'"', b"--b\r\n" * 2_000, b"9" * 5_000, b"[" + b"1," * 5_000 + b"1]"]
jsons = st.tuples(
    st.sampled_from(JSON_TYPES),
    mostly(spoiled(documents.map(lambda value: json.dumps(value).encode())), st.sampled_from(DEEP + LARGE) | raw_bytes),
)
forms = st.tuples(st.sampled_from(FORM_TYPES), mostly(spoiled(joined), st.sampled_from(LARGE) | raw_bytes))
multipart_forms = st.tuples(st.sampled_from(MULTIPART_TYPES), mostly(spoiled(multiparts), st.sampled_from(LARGE)))
typed_bodies = jsons | forms | multipart_forms | st.just((b"", b""))


def frame(body: bytes, framing: str) -> tuple[list[bytes], bytes]:
    """Give the headers that say how long *body* is, and the body as it is sent."""
    if framing == "chunked":
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        return [b"Transfer-Encoding: chunked"], sent
    if framing == "broken":
        return [b"Transfer-Encoding: chunked"], b"%x\r\n%s#\r\n0\r\n\r\n" % (len(body), body)
    if framing == "gzip":
        sent = gzip.compress(body, mtime=0)
        return [b"Content-Encoding: gzip", b"Content-Length: %d" % len(sent)], sent
    if framing == "no gzip":
        return [b"Content-Encoding: gzip", b"Content-Length: %d" % len(body)], body
    return [b"Content-Length: %d" % len(body)], body


header_texts = mostly(st.sampled_from(HEADER_TEXTS), raw_bytes.map(lambda data: data.translate(None, b"\r\n\x00")))
header_names = mostly(st.sampled_from(HEADERS), st.sampled_from(["Host", "Content-Type", "Connection"]))
more_headers = st.lists(
    st.builds(lambda name, text: name.encode() + b": " + text, header_names, header_texts), max_size=3
)
framings = st.sampled_from(["length"] * 12 + ["chunked", "chunked", "broken", "gzip", "no gzip"])


@st.composite
def raw_requests(draw: st.DrawFn) -> bytes:
    """Draw a request, as its bytes: whole, so that the server never waits for more."""
    path = draw(paths)
    fitting = [route.split()[0] for route in ROUTES if route.endswith(path)]
    method = draw(mostly(st.sampled_from(fitting or METHODS), st.sampled_from(METHODS)))
    query = draw(queries)
    target = path.encode() + (b"?" + query if query else b"")
    likely = st.just((b"", b"")) if method == "GET" else forms | multipart_forms if "/forms" in path else jsons
    media_type, body = draw(mostly(likely, typed_bodies))
    headers, sent = frame(body, draw(framings)) if body else ([], b"")
    if media_type:
        headers.append(b"Content-Type: " + media_type)
    headers += draw(more_headers)
    head = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + sent
