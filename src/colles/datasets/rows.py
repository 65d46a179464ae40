"""Rows of a catalog as records, made when they are asked for: a million take no more memory than their places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import polars as pl
from numpy.typing import NDArray

from colles.core.records import Radiograph

PART = 10_000  # rows that are taken out of a table at a time


class CatalogRows(Sequence[Radiograph]):
    """Rows of a table in an order of their own; columns that no record has are passed over."""

    def __init__(self, frame: pl.DataFrame, places: NDArray[np.uint32] | None = None) -> None:
        """`places` (n,) are rows of `frame`; None takes all of them as they stand."""
        self.frame = frame.select(name for name in frame.columns if name in Radiograph.model_fields)
        self.places = np.arange(frame.height, dtype=np.uint32) if places is None else places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Radiograph: ...
    @overload
    def __getitem__(self, index: slice) -> CatalogRows: ...
    def __getitem__(self, index: int | slice) -> Radiograph | CatalogRows:
        if isinstance(index, slice):
            return CatalogRows(self.frame, self.places[index])
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return _record(self.frame.row(int(self.places[index]), named=True))

    def __iter__(self) -> Iterator[Radiograph]:
        for part in self.parts():
            yield from map(_record, part.iter_rows(named=True))

    def parts(self, *columns: str | pl.Expr) -> Iterator[pl.DataFrame]:
        """Yield all rows as tables of some thousands, with these columns or all."""
        wanted = self.frame.select(*columns) if columns else self.frame
        for start in range(0, len(self), PART):
            yield wanted[self.places[start : start + PART]]

    def take(self, places: Sequence[int] | NDArray[np.integer[Any]]) -> CatalogRows:
        """Return the rows at these places, in this order."""
        return CatalogRows(self.frame, self.places[np.asarray(places, np.int64)])

    def with_boxes(self) -> list[int]:
        """Return where the rows that have boxes are."""
        known = (self.frame["boxes"].list.len().fill_null(0) > 0).to_numpy()
        return [int(place) for place in np.flatnonzero(known[self.places])]


def _record(row: dict[str, Any]) -> Radiograph:
    return Radiograph(**{**row, "boxes": row.get("boxes") or ()})
