"""What common ways of dividing images would leak: images of val and test whose radiograph is in train as well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import polars as pl

from colles.datasets.naming import joined_copies

_SEEDS = 20
_SHARES = (("train", 0.70), ("val", 0.15), ("test", 0.15))


def leaking_practices(
    frame: pl.DataFrame, copies: Iterable[Iterable[str]], sides: Mapping[str, str | None], across: str
) -> list[dict[str, Any]]:
    """Count, for each source and practice, the images of val and test that share a radiograph with train.

    A radiograph: copies that the audit found, or one base name. The practices: a random split of the images (mean of
    20 seeds), ranges of the file names in order, both 70:15:15, and `sides`, the division that was looked at.
    """
    rows = frame.filter((pl.col("status") == "ok") & pl.col("label").is_not_null()).sort("image_id")
    unit = _radiographs(rows, copies)
    found = []
    for (source,), part in rows.group_by("source", maintain_order=True):
        ids = sorted(part["image_id"].to_list(), key=lambda image: (PurePosixPath(image).name, image))
        found.append({"source": source, "practice": "random split of images", **_random(ids, unit)})
        found.append({"source": source, "practice": "ranges of the file order", **_count(_ranges(ids), unit)})
        given = {image: side for image in ids if (side := sides.get(image)) is not None}
        if len(set(given.values())) > 1:
            found.append({"source": source, "practice": across, **_count(given, unit)})
    return found


def _radiographs(rows: pl.DataFrame, copies: Iterable[Iterable[str]]) -> dict[str, str]:
    joined = joined_copies(rows, copies)
    return {image: joined.find(image) for image in rows["image_id"].to_list()}


def _ranges(ids: list[str]) -> dict[str, str]:
    edges = np.cumsum([share for _, share in _SHARES]) * len(ids)
    places = np.minimum(np.searchsorted(edges, np.arange(len(ids)), side="right"), len(_SHARES) - 1)
    return {image: _SHARES[place][0] for image, place in zip(ids, places.tolist(), strict=True)}


def _random(ids: list[str], unit: Mapping[str, str]) -> dict[str, Any]:
    counts = []
    for seed in range(_SEEDS):
        order = np.random.default_rng(seed).permutation(len(ids))
        counts.append(_count(_ranges([ids[place] for place in order.tolist()]), unit))
    return {name: round(float(np.mean([count[name] for count in counts])), 1) for name in counts[0]}


def _count(sides: Mapping[str, str], unit: Mapping[str, str]) -> dict[str, float]:
    trained = {unit[image] for image, side in sides.items() if side == "train"}
    held = [image for image, side in sides.items() if side != "train"]
    leaked = [image for image in held if unit[image] in trained]
    sizes = Counter(sides.values())
    return {"train": sizes["train"], "held_out": len(held), "leaked": len(leaked)}
