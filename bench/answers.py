"""Comparing answers: before anything is measured, all must have given the same ones."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from bench.workloads import Workload

#: Headers that a server owes its clients, beside those that describe the body.
OWED = ("date", "server")


class WrongAnswer(Exception):
    """Somebody does not answer as all others do; nothing can be measured."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers by their names in small letters, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_answer(raw: bytes) -> Answer:
    """Take one whole HTTP/1.1 response with a Content-Length apart (``WrongAnswer``)."""
    head, separator, body = raw.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    words = status_line.split(" ")
    if not separator or len(words) < 2 or not words[1].isdigit():
        raise WrongAnswer(f"This is no whole HTTP response: {raw[:200]!r}")
    pairs = (line.partition(":") for line in lines)
    return Answer(int(words[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)


def find_faults(answer: Answer, workload: Workload, lacks: Collection[str] = ()) -> Iterator[str]:
    """Tell in what *answer* is not what all answer; of the headers owed it must lack exactly *lacks*."""
    headers = answer.headers
    if answer.status != 200:
        yield f"the status is {answer.status}, not 200"
    if answer.body != workload.expected:
        yield f"the body is {answer.body[:80]!r} ({len(answer.body)} bytes), not {workload.expected[:80]!r}"
    if _media_type(headers) != workload.media_type:
        yield f"Content-Type is {headers.get('content-type')!r}, not {workload.media_type!r}"
    if headers.get("content-length") != str(len(workload.expected)):
        yield f"Content-Length is {headers.get('content-length')!r}, not {len(workload.expected)}"
    if headers.get("connection", "keep-alive").lower() != "keep-alive":
        yield f"Connection is {headers['connection']!r}"
    for name in OWED:
        if (name in headers) == (name in lacks):
            yield f"{name.title()} is {headers.get(name)!r}"
    if "date" in headers and not _is_date(headers["date"]):
        yield f"Date is {headers['date']!r}, which is no date"


def check_answer(who: str, answer: Answer, workload: Workload, lacks: Collection[str] = ()) -> None:
    """Refuse to measure what does not answer as all do (``WrongAnswer``)."""
    faults = list(find_faults(answer, workload, lacks))
    if faults:
        raise WrongAnswer(f"{who}, {workload.method} {workload.target}: {'; '.join(faults)}.")


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip()


def _is_date(text: str) -> bool:
    try:
        parsedate_to_datetime(text)
    except ValueError:
        return False
    return True
