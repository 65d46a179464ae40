"""Check once more, from the tables alone, that no unit stands on two sides of a split."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from colles.reporting.artefacts import Artefacts


@dataclass(frozen=True)
class UnitCheck:
    """How many units of one kind there are, and how many stand in several subsets."""

    unit: str
    units: int
    leaking: int


_CATALOG_KEYS = (
    ("patients", "patient_id", True),
    ("studies", "study_id", True),
    ("base names", "base_name", True),
    ("distinct files", "sha256", False),
    ("distinct pictures", "pixel_sha256", False),
)


def check_units(run: Artefacts) -> list[UnitCheck]:
    """Count units (split groups, audit clusters, patients, …) that stand in more than one subset.

    A kind of which the tables know nothing is left out. Patients, studies and base names count within their source.
    """
    if run.split is None or not {"image_id", "subset"} <= set(run.split.columns):
        return []
    sides = run.split.select("image_id", "subset")
    checks = [_check("groups of the split", run.split, "group_id")] if "group_id" in run.split.columns else []
    if run.clusters is not None and "copy_id" in run.clusters.columns:
        checks.append(_check("sets of copies", sides.join(run.clusters, on="image_id"), "copy_id"))
    if run.catalog is not None:
        joined = sides.join(run.catalog.drop("subset", strict=False), on="image_id")
        checks += [
            _check(unit, joined, column, within=("source",) if scoped else ())
            for unit, column, scoped in _CATALOG_KEYS
            if column in joined.columns
        ]
    return [check for check in checks if check.units]


def _check(unit: str, rows: pl.DataFrame, column: str, within: tuple[str, ...] = ()) -> UnitCheck:
    known = rows.filter(pl.col(column).is_not_null())
    sides = known.group_by([*within, column]).agg(pl.col("subset").n_unique())
    return UnitCheck(unit, sides.height, sides.filter(pl.col("subset") > 1).height)
