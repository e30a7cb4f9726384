"""Content codings: which compressed copy a client gets."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webkit.codings import CODINGS, choose_coding, is_copy

ALL = tuple(CODINGS)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        # What browsers send.
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("zstd, gzip", "zstd"),
        # The server's order holds at equal weights, the client's weights before it.
        ("gzip, zstd, br", "br"),
        ("gzip;q=0.9, zstd;q=0.9, br;q=0.8", "zstd"),
        ("br;q=0.1, gzip;q=0.2", "gzip"),
        ("br;q=0.001, gzip;q=0.002", "gzip"),
        ("br;q=1.000, gzip;q=1", "br"),
        ("*", "br"),
        ("*;q=0.1", "br"),
        ("br;q=0, *", "zstd"),
        ("br;q=0, zstd;q=0, *;q=0.1", "gzip"),
        ("gzip;q=0.5, *;q=0.1", "gzip"),
        ("gzip;q=0.5, *", "br"),
        # The plain file: where it is liked better, or nothing else is.
        ("identity", None),
        ("identity, gzip", "gzip"),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=1", "gzip"),
        ("gzip;q=0.5, br;q=0, zstd;q=0, *", None),
        ("deflate", None),
        ("gzip;q=0", None),
        ("*;q=0", None),
        ("gzip;q=0, *;q=0", None),
        ("", None),
        (None, None),
        # Forbidden is the plain file: then whatever else is there, and the plain file if nothing is.
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("*;q=0, gzip;q=0.1", "gzip"),
        ("identity;q=0, *;q=0.1", "br"),
        ("identity;q=0", None),
        ("identity;q=0, gzip;q=0", None),
        # Spellings.
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip ; q=0.5", "gzip"),
        ("gzip\t;\tQ=0", None),
        ("gzip;q=0.", None),
        (",, gzip ,", "gzip"),
        ("gzip;q=0, gzip", None),
        # Malformed is not there.
        ("gzip;q=2", None),
        ("gzip;q=0.0001", None),
        ("gzip;q=-1", None),
        ("gzip;q=", None),
        ("gzip;q=x", None),
        ("gzip;level=9", None),
        ("gzip;q=0,5", None),
        ("gzip br", None),
        ("gzip2", None),
        ("gz", None),
        ("\uff47zip", None),
    ],
)
def test_the_client_gets_what_it_likes_best(accepted: str | None, expected: str | None) -> None:
    assert choose_coding(accepted, ALL) == expected


@pytest.mark.parametrize(
    ("available", "expected"), [(("gzip",), "gzip"), (("zstd", "gzip"), "zstd"), (("gzip", "br"), "br"), ((), None)]
)
def test_only_what_is_there_is_chosen(available: tuple[str, ...], expected: str | None) -> None:
    assert choose_coding("gzip, br, zstd, *", available) == expected


WEIGHTS = st.sampled_from([None, "0", "0.1", "0.5", "1"])


@given(
    st.dictionaries(st.sampled_from([*ALL, "identity", "*", "deflate"]), WEIGHTS),
    st.sets(st.sampled_from(ALL)),
    st.randoms(),
)
def test_nothing_the_client_refuses_is_chosen_and_nothing_it_likes_better_left(
    weights: dict[str, str | None], available: set[str], random: Random
) -> None:
    items = [name if weight is None else f"{name};q={weight}" for name, weight in weights.items()]
    random.shuffle(items)
    chosen = choose_coding(", ".join(items), available)

    def weight_of(coding: str) -> float:
        return float(weights.get(coding, weights.get("*", "0")) or 1)

    best = max(map(weight_of, available), default=0.0)
    if chosen is None:
        assert best == 0 or ({"identity", "*"} & set(weights) and weight_of("identity") > best)
    else:
        assert chosen in available
        assert weight_of(chosen) == best > 0


@given(st.text(), st.sets(st.sampled_from(ALL)))
def test_no_header_is_too_odd_to_choose_by(accepted: str, available: set[str]) -> None:
    assert choose_coding(accepted, available) in {None, *available}


def test_a_copy_is_known_by_its_original() -> None:
    names = {"site.css", "site.css.gz", "site.css.br", "data.gz", "archive.tar", "archive.tar.zst"}
    assert {name for name in names if is_copy(name, names)} == {"site.css.gz", "site.css.br", "archive.tar.zst"}
