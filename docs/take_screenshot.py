"""Take the picture of the showcase that the README shows: ``make screenshot`` writes docs/images/showcase.png.

It starts the showcase on a free port, as a process of its own with a new database, and opens it in the installed
Chromium.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import ViewportSize, sync_playwright

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "images" / "showcase.png"
SIZE = ViewportSize(width=1280, height=800)
MOST_BYTES = 200_000

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
_CHROMIUM_ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-dev-shm-usage", "--disable-gpu")


def main() -> None:
    """Take the picture; exits with a message where something is missing."""
    chromium = next(filter(None, map(shutil.which, _CHROMIUM_NAMES)), None)
    if chromium is None:
        sys.exit(f"No browser is installed: none of {', '.join(_CHROMIUM_NAMES)} is on the PATH.")
    with serve_showcase() as url:
        take_picture(chromium, url)
    size = PICTURE.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{PICTURE} has {size:,} bytes; at most {MOST_BYTES:,} belong into the repository.")


@contextmanager
def serve_showcase() -> Iterator[str]:
    """Serve the showcase with a new database, and give its URL."""
    with TemporaryDirectory() as folder:
        database = str(Path(folder) / "showcase.sqlite3")
        words = ["-n", "127.0.0.1", "-p", "0", "--no-access-log", "examples.showcase.init", "--database", database]
        command = [sys.executable, "-m", "webkit", *words]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
            try:
                yield read_url(server)
            finally:
                server.terminate()


def read_url(server: "subprocess.Popen[str]") -> str:
    """Give the URL in the line that the server prints when it listens."""
    for line in server.stdout or ():
        found = re.search(r"http://\S+", line)
        if found:
            return found[0]
    sys.exit("The showcase did not start; its message is above.")


def take_picture(chromium: str, url: str) -> None:
    """Write what a desktop browser shows at *url*, in the light colours."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(url, wait_until="networkidle")
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
