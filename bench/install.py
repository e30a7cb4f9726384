"""Fill the virtual environment of the benchmark: ``python -m bench.install``, with its interpreter.

webkit and what it needs must be had. A peer that cannot be had on this machine is named, and will not be measured.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
REQUIREMENTS: Final = ROOT / "bench" / "requirements.txt"


def main() -> int:
    """Install everything at once or, where that fails, what can be had; give the exit code."""
    if not install("--editable", ".[uvloop]", "--constraint", str(REQUIREMENTS)):
        return 1
    if install("--requirement", str(REQUIREMENTS)):
        return 0
    for requirement in read_requirements(REQUIREMENTS.read_text(encoding="utf-8")):
        if not install(requirement, "--constraint", str(REQUIREMENTS)):
            print(f"{requirement} cannot be had here: who needs it is not measured.", file=sys.stderr)
    return 0


def install(*words: str) -> bool:
    """Call pip, and tell whether it could do it."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return subprocess.run([*pip, *words], cwd=ROOT, check=False).returncode == 0


def read_requirements(text: str) -> list[str]:
    """The lines of a file of requirements that name something."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


if __name__ == "__main__":
    sys.exit(main())
