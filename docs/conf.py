"""Sphinx builds the documentation with these settings: ``make docs``. Warnings are errors there."""

import sys
from typing import Any, TypeVar

from webkit._version import __version__

project = "webkit"
author = "The webkit maintainers"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # as they are written: no <function ...>
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# The build needs no network, so the names of Python and of other packages are no links. A name of webkit's that does
# not exist is an error.
nitpick_ignore_regex = [
    ("py:.*", r"(?!webkit\b)\w+(\.\w+)+(\[.*)?"),
    ("py:.*", r"dict\[.*|P"),  # half a type, and the letter of a ParamSpec: Sphinx takes them for names
    ("py:exc", r"HTTP\w+"),
    ("py:class", r"Extension|BaseLoader|BytecodeCache"),  # as Jinja names its own in the signature of its environment
]

html_theme = "furo"
html_title = f"webkit {release}"
html_theme_options = {"navigation_with_keys": True}


def resolve(app: Any, env: Any, node: Any, contents: Any) -> Any:
    """Link ``webkit.View`` to where it is documented, ``webkit.views.View``; leave what is private as plain text."""
    module, _, name = node.get("reftarget", "").rpartition(".")
    module = module or node.get("py:module") or ""
    if module not in sys.modules or module.partition(".")[0] != "webkit":
        return None
    home = sys.modules[module]
    thing = getattr(home, name, None)
    if thing is None:
        return None
    lives_in = getattr(thing, "__module__", module)
    is_private = name.startswith("_") or name not in getattr(sys.modules[lives_in], "__all__", ())
    if isinstance(thing, TypeVar) or is_private or lives_in.startswith("aiohttp."):
        return contents
    if lives_in == node["reftarget"].rpartition(".")[0]:
        return None
    target = f"{lives_in}.{thing.__name__}"
    return env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, node["reftype"], target, node, contents)


def keep_colons(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Save a first sentence with a colon from napoleon, which takes the words before it for the attribute's type."""
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]  # an empty comment


def skip_what_lives_elsewhere(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Document a name where it is defined: neither aiohttp's names here, nor one of webkit's twice."""
    home = app.env.current_document.autodoc_module
    lives_in = getattr(thing, "__module__", home)
    is_of_package = str(lives_in).partition(".")[0] in {"aiohttp", "webkit"}
    return True if what == "module" and is_of_package and lives_in != home else None


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-skip-member", skip_what_lives_elsewhere)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-docstring", keep_colons, priority=400)  # before napoleon's
