"""Measure the gate: refusals by kind of stranger, and false refusals on the radiographs of a run's test subset.

    python benchmarks/refusals.py BUNDLE --run RUN [--each 40] [--most 1000]

Prints a table and writes benchmarks/refusals.json: shares with Wilson's 95 % interval, of all test images and of each
source. `RUN` is a folder of `colles run` (its catalog and split are read).
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
from colles.evaluation.metrics.intervals import wilson
from colles.serving.bundle import load_bundle
from colles.serving.prediction import Prediction

sys.path.insert(0, str(Path(__file__).parent))
from strangers import KINDS

RESULT = Path(__file__).with_suffix(".json")


def tell(answers: list[Prediction]) -> dict[str, object]:
    """Count refusals, and by what they were refused."""
    reasons = Counter(str(answer.reason).split(":")[0] for answer in answers if answer.status == "refused")
    refused, count = sum(reasons.values()), len(answers)
    low, high = wilson(refused / count, count)
    shares = {"share": round(refused / count, 4), "low": round(low, 4), "high": round(high, 4)}
    return {"images": count, "refused": refused, **shares, "by": dict(reasons)}


def by_source(names: list[str], answers: list[Prediction]) -> dict[str, dict[str, object]]:
    """Count the refusals of radiographs, all and by their source (what their image_id begins with)."""
    found = {"radiographs of test": tell(answers)}
    for source in sorted({name.split("/")[0] for name in names}):
        part = [each for name, each in zip(names, answers, strict=True) if name.split("/")[0] == source]
        found[f"radiographs of test, {source}"] = tell(part)
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--each", type=int, default=40, help="Strangers of each kind.")
    parser.add_argument("--most", type=int, default=1000, help="Test images at most, drawn by seed.")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    split, catalog = Split.load(options.run / "split.csv"), Catalog.load(options.run / "catalog.parquet")
    paths = dict(catalog.frame.select("image_id", "path").iter_rows())
    test = list(split.subset("test"))
    drawn = [test[n] for n in np.sort(np.random.default_rng(0).permutation(len(test))[: options.most])]
    found = by_source(drawn, bundle.predict_batch([paths[name] for name in drawn]))
    for kind, draw in KINDS.items():
        found[kind] = tell(bundle.predict_batch([draw(np.random.default_rng(seed)) for seed in range(options.each)]))
    gate = bundle.metadata.gate
    result = {
        "bundle": bundle.name,
        "gate": None if gate is None else gate.model_dump(),
        "kinds": found,
        "versions": package_versions(),
    }
    write_json(RESULT, result)
    for kind, told in found.items():
        print(f"{kind:<40}{told['refused']:>5} of {told['images']:<5}{told['by']}")


if __name__ == "__main__":
    main()
