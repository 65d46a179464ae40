"""How often a bundle is right when it says so, in a sentence a decision, for whoever reads an answer."""

from __future__ import annotations

from dataclasses import dataclass

from colles.core.records import Estimate
from colles.reporting.formats import count, estimate, per_hundred, percent_level, plural, point_name, subset_name
from colles.serving.decision import Decision
from colles.serving.http.about import About, Measured

WORDS: dict[Decision, str] = {
    "fracture": "Fracture suspected",
    "no_fracture": "No fracture seen",
    "uncertain": "Uncertain: look yourself",
}


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
            criterion=f"{about.operating_points[name].criterion}, chosen on "
            f"{subset_name(about.operating_points[name].chosen_on)}",
            sensitivity=estimate(_dump(found.get(name, {}).get("sensitivity"))),
            specificity=estimate(_dump(found.get(name, {}).get("specificity"))),
        )
        for name in dict.fromkeys(about.decides_by)
    ]


def worth(about: About) -> dict[Decision, str]:
    """Return a sentence a decision: how often it was right on the data that measured it."""
    found = about.measured
    if found is None:
        return dict.fromkeys(WORDS, "How often it is right is not known.")
    low, high = (found.operating_points.get(name, {}) for name in about.decides_by)
    where = f"Of 100 {subset_name(found.subset)} images"
    prevalence = found.figures.get("prevalence")
    # A predictive value holds for the share of fractures that it was measured at, so that share stands beside it.
    share = None if prevalence is None else per_hundred({"value": prevalence.value})
    among = "" if share is None else f" Of all of them {share} in 100 had one: among other patients it will differ."
    return {
        "fracture": _sentence(high.get("ppv"), f"{where} that it called so, {{}} had a fracture.{among}"),
        "no_fracture": _sentence(low.get("npv"), f"{where} that it called so, {{}} had no fracture.{among}"),
        "uncertain": _sentence(found.figures.get("uncertain_share"), f"{where}, {{}} were left undecided as well."),
    }


def _sentence(figure: Estimate | None, told: str) -> str:
    hundredths = per_hundred(_dump(figure))
    return "How often it is right is not known." if hundredths is None else told.format(hundredths)


def _dump(figure: Estimate | None) -> dict[str, object] | None:
    return None if figure is None else figure.model_dump()
