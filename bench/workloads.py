"""The requests that are sent, and the answers that all have to give to them."""

import json
from dataclasses import dataclass, replace
from typing import Any, Final

import jinja2

from bench.content import FILE, FILES, MESSAGE, ROWS, TEMPLATES, TEXT

#: What later versions of webkit bring is measured from then on.
NOT_YET: Final = ("the production stack of safe defaults",)

UPLOAD_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One request, and what the answer must be."""

    name: str
    title: str
    target: str
    media_type: str
    expected: bytes
    method: str = "GET"
    body: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the request, beside Host and Content-Length."""
        return {"Content-Type": "application/json"} if self.body else {}

    @property
    def raw(self) -> bytes:
        """The request as wrk sends it."""
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(self.body)}"] if self.body else []
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _render_page() -> bytes:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    return environment.get_template("rows.html").render(title=TEXT, rows=ROWS).encode()


_USER: Final = _json({"name": "Ada Lovelace", "age": 36, "tags": ["mathematics", "engines"]})

TEXT_WORKLOAD: Final = Workload(name="text", title="text", target="/", media_type="text/plain", expected=TEXT.encode())
PARAMETER: Final = Workload(
    name="parameter",
    title="path parameter",
    target="/users/42",
    media_type="application/json",
    expected=_json({"id": 42}),
)
WORKLOADS: Final = {
    workload.name: workload
    for workload in (
        TEXT_WORKLOAD,
        Workload(name="json", title="JSON", target="/json", media_type="application/json", expected=_json(MESSAGE)),
        PARAMETER,
        Workload(
            name="template",
            title="HTML page",
            target="/page",
            media_type="text/html",
            expected=_render_page(),
        ),
        Workload(
            name="post",
            title="JSON body",
            method="POST",
            target="/users",
            body=_USER,
            media_type="application/json",
            expected=_USER,
        ),
        Workload(
            name="static",
            title="static file",
            target=f"/static/{FILE}",
            media_type="text/css",
            expected=(FILES / FILE).read_bytes(),
        ),
    )
}

#: What has to be refused: whoever takes it does not do the work.
TO_REFUSE: Final = (
    replace(PARAMETER, target="/users/forty-two"),
    *(
        replace(WORKLOADS["post"], body=body)
        for body in (
            b'{"name": "", "age": 36, "tags": []}',
            b'{"name": "Ada", "age": 151, "tags": []}',
            b'{"name": "Ada", "age": 36, "tags": [1]}',
            b'{"name": "Ada", "age": 36',
        )
    ),
)
