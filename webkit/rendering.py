"""Jinja's environment, whose templates say the same in less time.

Compiled templates are rewritten (:mod:`webkit.templatecode`), ``row.name`` costs no exception where the row is a
dictionary, and a rendering knows the global names without asking for each of them. Everything else is Jinja's:
templates, filters, extensions, errors and their places. ``tests/test_rendering.py`` compares the two.
"""

from collections import ChainMap
from collections.abc import Mapping
from types import CodeType
from typing import Any, Final

import jinja2
from jinja2.runtime import Context, new_context

from webkit.templatecode import rewrite

__all__ = ["Environment"]

_ABSENT: Final = object()


class Template(jinja2.Template):
    """A template of :class:`Environment`."""

    def new_context(
        self, vars: dict[str, Any] | None = None, shared: bool = False, locals: Mapping[str, Any] | None = None
    ) -> Context:
        """Make what a rendering knows, as Jinja does it."""
        names = self.globals
        if type(names) is ChainMap:
            # PERF: Jinja asks a ChainMap for each name by itself: a tenth of a page with a table of 20 rows.
            parts, names = names.maps, {}
            for part in reversed(parts):
                names.update(part)
        return new_context(self.environment, self.name, self.blocks, vars, shared, names, locals)


class Environment(jinja2.Environment):
    """An environment whose templates say what those of ``jinja2.Environment`` say."""

    template_class = Template

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Give the attribute of *obj*, or else its item, or else what is undefined."""
        # The built-in getattr makes no exception where it has something to give instead.
        found = getattr(obj, attribute, _ABSENT)
        if found is not _ABSENT:
            return found
        try:
            return obj[attribute]
        except (TypeError, LookupError, AttributeError):
            return self.undefined(obj=obj, name=attribute)

    def _compile(self, source: str, filename: str) -> CodeType:
        # Jinja offers this method to be overridden. Where somebody has put another way to attributes in the place of
        # ours, a sandbox or an extension, all of them go there.
        if getattr(self.getattr, "__func__", None) is Environment.getattr:
            try:
                return compile(rewrite(source, filename), filename, "exec")
            except RecursionError:
                pass  # hundreds of elifs are nested in a syntax tree, but not for those who do without one
        return super()._compile(source, filename)
