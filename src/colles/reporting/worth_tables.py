"""Tables of what the calls are worth, of robustness and of the heat maps' scores, for results/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from colles.reporting.artefacts import Artefacts, conditions

_KEYS = ("value", "low", "high", "level", "method", "n", "n_groups")


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
        for figure, estimate in (condition.get("figures") or {}).items():
            yield {**head, "operating_point": None, "figure": figure, **_flat(estimate)}
        for point, content in (condition.get("operating_points") or {}).items():
            for figure, estimate in (content.get("figures") or {}).items():
                yield {**head, "operating_point": point, "figure": figure, **_flat(estimate)}


def _flat(estimate: Mapping[str, Any]) -> dict[str, Any]:
    return {key: estimate.get(key) for key in _KEYS}
