"""The state of an application: a mapping over that of the wrapped ``web.Application``."""

import warnings
from collections.abc import Iterator, MutableMapping
from typing import Any, TypeVar, overload

from aiohttp import web

from webkit.requests import APPLICATION

__all__ = ["State"]

T = TypeVar("T")


class State(MutableMapping[str | web.AppKey[Any], Any]):
    """The mapping. It compares by identity and is always true, as aiohttp's application does and is."""

    aiohttp: web.Application

    @overload
    def __getitem__(self, key: web.AppKey[T]) -> T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: str | web.AppKey[T]) -> Any:
        return self.aiohttp[key]

    @overload
    def __setitem__(self, key: web.AppKey[T], value: T) -> None: ...
    @overload
    def __setitem__(self, key: str, value: Any) -> None: ...
    def __setitem__(self, key: str | web.AppKey[T], value: Any) -> None:
        self._check_state()
        with warnings.catch_warnings():
            # Old code uses strings, and is right to.
            warnings.simplefilter("ignore", web.NotAppKeyWarning)
            self.aiohttp[key] = value

    def __delitem__(self, key: str | web.AppKey[Any]) -> None:
        self._check_state()
        del self.aiohttp[key]

    def __iter__(self) -> Iterator[str | web.AppKey[Any]]:
        return (key for key in self.aiohttp if key is not APPLICATION)

    def __len__(self) -> int:
        return len(self.aiohttp) - 1

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        return True

    def _check_state(self) -> None:
        if self.aiohttp.frozen:
            raise RuntimeError(
                "The state of a serving application cannot change. Set it at startup, or put an object there whose "
                "content you change."
            )
