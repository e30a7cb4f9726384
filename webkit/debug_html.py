"""The documents of the debug pages: HTML from plain values. Pure.

One file each, without scripts, fonts or pictures; a policy in the page itself forbids them all the same. Whatever
comes in is escaped here, and has no secrets any more (:mod:`webkit.masking`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from pathlib import Path, PurePath
from string import Template
from typing import Final

from webkit.masking import make_visible
from webkit.suggestions import NearRoute, RouteLine
from webkit.tracebacks import Frame, Link, Raised, SourceLine

__all__ = ["Section", "error_document", "not_found_document", "plain_document"]

_CODE: Final = re.compile(r"`([^`]*)`")
_LINKS: Final[dict[Link, str]] = {
    "cause": "The direct cause of it",
    "context": "It happened while this was handled",
    "member": "One of the group",
}
_NOTE: Final = "You see this because debug is on and you are on the same machine. Nobody else does."

_PAGE: Final = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>$title</title>
<style>
$style
</style>
</head>
<body>
$body
<footer>$note</footer>
</body>
</html>
""")

_STYLE: Final = """
:root { color-scheme: light dark;
  --paper: light-dark(#f6f7f9, #14161a); --card: light-dark(#fff, #1b1e24); --edge: light-dark(#dfe3e8, #2c313a);
  --ink: light-dark(#1c2128, #e6e8eb); --soft: light-dark(#59636e, #9aa4b0); --accent: light-dark(#5b3fd6, #a996ff);
  --bad: light-dark(#b3261e, #ff9d94); --hit: light-dark(#fdecea, #3b2224); --mark: light-dark(#f9c2bd, #7a3533);
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.5rem 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; -webkit-text-size-adjust: 100%; }
h1, h2, h3, p, ol, ul { margin: 0; padding: 0; }
ol, ul { list-style: none; }
code, pre, h1, .type { font-family: var(--mono); }
code { font-size: .9em; }
h1, h2, p, td, th, summary, li { overflow-wrap: anywhere; }
.request { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; color: var(--soft); }
.status { padding: .05rem .6rem; border-radius: 1rem; background: var(--accent); color: var(--paper);
  font-weight: 700; }
h1, .type { margin-top: .75rem; font-size: 1.7rem; line-height: 1.25; color: var(--bad); font-weight: 700; }
.type { margin-top: .25rem; font-size: 1.2rem; }
.message { margin-top: .4rem; font-size: 1.15rem; white-space: pre-wrap; max-height: 24rem; overflow-y: auto; }
.notes { margin-top: .4rem; color: var(--soft); white-space: pre-wrap; }
.reference { margin-top: .4rem; color: var(--soft); font-size: .9rem; }
.origin { margin-top: 2rem; padding-top: 1.25rem; border-top: 1px solid var(--edge); }
.member { margin-left: .25rem; padding-left: 1rem; border-left: 3px solid var(--edge); border-top: 0; }
.link, h3, th, .called { color: var(--soft); font-size: .85rem; font-weight: 600; }
.frames { margin-top: 1.25rem; } .frames > li + li { margin-top: .4rem; }
.frame { border: 1px solid var(--edge); border-radius: .6rem; background: var(--card); overflow: hidden; }
.place { padding: .55rem .9rem; font-family: var(--mono); font-size: .85rem; color: var(--soft); }
.place b { color: var(--ink); } .place .file { color: var(--accent); }
.times { padding: 0 .5rem; border-radius: 1rem; background: var(--edge); font-size: .75rem; white-space: nowrap; }
.called { padding: .15rem 0 .4rem .9rem; }
pre { margin: 0; padding: .5rem 0; overflow-x: auto; font-size: .85rem; line-height: 1.6; tab-size: 4;
  border-top: 1px solid var(--edge); }
pre code { display: inline-block; min-width: 100%; font-size: inherit; }
.line { display: inline-block; min-width: 100%; padding-right: 1rem; }
.number { display: inline-block; width: 4.2rem; padding-right: 1rem; text-align: right; color: var(--soft);
  user-select: none; -webkit-user-select: none; }
.hit { background: var(--hit); box-shadow: inset 3px 0 var(--bad); font-weight: 600; }
mark { background: var(--mark); color: inherit; border-radius: .2rem; }
details { margin-top: .75rem; }
summary { cursor: pointer; color: var(--soft); } summary:hover { color: var(--ink); }
details details, li > details { margin: 0; }
.whole { margin-top: .5rem; border: 1px solid var(--edge); border-radius: .6rem; background: var(--card); }
.whole li + li { border-top: 1px solid var(--edge); }
.whole summary { padding: .35rem .9rem; } .whole .place { padding: .35rem .9rem .35rem 2rem; }
.whole summary .place { padding: 0; }
.text { margin-top: .5rem; padding: .75rem 1rem; border: 1px solid var(--edge); border-radius: .6rem;
  background: var(--card); }
.facts { margin-top: 2rem; columns: 30rem 2; column-gap: 1.25rem; }
.fact { margin-bottom: 1.25rem; padding: .9rem 1.1rem 1rem; border: 1px solid var(--edge); border-radius: .6rem;
  background: var(--card); break-inside: avoid; }
h2 { font-size: 1.05rem; } .near h2 { margin-top: 2rem; }
table { width: 100%; margin-top: .4rem; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .75rem .3rem 0; text-align: left; vertical-align: top; border-top: 1px solid var(--edge); }
tr:first-child > * { border-top: 0; } td { font-family: var(--mono); font-size: .85rem; white-space: pre-wrap; }
.fact th { width: 11rem; }
.near li { margin-top: .6rem; padding: .7rem 1rem; border: 1px solid var(--edge); border-radius: .6rem;
  background: var(--card); }
.near code { color: var(--accent); } .near b { font-family: var(--mono); font-size: .85rem; }
.reason code { color: var(--ink); } .by { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; } .wide td { white-space: nowrap; }
footer { margin-top: 2.5rem; padding-top: .9rem; border-top: 1px solid var(--edge); color: var(--soft);
  font-size: .85rem; }
@media (max-width: 40rem) { body { padding: 1.25rem .8rem 1rem; } h1 { font-size: 1.3rem; }
  .number { width: 3rem; padding-right: .7rem; } .fact th { width: 7.5rem; } }
"""


@dataclass(frozen=True, slots=True)
class Section:
    """What there is to know under one heading: pairs of a name and a value."""

    title: str
    rows: tuple[tuple[str, str], ...]


def error_document(
    raised: Raised, sections: Iterable[Section], *, status: int, request: str, reference: str, text: str
) -> str:
    """Give the page for an exception; *text* is what is offered to be copied."""
    parts = [
        f"<header>\n{_request_line(status, request)}\n<h1>{_escape(raised.type)}</h1>",
        *_message(raised),
        f'<p class="reference">Reference: <code>{_escape(reference)}</code>, as in the log</p>' if reference else "",
        "</header>\n<main>",
        *_traceback(raised),
        *_origins(raised),
        _facts(sections),
        f'<details><summary>The traceback as text, to copy</summary><pre class="text" tabindex="0">{_escape(text)}'
        "</pre></details>\n</main>",
    ]
    return _document(f"{raised.type}: {raised.message}", parts)


def not_found_document(
    near: Sequence[NearRoute],
    routes: Sequence[RouteLine],
    sections: Iterable[Section],
    *,
    status: int,
    request: str,
    explanation: str,
    most_routes: int,
) -> str:
    """Give the page for a request that no route took, or whose handler found nothing."""
    title = HTTPStatus(status).phrase
    parts = [
        f"<header>\n{_request_line(status, request)}\n<h1>{title}</h1>",
        f'<p class="message">{_with_code(explanation)}</p>\n</header>\n<main>',
        *_near_routes(near),
        *_all_routes(routes, most_routes),
        _facts(sections),
        "</main>",
    ]
    return _document(f"{status} {title}: {request}", parts)


def plain_document(title: str, message: str) -> str:
    """Give a page that says *message* and no more."""
    return _document(title, [f"<h1>{_escape(title)}</h1>", f'<p class="message">{_escape(message)}</p>'])


def _document(title: str, parts: Iterable[str]) -> str:
    body = "\n".join(filter(None, parts))
    short = " ".join(title.split())[:120]
    return _PAGE.substitute(title=_escape(short), style=_STYLE.strip(), body=body, note=_NOTE)


def _escape(text: str) -> str:
    return escape(make_visible(text))


def _request_line(status: int, request: str) -> str:
    return f'<p class="request"><span class="status">{status}</span> <code>{_escape(request)}</code></p>'


def _message(raised: Raised) -> Iterator[str]:
    if raised.message:
        yield f'<p class="message">{_escape(raised.message)}</p>'
    for note in raised.notes:
        yield f'<p class="notes">{_escape(note)}</p>'


def _origins(raised: Raised) -> Iterator[str]:
    for origin in raised.origins:
        link = origin.link or "context"
        yield f'<section class="origin {link}">\n<p class="link">{_LINKS[link]}</p>'
        yield f'<h2 class="type">{_escape(origin.type)}</h2>'
        yield from _message(origin)
        yield from _opened([] if _failed_in_template(origin) else _places(origin))
        yield from _whole(origin)
        yield from _origins(origin)
        yield "</section>"


def _failed_in_template(origin: Raised) -> bool:
    """Whether the error above it says what failed in a template: then the places of *origin* stand there."""
    return origin.link == "cause" and any(frame.owner == "template" for frame in origin.frames)


def _places(raised: Raised) -> list[Frame]:
    """Give the application's own places, where it broke first: those in templates before the handler's."""
    inner = (place for origin in raised.origins if _failed_in_template(origin) for place in _places(origin))
    return [*inner, *reversed(_own_frames(raised))]


def _own_frames(raised: Raised) -> list[Frame]:
    own = {(frame.file, frame.line, frame.function): frame for frame in raised.frames if frame.owner != "library"}
    return list(own.values())


def _traceback(raised: Raised) -> Iterator[str]:
    """Give the application's own places, then the whole way folded up."""
    places = _places(raised)
    # What webkit raises tells all in its message; of any other error the place is better than none.
    if not places and not raised.type.startswith("webkit."):
        places = list(raised.frames[-1:])
    yield from _opened(places)
    yield from _whole(raised)


def _opened(places: Sequence[Frame]) -> Iterator[str]:
    if not places:
        return
    yield '<ol class="frames">'
    for index, frame in enumerate(places):
        called = '<p class="called">called from</p>' if index else ""
        yield f'<li>{called}<div class="frame {frame.owner}">{_place(frame, "p")}{_source(frame)}</div></li>'
    yield "</ol>"


def _whole(raised: Raised) -> Iterator[str]:
    if not raised.folded and len(_own_frames(raised)) == len(raised.frames):
        return  # nothing that is not there already
    yield f"<details><summary>The whole traceback: {raised.depth:,} calls, the last at the end</summary>"
    yield '<ol class="whole">'
    for index, frame in enumerate(raised.frames):
        if raised.folded and index == raised.folded_after:
            yield f'<li><p class="place">{raised.folded:,} more</p></li>'
        yield f"<li>{_folded(frame)}</li>"
    yield "</ol></details>"


def _folded(frame: Frame) -> str:
    if frame.owner != "library" or not frame.source:
        return _place(frame, "p")
    return f"<details><summary>{_place(frame, 'span')}</summary>{_source(frame)}</details>"


def _place(frame: Frame, tag: str) -> str:
    times = f' <span class="times">{frame.times:,} times</span>' if frame.times > 1 else ""
    return (
        f'<{tag} class="place"><span class="file" title="{_escape(frame.file[:300])}">{_escape(_short_name(frame))}'
        f"</span>:{frame.line} in <b>{_escape(frame.function[:200])}</b>{times}</{tag}>"
    )


def _short_name(frame: Frame) -> str:
    """Give the path of a file as one speaks of it: below the current folder, or within its package."""
    path = PurePath(frame.file)
    if frame.owner == "library":
        for folder in ("site-packages", "dist-packages"):
            if folder in path.parts:
                return "/".join(path.parts[path.parts.index(folder) + 1 :])[-200:]
        return "/".join(path.parts[-2:])[-200:]
    with suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))[-200:]
    return frame.file[-200:]


def _source(frame: Frame) -> str:
    if not frame.source:
        return ""
    lines = "\n".join(_source_line(line, frame.line) for line in frame.source)
    return f'<pre tabindex="0"><code>{lines}</code></pre>'


def _source_line(line: SourceLine, wanted: int) -> str:
    text = _escape(line.text)
    if line.marked is not None:
        start, end = line.marked
        pieces = (line.text[:start], line.text[start:end], line.text[end:])
        text = "{}<mark>{}</mark>{}".format(*map(_escape, pieces))
    kind = "line hit" if line.number == wanted else "line"
    return f'<span class="{kind}"><span class="number">{line.number}</span>{text}</span>'


def _facts(sections: Iterable[Section]) -> str:
    parts = []
    for section in sections:
        rows = "\n".join(
            f'<tr><th scope="row">{_escape(name)}</th><td>{_escape(value)}</td></tr>' for name, value in section.rows
        )
        if rows:
            parts.append(f'<section class="fact"><h2>{_escape(section.title)}</h2><table>{rows}</table></section>')
    return '<div class="facts">\n' + "\n".join(parts) + "\n</div>"


def _near_routes(near: Sequence[NearRoute]) -> Iterator[str]:
    if not near:
        return
    yield '<section class="near">\n<h2>Routes that nearly matched</h2>\n<ul>'
    for found in near:
        route = found.route
        by = " · ".join(filter(None, (route.name, route.handler)))[:300]
        methods = ", ".join(route.methods)
        yield (
            f"<li><p><b>{_escape(methods)}</b> <code>{_escape(route.template[:200])}</code> "
            f'<span class="by">{_escape(by)}</span></p><p class="reason">{_with_code(found.reason[:1000])}</p></li>'
        )
    yield "</ul></section>"


def _with_code(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", _escape(text))


def _all_routes(routes: Sequence[RouteLine], most: int) -> Iterator[str]:
    yield f"<details><summary>All routes: {len(routes):,}</summary>"
    yield '<div class="wide" tabindex="0"><table><tr><th>Methods</th><th>Path</th><th>Name</th><th>Handler</th></tr>'
    for route in routes[:most]:
        cells = (", ".join(route.methods), route.template, route.name or "", route.handler)
        yield "<tr>" + "".join(f"<td>{_escape(cell[:200])}</td>" for cell in cells) + "</tr>"
    yield "</table></div>"
    if len(routes) > most:
        yield f"<p>And {len(routes) - most:,} more: <code>python -m webkit --routes</code> lists them.</p>"
    yield "</details>"
