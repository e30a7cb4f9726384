"""The pages of a service: what a client sees where no servlet answers, or one crashes. Pure."""

from collections.abc import Iterable
from html import escape
from typing import Final

from webkit.servlet_names import make_html_list

__all__ = ["BAD_REQUEST", "make_exception_page", "make_not_found_page"]

BAD_REQUEST: Final = "<html><body><h1>Bad Request</h1></body></html>"


def make_not_found_page(path: str, registered: Iterable[str] | None = None) -> str:
    """Give the page for *path*, which no servlet answers, with a list of those that are *registered*."""
    listed = "" if registered is None else f"<h2>Registered paths:</h2>\n{make_html_list(registered)}\n"
    return _page(
        "404 - Page not found",
        "Page not found",
        f"<p>No servlet is associated to this path:</p>\n<code>{escape(path)}</code>\n{listed}",
    )


def make_exception_page(path: str, details: str) -> str:
    """Give the page for a crash at *path*; *details* is what the client may know of it."""
    return _page(
        "500 - Internal Server Error",
        "Internal Server Error",
        f"<p>Error handling request upon: <code>{escape(path)}</code></p>\n<pre>\n{escape(details)}\n</pre>\n",
    )


def _page(title: str, heading: str, body: str) -> str:
    return f"<html>\n<head>\n<title>{title}</title>\n</head>\n<body>\n<h1>{heading}</h1>\n{body}</body>\n</html>"
