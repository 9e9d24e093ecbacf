"""`python -m sdbench` is the command `sdbench`."""

from __future__ import annotations

import sys

from sdbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
