"""What the rows of a catalog hold, whoever made the table: an id of their own, a status, a label of 1, 0 or none."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from colles.core.errors import TableError


def assert_sound(frame: pl.DataFrame, path: str | Path) -> None:
    """Raise `TableError` naming the first column that holds what no catalog does; `frame` is as it was read."""
    for column in ("image_id", "status"):
        empty = frame[column].null_count()
        if empty:
            text = f"is empty on {empty} row{'s' if empty > 1 else ''}"
            raise TableError(text, path=path, field=column, repair="Fill it in or take the rows out")
    if frame["image_id"].n_unique() < frame.height:
        twice = frame["image_id"].filter(frame["image_id"].is_duplicated())[0]
        raise TableError(f"{twice!r} stands on several rows", path=path, field="image_id", repair="Keep one of them")
    labels = frame["label"].cast(pl.Float64, strict=False)
    odd = frame["label"].filter((~labels.is_in([0.0, 1.0])).fill_null(frame["label"].is_not_null()))
    if len(odd):
        text = f"{len(odd)} of {frame.height} rows hold neither 1, 0 nor nothing ({odd[0]})"
        raise TableError(text, path=path, field="label", repair="Leave the cell empty where the label is unknown")
