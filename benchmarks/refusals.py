"""Measure the gate: refusals by kind of stranger, and false refusals on the radiographs of a run's test subset.

    python benchmarks/refusals.py BUNDLE --run RUN [--each 40] [--most 400]

Prints a table and writes benchmarks/refusals.json. `RUN` is a folder of `colles run` (its catalog and split are read).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from colles.core.files import write_json
from colles.core.provenance import package_versions
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.serving.bundle import load_bundle
from colles.serving.prediction import Prediction

sys.path.insert(0, str(Path(__file__).parent))
from strangers import KINDS

RESULT = Path(__file__).with_suffix(".json")


def tell(answers: list[Prediction]) -> dict[str, object]:
    """Count refusals, and by what they were refused."""
    reasons = Counter(str(answer.reason).split(":")[0] for answer in answers if answer.status == "refused")
    refused = sum(reasons.values())
    return {"images": len(answers), "refused": refused, "share": round(refused / len(answers), 4), "by": dict(reasons)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--each", type=int, default=40, help="Strangers of each kind.")
    parser.add_argument("--most", type=int, default=400, help="Test images at most, drawn by seed.")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    split, catalog = Split.load(options.run / "split.csv"), Catalog.load(options.run / "catalog.parquet")
    paths = dict(catalog.frame.select("image_id", "path").iter_rows())
    test = [paths[name] for name in split.subset("test")]
    drawn = np.sort(np.random.default_rng(0).permutation(len(test))[: options.most])
    found = {"radiographs of test": tell(bundle.predict_batch([test[n] for n in drawn]))}
    for kind, draw in KINDS.items():
        found[kind] = tell(bundle.predict_batch([draw(np.random.default_rng(seed)) for seed in range(options.each)]))
    gate = bundle.metadata.gate
    result = {"gate": None if gate is None else gate.model_dump(), "kinds": found, "versions": package_versions()}
    write_json(RESULT, result)
    for kind, told in found.items():
        print(f"{kind:<24}{told['refused']:>5} of {told['images']:<5}{told['by']}")


if __name__ == "__main__":
    main()
