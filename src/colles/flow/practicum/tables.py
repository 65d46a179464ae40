"""What the notebooks show as tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from colles.core.records import Estimate
from colles.evaluation.results import Evaluation
from colles.flow.practicum.walk import Practicum

FIGURES = ("auroc", "average_precision", "brier", "ece")
RATES = ("sensitivity", "specificity", "ppv", "npv", "f1", "accuracy")


def images_table(practicum: Practicum) -> pl.DataFrame:
    """Count images by source, subset and label."""
    rows = practicum.split.frame.join(practicum.catalog.frame.select("image_id", "source", "label"), on="image_id")
    counts = rows.group_by("source", "subset").agg(
        images=pl.len(), fractured=(pl.col("label") == 1).sum(), groups=pl.col("group_id").n_unique()
    )
    order = pl.Enum(["train", "val", "test", "external"])
    return counts.sort("source", pl.col("subset").cast(order))


def issues_table(practicum: Practicum) -> pl.DataFrame:
    """Count what the audit found by kind."""
    rows = [(issue.kind, issue.severity, len(issue.images)) for issue in practicum.audit.issues]
    table = pl.DataFrame(rows, schema=["kind", "severity", "images"], orient="row")
    return table.group_by("kind", "severity").agg(issues=pl.len(), images=pl.col("images").sum()).sort("kind")


def excluded_table(practicum: Practicum) -> pl.DataFrame:
    """Count the images left out of the split by reason."""
    reasons = [item["reason"] for item in practicum.split.summary["excluded"]]
    return pl.DataFrame({"reason": reasons}).group_by("reason").len("images").sort("reason")


def models_table(evaluations: Mapping[str, Evaluation], subset: str = "test") -> pl.DataFrame:
    """Set the figures of several models side by side, each with its interval."""
    rows = []
    for name, evaluation in evaluations.items():
        part = evaluation.subsets[subset]
        point = part.operating_points["f1"].figures
        head = {"model": name, "images": part.n, "fractured": part.n_positive}
        rows.append({**head, **_texts(part.figures, FIGURES), **_texts(point, RATES)})
    return pl.DataFrame(rows)


def points_table(evaluation: Evaluation, subset: str = "test") -> pl.DataFrame:
    """List the operating points: threshold, where it was chosen, and what it gives on `subset`."""
    rows = []
    for name, point in evaluation.operating_points.items():
        figures = evaluation.subsets[subset].operating_points[name].figures
        head = {"point": name, "chosen on": point.chosen_on, "criterion": point.criterion, "threshold": point.threshold}
        rows.append({**head, **_texts(figures, ("sensitivity", "specificity", "ppv", "npv"))})
    return pl.DataFrame(rows)


def trials_table(folder: Path) -> pl.DataFrame:
    """List the trials of a search by sensitivity on val, the best first."""
    from colles.learning.sweep.logs import SweepLogs

    rows = [
        {
            "trial": str(entry.config_id),
            "sensitivity": entry.best_sensitivity,
            "F1": entry.best_f1_score,
            "AUROC": entry.best_auroc,
            **{name: str(value) for name, value in entry.params.items()},
        }
        for entry in SweepLogs.read(folder).ranked("by_sensitivity")
    ]
    return pl.DataFrame(rows)


def _texts(figures: Mapping[str, Estimate], names: tuple[str, ...]) -> dict[str, str]:
    return {name: str(figures[name]) for name in names if name in figures}
