"""Pages through aiohttp-jinja2 as older code has them, beside a page of webkit's own.

Run:  python -m webkit -p 8080 examples.aiohttp_jinja2_pages:init
See:  http://localhost:8080/ and http://localhost:8080/people/2
"""

import aiohttp_jinja2
import jinja2
from aiohttp import web

from webkit import Application, Templates, View, template

PEOPLE = {1: "Ada", 2: "Grace & Co."}

PAGES = jinja2.DictLoader(
    {
        "people.html": "{% for id, name in people.items() %}<a href='{{ url('person', id=id) }}'>{{ name }}</a>\n"
        "{% endfor %}",
        "person.html": "<h1>{{ name }}</h1> <a href='{{ url('people') }}'>All</a> <small>{{ request.path }}</small>",
        "about.html": "<p>{{ count }} people. <a href='{{ url_for('people') }}'>All</a></p>",
    }
)


@aiohttp_jinja2.template("people.html")
async def people(request: web.Request) -> dict[str, object]:
    """List everybody."""
    return {"people": PEOPLE}


class Person(View):
    """One person."""

    @aiohttp_jinja2.template("person.html")
    async def get(self) -> dict[str, str]:
        """Show the person, or say 404."""
        name = PEOPLE.get(int(self.request.match_info["id"]))
        if name is None:
            raise web.HTTPNotFound
        return {"name": name}


@template("about.html")
def about() -> dict[str, int]:
    """Count, in a plain function, which is what webkit's own decorator takes as well."""
    return {"count": len(PEOPLE)}


def init(argv: list[str]) -> Application:
    """Make the application. Each of the two has an environment of its own; here they share the pages."""
    app = Application()
    aiohttp_jinja2.setup(app.aiohttp, loader=PAGES, context_processors=[aiohttp_jinja2.request_processor])
    app.use(Templates(loader=PAGES))
    app.add_get("/", people, name="people")
    app.add_view("/people/{id:int}", Person, name="person")
    app.add_get("/about", about)
    return app
