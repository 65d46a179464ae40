"""The same images under noise, blur, compression, rotation: does the model hold?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colles.reporting.artefacts import Artefacts, conditions
from colles.reporting.blocks import Block, Figures, Missing, Table, Text, long_table
from colles.reporting.figures.forest import ForestRow, forest_plot
from colles.reporting.formats import count, estimate, per_hundred, plural, point_name, subset_name
from colles.reporting.sections.base import Section

_POINTS = ("f1", "rule_out", "rule_in")
Condition = Mapping[str, Any]


class Robustness(Section):
    """Forest plot and table of the conditions."""

    name = "robustness"
    title = "Robustness"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        found = conditions(run)
        if run.evaluation is None:
            return [Missing("No evaluation.", "colles evaluate PREDICTIONS --out DIR")]
        if not found:
            what = "No predictions under noise, blur or rotation (a column named condition)."
            return [Missing(what, "colles run RECIPE --out DIR --set robustness.enabled=true")]
        where, unchanged = subset_name(str(run.reported)), _unchanged(found)
        drawing = forest_plot(_rows(found), unchanged.get("value"), "robustness")
        caption = f"AUROC of the {where} images, changed" + ("; dashed: unchanged." if unchanged else ".")
        caption += " Hollow: too few to trust." if any(condition.get("warning") for condition in found) else ""
        images = f"The {where} images"
        if unchanged:
            images = f"{plural(unchanged['n'], 'image')} of {where}, AUROC {estimate(unchanged)},"
        text = (
            f"{images} were changed before the model saw them. A decision that turns over under a change that a reader "
            "hardly sees is not to be relied on."
        )
        table = _table(found)
        folded = long_table(table, f"Every condition ({len(table.rows)})", 24)
        return [Text(text), *_worst(found), Figures(((drawing, caption),), wide=True), *folded]


def _unchanged(found: Sequence[Condition]) -> Mapping[str, Any]:
    """Return the AUROC of the same images unchanged; nothing where the conditions are not all of the same images."""
    known = [(condition.get("figures") or {}).get("auroc_unchanged") or {} for condition in found]
    return known[0] if all(one == known[0] for one in known) else {}


def _kind(condition: Condition) -> str:
    return str(condition.get("kind") or str(condition.get("value")).rstrip("0123456789 _-")).replace("_", " ")


def _strength(condition: Condition) -> str:
    value = str(condition.get("value")).replace("_", " ")
    return value.removeprefix(_kind(condition)).strip() or value


def _rows(found: Sequence[Condition]) -> list[ForestRow]:
    rows: list[ForestRow] = []
    kind = None
    for condition in found:
        if _kind(condition) != kind:
            kind = _kind(condition)
            rows.append(ForestRow(kind))
        auroc = (condition.get("figures") or {}).get("auroc") or {}
        label = _strength(condition)
        label = f"strength {label}" if label.isdigit() else label
        warned = bool(condition.get("warning"))
        bounds = (auroc.get("value"), auroc.get("low"), auroc.get("high"))
        rows.append(ForestRow(label, *bounds, estimate(auroc, 2), warned))
    return rows


def _worst(found: Sequence[Condition]) -> list[Block]:
    known = [c for c in found if ((c.get("figures") or {}).get("auroc") or {}).get("value") is not None]
    if not known:
        return []
    worst = min(known, key=lambda c: float(c["figures"]["auroc"]["value"]))
    flips = ((worst.get("operating_points") or {}).get("f1") or {}).get("figures", {}).get("flips")
    turned = f"; of 100 decisions at the balanced point {per_hundred(flips)} turn over" if flips else ""
    change = worst["figures"].get("auroc_change")
    changed = f", a change of {estimate(change)}" if change else ""
    value = str(worst.get("value")).replace("_", " ")
    return [Text(f"The AUROC is lowest under {value}: {estimate(worst['figures']['auroc'])}{changed}{turned}.")]


def _table(found: Sequence[Condition]) -> Table:
    names = [name for name in _POINTS if any(name in (c.get("operating_points") or {}) for c in found)]
    rows = []
    for condition in found:
        figures, points = condition.get("figures") or {}, condition.get("operating_points") or {}
        flips = [((points.get(name) or {}).get("figures") or {}).get("flips") for name in names]
        change = estimate(figures.get("auroc_change"))
        value = str(condition.get("value")).replace("_", " ")
        turned = (per_hundred(share) or "–" for share in flips)
        rows.append((value, count(condition.get("n")), estimate(figures.get("auroc")), change, *turned))
    heads = (f"Of 100 decisions turned, {point_name(name)}" for name in names)
    columns = ("Condition", "Images", "AUROC", "Change", *heads)
    return Table(columns, tuple(rows), "AUROC and decisions under each condition, with intervals.")
