"""Content negotiation: what a client likes best of what a server offers (RFC 9110, 12.4 and 12.5). Pure.

``Accept`` and its kin are lists of items with weights: ``text/html;level=1;q=0.5, */*;q=0.1``. An item that is
malformed is not there, and the others count. A list without any item that can be read says nothing.

* An offer has the weight of the most exact item that means it: ``text/html;level=1`` before ``text/html``, before
  ``text/*``, before ``*/*``. An item with parameters means only offers that have all of them.
* Weight 0 refuses, and so does a list in which nothing means the offer.
* Of equal weights the one that was offered first is taken.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["Item", "choose_media_type", "parse_items"]

# SECURITY: no quantifier gives back what it took, so the cost of a header grows with its length alone, and of a list
# that nobody would write only the beginning is read.
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
_PARAMETER: Final = re.compile(rf"[ \t]*+;[ \t]*+(?:({_WORD})=({_WORD}|{_QUOTED}))?+", re.DOTALL)
_ITEM: Final = re.compile(rf"[ \t]*+({_WORD}(?:/{_WORD})?+)((?:{_PARAMETER.pattern})*+)[ \t]*+", re.DOTALL)
# What stands between commas. A quotation that is never closed takes all the rest.
_ELEMENT: Final = re.compile(rf"(?:[^\",]++|{_QUOTED}|\".*+)++", re.DOTALL)
_MOST_ELEMENTS: Final = 256

_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
# From 0 to 1 with up to three digits behind the point. Java's own client writes ".2".
_WEIGHT: Final = re.compile(r"0?\.[0-9]{1,3}|0\.?|1(?:\.0{0,3})?")
_NO_PARAMETERS: Final[Mapping[str, str]] = MappingProxyType({})


class Item(NamedTuple):
    """One item of a list: ``text/html;level=1``, in lower case, and its weight from 0 to 1."""

    name: str
    parameters: Mapping[str, str] = _NO_PARAMETERS
    weight: float = 1.0


def parse_items(header: str) -> Iterator[Item]:
    """Give the items of *header* that can be read, in their order."""
    for element in islice(_ELEMENT.finditer(header), _MOST_ELEMENTS):
        found = _ITEM.fullmatch(element[0])
        if found is None:
            continue
        if not found[2]:
            yield Item(found[1].lower())
            continue
        parameters = {name.lower(): _unquote(text).lower() for name, text in _PARAMETER.findall(found[2]) if name}
        weight = _WEIGHT.fullmatch(parameters.pop("q", "1"))
        if weight is not None:
            yield Item(found[1].lower(), parameters, float(weight[0]))


def choose_media_type(accept: str | None, offers: Sequence[str]) -> str | None:
    """Choose the media type of *offers* that the client likes best, or give ``None`` where it takes none of them.

    *accept* is the header, ``None`` without one: such a client takes anything.

    Raises:
        ValueError: nothing is offered, or something that is no media type.
    """
    if not offers:
        raise ValueError("Nothing is offered: name the media types that you can answer with.")
    prepared = [_parse_offer(offer) for offer in offers]
    ranges = [item for item in parse_items(accept or "") if _is_range(item.name)]
    if not ranges:
        return offers[0]
    weights = [_weigh(offer, ranges) for offer in prepared]
    best = max(weights)
    return offers[weights.index(best)] if best > 0 else None


def _weigh(offer: Item, ranges: Sequence[Item]) -> float:
    """Give the weight of the most exact of *ranges*; of two that are as exact, that of the more friendly one."""
    exactness, _, weight = max((*_exactness(item, offer), item.weight) for item in ranges)
    return weight if exactness else 0.0


def _exactness(item: Item, offer: Item) -> tuple[int, int]:
    """Say how exactly *item* means *offer*: the greater the better, (0, 0) for not at all."""
    if not item.parameters.items() <= offer.parameters.items():
        return 0, 0
    if item.name == offer.name:
        return 3, len(item.parameters)
    if item.name in {"*/*", "*"}:
        return 1, len(item.parameters)
    is_group = item.name.endswith("/*") and offer.name.startswith(item.name[:-1])
    return (2, len(item.parameters)) if is_group else (0, 0)


def _is_range(name: str) -> bool:
    # Java's own client writes "*" for "*/*", too.
    return name in {"*/*", "*"} or ("/" in name and not name.startswith("*/"))


@lru_cache(maxsize=1024)
def _parse_offer(offer: str) -> Item:
    items = list(parse_items(offer))
    if len(items) != 1 or "/" not in items[0].name or "*" in items[0].name:
        raise ValueError(f"{offer!r} is no media type; write one such as 'application/json'.")
    return items[0]


def _unquote(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1]) if text.startswith('"') else text
