"""Fields: the named texts of a query, a form, headers and cookies, and which types can be made of them. Pure.

Browsers have a say here. An input that was left empty is sent as an empty text, and a file that was not chosen as
empty bytes: they count as sent only where the type takes them. A ticked checkbox is sent as ``on``.

Numbers are what people write, as in a path: an ``int`` is at most 18 ASCII digits with an optional minus, where
msgspec alone takes ``1e3`` and ``1.0`` too; a ``float`` or a ``Decimal`` is finite, because JSON could not carry
anything else back.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NotRequired, Required, get_args, get_origin, get_type_hints

import msgspec
from aiohttp import web
from msgspec import inspect as kinds
from multidict import MultiMapping

from webkit.forms import Upload

__all__ = ["Field", "can_be_json", "can_be_text", "fields_of", "is_made_of_uploads", "make_field", "record_of"]

_RECORDS: Final = (kinds.StructType, kinds.DataclassType, kinds.TypedDictType)
_SEQUENCES: Final = (kinds.ListType, kinds.SetType, kinds.FrozenSetType, kinds.VarTupleType)
_NO_TEXTS: Final = (*_RECORDS, *_SEQUENCES, kinds.TupleType, kinds.NamedTupleType, kinds.DictType)
_NO_VALUES: Final = (kinds.CustomType, kinds.ExtType)
_TAKE_ANY_TEXT: Final = (kinds.StrType, kinds.AnyType, kinds.BytesType)
_NUMBERS: Final = frozenset({kinds.IntType, kinds.FloatType, kinds.DecimalType})

_BOXES: Final = {"on": True, "off": False}
_DIGITS: Final = re.compile("-?[0-9]+")
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# Decimal() alone takes blanks, underscores and every script's digits; int() of a huge exponent takes all memory.
_DECIMAL: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?|null|true|false", re.IGNORECASE)
_NOT_FINITE: Final = frozenset({"nan", "inf", "infinity"})
_MOST_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Field:
    """One name of a query, a form, the headers or the cookies, and how its texts are read."""

    key: str
    type: Any
    is_required: bool
    takes_list: bool
    takes_empty: bool
    is_checkbox: bool
    takes_file_field: bool = False
    numbers: frozenset[type] = frozenset()

    def pick(self, values: MultiMapping[Any]) -> Any:
        """Give what *values* have under the name: a text, a list of them where the type is one, ``None`` for nothing.

        What is known here already is more than a text: an ``int``, and whether a box was ticked.

        Raises:
            msgspec.ValidationError: a text is no UTF-8, or a number as nobody writes it; it was sent more than once
                where the type is no list.
        """
        found = [raw for raw in values.getall(self.key, ()) if raw or self.takes_empty]
        if self.takes_list:
            return [self._read(raw, f" - at `$[{index}]`") for index, raw in enumerate(found)] or None
        if len(found) > 1:
            raise msgspec.ValidationError(f"sent {len(found)} times, but takes one value")
        return self._read(found[0], "") if found else None

    def _read(self, raw: Any, place: str) -> Any:
        # aiohttp keeps such bytes of headers as halves of characters, which no answer could repeat.
        for text in (raw.filename, raw.content_type) if isinstance(raw, web.FileField) else (raw,):
            if isinstance(text, str) and not text.isascii() and not _is_encodable(text):
                raise msgspec.ValidationError(f"Expected text in UTF-8{place}")
        if not isinstance(raw, str):
            return raw.as_file_field() if isinstance(raw, Upload) and self.takes_file_field else raw
        if self.is_checkbox and raw in _BOXES:
            return _BOXES[raw]
        fault = _fault_of_number(raw, self.numbers)
        if fault is not None:
            raise msgspec.ValidationError(fault + place)
        return int(raw) if kinds.IntType in self.numbers and _DIGITS.fullmatch(raw) else raw


def make_field(key: str, kind: Any, info: Any, *, is_required: bool) -> Field:
    """Prepare the reading of *key* for the type *kind*, which msgspec describes as *info*."""
    members = _members_of(info)
    takes_list = any(isinstance(member, (*_SEQUENCES, kinds.TupleType)) for member in members)
    texts = [item for member in members for item in _items_of(member)]
    takes_empty = any(_takes_empty(member) for member in texts)
    leaves = {type(leaf) for item in texts for leaf in _members_of(item)}
    is_checkbox = not takes_empty and kinds.BoolType in leaves
    numbers = frozenset() if leaves.intersection(_TAKE_ANY_TEXT) else _NUMBERS & leaves
    takes_file_field = any(_is_file(member) and member.cls is web.FileField for member in texts)
    return Field(key, kind, is_required, takes_list, takes_empty, is_checkbox, takes_file_field, numbers)


def record_of(info: Any) -> Any:
    """Give the Struct, dataclass or TypedDict that *info* is, alone or beside ``None``; else ``None``."""
    members = [member for member in _members_of(info) if not isinstance(member, kinds.NoneType)]
    is_record = len(members) == 1 and isinstance(members[0], _RECORDS) and not _is_file(members[0])
    return members[0] if is_record else None


def fields_of(record: Any) -> tuple[Field, ...]:
    """Prepare the reading of every field of *record*."""
    hints = get_type_hints(record.cls, include_extras=True)
    known = {field.name: field for field in record.fields}
    # msgspec sorts the fields of a TypedDict; people read faults in the order of the form.
    return tuple(
        make_field(known[name].encode_name, _plain(hint), known[name].type, is_required=known[name].required)
        for name, hint in hints.items()
        if name in known
    )


def can_be_text(info: Any, *, with_files: bool) -> bool:
    """Whether a value can be made of the texts (and, in a form, files) that were sent under one name."""
    return any(all(_is_text(item, with_files) for item in _items_of(member)) for member in _members_of(info))


def is_made_of_uploads(info: Any) -> bool:
    """Whether a value is an ``Upload``, or a list of such: that comes from a form without anybody saying so."""
    items = [item for member in _members_of(info) for item in _items_of(member)]
    return any(isinstance(item, kinds.CustomType) and item.cls is Upload for item in items)


def can_be_json(info: Any, seen: frozenset[type] = frozenset()) -> bool:
    """Whether a value can be made of JSON; fields that may be left out are not asked."""
    if isinstance(info, kinds.UnionType):
        return any(can_be_json(member, seen) for member in info.types if not isinstance(member, kinds.NoneType))
    if isinstance(info, (*_RECORDS, kinds.NamedTupleType)):
        inner = seen | {info.cls}
        return info.cls in seen or all(can_be_json(known.type, inner) for known in info.fields if known.required)
    if isinstance(info, kinds.DictType):
        return can_be_json(info.value_type, seen)
    if isinstance(info, (*_SEQUENCES, kinds.TupleType)):
        return all(can_be_json(item, seen) for item in _items_of(info))
    return not isinstance(info, _NO_VALUES)


def _plain(hint: Any) -> Any:
    """Give the type inside ``NotRequired[...]`` of a TypedDict and ``Final[...]``, which msgspec takes nowhere else."""
    while get_origin(hint) in {Required, NotRequired, Final}:
        hint = get_args(hint)[0]
    return hint


def _members_of(info: Any) -> tuple[Any, ...]:
    return info.types if isinstance(info, kinds.UnionType) else (info,)


def _items_of(info: Any) -> Iterator[Any]:
    """Give what each text under the name becomes: the items of a list, else the type itself."""
    if isinstance(info, kinds.TupleType):
        yield from info.item_types
    elif isinstance(info, _SEQUENCES):
        yield info.item_type
    else:
        yield info


def _is_text(info: Any, with_files: bool) -> bool:
    if isinstance(info, kinds.UnionType):
        return any(_is_text(member, with_files) for member in info.types)
    if _is_file(info):
        return with_files
    return not isinstance(info, (*_NO_TEXTS, *_NO_VALUES, kinds.NoneType, kinds.RawType))


def _is_file(info: Any) -> bool:
    return isinstance(info, kinds.DataclassType | kinds.CustomType) and info.cls in {web.FileField, Upload}


def _takes_empty(info: Any) -> bool:
    if isinstance(info, kinds.UnionType):
        return any(_takes_empty(member) for member in info.types)
    if isinstance(info, kinds.LiteralType):
        return "" in info.values
    if isinstance(info, kinds.EnumType):
        return any(member.value == "" for member in info.cls)
    return isinstance(info, _TAKE_ANY_TEXT)


def _fault_of_number(text: str, numbers: frozenset[type]) -> str | None:
    """Say what is wrong with *text* where it would become one of *numbers*, and msgspec does not mind."""
    if kinds.IntType in numbers and _DIGITS.fullmatch(text):
        return "Integer value out of range" if len(text.removeprefix("-")) > _MOST_DIGITS else None
    if numbers == {kinds.IntType} and _NUMBER.fullmatch(text):
        return "Expected `int`, got `str`"
    if kinds.FloatType in numbers and text.lower().lstrip("+-") in _NOT_FINITE:
        return "Expected a finite number"
    if kinds.DecimalType in numbers and not _DECIMAL.fullmatch(text):
        return "Invalid decimal string"
    return None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
