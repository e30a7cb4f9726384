"""A bulletin board: pages, forms, live notes and a JSON API over SQLite.

Run: python -m webkit -n localhost -p 8080 examples.showcase.init [--database PATH]

Read on from here: ``board`` has the pages, ``api`` the JSON beside them, ``about`` an application that is mounted,
``pictures`` takes uploads, ``live`` lets notes appear in open pages, ``chat`` has rooms to talk in, ``plugins`` has
servlets that come and go, ``drafts`` what may be posted, ``store`` where it is kept, ``guards`` what stands around all
of them. The error pages are those in ``templates/errors``.
"""

import argparse
from pathlib import Path

from jinja2 import StrictUndefined

from examples.showcase import about, api, board, chat, dates, live, notices, pictures, plugins
from examples.showcase.guards import add_security_headers, refuse_other_sites
from examples.showcase.store import keep_messages
from webkit import Application, Static, Templates

__all__ = ["init", "make_app"]

ROOT = Path(__file__).parents[2]


def init(argv: list[str]) -> Application:
    """Make the application from the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="examples.showcase.init", description="A bulletin board.")
    parser.add_argument(
        "--database",
        type=Path,
        default=Path("showcase.sqlite3"),
        metavar="PATH",
        help="SQLite file, made when it is missing (default: %(default)s in the current folder)",
    )
    return make_app(parser.parse_args(argv).database)


def make_app(database: Path) -> Application:
    """Put the application together; the messages are kept in the file *database*."""
    app = Application(
        middlewares=[refuse_other_sites, notices.show_once],
        client_max_size=2**16,  # a note is short
    )
    app.use(
        Templates(
            ROOT / "templates",
            filters={"ago": dates.say_ago, "date": dates.say_date},
            context_processors=[notices.add_notice],
            undefined=StrictUndefined,  # a name that nobody gives is a mistake, not nothing
            trim_blocks=True,
            lstrip_blocks=True,
        )
    )
    app.mount("/static", Static(ROOT / "static"))
    board.add_to(app)
    pictures.add_to(app)
    plugins.add_to(app)
    chat.add_to(app)
    api.add_to(app)
    app.mount("/about", about.make_app(), name="about")
    app.cleanup_ctx.append(lambda app: keep_messages(app, database))
    live.add_to(app)
    app.on_response_prepare.append(add_security_headers)
    return app
