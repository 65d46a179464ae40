"""Refuse large files before they are committed (radiographs, checkpoints): `no_large_files.py FILE…`, exit 1."""

from __future__ import annotations

import sys
from pathlib import Path

LIMIT = 1_000_000  # bytes


def too_large(paths: list[str]) -> list[str]:
    """Return a line for every file above the limit."""
    sizes = {path: Path(path).stat().st_size for path in paths if Path(path).is_file()}
    return [f"{path}: {size:,} bytes are above {LIMIT:,}" for path, size in sizes.items() if size > LIMIT]


if __name__ == "__main__":
    found = too_large(sys.argv[1:])
    print("\n".join(found), file=sys.stderr)
    sys.exit(1 if found else 0)
