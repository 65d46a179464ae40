"""The machine that a benchmark ran on, in words that mean something elsewhere."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from colles.core.machine import usable_cpus

_WORTH_TELLING = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")


def describe() -> dict[str, Any]:
    """Return processor, instructions that matter to networks, usable cores, memory and system."""
    info = _fields(Path("/proc/cpuinfo"))
    memory = _fields(Path("/proc/meminfo")).get("MemTotal", "").split()
    flags = set(info.get("flags", "").split())
    return {
        "processor": info.get("model name", platform.machine()),
        "instructions": [name for name in _WORTH_TELLING if name in flags],
        "usable_cores": usable_cpus(),
        "memory_gigabytes": round(int(memory[0]) / 1024**2, 1) if memory else None,
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _fields(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    pairs = (line.partition(":") for line in file.read_text(encoding="utf-8").splitlines())
    found: dict[str, str] = {}
    for name, _, value in pairs:
        found.setdefault(name.strip(), value.strip())
    return found
