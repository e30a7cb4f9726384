"""What a client sees of an error: a page, a problem document (RFC 9457) or text. Pure.

``text/html`` named in ``Accept`` gets the page, ``application/json`` or ``application/*+json`` problem+json,
everything else (``*/*`` too, so curl and scripts) aiohttp's text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from string import Template
from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from webkit.errors import InternalServerError, Problem
from webkit.negotiation import parse_items

__all__ = ["Fault", "Form", "choose_form", "fault_of", "is_standard", "render_fault", "render_standard"]

Form = Literal["html", "problem", "text"]

_TEXT: Final = "text/plain; charset=utf-8"

# What a person may do now; the phrase of the status says what happened.
_ADVICE: Final = {
    400: "The server could not read this request.",
    401: "Please sign in first.",
    403: "You may not see this page.",
    404: "There is nothing at this address. Perhaps it was moved, or the link has a typing mistake.",
    405: "This address does not take this kind of request.",
    408: "The request took too long to arrive. Please try again.",
    410: "What was here is gone for good.",
    413: "What you sent is larger than this server takes.",
    414: "The address is longer than this server takes.",
    415: "The server does not take this kind of content.",
    422: "Something in what you sent does not fit.",
    429: "That were too many requests. Please wait a moment.",
    500: "Something went wrong on our side. It has been noted.",
    502: "A server that this site depends on gave a wrong answer. Please try again.",
    503: "The site is busy or under repair. Please try again in a moment.",
    504: "A server that this site depends on did not answer in time. Please try again.",
}

_PAGE: Final = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$status $title</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 1.0625rem/1.6 system-ui, sans-serif;
  background: light-dark(#f6f7f9, #14161a); color: light-dark(#1c2128, #e6e8eb); }
main { max-width: 34rem; padding: 2rem; }
.status { margin: 0; font-size: 4rem; line-height: 1; font-weight: 700; color: light-dark(#5b3fd6, #a996ff); }
h1 { margin: .5rem 0; font-size: 1.5rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
code { font-family: ui-monospace, monospace; }
</style>
</head>
<body>
<main>
<p class="status">$status</p>
<h1>$title</h1>
$lines
</main>
</body>
</html>
""")


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as a client may know it."""

    status: int
    title: str
    detail: str | None = None
    reference: str | None = None
    type: str = "about:blank"
    instance: str | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def messages(self) -> list[str]:
        """What is wrong in detail, one line each: the extension ``errors``."""
        errors = self.extensions.get("errors")
        if not isinstance(errors, list):
            return []
        return [_message_of(error) for error in errors if isinstance(error, Mapping) and "message" in error]


def fault_of(error: web.HTTPException) -> Fault | None:
    """Give what *error* says by itself, or ``None`` where its author chose the text, body or content type."""
    if isinstance(error, Problem):
        return Fault(
            error.status,
            error.title,
            detail=error.detail,
            type=error.type,
            instance=error.instance,
            extensions=error.extensions,
        )
    if error.status < 400 or error.headers.get("Content-Type") != _TEXT:
        return None
    if isinstance(error, InternalServerError):
        return Fault(error.status, error.reason, reference=error.reference)
    if _says_nothing(error):
        return Fault(error.status, error.reason)
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return Fault(error.status, error.reason, detail=error.text)
    return None


def is_standard(error: web.HTTPException) -> bool:
    """Whether *error* is one of aiohttp's that says nothing but its status and its reason."""
    if _is_special(type(error)) or error.status < 400 or error.headers.get("Content-Type") != _TEXT:
        return False
    return _says_nothing(error)


@lru_cache(maxsize=256)
def render_standard(status: int, title: str, form: Literal["html", "text"]) -> tuple[str, bytes]:
    """Give (content type, body) of an error that says nothing but its status and *title*."""
    return render_fault(Fault(status, title), form)


@lru_cache(maxsize=512)
def _is_special(kind: type) -> bool:
    return issubclass(kind, Problem | InternalServerError)


def _says_nothing(error: web.HTTPException) -> bool:
    # PERF: error.text would read the content type anew, which takes longer than all else here.
    body = error.body
    return isinstance(body, bytes) and body == f"{error.status}: {error.reason}".encode()


@lru_cache(maxsize=256)
def choose_form(accept: str) -> Form:
    """Choose the form by the ``Accept`` header: the better quality wins, HTML where they tie."""
    qualities: dict[Form, float] = {"html": 0.0, "problem": 0.0}
    for item in parse_items(accept):
        if item.name in {"text/html", "application/xhtml+xml"}:
            qualities["html"] = max(qualities["html"], item.weight)
        elif item.name == "application/json" or item.name.endswith("+json"):
            qualities["problem"] = max(qualities["problem"], item.weight)
    if qualities["html"] and qualities["html"] >= qualities["problem"]:
        return "html"
    return "problem" if qualities["problem"] else "text"


def render_fault(fault: Fault, form: Form) -> tuple[str, bytes]:
    """Give (content type, body) of *fault* in *form*."""
    if form == "html":
        return "text/html; charset=utf-8", _page(fault).encode(errors="replace")
    if form == "problem":
        return "application/problem+json", _encode_problem(_problem(fault))
    lines = [f"{fault.status}: {fault.title}", fault.detail, *fault.messages]
    if fault.reference:
        lines.append(f"Reference: {fault.reference}")
    return _TEXT, "\n".join(filter(None, lines)).encode(errors="replace")


def _page(fault: Fault) -> str:
    lines = [f"<p>{escape(text)}</p>" for text in (_ADVICE.get(fault.status), fault.detail) if text]
    if fault.messages:
        lines.append("<ul>" + "".join(f"<li>{escape(message)}</li>" for message in fault.messages) + "</ul>")
    if fault.reference:
        lines.append(f"<p>Reference: <code>{escape(fault.reference)}</code></p>")
    return _PAGE.substitute(status=fault.status, title=escape(fault.title), lines="\n".join(lines))


def _problem(fault: Fault) -> dict[str, Any]:
    known = {
        "type": fault.type,
        "title": fault.title,
        "status": fault.status,
        "detail": fault.detail,
        "instance": fault.instance,
        "reference": fault.reference,
    }
    return {name: value for name, value in known.items() if value is not None} | dict(fault.extensions)


def _encode_problem(problem: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(problem)
    except UnicodeEncodeError:
        # A text from a header with bytes that are no UTF-8: JSON can write it as an escape.
        return json.dumps(msgspec.to_builtins(problem)).encode()


def _message_of(error: Mapping[str, Any]) -> str:
    where = " ".join(str(error[key]) for key in ("in", "name") if error.get(key))
    return f"{where}: {error['message']}" if where else str(error["message"])
