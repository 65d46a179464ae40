"""The images of a split, by image_id: what a training asks of each is held as numbers, all else stays in its table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from colles.core.records import SUBSETS
from colles.datasets.catalog import Catalog
from colles.datasets.naming import trust_names
from colles.datasets.rows import PART, CatalogRows
from colles.datasets.split import Split

Places = NDArray[np.uint32]
_NONE = -1


class Listing:
    """Labels, subsets, sources and radiographs of N images as arrays (N,); the tables are only looked up in."""

    def __init__(self, catalog: Catalog, split: Split) -> None:
        sides, places = _both(split.frame["image_id"], catalog.frame["image_id"])
        subset = _codes(split.frame["subset"], SUBSETS)[sides]
        known = subset != _NONE
        self._split, self._sides, self._subset = split.frame, sides[known], subset[known]
        self.rows = CatalogRows(catalog.frame, places[known])
        places = self.rows.places
        self.labels = catalog.frame["label"].gather(places).to_numpy().astype(np.int64)
        """1 fracture, 0 none."""
        self.sources, self.source = _present(catalog.frame["source"], places)
        """Index of each image's source."""
        self.parts, self.part = _present(catalog.frame["body_part"], places)
        """Index of each image's body part, −1 where it is not known."""
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
        rows: pl.DataFrame = self._split[self._sides[images]]
        return rows.with_columns(label=label)


def _both(split: pl.Series, catalog: pl.Series) -> tuple[Places, Places]:
    # Rows of either table that name one image, by image_id. Part by part: to join two tables of a million rows as
    # they are takes 200 MB.
    one, other = split.arg_sort(), catalog.arg_sort()
    parts, start = [], 0
    for first in range(0, len(one), PART):
        sides = one.slice(first, PART)
        wanted = pl.DataFrame({"image_id": split.gather(sides), "side": sides})
        stop = bisect_right(other, wanted["image_id"][-1], lo=start, key=lambda place: catalog[place])
        places = other.slice(start, stop - start)
        known = pl.DataFrame({"image_id": catalog.gather(places), "place": places})
        parts.append(wanted.join(known, on="image_id", how="inner", maintain_order="left").select("side", "place"))
        start = stop
    both = pl.concat(parts) if parts else pl.DataFrame(schema={"side": pl.UInt32, "place": pl.UInt32})
    return both["side"].to_numpy(), both["place"].to_numpy()


def _number(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else _NONE


def _codes(values: pl.Series, names: Sequence[str]) -> NDArray[np.int16]:
    return values.replace_strict(list(names), range(len(names)), default=_NONE, return_dtype=pl.Int16).to_numpy()


def _present(values: pl.Series, places: Places) -> tuple[list[str], NDArray[np.int16]]:
    """Return the names that rows at `places` have, in their order, and the index of each row's; −1 for none."""
    names = sorted(values.drop_nulls().unique().to_list())
    codes = _codes(values, names)[places]
    present = np.unique(codes[codes != _NONE])
    index = np.where(codes == _NONE, _NONE, np.searchsorted(present, codes)).astype(np.int16)
    return [names[code] for code in present.tolist()], index


def _radiographs(frame: pl.DataFrame, places: NDArray[np.uint32]) -> NDArray[np.int64]:
    names = trust_names(frame.select("image_id", "group_id", "base_name"))["base_name"]
    if names.null_count() == len(names):
        return np.arange(len(places))  # every image is a radiograph of its own
    own = pl.concat_str("source", names.fill_null(frame["image_id"]), separator=":")
    return frame.select(own.gather(places).rank("dense")).to_series().to_numpy().astype(np.int64)
