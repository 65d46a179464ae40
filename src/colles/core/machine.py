"""What this process may use of the machine."""

from __future__ import annotations

import os
from pathlib import Path

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names under which a machine reaches itself and nobody else reaches it."""


def usable_cpus() -> int:
    """Count the processors that this process may use: its affinity, and the control group's quota (cgroup v2)."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = kernel_text("/sys/fs/cgroup/cpu.max").split()  # microseconds of each period, or "max"
    if len(quota) == 2 and all(part.isdigit() for part in quota):
        cpus = min(cpus, max(1, round(int(quota[0]) / int(quota[1]))))
    return cpus


def kernel_text(path: str) -> str:
    """Return what the kernel says in a file, or nothing where it has no such file."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
