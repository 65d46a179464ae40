"""The summary in words with the key figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Alarm, Block, Bullets, KeyFigure, KeyFigures, Missing, Note
from colles.reporting.formats import count, number, percent_level, point_name, subset_name, threshold
from colles.reporting.sections.base import Section
from colles.reporting.summary import few_warning, subgroup_auroc, summary_sentences

_TRUE = ("true", "1", "yes", "upper_limb", "upper limb")


class Overview(Section):
    """Key figures, sentences, warnings."""

    name = "summary"
    title = "Summary"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        subset = run.reported
        if subset is None:
            return [Missing("No evaluation, so there are no figures.", "colles evaluate PREDICTIONS --out DIR")]
        warning = few_warning(run.subsets[subset], subset) or _too_few(run, subset)
        return [
            *([Alarm(warning)] if warning else []),
            KeyFigures(tuple(_aurocs(run, subset)), doubtful=warning is not None),
            *([KeyFigures(points, warning is not None)] if (points := tuple(_point_figures(run))) else []),
            Bullets(tuple(summary_sentences(run))),
            *(Note(f"{text}.", warning=True) for text in _warnings(run, subset, stated=warning is not None)),
        ]


def _too_few(run: Artefacts, subset: str) -> str | None:
    """Return the evaluation's own warning of too few cases (it counts patients, not images)."""
    said = (str(text) for text in (run.evaluation or {}).get("warnings") or ())
    found = next((text for text in said if text.startswith(f"{subset}: only")), None)
    return None if found is None else f"The {subset_name(subset)} set: {found.partition(': ')[2].rstrip('.')}."


def _warnings(run: Artefacts, subset: str, *, stated: bool) -> Iterator[str]:
    for text in (run.evaluation or {}).get("warnings") or ():
        if not (stated and str(text).startswith((f"{subset}: only", f"{subset}: no "))):
            yield str(text).rstrip(".")


def _aurocs(run: Artefacts, subset: str) -> Iterator[KeyFigure]:
    content = run.subsets[subset]
    overall = (content.get("figures") or {}).get("auroc")
    yield _key(f"AUROC, {subset_name(subset)}", overall, _size(content))
    for name in run.others:
        other = run.subsets[name]
        yield _key(f"AUROC, {subset_name(name)}", (other.get("figures") or {}).get("auroc"), _size(other))
    for value, group, figure in subgroup_auroc(run, "upper_limb", _TRUE):
        if figure is not None and value:
            yield _key("AUROC, upper limbs", figure, _size(group))
    sources = list(subgroup_auroc(run, "source"))
    for value, group, figure in sources if len(sources) > 1 else ():
        yield _key(f"AUROC, {value}", figure, _size(group))


def _point_figures(run: Artefacts) -> Iterator[KeyFigure]:
    for name, point in run.points().items():
        if name == "youden" and "f1" in run.points():
            continue
        for figure in ("sensitivity", "specificity"):
            label = f"{figure.capitalize()}, {point_name(name)}"
            chosen = ", chosen here: flatters" if point.get("chosen_here") else ""
            note = f"score ≥ {threshold(point.get('threshold'))}{chosen}"
            yield _key(label, (point.get("figures") or {}).get(figure), note)


def _key(label: str, figure: Mapping[str, Any] | None, note: str) -> KeyFigure:
    value, low, high = ((figure or {}).get(key) for key in ("value", "low", "high"))
    interval = "" if low is None or high is None else f"{percent_level(figure)} CI {low:.3f}–\u2060{high:.3f}"
    return KeyFigure(label, number(value), interval, note)


def _size(content: Mapping[str, Any]) -> str:
    return f"{count(content.get('n_positive'))} of {count(content.get('n'))} fractured"
