"""A comparison as the tables of a paper: a row a model, a row a pair, in plain cells and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Rows = list[list[str]]
Found = Mapping[str, Any]
_POINTS = {"rule_out": "rule-out", "rule_in": "rule-in", "f1": "best F1", "youden": "Youden", "cost": "cost"}


def model_table(found: Found) -> tuple[list[str], Rows]:
    """Return header and rows: AUROC, average precision, and both rates at the two thresholds that decide."""
    shown = [name for name in ("rule_out", "rule_in") if all(name in m["operating_points"] for m in found["models"])]
    header = ["Model", "AUROC", "Average precision"]
    header += [f"{figure} at {_POINTS[name]}" for name in shown for figure in ("Sensitivity", "Specificity")]
    rows = []
    for model in found["models"]:
        figures = [model["figures"][name] for name in ("auroc", "average_precision")]
        for name in shown:
            at = model["operating_points"][name]["figures"]
            figures += [at["sensitivity"], at["specificity"]]
        rows.append([model["name"], *(estimate(figure) for figure in figures)])
    return header, rows


def pair_table(found: Found) -> tuple[list[str], Rows]:
    """Return header and rows: the difference of AUROC by each method, beside the p of that method."""
    header = ["Pair", "Difference of AUROC", "p (DeLong)", "p (Holm)", "By bootstrap", "p (bootstrap)"]
    rows = []
    for pair in found["pairs"]:
        delong = [estimate(pair["difference_delong"], sign="+"), p_value(pair["p_delong"]), p_value(pair["p_holm"])]
        bootstrap = [estimate(pair["difference"], sign="+"), p_value(pair["p_bootstrap"])]
        rows.append([_pair(pair), *delong, *bootstrap])
    return header, rows


def decision_table(found: Found, points: Sequence[str] | None = None) -> tuple[list[str], Rows]:
    """Return header and rows: who is right where the other is not, by pair, operating point (all by default), class."""
    header = ["Pair", "At", "Figure", "Difference", "Only first right", "Only second right", "p", "p (Holm)"]
    rows = []
    for pair in found["pairs"]:
        chosen = {name: figures for name, figures in pair["mcnemar"].items() if points is None or name in points}
        for point, figures in chosen.items():
            for figure, test in figures.items():
                raw = test["p"] if test["p_groups"] is None else test["p_groups"]
                cells = [str(test["only_first"]), str(test["only_second"]), p_value(raw), p_value(test["p_holm"])]
                rows.append(
                    [_pair(pair), _POINTS.get(point, point), figure, estimate(test["difference"], sign="+"), *cells]
                )
    return header, rows


def _pair(pair: Found) -> str:
    return f"{pair['first']} − {pair['second']}"


def estimate(figure: Found, sign: str = "") -> str:
    """Format an Estimate with three digits; `sign` "+" shows that of a difference."""
    value, low, high = figure["value"], figure["low"], figure["high"]
    if value is None:
        return "undefined"
    if low is None or high is None:
        return f"{value:{sign}z.3f}".replace("-", "−")
    between = " to " if sign else "–"
    return f"{value:{sign}z.3f} ({low:{sign}z.3f}{between}{high:{sign}z.3f})".replace("-", "−")


def p_value(p: float | None) -> str:
    """Format a p as a journal does: two digits from 0.01, three below; none below 0.05 is rounded up to it."""
    if p is None:
        return "undefined"
    if p < 0.001:
        return "<0.001"
    if 0.0495 <= p < 0.05:
        return "<0.05"
    return f"{p:.3f}" if p < 0.01 or 0.045 <= p < 0.05 else f"{p:.2f}"


def caption(found: Found) -> str:
    """Say what was compared and how."""
    groups = "" if found["n_groups"] == found["n"] else f" in {found['n_groups']:,} groups"
    units = "images" if not groups else "groups"
    text = (
        f"{found['n']:,} images of {found['subset']}{groups}, {found['n_positive']:,} fractured, shared by all tables. "
        f"{100 * found['level']:g} % intervals; {units} are the units of every interval and test."
    )
    test = found["all_equal"]
    if test is not None:
        text += f" All models equal: χ² {test['chi2']:.2f}, {test['df']} df, p {p_value(test['p'])}."
    return " ".join([text, *(f"Warning: {warning}." for warning in found["warnings"])])


def markdown(found: Found) -> str:
    """Return the whole comparison as Markdown."""
    parts = [caption(found), *(_table(*table) for table in (model_table(found), pair_table(found)))]
    header, rows = decision_table(found)
    notes = (
        "Thresholds of each model are those that its own val chose. p of decisions: McNemar's exact test, or its form "
        "for groups; Holm's correction over the pairs."
    )
    return "\n\n".join([*parts, *([_table(header, rows), notes] if rows else [])]) + "\n"


def _table(header: Sequence[str], rows: Rows) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
