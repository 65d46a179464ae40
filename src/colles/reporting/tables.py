"""The report's tables as data frames, written to results/ as CSV and shown in the sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from colles.reporting.artefacts import Artefacts, conditions
from colles.reporting.failures import failures_table

_ESTIMATE: dict[str, Any] = {
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "level": pl.Float64,
    "method": pl.String,
    "n": pl.Int64,
    "n_groups": pl.Int64,
}
_CELLS: dict[str, Any] = {"tp": pl.Int64, "fp": pl.Int64, "fn": pl.Int64, "tn": pl.Int64}
FIGURES_SCHEMA: dict[str, Any] = {"subset": pl.String, "figure": pl.String, **_ESTIMATE}
POINTS_SCHEMA: dict[str, Any] = {
    "subset": pl.String,
    "operating_point": pl.String,
    "threshold": pl.Float64,
    **_CELLS,
    "figure": pl.String,
    **_ESTIMATE,
}
SUBGROUPS_SCHEMA: dict[str, Any] = {
    "subset": pl.String,
    "column": pl.String,
    "value_of_column": pl.String,
    "n_images": pl.Int64,
    "n_positive": pl.Int64,
    "operating_point": pl.String,
    "figure": pl.String,
    **_ESTIMATE,
    "warning": pl.String,
}
COUNTS_SCHEMA: dict[str, Any] = {"source": pl.String, "subset": pl.String, "label": pl.String, "images": pl.Int64}
LABEL_NAMES = {1: "fracture", 0: "no fracture", None: "unknown"}
LEFT_OUT = "left out"


def result_tables(run: Artefacts) -> dict[str, pl.DataFrame]:
    """Return the tables that the run's files allow, by the stem of their file."""
    tables = {}
    if run.evaluation is not None:
        tables["figures"] = figures_table(run)
        tables["operating_points"] = points_table(run)
        tables["subgroups"] = subgroups_table(run)
        tables |= worth_tables(run)
    failures = failures_table(run)
    if failures is not None and failures.height:
        tables["failures"] = failures
    if run.explanation_scores is not None:
        tables["explanation_scores"] = scores_table(run.explanation_scores)
    if run.catalog is not None:
        tables["counts"] = counts_table(run.catalog, run.split)
    return tables


def figures_table(run: Artefacts) -> pl.DataFrame:
    """Return every figure of every subset with its interval."""
    rows = [
        {"subset": subset, "figure": figure, **_flat(estimate)}
        for subset, content in run.subsets.items()
        for figure, estimate in (content.get("figures") or {}).items()
    ]
    return pl.DataFrame(rows, schema=FIGURES_SCHEMA)


def points_table(run: Artefacts) -> pl.DataFrame:
    """Return the figures at every operating point, with the confusion matrix that they come from."""
    rows = []
    for subset in run.subsets:
        for name, point in run.points(subset).items():
            head = {"subset": subset, "operating_point": name, "threshold": point.get("threshold")}
            cells = {key: (point.get("confusion") or {}).get(key) for key in _CELLS}
            rows += [{**head, **cells, "figure": f, **_flat(e)} for f, e in (point.get("figures") or {}).items()]
    return pl.DataFrame(rows, schema=POINTS_SCHEMA)


def subgroups_table(run: Artefacts) -> pl.DataFrame:
    """Return the figures of every subgroup, those at operating points too."""
    rows = []
    for group in (run.evaluation or {}).get("subgroups") or ():
        head = {
            "subset": group.get("subset"),
            "column": group.get("column"),
            "value_of_column": str(group.get("value")),
            "n_images": group.get("n"),
            "n_positive": group.get("n_positive"),
            "warning": group.get("warning"),
        }
        for point, figure, estimate in figures_of(group):
            rows.append({**head, "operating_point": point, "figure": figure, **_flat(estimate)})
    return pl.DataFrame(rows, schema=SUBGROUPS_SCHEMA)


def figures_of(group: Mapping[str, Any]) -> Iterator[tuple[str | None, str, Mapping[str, Any]]]:
    """Yield (operating point or None, figure, estimate) of one subgroup or condition."""
    for figure, estimate in (group.get("figures") or {}).items():
        yield None, figure, estimate
    for point, content in (group.get("operating_points") or {}).items():
        for figure, estimate in (content.get("figures") or {}).items():
            yield point, figure, estimate


def counts_table(catalog: pl.DataFrame, split: pl.DataFrame | None) -> pl.DataFrame:
    """Count readable images by source, subset and label; images in no subset are `left out`.

    `catalog` needs source, label and status; `split` image_id and subset.
    """
    readable = catalog.filter(pl.col("status") == "ok")
    joined = with_subset(readable, split)
    counted = joined.group_by("source", "subset", "label").len().sort("source", "subset", "label", nulls_last=True)
    rows = [(source, subset, LABEL_NAMES[label], n) for source, subset, label, n in counted.iter_rows()]
    return pl.DataFrame(rows, schema=COUNTS_SCHEMA, orient="row")


def count_boxed(catalog: pl.DataFrame) -> int:
    """Count the images that have boxes."""
    if "boxes" not in catalog.columns or not catalog.schema["boxes"].is_nested():
        return 0
    return int(catalog.select((pl.col("boxes").list.len().fill_null(0) > 0).sum()).item())


def with_subset(catalog: pl.DataFrame, split: pl.DataFrame | None) -> pl.DataFrame:
    """Add the column `subset` to catalog rows (`left out` where the split does not name the image)."""
    frame = catalog.drop("subset", strict=False)
    if split is None or not {"image_id", "subset"} <= set(split.columns):
        return frame.with_columns(subset=pl.lit("no split"))
    named = split.select(pl.col("image_id").cast(pl.String), pl.col("subset").cast(pl.String)).unique("image_id")
    return frame.join(named, on="image_id", how="left").with_columns(pl.col("subset").fill_null(LEFT_OUT))


def worth_tables(run: Artefacts) -> dict[str, pl.DataFrame]:
    """Return decision curves, predictive values and robustness, each where the evaluation has it."""
    found = {
        "net_benefit": list(_net_benefit(run)),
        "predictive_values": list(_predictive(run)),
        "robustness": list(_robustness(run)),
    }
    return {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in found.items() if rows}


def scores_table(scores: Mapping[str, Any]) -> pl.DataFrame:
    """Return a row a method and figure of explain/scores.json."""
    rows = [
        {"method": name, "role": method.get("role"), "figure": figure, **_flat(estimate)}
        for name, method in (scores.get("methods") or {}).items()
        for figure, estimate in (method.get("figures") or {}).items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _net_benefit(run: Artefacts) -> Iterator[dict[str, Any]]:
    for subset, content in run.subsets.items():
        curve = (content.get("curves") or {}).get("net_benefit") or {}
        for index, threshold in enumerate(curve.get("threshold") or ()):
            columns = {name: values[index] for name, values in curve.items() if name != "threshold"}
            yield {"subset": subset, "threshold": threshold, **columns}


def _predictive(run: Artefacts) -> Iterator[dict[str, Any]]:
    for subset in run.subsets:
        for point, content in run.points(subset).items():
            for row in content.get("at_prevalence") or ():
                for figure in ("ppv", "npv"):
                    head = {"subset": subset, "operating_point": point, "prevalence": row.get("prevalence")}
                    yield {**head, "figure": figure, **_flat(row.get(figure) or {})}


def _robustness(run: Artefacts) -> Iterator[dict[str, Any]]:
    for condition in conditions(run):
        head = {"subset": condition.get("subset"), "condition": condition.get("value")}
        for point, figure, estimate in figures_of(condition):
            yield {**head, "operating_point": point, "figure": figure, **_flat(estimate)}


def _flat(estimate: Mapping[str, Any]) -> dict[str, Any]:
    return {key: estimate.get(key) for key in _ESTIMATE}
