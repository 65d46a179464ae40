"""The images that several tables share, in one order, with one label and the groups of all tables.

From `Predictions` of the models that `compare` sets side by side to one `Scores` a table.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from colles.core.errors import TableError
from colles.evaluation.estimates import smaller_class
from colles.evaluation.predictions import Predictions, to_scores
from colles.evaluation.robustness import clean_rows
from colles.evaluation.scores import IntArray, Scores, group_codes


def shared_scores(tables: Mapping[str, Predictions], subset: str) -> tuple[dict[str, Scores], list[str]]:
    """Return each table's scores of the images that all tables have in `subset`, in the same order, and warnings.

    Images that any table holds in one group are one group. Raise `TableError` where the tables share no image,
    contradict each other's labels, or lack a class.
    """
    parts = {name: _labelled(name, table, subset) for name, table in tables.items()}
    first, *others = parts.values()
    ids = first.select("image_id").drop_nulls()
    for other in others:
        ids = ids.join(other.select("image_id"), on="image_id", how="semi")
    if ids.is_empty():
        shown = ", ".join(f"{name}: {part['image_id'].min()!r}" for name, part in parts.items())
        raise TableError(
            f"no image of {subset} is in all tables ({shown})",
            field="image_id",
            repair="Spell the id of an image alike in all tables; compare models on the same split",
        )
    left_out = _left_out(parts, ids.height, subset)
    ids = ids.sort("image_id")
    rows = {name: ids.join(part, on="image_id", how="left", maintain_order="left") for name, part in parts.items()}
    groups, warnings = _groups(rows)
    scores = {name: to_scores(part.drop("group_id", strict=False)) for name, part in rows.items()}
    scores = {name: Scores(own.y_true, own.y_score, groups) for name, own in scores.items()}
    _refuse_unlike(scores, ids, tables)
    return scores, [*left_out, *warnings]


def _left_out(parts: Mapping[str, pl.DataFrame], shared: int, subset: str) -> list[str]:
    return [
        f"{name}: {part.height - shared:,} of {part.height:,} labelled images of {subset} are left out, since not "
        "every table has them"
        for name, part in parts.items()
        if part.height > shared
    ]


def _labelled(name: str, table: Predictions, subset: str) -> pl.DataFrame:
    rows = clean_rows(table.subset(subset).frame)
    if "image_id" not in rows.columns:
        raise TableError(
            "lacks the column 'image_id', by which images are paired", path=table.path or name, repair="Add it"
        )
    return rows.filter(pl.col("y_true").is_not_null())


def _groups(rows: Mapping[str, pl.DataFrame]) -> tuple[IntArray | None, list[str]]:
    """Return the joined groups (N,) of the tables that name any, None where each image is its own, and warnings."""
    named = {name: group_codes(part["group_id"]) for name, part in rows.items() if "group_id" in part.columns}
    # In an order of their own, so that the order of the tables decides nothing.
    known = sorted((codes for codes in named.values() if codes is not None), key=lambda codes: codes.tobytes())
    if not known:
        return None, []
    joined = known[0]
    for codes in known[1:]:
        joined = _join(joined, codes)
    unlike = [name for name, codes in named.items() if codes is None or codes.max() > joined.max()]
    if not unlike:
        return joined, []
    return joined, [
        f"the tables group the images differently ({', '.join(unlike)} more finely than all together): images that any "
        "table holds in one group are taken as one group"
    ]


def _join(one: IntArray, other: IntArray) -> IntArray:
    """Return the finest group codes (N,) that hold together whatever either does."""
    size = int(one.max()) + 1
    nodes = size + int(other.max()) + 1
    met = coo_array((np.ones(len(one), dtype=np.int8), (one, size + other)), shape=(nodes, nodes))
    _, parts = connected_components(met, directed=False)
    return np.unique(parts[one], return_inverse=True)[1].astype(np.int64)


def _refuse_unlike(scores: Mapping[str, Scores], ids: pl.DataFrame, tables: Mapping[str, Predictions]) -> None:
    first = next(iter(scores.values()))
    for name, other in scores.items():
        unlike = np.flatnonzero(first.y_true != other.y_true)
        if len(unlike):
            image = ids["image_id"][int(unlike[0])]
            raise TableError(
                f"{len(unlike)} images have another label than in the first table, first {image!r}",
                path=tables[name].path or name,
                field="y_true",
                repair="Give both tables the same labels",
            )
    if smaller_class(first) < 2:
        units = "images" if first.groups is None else "groups"
        raise TableError(
            f"a comparison needs at least two {units} of each class; the tables share {first.n:,} images, of which "
            f"{first.n_positive:,} are fractured",
            field="y_true",
            repair="Compare on more images; models of different runs on the same split (split.keep)",
        )
