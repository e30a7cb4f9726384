"""Twenty typed routes, which answer with what they were given: the application of the long property test."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NotRequired, TypedDict
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from webkit import Application, Body, Cookie, FormBody, Header, Query, View
from webkit.parameters import Source


class Color(Enum):
    """Names."""

    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    """Numbers."""

    LOW = 1
    HIGH = 2


class Address(Struct, rename="camel"):
    """A record in a record, with other names in JSON."""

    street_name: str
    zip_code: Annotated[str, Meta(pattern="^[0-9]{5}$")] = "00000"


class User(Struct):
    """A record as most are."""

    name: Annotated[str, Meta(min_length=1, max_length=40)]
    age: Annotated[int, Meta(ge=0, le=150)] = 0
    born: date | None = None
    colors: list[Color] = []
    address: Address | None = None

    def __post_init__(self) -> None:
        if self.name == "root":
            raise ValueError("root is taken")


class Tree(Struct):
    """A record that holds itself."""

    value: int = 0
    children: "list[Tree]" = []


class Circle(Struct, tag="circle"):
    """One of two shapes."""

    radius: float


class Square(Struct, tag="square"):
    """The other one."""

    side: float


@dataclass
class Point:
    """A data class."""

    x: float
    y: float = 0.0
    labels: list[str] = field(default_factory=list)


class Settings(TypedDict):
    """A typed dictionary."""

    theme: Literal["light", "dark"]
    size: NotRequired[int]


class Filter(Struct):
    """A whole query."""

    words: list[str] = []
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    color: Color | None = None
    strict: bool = False


class Upload(Struct):
    """A form with a file."""

    title: str
    photo: web.FileField | None = None
    tags: list[str] = []
    public: bool = False


class Profile(View):
    """Typed methods of a class."""

    async def get(self, name: str, page: int = 1, user_agent: Header[str] = "") -> Any:
        """Take from the path, the query and the headers."""
        return {"name": name, "page": page, "agent": user_agent}

    def put(self, name: str, user: Body[User]) -> Any:
        """Take the body, in a plain method."""
        return {"name": name, "user": user}

    async def delete(self, name: str, reason: Query[Literal["spam", "left"]]) -> Any:
        """Take a choice."""
        return {"name": name, "reason": reason}


async def search(q: str, page: Annotated[int, Meta(ge=1)] = 1, tags: list[str] = []) -> Any:  # noqa: B006
    tags.append("seen")
    return {"q": q, "page": page, "tags": tags}


async def numbers(i: int = 0, f: float = 0.0, d: Decimal | None = None, b: bool = False) -> Any:
    return {"i": i, "f": f, "d": d, "b": b}


async def moments(
    day: date | None = None, at: datetime | None = None, clock: time | None = None, took: timedelta | None = None
) -> Any:
    return {"day": day, "at": at, "clock": clock, "took": took}


async def choices(color: Color, level: Level = Level.LOW, mode: Literal["a", "b", 1, 2] = "a") -> Any:
    return {"color": color, "level": level, "mode": mode}


async def lists(ids: list[int], pair: tuple[int, str] | None = None, names: set[str] | None = None) -> Any:
    return {"ids": ids, "pair": pair, "names": sorted(names or ())}


async def keys(id: UUID, secret: bytes = b"", either: int | str = 0) -> Any:
    return {"id": id, "secret": secret, "either": either}


async def headers(
    accept_language: Header[str] = "en",
    version: Annotated[int, Source("header", "X-Version")] = 1,
    forwarded: Header[list[str]] | None = None,
) -> Any:
    return {"language": accept_language, "version": version, "forwarded": forwarded}


async def cookies(theme: Cookie[str] = "light", visits: Cookie[int | None] = None) -> Any:
    return {"theme": theme, "visits": visits}


async def filtered(filter: Query[Filter], sort: str | None = None) -> Any:
    return {"filter": filter, "sort": sort}


def threaded(number: int, text: str = "") -> Any:
    return {"number": number, "text": text}


async def create_user(user: Body[User], dry_run: bool = False) -> Any:
    return {"user": user, "dry_run": dry_run}


async def create_users(users: Body[list[User]]) -> Any:
    return {"users": users}


async def plant(tree: Body[Tree]) -> Any:
    return {"value": tree.value, "children": len(tree.children)}


async def draw(shape: Body[Circle | Square], at: Query[Point]) -> Any:
    return {"shape": shape, "at": at}


async def change(settings: Body[Settings], lock: Header[UUID | None] = None) -> Any:
    return {"settings": settings, "lock": lock}


async def anything(data: Body[Any] = None) -> Any:
    return {"data": data}


async def sign_up(user: FormBody[User]) -> Any:
    return {"user": user}


async def upload(request: web.Request, form: FormBody[Upload], folder: Query[int] = 0) -> Any:
    photo = form.photo
    size = len(photo.file.read()) if photo is not None else 0
    return {"title": form.title, "name": photo and photo.filename, "size": size, "tags": form.tags, "folder": folder}


async def settle(settings: FormBody[Settings], x: FormBody[float] = 0.0) -> Any:
    return {"settings": settings, "x": x}


def make() -> Application:
    """Make the application."""
    app = Application(client_max_size=64 * 1024, client_max_fields=50)
    app.add_get("/search", search)
    app.add_get("/numbers", numbers)
    app.add_get("/moments", moments)
    app.add_get("/choices", choices)
    app.add_get("/lists", lists)
    app.add_get("/keys/{id}", keys)
    app.add_get("/headers", headers)
    app.add_get("/cookies", cookies)
    app.add_get("/filtered", filtered)
    app.add_get("/threaded/{number}", threaded)
    app.add_post("/users", create_user)
    app.add_put("/users", create_users)
    app.add_post("/trees", plant)
    app.add_post("/shapes", draw)
    app.add_patch("/settings", change)
    app.add_post("/anything", anything)
    forms = app.group("/forms")
    forms.add_post("/user", sign_up)
    forms.add_post("/upload", upload)
    forms.add_put("/settings", settle)
    app.add_view("/profiles/{name}", Profile)
    return app
