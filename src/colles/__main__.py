"""The way into the program, as `colles` and `python -m colles`: while it loads, Ctrl-C is an interrupt too."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the program and run it."""
    try:
        from colles.cli.app import main as run

        run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
