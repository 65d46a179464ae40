"""How often a bundle is right when it says so, in a sentence a decision, for whoever reads an answer."""

from __future__ import annotations

from dataclasses import dataclass

from colles.core.records import Estimate, OperatingPoint
from colles.reporting.formats import (
    SUBSET_NAMES,
    count,
    estimate,
    per_hundred,
    percent_level,
    plural,
    point_name,
    subset_name,
)
from colles.serving.decision import Decision
from colles.serving.http.about import About, Measured

WORDS: dict[Decision, str] = {
    "fracture": "Fracture suspected",
    "no_fracture": "No fracture seen",
    "uncertain": "Uncertain: look yourself",
}
_UNKNOWN = "How often it is right is not known."


@dataclass(frozen=True, slots=True)
class Row:
    """An operating point that decides, and its figures, formatted."""

    name: str
    title: str
    criterion: str
    sensitivity: str
    specificity: str


def measured_on(found: Measured) -> str:
    """Name the data of figures: `test: 641 images, 111 with a fracture, 63 independent groups`."""
    parts = [plural(found.n, "image")] if found.n is not None else []
    parts += [f"{count(found.n_positive)} with a fracture"] if found.n_positive is not None else []
    parts += [plural(found.n_groups, "independent group")] if found.n_groups is not None else []
    return f"{subset_name(found.subset)}: {', '.join(parts)}"


def intervals(found: Measured | None) -> str:
    """Say what stands in brackets behind figures."""
    first = next(iter(found.figures.values()), None) if found else None
    return f"In brackets: {percent_level(_dump(first))} intervals."


def rows(about: About, measured: Measured | None) -> list[Row]:
    """Return sensitivity and specificity of the points that decide, rule-out first; one where one alone decides."""
    found = measured.operating_points if measured else {}
    return [
        Row(
            name=name,
            title=point_name(name),
            criterion=_criterion(about.operating_points[name]),
            sensitivity=estimate(_dump(found.get(name, {}).get("sensitivity"))),
            specificity=estimate(_dump(found.get(name, {}).get("specificity"))),
        )
        for name in dict.fromkeys(about.decides_by)
    ]


def _criterion(point: OperatingPoint) -> str:
    missed = "" if point.reached else " (not reached)"
    return f"{point.criterion}{missed}, chosen on {subset_name(point.chosen_on)}"


def worth(about: About) -> dict[Decision, str]:
    """Return a sentence a decision: how often it was right on the data that measured it."""
    found = about.measured
    if found is None:
        return dict.fromkeys(WORDS, _UNKNOWN)
    low, high = (found.operating_points.get(name, {}) for name in about.decides_by)
    images = f"{SUBSET_NAMES[found.subset]} images" if found.subset in SUBSET_NAMES else f"images ({found.subset})"
    called, among = f"Of 100 {images} that it called so, {{}} had", _among(found, images)
    undecided = _sentence(found.figures.get("uncertain_share"), f"Of 100 {images}, {{}} were left undecided as well.")
    return {
        "fracture": _sentence(high.get("ppv"), f"{called} a fracture.{among}") or _UNKNOWN,
        "no_fracture": _sentence(low.get("npv"), f"{called} no fracture.{among}") or _UNKNOWN,
        "uncertain": undecided or "How many it leaves undecided is not known.",
    }


def _among(found: Measured, images: str) -> str:
    # A predictive value holds for the share of fractures that it was measured at, so that share stands beside it.
    if not found.n or found.n_positive is None:
        return ""
    share = per_hundred({"value": found.n_positive / found.n})
    return f" Of all {images}, {share} in 100 had one: among other patients both will differ."


def _sentence(figure: Estimate | None, told: str) -> str | None:
    hundredths = per_hundred(_dump(figure))
    return None if hundredths is None else told.format(hundredths)


def _dump(figure: Estimate | None) -> dict[str, object] | None:
    return None if figure is None else figure.model_dump()
