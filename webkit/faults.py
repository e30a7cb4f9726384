"""Showing an HTTP error: in the form that the client asks for, with the page of the innermost application that has one.

It happens when the response is prepared, so that an error is an exception to everything before, and the same page
comes from a handler, from a middleware, and from aiohttp's router.
"""

import importlib
from dataclasses import replace
from typing import Any

from aiohttp import web

from webkit.heads import RULED_IN_ERRORS, reason_of
from webkit.pages import Fault, Form, choose_form, fault_of, is_standard, render_fault, render_standard
from webkit.requests import APPLICATION
from webkit.types import RENDERER

__all__ = ["choose_shown", "is_light", "show_fault"]


def is_light(error: web.HTTPException) -> bool:
    """Whether *error* is new, and nothing but status, headers without rules of their own, and a body."""
    if error.keep_alive is not None or error.prepared or error.compression or error.chunked or error.cookies:
        return False
    kind = error.__class__
    # The access log may ask for what is kept in it, and a class of one's own may send more, or note that it was sent.
    if len(error) or kind.prepare is not web.Response.prepare or kind.write_eof is not web.Response.write_eof:
        return False
    headers, body = error.headers, error.body
    if error.reason != reason_of(error.status) or not isinstance(body, bytes) or not body:
        return False
    is_only = len(headers) == 1 or all(name.lower() not in RULED_IN_ERRORS for name in headers)
    return is_only and bool(headers.get("Content-Type"))


async def show_fault(request: web.Request, error: web.HTTPException) -> None:
    """Give *error*, whose headers are about to go, its body; leave alone what its author has said."""
    shown = await choose_shown(request, error)
    if shown is None:
        return
    content_type, body = shown
    error.headers.add("Vary", "Accept")
    if body != error.body:
        error.body = body
        error.headers["Content-Type"] = content_type
        error.headers["Content-Length"] = str(len(body))
        request.writer.length = len(body)


async def choose_shown(request: web.Request, error: web.HTTPException) -> tuple[str, bytes] | None:
    """Give content type and body for *error*, which depend on ``Accept``; ``None`` for those that it has itself."""
    if error.status < 400 or error.compression:
        return None
    form = choose_form(", ".join(request.headers.getall("Accept", ())))
    if form != "problem" and is_standard(error) and not _has_pages(request):
        # PERF: nearly all errors; to render them anew takes as long as to serve a request.
        return render_standard(error.status, error.reason, form)
    fault = fault_of(error)
    if fault is None:
        return None
    fault = replace(fault, instance=fault.instance or request.rel_url.raw_path)
    shown = _debug_page(request, error, fault, form)
    if shown is None and form == "html":
        shown = await _page_of_application(request, error, fault)
    return shown or _render(request, fault, form)


def _has_pages(request: web.Request) -> bool:
    """Whether an application around *request* has pages of its own, or shows those for developers."""
    return any(RENDERER in app or (APPLICATION in app and app[APPLICATION].debug) for app in request.match_info.apps)


def _render(request: web.Request, fault: Fault, form: Form) -> tuple[str, bytes]:
    try:
        return render_fault(fault, form)
    except Exception:
        # An extension that JSON does not know must not cost the answer.
        request.app.logger.exception(
            "The problem %d cannot be written; it is sent without its extensions.", fault.status
        )
        return render_fault(replace(fault, extensions={}), form)


async def _page_of_application(
    request: web.Request, error: web.HTTPException, fault: Fault
) -> tuple[str, bytes] | None:
    """Render ``errors/STATUS.html`` of the innermost application that has this template."""
    context: dict[str, Any] = {"status": fault.status, "title": fault.title, "detail": fault.detail}
    context |= {"reference": fault.reference, "messages": fault.messages, "error": error}
    for app in reversed(request.match_info.apps):
        renderer = app.get(RENDERER)
        if renderer is None:
            continue
        try:
            page = await renderer.render_error(request, fault.status, context)
            body = None if page is None else page.encode()
        except Exception:
            app.logger.exception("The page for %d failed; the plain one is sent instead.", fault.status)
            return None
        if body is not None:
            return "text/html; charset=utf-8", body
    return None


def _debug_page(request: web.Request, error: web.HTTPException, fault: Fault, form: str) -> tuple[str, bytes] | None:
    """Give what a developer on this machine sees, where an application around the request is in debug mode."""
    applications = [app[APPLICATION] for app in request.match_info.apps if APPLICATION in app]
    if not any(application.debug for application in applications):
        return None
    # Loaded only where it is shown: nobody pays for it in production.
    debug = importlib.import_module("webkit.debug")
    shown: tuple[str, bytes] | None = debug.show(request, error, fault, form)
    return shown
