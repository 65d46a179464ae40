"""The images of a split, by image_id: what a training asks of each is held as numbers, all else stays in its table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from colles.core.records import SUBSETS
from colles.datasets.catalog import Catalog
from colles.datasets.naming import trust_names
from colles.datasets.rows import CatalogRows
from colles.datasets.split import Split

_NONE = -1


class Listing:
    """Labels, subsets, sources and radiographs of N images as arrays (N,); the tables are only looked up in."""

    def __init__(self, catalog: Catalog, split: Split) -> None:
        sides = split.frame.with_row_index("side").filter(pl.col("subset").is_in(SUBSETS))
        known = catalog.frame.select("image_id").with_row_index("place")
        both = sides.select("image_id", "side").join(known, on="image_id", how="inner").sort("image_id")
        self._split, self._sides = split.frame, both["side"].to_numpy()
        self.rows = CatalogRows(catalog.frame, both["place"].to_numpy())
        del sides, known, both
        places = self.rows.places
        self.labels = catalog.frame["label"].gather(places).to_numpy().astype(np.int64)
        """1 fracture, 0 none."""
        self._subset = _codes(split.frame["subset"], SUBSETS)[self._sides]
        sources = catalog.frame["source"].gather(places)
        self.sources: list[str] = sorted(sources.unique().to_list())
        self.source = _codes(sources, self.sources)
        """Index of each image's source."""
        self.radiograph = _radiographs(catalog.frame, places)
        """Number of each image's radiograph, which its augmented copies share."""

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, subset: str) -> NDArray[np.int64]:
        """Return the images of a subset."""
        return np.flatnonzero(self._subset == _number(SUBSETS, subset))

    def table(self, images: NDArray[np.int64]) -> pl.DataFrame:
        """Return image_id, group_id, subset and label of some images."""
        label = self.rows.frame["label"].gather(self.rows.places[images])
        return self._split[self._sides[images]].with_columns(label=label)


def _number(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else _NONE


def _codes(values: pl.Series, names: Sequence[str]) -> NDArray[np.int16]:
    return values.replace_strict(list(names), range(len(names)), default=_NONE, return_dtype=pl.Int16).to_numpy()


def _radiographs(frame: pl.DataFrame, places: NDArray[np.uint32]) -> NDArray[np.int64]:
    names = trust_names(frame.select("image_id", "group_id", "base_name"))["base_name"]
    if names.null_count() == len(names):
        return np.arange(len(places))  # every image is a radiograph of its own
    own = pl.concat_str("source", names.fill_null(frame["image_id"]), separator=":")
    return frame.select(own.gather(places).rank("dense")).to_series().to_numpy().astype(np.int64)
