"""Masking: what must not be shown of a request, wherever it stands. Pure.

A value is secret by the name it is sent under: a header, a query parameter or a path parameter called anything like a
key or a password, and what stands before the ``@`` of a URL. The text is not shown under that name, and neither
where it turns up again: in another header, in the message of an exception. It is masked too much rather than too
little: the page is for people who know what they sent, and its picture ends up in a chat.
"""

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

__all__ = ["MASK", "Mask", "is_secret_name", "make_visible"]

#: One length for all: how long a password is would help to guess it.
MASK: Final = "\N{BULLET}" * 8

_SECRET_WORDS: Final = (
    *("key", "token", "secret", "passw", "pwd", "session", "auth", "credential", "signature"),
    *("cookie", "csrf", "xsrf", "jwt", "bearer", "passphrase"),
)
# Too short to be looked for inside other words: "sig" is in "design".
_SECRET_NAMES: Final = frozenset({"code", "dpop", "otp", "pass", "pin", "pw", "sid", "sig", "totp"})
_WORD: Final = re.compile(r"[a-z0-9]+")
# Shorter ones would be found in every second word of a message.
_LEAST_LENGTH: Final = 7
# Words before credentials that are none, and that messages are full of.
_SCHEMES: Final = frozenset({"aws4-hmac-sha256", "negotiate", "scram-sha-1", "scram-sha-256", "signature"})
_PATH_SAFE: Final = "/!$&'()*+,;=:@"

_SEPARATORS: Final = re.compile(r"[-_.\s]+")
# Passwords that should have been quoted are those that end up in messages.
_USERINFO: Final = re.compile(r"//([^/\s]+)@")
_PAIR: Final = re.compile(r"(?:^|[?&;])([^?&;=#\s]+)=")
_END_OF_SECRET: Final = re.compile(r"[&#\s]")
_END_OF_VALUE: Final = re.compile(r"[?&;#\s]")
_SEGMENT: Final = re.compile(r"[^/?#]+")
# Control characters, those that turn the direction of the text, and halves of characters, which no encoding takes.
_INVISIBLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

Span = tuple[int, int]


def is_secret_name(name: str) -> bool:
    """Whether what is sent under *name* is secret: ``Authorization``, ``X-Api-Key``, ``new_password``."""
    folded = name.casefold()
    whole = _SEPARATORS.sub("", folded)
    is_named = not _SECRET_NAMES.isdisjoint([whole, *_WORD.findall(folded)])
    return is_named or any(part in whole for part in _SECRET_WORDS)


def make_visible(text: str) -> str:
    """Write invisible characters as escapes, so that *text* can be encoded and shows what it holds."""
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


@dataclass(frozen=True, slots=True)
class Mask:
    """The secrets of one request. *known* are looked for everywhere, *segments* only as a whole part of a path."""

    known: tuple[str, ...] = ()
    segments: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        *,
        target: str = "",
        headers: Iterable[tuple[str, str]] = (),
        query: Iterable[tuple[str, str]] = (),
        parameters: Mapping[str, str] | None = None,
    ) -> "Mask":
        """Learn the secrets of a request; *query* and *parameters* are decoded, *target* is as it was sent."""
        in_path = {value for name, value in (parameters or {}).items() if is_secret_name(name)}
        found = {*in_path, *_secrets_in_urls(target)}
        for name, value in (*headers, *query):
            found.update(_pieces(value) if is_secret_name(name) else _secrets_in_urls(value))
        spellings = {spelling for secret in found for spelling in _spellings(secret)}
        return cls(tuple(sorted(text for text in spellings if len(text) >= _LEAST_LENGTH)), frozenset(in_path))

    def text(self, text: str, limit: int = 2000) -> str:
        """Give *text* without secrets and visible throughout, cut after about *limit* characters."""
        # A secret that begins before the limit must be seen whole to be known.
        head = text[: limit + max(map(len, self.known), default=0) + 2000]
        spans = [span for span in (*_spans_in_urls(head), *self._spans(head)) if span[0] < limit]
        shown = _replace(head, spans, limit)
        if len(text) > limit:
            shown += f" \N{HORIZONTAL ELLIPSIS} ({len(text) - limit:,} more characters)"
        return make_visible(shown)

    def code(self, text: str) -> str:
        """Give a line of source without the secrets that were sent; what looks like a URL in it is code."""
        return _replace(text, [*self._spans(text)], len(text))

    def value(self, name: str, value: str, limit: int = 2000) -> str:
        """Give what may be shown of *value*, which was sent under *name*."""
        return MASK if is_secret_name(name) else self.text(value, limit)

    def target(self, target: str, limit: int = 2000) -> str:
        """Give what may be shown of the target of a request line."""
        path, mark, query = target.partition("?")
        if self.segments:
            path = _SEGMENT.sub(lambda found: MASK if unquote(found[0]) in self.segments else found[0], path)
        return self.text(path + mark + query, limit)

    def _spans(self, text: str) -> Iterator[Span]:
        for secret in self.known:
            start = text.find(secret)
            while start >= 0:
                yield start, start + len(secret)
                start = text.find(secret, start + 1)


def _spans_in_urls(text: str, depth: int = 3) -> Iterator[Span]:
    """Give where *text* holds the user of a URL, or the value of a secret query parameter; URLs in URLs included."""
    for found in _USERINFO.finditer(text):
        yield found.span(1)
    for found in _PAIR.finditer(text):
        if is_secret_name(unquote_plus(found[1])):
            yield found.end(), _find(_END_OF_SECRET, text, found.end())
        elif depth > 0:
            end = _find(_END_OF_VALUE, text, found.end())
            plain = unquote_plus(text[found.end() : end])
            if plain != text[found.end() : end] and any(_spans_in_urls(plain, depth - 1)):
                yield found.end(), end


def _find(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.search(text, start)
    return found.start() if found else len(text)


def _secrets_in_urls(text: str) -> Iterator[str]:
    for start, end in _merge(_spans_in_urls(text)):
        yield text[start:end]
        yield text[start:end].partition(":")[2]


def _merge(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _replace(text: str, spans: list[Span], limit: int) -> str:
    pieces: list[str] = []
    position = 0
    for start, end in _merge(spans):
        pieces += [text[position:start], MASK]
        position = end
    return "".join([*pieces, text[position:limit]])


def _pieces(value: str) -> Iterator[str]:
    """Give *value* and what somebody may have taken out of it: a cookie, the credentials after a scheme."""
    yield value
    scheme, _, rest = value.partition(" ")
    yield rest.strip()
    if scheme.lower() == "basic":
        with suppress(ValueError):
            user = b64decode(rest.strip()).decode()
            yield from (user, user.partition(":")[2])
    words = rest.split() if scheme.lower() in _SCHEMES else value.split()
    for part in {*map(str.strip, re.split("[;,]", value)), *words}:
        for piece in (part, part.partition("=")[2]):
            yield piece
            yield piece.strip("\"'")


def _spellings(secret: str) -> Iterator[str]:
    """Give *secret* as it may stand in a URL, in the repr of a value, in JSON."""
    for text in {secret, secret.strip(), unquote(secret), unquote_plus(secret)}:
        yield text
        yield repr(text)[1:-1]
        yield repr(text.encode("utf-8", "surrogatepass"))[2:-1]
        yield json.dumps(text)[1:-1]
        yield quote_plus(text, errors="surrogatepass")
        for safe in ("", "/", _PATH_SAFE):
            yield quote(text, safe, errors="surrogatepass")
