"""The picture of the documentation: requests per second as multiples of bare aiohttp's, drawn as SVG.

The colours are of middle lightness, so that they can be read on white and on black.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from bench.figures import Measurement
from bench.peers import AIOHTTP, PEERS, WEBKIT

_KEYS: Final = ("speed:text", "speed:json", "speed:parameter")
_TEXT: Final = "#808790"
_COLOURS: Final = {WEBKIT: "#2f81f7", AIOHTTP: "#c2752d"}
_OTHER: Final = "#8b949e"

_NAMES: Final = 235  # the width of the column with names
_PANEL: Final = 200
_BAR: Final = 140  # the longest bar; figures stand behind it, one below the other
_FIGURE: Final = 178
_ROW: Final = 24
_TOP: Final = 34


def draw(measurements: Mapping[str, Measurement]) -> str | None:
    """Draw a panel for each kind of request; ``None`` where nothing was measured over sockets."""
    panels = [measurements[key] for key in _KEYS if key in measurements]
    if not panels or AIOHTTP not in panels[0].samples:
        return None
    names = sorted(panels[0].samples, key=panels[0].median, reverse=True)
    width, height = _NAMES + _PANEL * len(panels), _TOP + _ROW * len(names) + 6
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12.5">',
        "<title>Requests per second over sockets, as multiples of bare aiohttp's</title>",
        *(_name(name, row) for row, name in enumerate(names)),
    ]
    longest = max(_times(panel, name) for panel in panels for name in names)
    for number, panel in enumerate(panels):
        lines += _panel(panel, names, _NAMES + number * _PANEL, longest)
    return "\n".join([*lines, "</svg>", ""])


def _panel(panel: Measurement, names: Sequence[str], left: int, longest: float) -> list[str]:
    one = left + _BAR / longest
    bottom = _TOP + _ROW * len(names)
    return [
        f'<text x="{left}" y="20" fill="{_TEXT}" font-weight="600">{escape(panel.title)}</text>',
        f'<line x1="{one:.1f}" x2="{one:.1f}" y1="{_TOP - 6}" y2="{bottom}" stroke="{_TEXT}" stroke-dasharray="3 3"/>',
        *(_bar(_times(panel, name), name, row, left, longest) for row, name in enumerate(names)),
    ]


def _name(name: str, row: int) -> str:
    weight = ' font-weight="600"' if name == WEBKIT else ""
    y = _TOP + row * _ROW + 14
    return (
        f'<text x="{_NAMES - 10}" y="{y}" fill="{_TEXT}" text-anchor="end"{weight}>{escape(PEERS[name].title)}</text>'
    )


def _bar(times: float, name: str, row: int, left: int, longest: float) -> str:
    width, y = times / longest * _BAR, _TOP + row * _ROW
    colour = _COLOURS.get(name, _OTHER)
    return (
        f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{_ROW - 6}" rx="2" fill="{colour}"/>'
        f'<text x="{left + _FIGURE}" y="{y + 14}" fill="{_TEXT}" text-anchor="end">{times:.2f}</text>'
    )


def _times(panel: Measurement, name: str) -> float:
    ratio = panel.ratio(name, AIOHTTP)
    return ratio.median if ratio else 0.0
