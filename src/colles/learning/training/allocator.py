"""Keep glibc from mapping and unmapping every large activation of a training step on a CPU.

By default each allocation above a threshold is a fresh mapping whose pages fault in one by one (mallopt(3)).
"""

from __future__ import annotations

import ctypes
import sys

# Numbers of mallopt's parameters, from glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def environment() -> dict[str, str]:
    """Return the variables that have the same effect when they are set before the process starts, and huge pages."""
    return {
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": "100000000000",
        "MALLOC_TOP_PAD_": "1000000000",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }


def keep_memory() -> bool:
    """Set the same in this process, as far as that is possible; return whether glibc took it."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    largest = 2**31 - 1  # mallopt takes an int
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, largest), (_TOP_PAD, 500_000_000))
    return all(mallopt(name, value) == 1 for name, value in settings)
