"""Hints for old code: what is taken, and should be written otherwise, is said once in a process."""

import warnings
from typing import Final

__all__ = ["give_hint"]

_given: Final[set[str]] = set()


def give_hint(about: str, message: str, *, stacklevel: int = 2) -> None:
    """Warn with *message*, a ``DeprecationWarning``, unless a hint *about* this was given already.

    *stacklevel* is that of a ``warnings.warn`` in the place of this call.
    """
    if about not in _given:
        _given.add(about)
        warnings.warn(message, DeprecationWarning, stacklevel=stacklevel + 1)
