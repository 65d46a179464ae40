"""Studies and patients instead of images: several pictures, one decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Heading, Missing, Table, Text
from colles.reporting.formats import count, estimate, figure_name, number, point_name, subset_name
from colles.reporting.sections.base import Section

_NAMES = {"noisy_or": "noisy-or", "max": "maximum", "mean": "mean"}
_FIGURES = ("auroc", "average_precision", "brier")
_AT_POINT = ("sensitivity", "specificity", "ppv", "npv")


class Levels(Section):
    """Figures by image beside those by study and by patient."""

    name = "levels"
    title = "Several images, one study"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        levels = {k: v for k, v in ((run.evaluation or {}).get("levels") or {}).items() if isinstance(v, Mapping)}
        if not levels or run.reported is None:
            return [
                Missing(
                    "Figures by study or patient need a column study_id or patient_id with several images each.",
                    "colles evaluate PREDICTIONS --catalog FILE --out DIR",
                )
            ]
        blocks: list[Block] = []
        for unit, level in levels.items():
            blocks += [Heading(f"By {unit}"), Text(_told(unit, level)), _table(run, unit, level)]
        return blocks


def _told(unit: str, level: Mapping[str, Any]) -> str:
    rule = str(level.get("aggregation"))
    tried = ", ".join(f"{_NAMES.get(k, k)} {estimate(v)}" for k, v in (level.get("candidates") or {}).items())
    where = subset_name(str(level.get("chosen_on")))
    images = number(level.get("images_per_unit"), 1)
    score = f"A {unit} has {images} images on average. Its score is the {_NAMES.get(rule, rule)} of theirs"
    if level.get("chosen_on") == "none":
        return f"{score}, which no set chose: none holds both classes by {unit}."
    return f"{score}, chosen on the {where} set by AUROC ({tried}); its thresholds were chosen there anew."


def _table(run: Artefacts, unit: str, level: Mapping[str, Any]) -> Table:
    subset = str(run.reported)
    images, units = run.subsets[subset], (level.get("subsets") or {}).get(subset) or {}
    rows = [("Fractured of all", *(f"{count(s.get('n_positive'))} of {count(s.get('n'))}" for s in (images, units)))]
    for figure in _FIGURES:
        rows.append((figure_name(figure), *(estimate((s.get("figures") or {}).get(figure)) for s in (images, units))))
    for name in units.get("operating_points") or {}:
        for figure in _AT_POINT:
            cells = (_at(part, name, figure) for part in (images, units))
            rows.append((f"{figure_name(figure)}, {point_name(name)}", *cells))
    return Table(("Figure", "By image", f"By {unit}"), tuple(rows), f"The {subset_name(subset)} set, with intervals.")


def _at(part: Mapping[str, Any], point: str, figure: str) -> str:
    found = (part.get("operating_points") or {}).get(point) or {}
    return estimate((found.get("figures") or {}).get(figure))
