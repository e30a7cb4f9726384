"""Content codings: the compressed copies that lie beside a file, and which one a client takes (RFC 9110, 12.5.3)."""

from collections.abc import Collection, Container
from typing import Final

from webkit.negotiation import parse_items

__all__ = ["CODINGS", "choose_coding", "is_copy"]

#: What a copy's name ends with: site.css.br, site.css.zst, site.css.gz. Of equal weights the first listed is taken.
CODINGS: Final = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}

# Below every weight that can be written: what is not mentioned is taken where nothing else is.
_UNSAID: Final = 0.0001


def choose_coding(accept_encoding: str | None, available: Collection[str]) -> str | None:
    """Choose the coding of *available* that the client likes best, ``None`` for the file as it is.

    A compressed copy wins over the plain file at equal weights. A header that forbids everything, ``identity;q=0``
    without a coding that is there, gets the plain file: an answer that can be read beats a refusal.
    """
    if not accept_encoding or not available:
        return None
    weights = _parse(accept_encoding)
    others = weights.get("*", 0.0)
    best = max((coding for coding in CODINGS if coding in available), key=lambda coding: weights.get(coding, others))
    weight = weights.get(best, others)
    plain = weights.get("identity", weights.get("*", _UNSAID))
    return best if weight > 0 and weight >= plain else None


def is_copy(name: str, names: Container[str]) -> bool:
    """Say whether *name* is that of a compressed copy of one of *names*."""
    return any(name.endswith(suffix) and name.removesuffix(suffix) in names for suffix in CODINGS.values())


def _parse(accept_encoding: str) -> dict[str, float]:
    """Give the weight of each coding that is mentioned; an item that is malformed is not."""
    weights: dict[str, float] = {}
    for item in parse_items(accept_encoding):
        if not item.parameters:
            weights.setdefault("gzip" if item.name == "x-gzip" else item.name, item.weight)
    return weights
