"""The proof that ``webkit.ipopo`` is what it replaces: iPOPO's own tests of its HTTP service, run against it.

They come from iPOPO's source distribution, which pip fetches when this runs. One thing is changed in them: the quoted
name of the bundle that they install. They run in a process of their own, with the iPOPO of that distribution.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

import webkit
from tests.conftest import is_ci
from tests.processes import run_python
from tests.test_layers import read_imports, sources

fcntl = pytest.importorskip("fcntl", reason="Two runs at once cannot be told apart on this system.")
pytest.importorskip("pelix", reason='iPOPO is not installed: pip install "webkit[ipopo]".')

VERSION = "3.2.4"
REPLACED = '"pelix.http.basic_async"'
REPLACEMENT = '"webkit.ipopo"'
# Where the name stands in the tests; other places import parts of iPOPO's own bundle, without quotes.
NAMED_IN = {
    "test_auth.py": 2,
    "test_base.py": 1,
    "test_basic_async.py": 1,
    "test_basic_async_ssl.py": 1,
    "test_basic_async_websockets.py": 1,
    "test_basic_sse.py": 1,
    "test_body_limits.py": 2,
    "test_contextvars.py": 1,
    "test_cors.py": 2,
    "test_routing_async.py": 1,
}
PASSED = 240
# iPOPO skips these for its own asynchronous service too.
SKIPPED = {
    "tests.http.test_body_limits.AsyncBodyLimitsTest.test_invalid_content_length",
    "tests.http.test_body_limits.AsyncBodyLimitsTest.test_no_content_length",
    "tests.http.test_body_limits.AsyncBodyLimitsTest.test_no_socket_timeout",
    "tests.http.test_body_limits.AsyncBodyLimitsTest.test_socket_timeout",
}

# They take a minute; on a machine that does much else, some more.
PATIENCE_S = 600

pytestmark = pytest.mark.timeout(3 * PATIENCE_S)  # fetched, waited for others that run them, run


def fetch(folder: Path) -> Path:
    """Fetch the source distribution with pip, unpack it, and give its root; without a network, skip (CI: fail)."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "ipopo", f"ipopo=={VERSION}"]
    options = ["--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    archives = list(folder.glob("*.tar.gz"))
    if done.returncode or not archives:
        reason = f"pip could not fetch the tests of iPOPO {VERSION}: {done.stderr.strip()[-300:]}"
        if is_ci():
            pytest.fail(reason)
        pytest.skip(reason)
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    (root,) = (path for path in folder.iterdir() if path.is_dir())
    return root


def rename_bundle(root: Path) -> dict[str, int]:
    """Put webkit's bundle in the place of iPOPO's in its tests; give how often each file names it."""
    named: dict[str, int] = {}
    for path in sorted((root / "tests" / "http").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if count := text.count(REPLACED):
            named[path.name] = count
            path.write_text(text.replace(REPLACED, REPLACEMENT), encoding="utf-8")
    return named


@contextmanager
def alone_on_this_machine() -> Iterator[None]:
    """Wait until nobody else runs these tests: some of them listen on a port that they name."""
    with (Path(tempfile.gettempdir()) / "webkit-ipopo-proof.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class Report:
    """What came out: the names of the tests, and everything that was printed."""

    passed: set[str]
    skipped: set[str]
    failed: set[str]
    status: int
    output: str


def run_tests(root: Path) -> Report:
    """Run ``tests/http`` in *root*, with the ``pelix`` that lies beside it."""
    results = root / "results.xml"
    command = [sys.executable, "-m", "pytest", "tests/http", "-p", "no:cacheprovider", f"--junitxml={results}"]
    paths = os.pathsep.join([str(root), str(Path(webkit.__file__).parent.parent)])
    # No plugin is loaded that iPOPO does not know of, webkit's own neither.
    around = os.environ | {"PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=root, env=around, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    found: dict[str, set[str]] = {"passed": set(), "skipped": set(), "failed": set()}
    for case in ElementTree.parse(results).iter("testcase") if results.exists() else ():
        kinds = {child.tag for child in case}
        kind = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        found[kind].add(f"{case.get('classname')}.{case.get('name')}")
    return Report(**found, status=done.returncode, output=done.stdout + done.stderr)


def test_ipopos_own_tests_pass_with_webkits_bundle_in_the_place_of_its_own(tmp_path: Path) -> None:
    """IP-001 to IP-138, as far as iPOPO tests them: 240 pass, and the 4 that skip are those that skip for iPOPO too."""
    root = fetch(tmp_path)
    assert rename_bundle(root) == NAMED_IN
    with alone_on_this_machine():
        report = run_tests(root)
    assert not report.failed, report.output
    assert report.status == 0, report.output
    assert report.skipped == SKIPPED
    assert len(report.passed) == PASSED


def test_the_bundle_is_made_of_what_ipopo_offers_everybody() -> None:
    """It imports neither iPOPO's own HTTP bundles nor a private module of it, and loads none."""
    imported = [
        f"{found.module}.{found.name}"
        for module, source in sources().items()
        if module == "ipopo" or module.startswith("ipopo_")
        for found in read_imports(source)
        if found.module.partition(".")[0] == "pelix"
    ]
    assert imported
    assert not [name for name in imported if re.search(r"\b(basic|basic_async|internals|_\w+)\b", name)]
    loaded, _ = run_python("import sys, webkit.ipopo; print(*sorted(sys.modules))")
    assert not {"pelix.http.basic", "pelix.http.basic_async", "pelix.http._base"} & set(loaded.split())
