"""``python -m webkit``: see :mod:`webkit.cli`."""

import sys

from webkit.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
