"""What a user waits for and pays beside the images themselves: help, the first answer, memory. Used by inference.py."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from colles.serving.bundle import load_bundle
from colles.serving.decode import Rejected, decode

_PROGRAM = (
    "import atexit, sys; from pathlib import Path; from colles.cli.app import main\n"
    "atexit.register(lambda: sys.stderr.write(Path('/proc/self/status').read_text()))\n"
    "main()"
)


def starts(bundle: Path, images: list[Path], repeats: int = 7) -> dict[str, Any]:
    """Measure `colles --help`, and `colles predict` on the smallest image that can be read, each in new processes."""
    recipe = load_bundle(bundle).metadata.preprocessing
    by_size = sorted(images, key=lambda path: path.stat().st_size)
    small = next(path for path in by_size if not isinstance(decode(path, recipe), Rejected))
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "table.csv")
        predict = ["predict", str(small), "--bundle", str(bundle), "--out", str(table), "--overwrite"]
        return {
            "help": _times(["--help"], repeats),
            "first_answer": {**_times(predict, repeats), "file_bytes": small.stat().st_size},
        }


def _times(arguments: list[str], repeats: int) -> dict[str, float]:
    wall, cpu = [], []
    for _ in range(repeats):
        before, started = os.times(), time.perf_counter()
        subprocess.run([sys.executable, "-m", "colles", *arguments], check=True, capture_output=True)
        after = os.times()
        wall.append(time.perf_counter() - started)
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        cpu.append(spent)
    return {
        "wall_seconds": round(statistics.median(wall), 3),
        "least_wall_seconds": round(min(wall), 3),
        "cpu_seconds": round(statistics.median(cpu), 3),
        "runs": repeats,
    }


def memory(bundle: Path, images: list[Path]) -> dict[str, Any]:
    """Measure the peak of one `colles predict` over many files, and the rate at which it answered."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _PROGRAM, "predict", "-", "--bundle", str(bundle)]
        command += ["--out", str(Path(folder, "table.csv"))]
        started = time.perf_counter()
        listed = b"\0".join(os.fsencode(path.absolute()) for path in images)
        done = subprocess.run(command, input=listed, capture_output=True, check=True)
    seconds = time.perf_counter() - started
    peak = re.search(rb"VmHWM:\s+(\d+)", done.stderr)
    assert peak is not None
    return {
        "files": len(images),
        "peak_megabytes": round(int(peak[1]) / 1024, 1),
        "seconds": round(seconds, 1),
        "answers": done.stdout.decode().split(";")[0],
    }
