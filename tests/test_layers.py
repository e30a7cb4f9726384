"""The layers of the package: which module may import which, and who may touch what of aiohttp.

The rules are those of docs/explanation/design.md. They are read from the source, nothing is imported:

1. Imports go down only, without cycles, and nobody imports the package root.
2. No feature imports another feature.
3. No module is called utils, helpers, common, base, core, misc or tools.
4. No imports inside functions, but in `cli` and in the lazy front door.
5. `resources`, `routing` and the hot mounts alone know aiohttp's resource protocol, `middleware` alone marks
   middlewares, `run`, `runner` and `sites` alone know runners and sites, and what aiohttp does not promise is touched
   in `_aiohttp` alone.

What is imported for the type checker only (``if TYPE_CHECKING:``) and what stands in an annotation is free.
"""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "webkit"

# From the bottom up. A module may import those of lower bands, and those listed before it in its own.
BANDS: dict[str, tuple[str, ...]] = {
    "GROUND": ("_version", "_aiohttp", "hints"),
    "WORDS": ("types", "errors", "oldapplication"),
    "VALUES": (
        "backtracking",
        "threads",
        "checks",
        "framing",
        "serverlog",
        "callables",
        "converters",
        "paths",
        "separating",
        "matching",
        "negotiation",
        "pages",
        "heads",
        "buffered",
        "responses",
        "requests",
        "state",
        "faults",
        "lifespan",
        "pulse",
        "streams",
        "expect",
        "inflating",
        "bodies",
        "masking",
        "tracebacks",
        "suggestions",
        "debug_html",
        "codings",
        "filenames",
        "mediatypes",
        "signatures",
        "limits",
        "multipart",
        "spooling",
        "progress",
        "parts",
        "forms",
        "fields",
        "jsonbodies",
        "manifest",
        "ranges",
        "files",
        "staticurls",
        "templatecode",
        "rendering",
        "tls",
        "accessformat",
        "loglines",
        "access",
        "config",
    ),
    "DISPATCH": (
        "middleware",
        "parameters",
        "binding",
        "boundary",
        "refusals",
        "views",
        "resources",
        "mountpoints",
        "routing",
        "shadows",
        "router",
        "hotmatches",
        "hotmounts",
    ),
    "LIVE": (
        "sse",
        "backlogs",
        "history",
        "eventstreams",
        "events",
        "broadcast",
        "handshakes",
        "sendqueue",
        "websocket_responses",
        "websocket_options",
        "websocket_sessions",
        "heartbeats",
        "conversations",
        "websocket_handlers",
        "websockets",
    ),
    "SERVLETS": (
        "servlet_names",
        "servlet_types",
        "servlet_paths",
        "servlet_pages",
        "servlet_registry",
        "servlet_requests",
        "servlet_responses",
        "servlet_sync",
        "servlet_websockets",
        "servlet_endings",
        "servlet_calls",
        "servlet_answers",
        "servlet_routing",
        "servlet_service",
    ),
    "FEATURES": ("debug", "precompress", "servlets", "static", "templates"),
    "APPLICATION": ("application",),
    "EDGES": (
        "protocol",
        "dispatch",
        "runner",
        "sites",
        "run",
        "servlet_server",
        "testing",
        "pytest_plugin",
        "cli",
        "__main__",
    ),
    "IPOPO": (
        "ipopo_settings",
        "ipopo_sockets",
        "ipopo_thread",
        "ipopo_access",
        "ipopo_serving",
        "ipopo_whiteboard",
        "ipopo",
    ),
    "OLD CODE": ("flowcontrol", "oldresponses", "byhand", "compat", "web"),
    "FRONT DOOR": ("__init__",),
}

# In these bands no module imports its neighbours.
BANDS_OF_STRANGERS = ("GROUND", "WORDS", "FEATURES")

FORBIDDEN_NAMES = {"base", "common", "core", "helpers", "misc", "tools", "utils"}

MAY_IMPORT_INSIDE_FUNCTIONS = {"cli", "__init__"}

# Names of `aiohttp.web` that belong to these modules alone. `web` passes all of aiohttp's names on and is free.
OWNERS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("resources", "mountpoints", "routing", "hotmatches", "hotmounts"): (
        "AbstractResource",
        "AbstractRoute",
        "AbstractRouter",
        "DynamicResource",
        "PlainResource",
        "PrefixedSubAppResource",
        "PrefixResource",
        "Resource",
        "ResourceRoute",
        "StaticResource",
        "UrlDispatcher",
        "UrlMappingMatchInfo",
    ),
    ("middleware",): ("middleware",),
    ("run", "runner", "sites"): (
        "AppRunner",
        "BaseRunner",
        "BaseSite",
        "GracefulExit",
        "NamedPipeSite",
        "ServerRunner",
        "SockSite",
        "TCPSite",
        "UnixSite",
        "run_app",
    ),
}


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: ``import module`` (then *name* is empty) or ``from module import name``."""

    line: int
    module: str
    name: str = ""
    is_type_only: bool = False
    is_inside_function: bool = False


class ImportReader(ast.NodeVisitor):
    """Collects the imports of one module, and whose eyes they are for."""

    def __init__(self) -> None:
        self.imports: list[Import] = []
        self._type_only = 0
        self._functions = 0

    def _add(self, node: ast.stmt, module: str, name: str = "") -> None:
        found = Import(node.lineno, module, name, self._type_only > 0, self._functions > 0)
        self.imports.append(found)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        # The package is flat: a relative import starts at its root.
        parts = (["webkit"] if node.level else []) + ([node.module] if node.module else [])
        for alias in node.names:
            self._add(node, ".".join(parts), alias.name)

    def visit_If(self, node: ast.If) -> None:
        is_guard = ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        self._type_only += is_guard
        for statement in node.body:
            self.visit(statement)
        self._type_only -= is_guard
        for statement in node.orelse:
            self.visit(statement)

    def _visit_function(self, node: ast.AST) -> None:
        self._functions += 1
        self.generic_visit(node)
        self._functions -= 1

    visit_FunctionDef = _visit_function
    visit_AsyncFunctionDef = _visit_function
    visit_Lambda = _visit_function


def read_imports(source: str) -> list[Import]:
    """All imports in *source*, in order."""
    reader = ImportReader()
    reader.visit(ast.parse(source))
    return reader.imports


def target_of(found: Import, modules: set[str]) -> str | None:
    """The webkit module that is imported, ``"__init__"`` for the package root, None for what is not ours."""
    package, _, module = found.module.partition(".")
    if package != "webkit":
        return None
    if module:
        return module.partition(".")[0]
    return found.name if found.name in modules else "__init__"


def names_of_aiohttp(source: str) -> Iterator[tuple[int, str]]:
    """Every name of aiohttp in the code of *source*, as ``(line, "aiohttp.web.Request")``; annotations excepted."""
    tree = ast.parse(source)
    bound = dict(bound_to_aiohttp(tree))
    for found in read_imports(source):
        if found.module.split(".")[0] == "aiohttp" and not found.is_type_only:
            yield found.line, f"{found.module}.{found.name}".rstrip(".")
    for node in walk_code(tree):
        if isinstance(node, ast.Attribute):
            head, _, rest = ast.unparse(node).partition(".")
            if head in bound:
                yield node.lineno, f"{bound[head]}.{rest}"


def bound_to_aiohttp(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What names in a module stand for parts of aiohttp, as ``("web", "aiohttp.web")``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "aiohttp":
                    yield alias.asname or "aiohttp", alias.name if alias.asname else "aiohttp"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aiohttp":
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def walk_code(node: ast.AST) -> Iterator[ast.AST]:
    """Walk *node* and all below it, but no annotation, and not what stands in ``[...]``: types, in their most part."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "slice"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from walk_code(child)


@cache
def sources() -> dict[str, str]:
    """The source of every module of the package."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.glob("*.py"))}


def imports_within() -> Iterator[tuple[str, Import, str]]:
    """Every import of webkit by webkit that happens at run time: ``(module, import, imported module)``."""
    modules = set(sources())
    for module, source in sources().items():
        for found in read_imports(source):
            target = target_of(found, modules)
            if target is not None and not found.is_type_only:
                yield module, found, target


def band_of(module: str) -> str:
    """The name of a module's band; empty if it has none."""
    return next((band for band, modules in BANDS.items() if module in modules), "")


def test_every_module_has_a_band_and_every_band_only_modules_that_exist() -> None:
    listed = [module for modules in BANDS.values() for module in modules]
    assert len(listed) == len(set(listed)), "A module stands in BANDS twice."
    missing = sorted(set(sources()) - set(listed))
    assert not missing, f"Give it a band: {', '.join(missing)} stands in no band of BANDS."
    gone = sorted(set(listed) - set(sources()))
    assert not gone, f"Take it out of BANDS: webkit has no module {', '.join(gone)}."


def test_the_package_is_flat() -> None:
    nested = [str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE]
    assert not nested, f"webkit is one flat package: {', '.join(nested)} lies deeper."


def test_imports_go_down_only() -> None:
    listed = [module for modules in BANDS.values() for module in modules]
    height = {module: index for index, module in enumerate(listed)}
    wrong = [
        f"webkit/{module}.py:{found.line} imports {target}, which does not stand below it in BANDS"
        for module, found, target in imports_within()
        if {module, target} <= set(height) and height[target] >= height[module]
    ]
    assert not wrong, "\n".join(wrong)


def test_imports_make_no_cycle() -> None:
    graph: dict[str, set[str]] = {}
    for module, _, target in imports_within():
        graph.setdefault(module, set()).add(target)
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names the modules


def test_nobody_imports_the_package_root() -> None:
    wrong = [
        f"webkit/{module}.py:{found.line} imports the package root: name the module instead"
        for module, found, target in imports_within()
        if target == "__init__"
    ]
    assert not wrong, "\n".join(wrong)


def test_no_feature_imports_another_and_no_word_another() -> None:
    wrong = [
        f"webkit/{module}.py:{found.line} imports {target}: both are {band_of(module)}"
        for module, found, target in imports_within()
        if band_of(module) in BANDS_OF_STRANGERS and band_of(module) == band_of(target)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_module_is_named_after_its_idea() -> None:
    assert not FORBIDDEN_NAMES & {name.strip("_") for name in sources()}


@pytest.mark.parametrize("folder", ["webkit", "tests", "examples", "bench"])
def test_no_forbidden_name_hides_elsewhere(folder: str) -> None:
    wrong = [str(path) for path in (PACKAGE.parent / folder).rglob("*.py") if path.stem.strip("_") in FORBIDDEN_NAMES]
    assert not wrong


def test_imports_stand_at_the_top() -> None:
    wrong = [
        f"webkit/{module}.py:{found.line} imports {found.module} inside a function"
        for module, source in sources().items()
        if module not in MAY_IMPORT_INSIDE_FUNCTIONS
        for found in read_imports(source)
        if found.is_inside_function
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("owners", OWNERS, ids=" and ".join)
def test_nobody_else_knows_this_part_of_aiohttp(owners: tuple[str, ...]) -> None:
    wrong = [
        f"webkit/{module}.py:{line} uses {name}, which is for {' and '.join(owners)} alone"
        for module, source in sources().items()
        if module not in {*owners, "web"}
        for line, name in names_of_aiohttp(source)
        if name.rpartition(".")[2] in OWNERS[owners]
    ]
    assert not wrong, "\n".join(wrong)


def test_underscore_names_of_aiohttp_are_touched_in_one_module_alone() -> None:
    wrong = [
        f"webkit/{module}.py:{line} uses {name}: what aiohttp does not promise belongs to webkit/_aiohttp.py"
        for module, source in sources().items()
        if module != "_aiohttp"
        for line, name in names_of_aiohttp(source)
        if any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_front_door_loads_no_feature_until_it_is_asked_for() -> None:
    script = "import sys, webkit; print(*sorted(name for name in sys.modules if name.startswith('webkit.')))"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    features = {f"webkit.{module}" for module in BANDS["FEATURES"]}
    assert not features & set(loaded.stdout.split())


READINGS: list[tuple[str, str | None]] = [
    ("import webkit", "__init__"),
    ("import webkit.errors", "errors"),
    ("from webkit import Application", "__init__"),
    ("from webkit import errors", "errors"),
    ("from . import errors", "errors"),
    ("from .errors import ConfigError", "errors"),
    ("from webkit.errors import ConfigError", "errors"),
    ("import webkitten", None),
    ("from aiohttp import web", None),
]


@pytest.mark.parametrize(("source", "target"), READINGS)
def test_an_import_is_read_in_all_its_spellings(source: str, target: str | None) -> None:
    (found,) = read_imports(source)
    assert target_of(found, {"errors"}) == target


def test_an_import_for_the_type_checker_is_told_from_one_at_run_time() -> None:
    guarded, other, inside = read_imports(
        "if TYPE_CHECKING:\n import one\nelse:\n import two\ndef function():\n import three\n"
    )
    assert (guarded.is_type_only, other.is_type_only) == (True, False)
    assert (other.is_inside_function, inside.is_inside_function) == (False, True)


def test_a_name_of_aiohttp_is_seen_through_its_aliases_but_not_in_annotations() -> None:
    source = (
        "from aiohttp import web as w\n"
        "import aiohttp.web\n"
        "class Mine(w.PlainResource, Mapping[str, w.ResourceRoute]): pass\n"
        "def see(resource: w.AbstractResource) -> w.Resource: return aiohttp.web._secret\n"
    )
    names = {name for _, name in names_of_aiohttp(source)}
    assert names >= {"aiohttp.web.PlainResource", "aiohttp.web._secret"}
    assert not names & {"aiohttp.web.AbstractResource", "aiohttp.web.Resource", "aiohttp.web.ResourceRoute"}
