"""Check once more, from the tables alone, that no unit stands on two sides of a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from colles.core.identity import KEYS, with_keys
from colles.datasets.naming import trust_names
from colles.reporting.artefacts import Artefacts


@dataclass(frozen=True)
class UnitCheck:
    """How many units of one kind there are, and how many stand in several subsets."""

    unit: str
    units: int
    leaking: int


_CATALOG_KEYS = (
    ("patients", KEYS["patient_id"]),
    ("studies", KEYS["study_id"]),
    ("base names", KEYS["base_name"]),
    ("distinct files", "sha256"),
    ("distinct pictures", "pixel_sha256"),
)


def check_units(run: Artefacts) -> list[UnitCheck]:
    """Count units (split groups, audit clusters, patients, …) that stand in more than one subset.

    A kind of which the tables know nothing is left out. Patients, studies and base names count within their scope.
    """
    if run.split is None or not {"image_id", "subset"} <= set(run.split.columns):
        return []
    sides = run.split.select("image_id", "subset")
    checks = [_check("groups of the split", run.split, "group_id")] if "group_id" in run.split.columns else []
    if run.clusters is not None and "copy_id" in run.clusters.columns:
        checks.append(_check("sets of copies", sides.join(run.clusters, on="image_id"), "copy_id"))
    if run.catalog is not None:
        catalog = run.catalog.drop("subset", strict=False)
        catalog = trust_names(catalog) if {"group_id", "base_name"} <= set(catalog.columns) else catalog
        joined = sides.join(with_keys(catalog), on="image_id")
        checks += [_check(unit, joined, column) for unit, column in _CATALOG_KEYS if column in joined.columns]
    return [check for check in checks if check.units]


def patients_unknown(checks: Sequence[UnitCheck]) -> str:
    """Return what a certificate without patients cannot tell; nothing where they were counted."""
    counted = any(check.unit == "patients" for check in checks)
    return "" if counted else " Patients are not known, so the images of one may still stand in several."


def _check(unit: str, rows: pl.DataFrame, column: str) -> UnitCheck:
    known = rows.filter(pl.col(column).is_not_null())
    sides = known.group_by(column).agg(pl.col("subset").n_unique())
    return UnitCheck(unit, sides.height, sides.filter(pl.col("subset") > 1).height)
