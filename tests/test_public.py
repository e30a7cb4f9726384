"""What users may import: complete lists of names, words about each of them, and modules that stand alone."""

import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import webkit

PACKAGE = Path(webkit.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))
PUBLIC_MODULES = ["webkit", *(f"webkit.{name}" for name in MODULES if not name.startswith("_"))]


def place_of(name: str) -> tuple[bool, bool, str]:
    """Where a name belongs in ``__all__``: constants, classes, functions, as `ruff check --fix` sorts them."""
    return not name.isupper(), not name[:1].isupper(), name


def names_without_words(module_name: str) -> Iterator[str]:
    """The classes and functions of webkit in a module's ``__all__`` that carry no docstring of their own."""
    module = importlib.import_module(module_name)
    for name in module.__all__:
        thing = getattr(module, name)
        # aiohttp's names that we pass on are aiohttp's to explain.
        is_ours = getattr(thing, "__module__", "").partition(".")[0] == "webkit"
        if is_ours and (inspect.isclass(thing) or inspect.isroutine(thing)):
            # A data class without a docstring gets its signature for one.
            words = thing.__doc__ or ""
            if not words.strip() or words.startswith(f"{name}("):
                yield name


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_every_public_module_lists_its_names_in_order(module_name: str) -> None:
    names = list(importlib.import_module(module_name).__all__)
    assert names == sorted(set(names), key=place_of)


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_every_listed_name_can_be_imported(module_name: str) -> None:
    module = importlib.import_module(module_name)
    assert not [name for name in module.__all__ if not hasattr(module, name)]


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_every_public_class_and_function_has_a_docstring(module_name: str) -> None:
    assert not list(names_without_words(module_name))


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_every_public_module_opens_with_a_docstring(module_name: str) -> None:
    assert (importlib.import_module(module_name).__doc__ or "").strip()


def test_the_front_door_lists_its_names_to_those_who_look() -> None:
    assert set(webkit.__all__) <= set(dir(webkit))


def test_the_front_door_says_what_it_does_not_have() -> None:
    front_door: Any = webkit
    with pytest.raises(AttributeError, match="Aplication"):
        _ = front_door.Aplication


def test_the_front_door_loads_only_what_is_asked_for() -> None:
    asked = "import sys, webkit; webkit.View; webkit.ConfigError; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", asked], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    names = set(loaded.stdout.split())
    assert "webkit.views" in names
    assert not names & {"jinja2", "webkit.templates", "webkit.run", "webkit.application"}


def test_the_version_is_told_at_the_front_door() -> None:
    assert webkit.__version__ == importlib.import_module("webkit._version").__version__


def import_alone(module_name: str) -> str:
    """Import a module in a fresh interpreter, warnings as errors; the traceback if that fails."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import {module_name}"],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if result.returncode == 0 else f"import {module_name}\n{result.stderr}"


def test_every_module_imports_alone_in_a_fresh_interpreter() -> None:
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        failures = threads.map(import_alone, [f"webkit.{name}" for name in MODULES])
    assert not "\n".join(filter(None, failures))
