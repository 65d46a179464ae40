"""What one image may be: the same wherever images are read, so that what was learned from can be predicted on."""

from __future__ import annotations

MAX_PIXELS = 100_000_000
"""A film of a whole leg has 50 million."""
MAX_BYTES = 200_000_000
"""Of the file."""
