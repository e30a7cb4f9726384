"""URLs of static files by name, from an application and from a request."""

from pathlib import Path

import pytest
from aiohttp import web

from tests.serving import Serve
from webkit import Application
from webkit.errors import ConfigError
from webkit.static import Static
from webkit.staticurls import static_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("site.css", "logo.svg"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_folder_is_found_by_its_name_or_by_that_of_its_mount(folder: Path) -> None:
    app = Application()
    app.mount("/static", Static(folder))
    app.mount("/media", Static(folder, name="media"))
    app.mount("/theme", Static(folder), name="theme")
    for name, path in ((None, "static"), ("static", "static"), ("media", "media"), ("theme", "theme")):
        assert static_url(app, "logo.svg", name).startswith(f"/{path}/logo.svg?v=")
    assert static_url(app, "logo.svg", "theme:static") == static_url(app, "logo.svg", "theme")


def test_a_name_that_no_folder_has_is_refused_with_those_that_there_are(folder: Path) -> None:
    app = Application()
    app.mount("/static", Static(folder))
    app.mount("/media", Static(folder, name="media"))
    with pytest.raises(ConfigError, match=r"name='medai'.*'static', 'media'\. Did you mean 'media'\?"):
        static_url(app, "logo.svg", "medai")


def test_an_application_without_static_files_says_how_to_get_them() -> None:
    for name in (None, "media"):
        with pytest.raises(ConfigError, match=r"Write app\.mount\('/static', Static\('static'\)\)"):
            static_url(Application(), "site.css", name)


async def test_from_a_request_the_innermost_application_is_asked_first(folder: Path, serve: Serve) -> None:
    root, blog, shop = Application(), Application(), Application()
    root.mount("/static", Static(folder))
    root.mount("/media", Static(folder, name="media"))
    blog.mount("/files", Static(folder))

    async def show(request: web.Request) -> list[str]:
        return [static_url(request, "site.css"), static_url(request, "site.css", "media")]

    for app in (blog, shop):
        app.add_get("/", show)
    root.mount("/blog", blog)
    root.mount("/shop", shop)
    client = await serve(root)
    starts = {"/blog/": ["/blog/files/site.css", "/media/site.css"], "/shop/": ["/static/site.css", "/media/site.css"]}
    for path, expected in starts.items():
        assert [url.partition("?")[0] for url in (await client.get(path)).json] == expected


def test_a_file_that_is_not_there_is_refused_by_its_folder(folder: Path) -> None:
    app = Application()
    app.mount("/static", Static(folder))
    with pytest.raises(ConfigError, match=r"Did you mean 'site\.css'"):
        static_url(app, "sites.css")
