"""The code in README.md and docs/ runs. CONTRIBUTING.md tells how to write it ("Code in the documentation").

The ``python`` blocks of a page are executed in order, in one namespace, in an empty folder. Two comments, which no
reader sees, say more:

``<!-- file: hello.py -->`` before a block of any language
    saves it under that name in the folder; a Python file is imported instead of executed, and its names are there for
    the blocks that follow.
``<!-- request: GET /hello -> 200 text "Hello" -->`` after a block
    sends a request to the page's ``app``, served on a free port, and compares the answer. `REQUEST` has the grammar.

There is no way to leave a Python block out.
"""

import ast
import importlib
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, FormData, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

ROOT = Path(__file__).parent.parent
PAGES = [
    "README.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
]

FENCE = re.compile(r"(?P<indent> *)(?P<ticks>`{3,})(?P<language>[^`]*)")
COMMENT = re.compile(r" *<!-- (?P<kind>\w+): (?P<text>.*) -->")
REQUEST = re.compile(
    r"(?P<method>[A-Z]+) (?P<target>\S+)"
    r"(?: (?P<kind>form|json|multipart) (?P<body>.+?))?"
    r" -> (?P<status>\d{3})"
    r"(?: (?P<check>text|has|json|location) (?P<expected>.+))?"
)

# Spellings of Python that would slip through unexecuted.
NOT_PYTHON = ("py", "py3", "python3", "pycon", "{code-block} python", "{code} python")


@dataclass(slots=True)
class Block:
    """One fenced block: its code, the file it is saved as, and the requests that follow it."""

    line: int
    language: str
    code: str = ""
    file: str = ""
    requests: list[str] = field(default_factory=list)


def read_blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order.

    Raises:
        ValueError: a comment of an unknown kind, or one that stands where it means nothing.
    """
    blocks: list[Block] = []
    file = ""
    lines = enumerate(text.splitlines(), start=1)
    for number, line in lines:
        comment = COMMENT.fullmatch(line)
        fence = FENCE.fullmatch(line)
        if comment and comment["kind"] == "file":
            file = comment["text"]
        elif comment and comment["kind"] == "request" and blocks:
            blocks[-1].requests.append(comment["text"])
        elif comment:
            raise ValueError(f"line {number}: {line.strip()}: write `file:` before a block or `request:` after one.")
        elif fence:
            code: list[str] = []
            for _, inner in lines:
                if inner.strip() == fence["ticks"]:
                    break
                code.append(inner)
            blocks.append(Block(number, fence["language"].strip(), textwrap.dedent("\n".join(code)) + "\n", file))
            file = ""
        elif file and line.strip():
            raise ValueError(f"line {number}: `file: {file}` stands directly before a block.")
    return iter(blocks)


def refuse_to_block(code: str) -> None:
    """Refuse a server that would run for ever, unless it stands under ``if __name__ == "__main__":``."""
    for statement in ast.parse(code).body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and re.fullmatch(r"(.*\.)?(run|run_app)", ast.unparse(call.func)):
            raise ValueError(f"{ast.unparse(call)}: put this under `if __name__ == '__main__':`, it never returns.")


def execute(block: Block, page: str, folder: Path, namespace: dict[str, Any]) -> None:
    """Save the block, if it is a file, and run it, if it is Python."""
    if block.language == "python":
        refuse_to_block(block.code)
    if block.file:
        path = folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.code, encoding="utf-8")
    if block.language == "python" and block.file:
        name = ".".join(Path(block.file).with_suffix("").parts)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        namespace.update(vars(importlib.import_module(name)))
    elif block.language == "python":
        # Empty lines in front, so that a traceback shows the line of the page.
        exec(compile("\n" * block.line + block.code, page, "exec"), namespace)


async def ask(client: TestClient[web.Request, web.Application], request: str) -> None:
    """Send one request and compare its answer."""
    match = REQUEST.fullmatch(request)
    if match is None:
        raise ValueError(
            f"{request}: write METHOD PATH [form|json|multipart BODY] -> STATUS [text|has|json|location VALUE]."
        )
    headers = {
        "form": {"Content-Type": "application/x-www-form-urlencoded"},
        "json": {"Content-Type": "application/json"},
    }
    async with client.request(
        match["method"],
        URL(match["target"], encoded=True),
        data=make_multipart(match["body"]) if match["kind"] == "multipart" else match["body"],
        headers=headers.get(match["kind"]),
        allow_redirects=False,
    ) as response:
        assert response.status == int(match["status"]), request
        if match["check"]:
            await compare(response, match["check"], json.loads(match["expected"]))


def make_multipart(fields: str) -> FormData:
    """Make the form ``title=Tea&photo=@tea.gif:GIF89a``: what begins with ``@`` is a file, its name and its content."""
    form = FormData(quote_fields=False, default_to_multipart=True)
    for pair in fields.split("&"):
        name, _, value = pair.partition("=")
        filename, _, content = value.partition(":")
        if value.startswith("@"):
            form.add_field(name, content.encode(), filename=filename[1:], content_type="application/octet-stream")
        else:
            form.add_field(name, value)
    return form


async def compare(response: ClientResponse, check: str, expected: Any) -> None:
    """Hold one part of the answer to what the page promises."""
    if check == "text":
        assert await response.text() == expected
    elif check == "has":
        assert expected in await response.text()
    elif check == "json":
        assert await response.json(content_type=None) == expected
    else:
        assert response.headers.get("Location") == expected


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder to import from. What was imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES)
async def test_the_code_on_a_page_runs_and_answers_as_the_page_says(page: str, folder: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in read_blocks((ROOT / page).read_text(encoding="utf-8")):
        assert block.language not in NOT_PYTHON, f"{page}:{block.line}: write `python`, so that the block runs."
        execute(block, page, folder, namespace)
        if block.requests:
            async with TestClient(TestServer(namespace["app"].aiohttp)) as client:
                for request in block.requests:
                    await ask(client, request)


def test_every_module_has_its_place_in_the_reference() -> None:
    reference = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    documented = set(re.findall(r"\.\. (?:auto)?module:: webkit\.(\w+)", reference))
    modules = {path.stem for path in (ROOT / "webkit").glob("*.py") if not path.stem.startswith("_")}
    assert documented == modules, "Write `.. automodule:: webkit.NAME` in a page of docs/reference (inside.md?)."


PAGE = """\
Some words.

<!-- file: pages/hello.html -->

```html
<h1>Hello</h1>
```

1. A step:

   ```python
   answer = 42
   ```
   <!-- request: GET / -> 200 -->
   <!-- request: GET /gone -> 404 -->
"""


def test_blocks_are_found_with_their_files_and_requests() -> None:
    assert list(read_blocks(PAGE)) == [
        Block(5, "html", "<h1>Hello</h1>\n", "pages/hello.html"),
        Block(11, "python", "answer = 42\n", "", ["GET / -> 200", "GET /gone -> 404"]),
    ]


@pytest.mark.parametrize(
    "text",
    ["<!-- test: skip, it is slow -->", "<!-- request: GET / -> 200 -->", "<!-- file: a.py -->\nand then some words"],
)
def test_a_comment_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        read_blocks(text)


@pytest.mark.parametrize("code", ["app.run()", "webkit.run(app, port=8080)", "web.run_app(app)"])
def test_a_server_that_would_never_return_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="__main__"):
        refuse_to_block(code)
    refuse_to_block(f"if __name__ == '__main__':\n    {code}")


def test_a_block_that_fails_shows_the_line_of_the_page(folder: Path) -> None:
    (block,) = read_blocks("# Title\n\n```python\nfirst = 1\nfirst / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        execute(block, "docs/page.md", folder, {})
    assert (caught.traceback[-1].frame.code.raw.co_filename, caught.traceback[-1].lineno + 1) == ("docs/page.md", 5)
