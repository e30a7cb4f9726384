"""Masking: no secret of a request is left in anything that was made from it."""

import base64
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webkit.masking import MASK, Mask, is_secret_name, make_visible

WORDS = ["key", "token", "secret", "passw", "pwd", "session", "auth", "credential", "signature", "cookie", "csrf"]

# What may stand in a header; long enough to be looked for in a text.
HEADER_VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=7, max_size=40)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=7, max_size=40)


@st.composite
def secret_names(draw: st.DrawFn) -> str:
    """A name with one of the words in it, in any case and with separators inside and around."""
    word = "".join(draw(st.sampled_from([letter, letter.upper()])) for letter in draw(st.sampled_from(WORDS)))
    at = draw(st.integers(0, len(word)))
    word = word[:at] + draw(st.sampled_from(["", "-", "_"])) + word[at:]
    around = st.text("abcxyz-_0", max_size=6)
    return draw(around) + word + draw(around)


@pytest.mark.parametrize(
    "name",
    [
        "Cookie",
        "Set-Cookie",
        "Authorization",
        "Proxy-Authorization",
        "X-Api-Key",
        "x_api_key",
        "API.KEY",
        "access_token",
        "client-secret",
        "new_password",
        "user[passwd]",
        "PASSWORD",
        "pass-word",
        "sessionid",
        "X-Amz-Credential",
        "X-Amz-Signature",
        "sig",
        "sid",
        "csrfmiddlewaretoken",
    ],
)
def test_a_name_like_a_key_or_a_password_is_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["", "Accept", "User-Agent", "page", "id", "design", "insight", "q", "spin", "Referer"]
)
def test_any_other_name_is_not(name: str) -> None:
    assert not is_secret_name(name)


@given(secret_names())
def test_a_secret_word_is_found_in_any_spelling(name: str) -> None:
    assert is_secret_name(name)


@given(secret_names(), HEADER_VALUES)
def test_the_value_of_a_secret_header_is_shown_nowhere(name: str, secret: str) -> None:
    mask = Mask.of(headers=[(name, secret)])
    assert mask.value(name, secret) == MASK
    for message in (secret, f"bad {secret}!", repr(secret), json.dumps({"a": secret}), quote(secret), repr([secret])):
        assert secret not in mask.text(message).replace(MASK, "")
    assert mask.text(f"<{secret}>").startswith(f"<{MASK}")


@given(secret_names(), VALUES)
def test_the_value_of_a_secret_query_parameter_is_shown_nowhere(name: str, secret: str) -> None:
    target = "/a?" + urlencode({"page": "1", name: secret, "size": "2"})
    mask = Mask.of(target=target, query=[("page", "1"), (name, secret), ("size", "2")])
    assert mask.value(name, secret) == MASK
    assert mask.target(target) == f"/a?page=1&{name}={MASK}&size=2"
    for spelling in (secret, quote(secret), quote_plus(secret), quote(secret, safe=""), secret.strip()):
        if len(spelling) > 6:
            assert mask.text(f"<{spelling}>").startswith(f"<{MASK}")


@given(secret_names(), st.text(st.characters(codec="ascii"), max_size=6))
def test_a_short_value_is_masked_where_its_name_stands(name: str, secret: str) -> None:
    target = "/?" + urlencode({name: secret})
    assert Mask.of(target=target, query=[(name, secret)]).target(target) == f"/?{name}={MASK}"


@given(secret_names(), st.text("abcdefgh0123456789", min_size=7, max_size=30))
def test_a_secret_inside_an_address_inside_an_address_is_found(name: str, secret: str) -> None:
    inner = "/login?" + urlencode({name: secret})
    middle = "/jump?" + urlencode({"to": inner})
    target = "/?" + urlencode({"next": middle})
    mask = Mask.of(target=target, query=[("next", middle)])
    assert secret not in mask.target(target)
    assert secret not in mask.value("next", middle)
    assert secret not in mask.value("Referer", f"http://localhost{target}")


@given(HEADER_VALUES, st.integers(0, 60), st.integers(1, 60))
def test_a_cut_leaves_no_half_of_a_secret(secret: str, before: int, limit: int) -> None:
    mask = Mask.of(headers=[("Authorization", secret)])
    shown = mask.text("-" * before + secret + "-" * 100, limit)
    assert set(shown.partition(" \N{HORIZONTAL ELLIPSIS}")[0].replace(MASK, "")) <= {"-"}


COOKIES = 'sid=0123456789abc; theme=midnight; quoted="quite-long"; id=abcdefg%2Fhij'
PARTS = [
    ("Cookie", COOKIES, "0123456789abc"),
    ("Cookie", COOKIES, "quite-long"),
    ("Cookie", COOKIES, "abcdefg%2Fhij"),
    ("Cookie", COOKIES, "abcdefg/hij"),
    ("Authorization", "Bearer aaa.bbb.ccc", "aaa.bbb.ccc"),
    ("Authorization", "Bearer YWxhZGRpbg==", "YWxhZGRpbg=="),
    ("Authorization", "Basic " + base64.b64encode(b"anna:correct horse").decode(), "correct horse"),
    ("Authorization", "Basic " + base64.b64encode(b"anna:correct horse").decode(), "anna:correct horse"),
    ("Authorization", 'Digest username="anna-maria", response="6629fae49393a053"', "6629fae49393a053"),
    ("Referer", "https://anna:password1@localhost/", "password1"),
    ("Referer", "https://localhost/?a=1&api_key=0123456789", "0123456789"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "part"), PARTS)
def test_what_somebody_takes_out_of_a_secret_is_secret_too(name: str, value: str, part: str) -> None:
    mask = Mask.of(headers=[(name, value)])
    assert mask.text(f"<{part}>") == f"<{MASK}>"
    assert part not in mask.value(name, value)


def test_the_scheme_before_credentials_is_no_secret() -> None:
    mask = Mask.of(headers=[("Authorization", "Negotiate YIIZ4wYGKwYBBQUC")])
    assert mask.text("Negotiate failed for YIIZ4wYGKwYBBQUC") == f"Negotiate failed for {MASK}"


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/", "/"),
        ("/a/b?x=1&y=2", "/a/b?x=1&y=2"),
        ("/?%74oken=abc", f"/?%74oken={MASK}"),
        ("/?a=1;token=abc", f"/?a=1;token={MASK}"),
        ("/?token=", f"/?token={MASK}"),
        ("/?token", "/?token"),
        ("/?token=a=b?c&d=e", f"/?token={MASK}&d=e"),
        ("http://anna:pw@localhost/?a=b", f"http://{MASK}@localhost/?a=b"),
        ("//anna@localhost/", f"//{MASK}@localhost/"),
        ("*", "*"),
    ],
)
def test_a_target_keeps_all_but_its_secrets(target: str, shown: str) -> None:
    assert Mask.of(target=target).target(target) == shown


def test_a_secret_parameter_of_the_path_is_masked_in_the_target_however_short() -> None:
    mask = Mask.of(target="/reset/a%20b/now", parameters={"token": "a b", "when": "now"})
    assert mask.target("/reset/a%20b/now") == f"/reset/{MASK}/now"
    assert mask.value("token", "a b") == MASK
    assert mask.value("when", "now") == "now"


def test_a_secret_that_is_called_like_a_scheme_is_masked() -> None:
    assert Mask.of(headers=[("X-Api-Key", "negotiate")]).text("<negotiate>") == f"<{MASK}>"


def test_secrets_that_overlap_are_masked_as_one() -> None:
    mask = Mask.of(headers=[("X-Key", "abcdefgh"), ("X-Token", "efghijkl")])
    assert mask.text("<abcdefghijkl>") == f"<{MASK}>"


def test_a_password_in_the_address_of_a_database_is_masked_in_a_message() -> None:
    assert Mask().text("cannot reach postgresql://shop:pw@db/shop") == f"cannot reach postgresql://{MASK}@db/shop"


def test_code_keeps_what_only_looks_like_an_address() -> None:
    mask = Mask.of(headers=[("X-Key", "abcdefgh")])
    assert mask.code('f"/?token={token}&k=abcdefgh"') == f'f"/?token={{token}}&k={MASK}"'


def test_a_long_text_is_cut_and_says_so() -> None:
    assert Mask().text("x" * 5000, 10) == "x" * 10 + " \N{HORIZONTAL ELLIPSIS} (4,990 more characters)"


def test_the_mask_tells_nothing_of_the_length() -> None:
    mask = Mask.of(headers=[("X-Key", "1234567"), ("X-Token", "z" * 900)])
    assert mask.text("1234567") == mask.text("z" * 900) == MASK


@given(st.text(st.characters()))
def test_what_is_made_visible_can_be_encoded_and_steers_no_terminal(text: str) -> None:
    shown = make_visible(text)
    shown.encode()
    assert not set(shown) & {"\x1b", "\r", "\x00", "\x9b", "\u202e"}


@given(
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=40)), max_size=5),
    st.text(max_size=80),
    st.text(max_size=80),
)
def test_nothing_makes_it_fail(pairs: list[tuple[str, str]], target: str, text: str) -> None:
    mask = Mask.of(target=target, headers=pairs, query=pairs, parameters=dict(pairs))
    for shown in (mask.text(text), mask.target(target), mask.value("name", text)):
        shown.encode()


def test_a_request_full_of_parameters_is_masked_at_once() -> None:
    target = "/?" + "&".join(f"a{number}=b?token=%3Fkey%3D{number}" for number in range(2000))
    mask = Mask.of(target=target, query=[("token", str(number)) for number in range(2000)])
    assert "%3Fkey" not in mask.target(target, 100_000)
