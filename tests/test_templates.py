"""Templates: pages that escape, inherit and link, and errors whose log says where they are."""

import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
import pytest
from aiohttp import web

from tests.serving import Client, run_by_webkit
from webkit import Application, View
from webkit.errors import ConfigError
from webkit.static import Static
from webkit.templates import TemplateFault, Templates, render, render_string, template
from webkit.types import RENDERER

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``folder = write({"page.html": "..."})``: a folder of templates."""

    def write(pages: dict[str, str], folder: str = "templates") -> Path:
        for name, text in pages.items():
            file = tmp_path / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return tmp_path / folder

    return write


def site(templates: Templates, name: str = "page.html", **context: Any) -> Application:
    """An application that answers ``/`` with one page."""
    app = Application()
    app.use(templates)

    @app.get("/", name="home")
    async def home(request: web.Request) -> web.StreamResponse:
        return await render(request, name, **context)

    return app


@asynccontextmanager
async def asking(app: Application) -> AsyncIterator[Client]:
    async with run_by_webkit(app) as client:
        yield client


async def get_text(app: Application, target: str = "/") -> str:
    """What *app* answers, which must be a page."""
    async with asking(app) as client:
        answer = await client.get(target)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8"), answer.text
        return answer.text


async def get_log(app: Application, caplog: pytest.LogCaptureFixture, target: str = "/") -> str:
    """The log of a request that fails, of which the client must learn nothing."""
    async with asking(app) as client:
        answer = await client.get(target)
    assert answer.status == 500
    assert not any(word in answer.text for word in ("Template", "template", ".html", "line", "jinja"))
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.name == "webkit"
    reference = answer.text.rpartition("Reference: ")[2]
    assert reference
    assert reference in record.getMessage()
    return caplog.text


# --- pages ---


async def test_what_came_from_outside_is_escaped(write: Write) -> None:
    folder = write({"page.html": "<p>{{ words }}</p>", "page.txt": "{{ words }}"})
    assert await get_text(site(Templates(folder), words="<b>&'\"")) == "<p>&lt;b&gt;&amp;&#39;&#34;</p>"
    assert await get_text(site(Templates(folder), "page.txt", words="<b>")) == "&lt;b&gt;"


async def test_escaping_can_be_left_to_the_name_of_the_template(write: Write) -> None:
    folder = write({"page.txt": "{{ words }}"})
    app = site(Templates(folder, autoescape=jinja2.select_autoescape(["html"])), "page.txt", words="<b>")
    assert await get_text(app) == "<b>"


async def test_a_page_inherits_includes_and_imports(write: Write) -> None:
    folder = write(
        {
            "page.html": "{% extends 'layout/all.html' %}{% from 'macros.html' import bold %}"
            "{% block body %}{% include 'part.html' %} {{ bold(word) }}{% endblock %}",
            "layout/all.html": "<main>{% block body %}{% endblock %}</main>",
            "part.html": "<i>{{ word }}</i>",
            "macros.html": "{% macro bold(text) %}<b>{{ text }}</b>{% endmacro %}",
        }
    )
    assert await get_text(site(Templates(folder), word="<")) == "<main><i>&lt;</i> <b>&lt;</b></main>"


async def test_the_first_folder_that_has_a_template_gives_it(write: Write) -> None:
    first = write({"a.html": "first"}, "first")
    second = write({"a.html": "second", "b.html": "b of second"}, "second")
    assert await get_text(site(Templates(first, second), "a.html")) == "first"
    assert await get_text(site(Templates(first, second), "b.html")) == "b of second"


@pytest.fixture
def package(write: Write, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with templates in two of its folders."""
    root = write(
        {"shop_pages/__init__.py": "", "shop_pages/templates/a.html": "a", "shop_pages/mails/b.html": "b"}, "src"
    )
    monkeypatch.syspath_prepend(str(root))
    yield "shop_pages"
    sys.modules.pop("shop_pages", None)


async def test_packages_bring_templates(package: str) -> None:
    assert await get_text(site(Templates(packages=[package]), "a.html")) == "a"
    assert await get_text(site(Templates(packages=[f"{package}:mails"]), "b.html")) == "b"


async def test_a_loader_of_ones_own_is_asked_last(write: Write) -> None:
    loader = jinja2.DictLoader({"a.html": "a of the loader", "b.html": "b of the loader"})
    templates = Templates(write({"a.html": "a of the folder"}), loader=loader)
    assert await get_text(site(templates, "a.html")) == "a of the folder"
    assert await get_text(site(templates, "b.html")) == "b of the loader"


async def test_filters_and_globals_are_known_in_every_template_and_macro(write: Write) -> None:
    folder = write(
        {
            "page.html": "{% from 'macros.html' import shout %}{{ 'a'|twice }} {{ shout(brand) }}",
            "macros.html": "{% macro shout(text) %}{{ text|twice }} by {{ brand }}{% endmacro %}",
        }
    )
    templates = Templates(folder, filters={"twice": lambda text: text * 2}, globals={"brand": "webkit"})
    assert await get_text(site(templates)) == "aa webkitwebkit by webkit"


async def test_other_options_go_to_the_environment(write: Write) -> None:
    folder = write({"page.html": "{% if true %}\n<< 'x' >>\n{% endif %}"})
    templates = Templates(folder, variable_start_string="<<", variable_end_string=">>", trim_blocks=True)
    assert await get_text(site(templates)) == "x\n"


async def test_the_status_can_be_chosen(write: Write) -> None:
    app = Application()
    app.use(Templates(write({"page.html": "{{ status }}"})))

    @app.get("/")
    async def home(request: web.Request) -> web.StreamResponse:
        return await render(request, "page.html", status=422)

    async with asking(app) as client:
        answer = await client.get("/")
        assert (answer.status, answer.text) == (422, "")


async def test_a_string_is_rendered_for_a_mail(write: Write) -> None:
    app = Application()
    app.use(Templates(write({"mail.txt": "Dear {{ name }}, see {{ url_for('home') }}"})))

    @app.get("/", name="home")
    async def home(request: web.Request) -> str:
        return await render_string(request, "mail.txt", name="Ada")

    async with asking(app) as client:
        assert (await client.get("/")).text == "Dear Ada, see /"


async def test_a_context_may_use_any_name(write: Write) -> None:
    app = Application()
    app.use(Templates(write({"page.html": "{{ name }} {{ request }} {{ app }} {{ self_ }}"})))

    @app.get("/")
    async def home(request: web.Request) -> web.StreamResponse:
        return await render(request, "page.html", name="n", request="r", app="a", self_="s")

    assert await get_text(app) == "n r a s"


async def test_templates_await_in_an_async_environment(write: Write) -> None:
    folder = write(
        {
            "page.html": "{% from 'macros.html' import link %}{% for n in count() %}{{ n }}{% endfor %}"
            "{{ word() }} {{ link() }} {{ extra }}",
            "macros.html": "{% macro link() %}{{ url_for('home') }}{% endmacro %}",
        }
    )

    async def count() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    async def word() -> str:
        return "<word>"

    templates = Templates(folder, enable_async=True, context_processors=[lambda request: {"extra": "more"}])
    assert await get_text(site(templates, count=count, word=word)) == "012&lt;word&gt; / more"


@pytest.mark.parametrize(
    ("auto_reload", "debug", "seen"),
    [(None, True, "new"), (None, False, "old"), (True, False, "new"), (False, True, "old")],
)
async def test_changed_templates_are_seen_in_debug_mode_or_when_asked_for(
    write: Write, auto_reload: bool | None, debug: bool, seen: str
) -> None:
    folder = write({"page.html": "old"})
    app = site(Templates(folder, auto_reload=auto_reload))
    app.debug = debug
    async with asking(app) as client:
        assert (await client.get("/")).text == "old"
        (folder / "page.html").write_text("new")
        os.utime(folder / "page.html", (1_700_000_000, 1_700_000_000))
        assert (await client.get("/")).text == seen


# --- links ---


LINKS = "{{ url_for('user', id=7) }} {{ url('user', id=7) }}"


async def test_links_are_made_by_name_with_parts_and_query(write: Write) -> None:
    app = site(
        Templates(
            write(
                {
                    "page.html": "{{ url_for('user', id=7) }}\n{{ url('user', id=7) }}\n"
                    "{{ url_for('user', id=7, query={'a': '1', 'b': '<'}) }}\n"
                    "{{ url('user', id='7', query_={'a': '1'}) }}\n"
                    "{{ url('user', id=7).with_fragment('top') }}\n{{ url_for('user', id=7) ~ '#top' }}"
                }
            )
        )
    )
    app.add_get("/users/{id:int}", lambda id: f"user {id}", name="user")
    assert (await get_text(app)).splitlines() == [
        "/users/7",
        "/users/7",
        "/users/7?a=1&amp;b=%3C",
        "/users/7?a=1",
        "/users/7#top",
        "/users/7#top",
    ]


async def test_links_are_made_in_macros_that_know_no_context(write: Write) -> None:
    folder = write(
        {
            "page.html": "{% import 'macros.html' as macros %}{{ macros.link() }}",
            "macros.html": "{% macro link() %}{{ url_for('home') }} {{ url('home') }}{% endmacro %}",
        }
    )
    assert await get_text(site(Templates(folder))) == "/ /"


async def test_a_mounted_application_knows_its_own_names_first_and_those_of_the_root(write: Write) -> None:
    folder = write(
        {
            "page.html": "{{ url_for('index') }} {{ url('index') }} {{ url_for('root-only') }} {{ url('root-only') }} "
            "{{ url_for('inner:index') }} {{ app is sameas child }}"
        }
    )
    app, child = Application(), Application()
    app.use(Templates(folder))
    app.add_get("/", lambda: "", name="index")
    app.add_get("/root", lambda: "", name="root-only")

    @child.get("/page", name="index")
    async def page(request: web.Request) -> web.StreamResponse:
        return await render(request, "page.html", child=child)

    app.mount("/inner", child, name="inner")
    assert await get_text(app, "/inner/page") == "/inner/page /inner/page /root /root /inner/page True"


async def test_a_plain_application_mounted_below_renders_too(write: Write) -> None:
    app, plain = Application(), web.Application()
    app.use(Templates(write({"page.html": "{{ url_for('home') }} {{ app is sameas outer }}"}), globals={"outer": app}))
    app.add_get("/", lambda: "", name="home")

    async def page(request: web.Request) -> web.StreamResponse:
        return await render(request, "page.html")

    plain.router.add_get("/page", page)
    app.mount("/plain", plain)
    assert await get_text(app, "/plain/page") == "/ True"


async def test_an_application_mounted_in_a_plain_one_has_no_more_around_it(write: Write) -> None:
    plain, app = web.Application(), site(Templates(write({"page.html": "{{ url_for('home') }} {{ app is none }}"})))
    plain.add_subapp("/in", app.aiohttp)
    async with run_by_webkit(plain) as client:
        assert (await client.get("/in/")).text == "/in/ False"


async def test_a_mounted_application_may_have_templates_of_its_own(write: Write) -> None:
    app = site(Templates(write({"page.html": "outer"}, "outer")))
    app.mount("/inner", site(Templates(write({"page.html": "inner"}, "inner"))))
    async with asking(app) as client:
        assert [(await client.get(target)).text for target in ("/", "/inner/")] == ["outer", "inner"]


async def test_the_same_templates_serve_two_applications(write: Write) -> None:
    templates = Templates(write({"page.html": "{{ url_for('home') }}"}))
    app = site(templates)
    app.mount("/inner", site(templates))
    async with asking(app) as client:
        assert [(await client.get(target)).text for target in ("/", "/inner/")] == ["/", "/inner/"]


async def test_a_static_file_is_linked_with_the_hash_of_its_content(write: Write) -> None:
    app = site(Templates(write({"page.html": "{{ static('site.css') }}"})))
    app.mount("/static", Static(write({"site.css": "p{}"}, "static")))
    async with asking(app) as client:
        link = (await client.get("/")).text
        assert link.startswith("/static/site.css?v=")
        assert "immutable" in (await client.get(link)).headers["Cache-Control"]


async def test_a_static_file_is_found_from_applications_further_in(write: Write) -> None:
    # Mounted in the middle: its names are not those of the root, nor of the innermost.
    root, middle, inner = (
        Application(),
        Application(),
        site(Templates(write({"page.html": "{{ static('site.css') }}"}))),
    )
    inner.add_get("/other", lambda: "", name="static")
    middle.mount("/files", Static(write({"site.css": "p{}"}, "static")))
    middle.mount("/inner", inner)
    root.mount("/middle", middle)
    assert (await get_text(root, "/middle/inner/")).startswith("/middle/files/site.css?v=")


async def test_without_static_files_the_log_says_what_to_mount(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    log = await get_log(site(Templates(write({"page.html": "<link>\n{{ static('site.css') }}"}))), caplog)
    assert "Template 'page.html', line 2: static('site.css'): no static files are mounted" in log
    assert "app.mount('/static', Static('static'))" in log


# --- handlers ---


async def test_a_view_renders_by_itself(write: Write) -> None:
    app = Application()
    app.use(Templates(write({"page.html": "{{ word }} {{ request.path }}"})))

    @app.view("/")
    class Home(View):
        async def get(self) -> web.StreamResponse:
            return await self.render("page.html", word="view")

    assert await get_text(app) == "view /"


async def test_the_decorator_renders_what_any_handler_returns(write: Write) -> None:
    app = Application()
    app.use(Templates(write({"page.html": "{{ word }} {{ request.path }}"})))

    @app.get("/async")
    @template("page.html")
    async def of_coroutine(request: web.Request) -> dict[str, Any]:
        return {"word": request.method}

    @app.get("/plain/{word}")
    @template("page.html")
    def of_function(word: str) -> dict[str, Any]:
        return {"word": word}

    @app.get("/awaitable")
    @template("page.html")
    def of_awaitable() -> Any:
        async def later() -> dict[str, Any]:
            return {"word": "later"}

        return later()

    @app.view("/view/{id:int}")
    class Page(View):
        @template("page.html", status=203)
        async def get(self, id: int) -> dict[str, Any]:
            return {"word": id + 1}

    @app.get("/empty")
    @template("page.html")
    async def of_nothing() -> None:
        pass

    async with asking(app) as client:
        for target, text in [
            ("/async", "GET /async"),
            ("/plain/hello", "hello /plain/hello"),
            ("/awaitable", "later /awaitable"),
            ("/view/7", "8 /view/7"),
            ("/empty", " /empty"),
        ]:
            answer = await client.get(target)
            assert (answer.status, answer.text) == (203 if target == "/view/7" else 200, text)


async def test_a_response_passes_the_decorator_unchanged(write: Write) -> None:
    app = Application()
    app.use(Templates(write({"page.html": ""})))

    @app.get("/raised")
    @template("page.html")
    async def raised() -> dict[str, Any]:
        raise web.HTTPSeeOther("/elsewhere")

    @app.get("/returned")
    @template("page.html")
    async def returned() -> web.StreamResponse:
        return web.Response(text="as it is", status=202)

    async with asking(app) as client:
        assert (await client.get("/raised")).headers["Location"] == "/elsewhere"
        answer = await client.get("/returned")
        assert (answer.status, answer.text) == (202, "as it is")


async def test_what_is_no_context_is_refused_with_the_name_of_the_handler(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application()
    app.use(Templates(write({"page.html": ""})))

    @app.get("/")
    @template("page.html")
    async def forgetful() -> str:
        return "words"

    log = await get_log(app, caplog)
    assert "forgetful returned 'words' (str)" in log
    assert "a dict, or a response" in log


async def test_the_decorator_of_aiohttp_jinja2_works_beside(write: Write) -> None:
    app = Application()
    app.use(
        Templates(
            write(
                {"page.html": "{{ word|twice }} {{ url('home') }} {{ url_for('home') }} {{ static('site.css')[:16] }}"}
            ),
            filters={"twice": lambda text: text * 2},
        )
    )
    app.mount("/static", Static(write({"site.css": "p{}"}, "static")))

    @app.get("/", name="home")
    @aiohttp_jinja2.template("page.html")
    async def home(request: web.Request) -> dict[str, Any]:
        return {"word": "<"}

    @app.view("/view")
    class Page(View):
        @aiohttp_jinja2.template("page.html")
        async def get(self) -> dict[str, Any]:
            return {"word": ">"}

    async with asking(app) as client:
        assert (await client.get("/")).text == "&lt;&lt; / / /static/site.css"
        assert (await client.get("/view")).text == "&gt;&gt; / / /static/site.css"


# --- context processors ---


async def test_context_processors_add_names_and_an_explicit_name_wins(write: Write) -> None:
    async def user(request: web.Request) -> dict[str, Any]:
        return {"user": request.query["user"], "a": "first", "b": "first"}

    def plain(request: web.Request) -> dict[str, Any]:
        return {"a": "second", "c": request.path}

    folder = write({"page.html": "{{ user }} {{ a }} {{ b }} {{ c }}"})
    app = site(Templates(folder, context_processors=[user, plain]), b="explicit")
    assert await get_text(app, "/?user=Ada") == "Ada second explicit /"


async def test_context_processors_run_for_pages_only(write: Write) -> None:
    paths: list[str] = []

    async def note(request: web.Request) -> dict[str, Any]:
        paths.append(request.path)
        return {}

    app = site(Templates(write({"page.html": "page"}), context_processors=[note]))
    app.add_get("/data", lambda: {"a": 1})
    async with asking(app) as client:
        await client.get("/data")
        await client.get("/nowhere")
        assert paths == []
        await client.get("/")
        assert paths == ["/"]


async def test_a_context_processor_that_returns_nothing_is_named(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    def forgetful(request: web.Request) -> Any:
        return None

    log = await get_log(site(Templates(write({"page.html": ""}), context_processors=[forgetful])), caplog)
    assert "forgetful" in log
    assert "it must return a dictionary" in log


# --- errors ---


async def test_a_missing_template_is_logged_with_a_hint_and_the_folders(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write({"page.html": ""})
    log = await get_log(site(Templates(folder), "pgae.html"), caplog)
    assert f"No template is named 'pgae.html'. Did you mean 'page.html'? Looked in {str(folder)!r}." in log


FAULTS: dict[str, tuple[dict[str, str], str]] = {
    "an undefined name": (
        {"page.html": "<p>\n{{ 1 }}\n{{ user.name }}"},
        "Template 'page.html', line 3: 'user' is undefined",
    ),
    "an undefined name in an included template": (
        {"page.html": "\n{% include 'parts/part.html' %}", "parts/part.html": "\n\n\n{{ user.name }}"},
        "Template 'parts/part.html', line 4: 'user' is undefined",
    ),
    "an undefined name in the layout": (
        {"page.html": "{% extends 'layout.html' %}", "layout.html": "<html>\n{{ user.name }}"},
        "Template 'layout.html', line 2: 'user' is undefined",
    ),
    "an undefined name in a block that the layout calls": (
        {
            "page.html": "{% extends 'layout.html' %}\n{% block a %}\n\n{{ user.name }}{% endblock %}",
            "layout.html": "{% block a %}{% endblock %}",
        },
        "Template 'page.html', line 4: 'user' is undefined",
    ),
    "an undefined name in a macro": (
        {
            "page.html": "{% from 'macros.html' import m %}\n{{ m() }}",
            "macros.html": "\n{% macro m() %}\n{{ user.name }}{% endmacro %}",
        },
        "Template 'macros.html', line 3: 'user' is undefined",
    ),
    "a syntax error": (
        {"page.html": "<p>\n{% if %}"},
        "Template 'page.html', line 2: Expected an expression, got 'end of statement block'",
    ),
    "a syntax error in an included template": (
        {"page.html": "{% include 'part.html' %}", "part.html": "\n{{ a b }}"},
        "Template 'part.html', line 2: expected token 'end of print statement', got 'b'",
    ),
    "a missing layout": (
        {"page.html": "\n{% extends 'lyout.html' %}", "layout.html": ""},
        "Template 'page.html', line 2: No template is named 'lyout.html'. Did you mean 'layout.html'?",
    ),
    "a missing choice": (
        {"page.html": "{% include ['a.html', 'b.html'] %}"},
        "Template 'page.html', line 1: No template is named 'a.html' or 'b.html'.",
    ),
    "a route that nobody named": (
        {"page.html": "\n{{ url_for('hom') }}"},
        "Template 'page.html', line 2: No route is named 'hom'. Did you mean 'home'?",
    ),
    "an error of Python": (
        {"page.html": "\n{{ 1 / 0 }}"},
        "Template 'page.html', line 2: ZeroDivisionError: division by zero",
    ),
    "an unknown filter": (
        {"page.html": "\n{{ 1|nothing }}"},
        "Template 'page.html', line 2: No filter named 'nothing'.",
    ),
}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_logged_with_template_and_line(
    fault: str, is_async: bool, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    pages, message = FAULTS[fault]
    log = await get_log(site(Templates(write(pages), enable_async=is_async)), caplog)
    assert f"webkit.templates.TemplateFault: {message}" in log
    assert "The above exception was the direct cause" in log, "Jinja's own error is lost."


async def test_a_fault_in_a_package_or_a_loader_names_the_template(
    package: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(sys.path[0]) / package / "templates" / "sub"
    folder.mkdir()
    (folder / "bad.html").write_text("\n{{ a.b }}")
    assert "Template 'sub/bad.html', line 2: 'a'" in await get_log(
        site(Templates(packages=[package]), "sub/bad.html"), caplog
    )
    caplog.clear()
    loader = jinja2.DictLoader({"bad.html": "\n\n{{ a.b }}"})
    assert "Template 'bad.html', line 3: 'a'" in await get_log(site(Templates(loader=loader), "bad.html"), caplog)


async def test_a_file_that_is_no_utf_8_is_named(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    folder = write({"page.html": ""})
    (folder / "page.html").write_bytes(b"\xff")
    assert "Template 'page.html': UnicodeDecodeError:" in await get_log(site(Templates(folder)), caplog)


async def test_a_fault_says_where_it_is_to_code_as_well(write: Write) -> None:
    app = Application()
    app.use(Templates(write({"page.html": "\n{{ a.b }}"})))

    @app.get("/")
    async def home(request: web.Request) -> dict[str, Any]:
        with pytest.raises(TemplateFault) as caught:
            await render(request, "page.html")
        assert isinstance(caught.value.__cause__, jinja2.UndefinedError)
        return {"template": caught.value.template, "line": caught.value.line}

    async with asking(app) as client:
        assert (await client.get("/")).json == {"template": "page.html", "line": 2}


# --- pages for errors ---


BROWSER = {"Accept": "text/html,*/*;q=0.8"}


async def test_a_template_named_after_a_status_is_the_page_that_browsers_get(write: Write) -> None:
    folder = write(
        {
            "errors/404.html": "{% extends 'all.html' %}",
            "all.html": "<h1>{{ status }} {{ title }}</h1>{{ url_for('home') }}",
        }
    )
    async with asking(site(Templates(folder))) as client:
        answer = await client.get("/nowhere", headers=BROWSER)
        assert (answer.status, answer.text) == (404, "<h1>404 Not Found</h1>/")
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "<h1>" not in (await client.get("/nowhere")).text
        # No page was made for this one: webkit's own is sent.
        assert "Method Not Allowed" in (await client.request("POST", "/", headers=BROWSER)).text


async def test_the_page_for_a_500_knows_the_reference_that_is_in_the_log(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    app = site(Templates(write({"page.html": "{{ 1 / 0 }}", "errors/500.html": "ask for {{ reference }}"})))
    async with asking(app) as client:
        answer = await client.get("/", headers=BROWSER)
    assert answer.status == 500
    assert answer.text.startswith("ask for ")
    assert answer.text.removeprefix("ask for ") in caplog.text


@pytest.mark.parametrize("broken", ["{{ a.b }}", "{% if %}", "{% extends 'nothing.html' %}"])
async def test_a_page_that_fails_leaves_webkits_own_and_a_log(
    write: Write, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    async with asking(site(Templates(write({"errors/404.html": broken})))) as client:
        answer = await client.get("/nowhere", headers=BROWSER)
    assert answer.status == 404
    assert "Not Found" in answer.text
    assert "Template 'errors/404.html', line 1" in caplog.text


async def test_the_page_is_that_of_the_innermost_application_which_has_one_and_links_from_there(write: Write) -> None:
    page = "{{ url_for('home') }} {{ app is sameas own }} {{ request.app is sameas own.aiohttp }}"
    outer, inner, innermost = Application(), Application(), Application()
    for app in (outer, inner, innermost):
        app.add_get("/", lambda: "", name="home")
    outer.use(Templates(write({"errors/404.html": "outer " + page}, "outer"), globals={"own": outer}))
    inner.use(Templates(write({"errors/404.html": "inner " + page}, "inner"), globals={"own": inner}))
    inner.mount("/innermost", innermost)
    outer.mount("/inner", inner)
    async with asking(outer) as client:
        for target, text in [
            ("/nowhere", "outer / True True"),
            ("/inner/nowhere", "inner /inner/ True True"),
            ("/inner/innermost/nowhere", "inner /inner/ True True"),
        ]:
            assert (await client.get(target, headers=BROWSER)).text == text


# --- what is no fault of a template, and what is one before anything is rendered ---


async def test_an_answer_raised_within_a_template_is_an_answer(write: Write) -> None:
    def refuse() -> None:
        raise web.HTTPForbidden

    app = site(Templates(write({"page.html": "{{ refuse() }}"}), globals={"refuse": refuse}))
    async with asking(app) as client:
        assert (await client.get("/")).status == 403


async def test_rendering_without_templates_is_a_fault_that_says_what_to_write(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Application()

    @app.get("/")
    async def home(request: web.Request) -> web.StreamResponse:
        return await render(request, "page.html")

    log = await get_log(app, caplog)
    assert "No templates are set up: app.use(Templates('templates'))" in log


async def test_another_renderer_can_take_the_place(caplog: pytest.LogCaptureFixture) -> None:
    class Upper:
        async def render_error(self, request: web.Request, status: int, context: dict[str, Any]) -> str | None:
            return None

        async def render(
            self, request: web.Request, name: str, context: dict[str, Any], *, status: int = 200
        ) -> web.StreamResponse:
            return web.Response(text=f"{name} {context['word']}".upper(), status=status)

    app = Application()
    app[RENDERER] = Upper()

    @app.get("/")
    async def home(request: web.Request) -> web.StreamResponse:
        return await render(request, "page", word="a")

    @app.get("/decorated")
    @template("page")
    async def decorated() -> dict[str, Any]:
        return {"word": "b"}

    @app.get("/string")
    async def string(request: web.Request) -> str:
        return await render_string(request, "page")

    async with asking(app) as client:
        assert [(await client.get(target)).text for target in ("/", "/decorated")] == ["PAGE A", "PAGE B"]
        assert (await client.get("/string")).status == 500
    assert "renders pages, but no strings" in caplog.text


def test_a_folder_that_is_missing_is_refused_with_the_place_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        Application().use(Templates("templates"))
    message = str(caught.value)
    assert f"{str(tmp_path / 'templates')!r} does not exist" in message
    assert str(tmp_path) in message
    assert "Path(__file__).parent / 'templates'" in message


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("")
    with pytest.raises(ConfigError, match="is no folder"):
        Templates(tmp_path / "page.html")


def test_a_package_that_cannot_be_had_is_refused(package: str) -> None:
    with pytest.raises(ConfigError, match="No module named 'no_such_package'"):
        Templates(packages=["no_such_package"])
    with pytest.raises(ConfigError, match="':FOLDER' behind it"):
        Templates(packages=[f"{package}:nowhere"])


def test_templates_without_a_place_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"write Templates\('templates'\)"):
        Templates()
