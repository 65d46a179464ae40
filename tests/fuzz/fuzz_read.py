"""Fuzz the readers with coverage: `pip install atheris && python tests/fuzz/fuzz_read.py -max_total_time=60`.

No test runs it: atheris is no dependency, and a fuzzer has no end of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports():
    from colles.core.recipe import PreprocessRecipe
    from colles.serving.decode import Rejected, Sample, decode

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "serving"), str(TESTS)]
RECIPE = PreprocessRecipe(size=32)


def one_input(data: bytes) -> None:
    """Read bytes as an image; anything but a sample or a reason is a defect."""
    assert isinstance(decode(data, RECIPE), Sample | Rejected)


if __name__ == "__main__":
    from hostile import seeds

    corpus = Path(sys.argv.pop() if len(sys.argv) > 1 and not sys.argv[-1].startswith("-") else "fuzz-corpus")
    corpus.mkdir(exist_ok=True)
    for name, data in seeds().items():
        (corpus / name).write_bytes(data)
    atheris.Setup([*sys.argv, str(corpus)], one_input)
    atheris.Fuzz()
