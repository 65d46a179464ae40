"""Say in plain words what the figures mean, for a reader who treats patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from colles.core.records import Estimate, doubt
from colles.reporting.artefacts import Artefacts
from colles.reporting.formats import count, hundredths, per_hundred, percent_level, plural, subset_name

FEW = 10
"""Fewer images of a class than this and a figure says next to nothing (the practicum's val set held 3)."""
_PURPOSE = {
    "f1": "At the balanced point (best F1)",
    "youden": "At Youden's point",
    "rule_out": "At the rule-out point, meant to miss little",
    "rule_in": "At the rule-in point, meant to accuse little",
}


def summary_sentences(run: Artefacts) -> list[str]:
    """Return the summary of the reported subset and of further ones, a sentence or two an item; empty without any."""
    subset = run.reported
    if subset is None:
        return []
    content = run.subsets[subset]
    return [*_basis(subset, content), *_ranking(content), *_points(content), *_meaning(content), *_elsewhere(run)]


def few_warning(content: Mapping[str, Any], subset: str) -> str | None:
    """Return a warning where a class has too few images for any figure to mean much."""
    positives = int(content.get("n_positive") or 0)
    negatives = int(content.get("n") or 0) - positives
    fewest, noun = (positives, "fracture") if positives <= negatives else (negatives, "image without a fracture")
    if fewest >= FEW:
        return None
    plural_noun = "fractures" if noun == "fracture" else "images without a fracture"
    held = plural(fewest, noun, plural_noun)
    return (
        f"The {subset_name(subset)} set holds only {held}. However good its figures look, they say next to "
        "nothing: read the intervals, not the values."
    )


def subgroup_auroc(
    run: Artefacts, column: str, values: tuple[str, ...] | None = None
) -> Iterator[tuple[str, Any, Any]]:
    """Yield (value, subgroup, AUROC estimate) of the reported subset's subgroups by `column`."""
    for group in (run.evaluation or {}).get("subgroups") or ():
        if group.get("subset") != run.reported or group.get("column") != column:
            continue
        value = str(group.get("value"))
        if values is None or value.lower() in values:
            yield value, group, (group.get("figures") or {}).get("auroc")


def _basis(subset: str, content: Mapping[str, Any]) -> Iterator[str]:
    n, positives = int(content.get("n") or 0), int(content.get("n_positive") or 0)
    groups = content.get("n_groups")
    of = f" of {plural(groups, 'independent group')}" if groups else ""
    yield (
        f"Judged on the {subset_name(subset)} set: {plural(n, 'radiograph')}{of}, {count(positives)} with a fracture "
        f"and {count(n - positives)} without."
    )


def _ranking(content: Mapping[str, Any]) -> Iterator[str]:
    auroc = (content.get("figures") or {}).get("auroc")
    pairs = per_hundred(auroc)
    if pairs is not None:
        yield (
            "Shown one radiograph with a fracture and one without, it gives the fractured one the higher score in "
            f"{pairs} of 100 such pairs (in brackets, here and below, the {percent_level(auroc)} interval)."
        )
        doubtful = doubt(Estimate.model_validate(auroc))
        if doubtful:
            yield doubtful


def _points(content: Mapping[str, Any]) -> Iterator[str]:
    for name in ("f1", "rule_out", "rule_in", "youden"):
        point = (content.get("operating_points") or {}).get(name)
        if name == "youden" and "f1" in (content.get("operating_points") or {}):
            continue
        if point is not None:
            yield from _point(_PURPOSE[name], point.get("figures") or {})


def _point(purpose: str, figures: Mapping[str, Any]) -> Iterator[str]:
    found = per_hundred(figures.get("sensitivity"))
    accused = per_hundred(figures.get("specificity"), complement=True)
    parts = []
    if found is not None:
        parts.append(f"of 100 fractures it finds {found}")
    if accused is not None:
        parts.append(f"of 100 radiographs without a fracture it wrongly calls {accused} fractured")
    if parts:
        yield f"{purpose}: {'; '.join(parts)}."


def _meaning(content: Mapping[str, Any]) -> Iterator[str]:
    point = (content.get("operating_points") or {}).get("f1")
    n, positives = content.get("n"), content.get("n_positive")
    right = per_hundred((point or {}).get("figures", {}).get("ppv"))
    if right is not None and n and positives and positives < n:
        yield (
            f"When it says “fracture” at the balanced point, it is right {right} times of 100, as long as "
            f"{hundredths(positives / n)} of 100 radiographs show one, as here. Where fractures are rarer it is "
            "right less often; the slider below works it out."
        )


def _elsewhere(run: Artefacts) -> Iterator[str]:
    """Yield the same of every further subset: a good figure of one set says little of another."""
    for name in run.others:
        content = run.subsets[name]
        auroc = (content.get("figures") or {}).get("auroc")
        where = f"On the {subset_name(name)} set"
        held = (
            f"({plural(int(content.get('n') or 0), 'radiograph')}, {count(content.get('n_positive'))} with a fracture)"
        )
        pairs = per_hundred(auroc)
        ranked = (
            "nothing is ranked" if pairs is None else f"the fractured one scores higher in {pairs} of 100 such pairs"
        )
        yield f"{where} {held}, {ranked}."
        doubtful = None if auroc is None else doubt(Estimate.model_validate(auroc))
        if doubtful:
            yield f"{where}: {doubtful[0].lower()}{doubtful[1:]}"
        yield from (f"{where}, {text[0].lower()}{text[1:]}" for text in _points(content))
