"""What a run can say of its results, in sentences for a checklist."""

from __future__ import annotations

from colles.reporting.artefacts import Artefacts, Json, conditions
from colles.reporting.checklists.topics_data import disjoint
from colles.reporting.division import origin
from colles.reporting.failures import failures_table
from colles.reporting.formats import (
    capital,
    count,
    estimate,
    figure_name,
    percent_level,
    plural,
    point_name,
    subset_name,
)
from colles.reporting.summary import subgroup_auroc, summary_sentences


def _content(run: Artefacts) -> Json:
    return run.subsets.get(run.reported or "", {})


def _figures(run: Artefacts) -> Json:
    return _content(run).get("figures") or {}


def summary(run: Artefacts) -> str | None:
    """Give the sentences of the summary."""
    return " ".join(summary_sentences(run)) or None


def measures(run: Artefacts) -> str | None:
    """Name the measures."""
    found = [*_figures(run), *((next(iter(run.points().values()), {})).get("figures") or {})]
    curves = [name.replace("_", " ") for name in _content(run).get("curves") or {}]
    if not found:
        return None
    return f"{', '.join(figure_name(name) for name in dict.fromkeys(found))}. Curves: {', '.join(curves)}."


def uncertainty(run: Artefacts) -> str | None:
    """Tell how intervals were made."""
    figures = _figures(run)
    if not figures:
        return None
    methods = sorted(
        {str(figure.get("method")).replace("_", " ") for figure in figures.values()} - {"None", "undefined"}
    )
    level = percent_level(next(iter(figures.values())))
    groups = _content(run).get("n_groups")
    counted = plural(int(groups or 0), "group")
    return f"Every figure has its {level} interval, counting {counted}, by: {', '.join(methods)}."


def accuracy(run: Artefacts) -> str | None:
    """Give discrimination, calibration and the rates at the locked thresholds."""
    figures = _figures(run)
    if not figures:
        return None
    told = [f"{figure_name(n)} {estimate(figures[n])}" for n in ("auroc", "average_precision", "brier") if n in figures]
    for name, point in run.points().items():
        rates = point.get("figures") or {}
        told.append(f"{point_name(name)}: sensitivity {estimate(rates.get('sensitivity'))}, "
                    f"specificity {estimate(rates.get('specificity'))}")  # fmt: skip
    return f"On the {subset_name(str(run.reported))} set: {'; '.join(told)}."


def performance(run: Artefacts) -> str | None:
    """Give the AUROC of every subset."""
    told = [
        f"{subset_name(name)} {estimate((content.get('figures') or {}).get('auroc'))}"
        for name, content in run.subsets.items()
    ]
    return f"AUROC: {', '.join(told)}. The other figures are under “Discrimination”." if told else None


def crosstab(run: Artefacts) -> str | None:
    """Give the confusion matrices."""
    cells = {name: point.get("confusion") or {} for name, point in run.points().items()}
    told = [
        f"{point_name(n)} {', '.join(f'{k.upper()} {count(v)}' for k, v in c.items())}" for n, c in cells.items() if c
    ]
    return f"{'; '.join(told)}." if told else None


def subgroups(run: Artefacts) -> str | None:
    """Tell by what the figures are broken down."""
    groups = [g for g in (run.evaluation or {}).get("subgroups") or () if g.get("subset") == run.reported]
    if not groups:
        return None
    columns = dict.fromkeys(str(group.get("column")).replace("_", " ") for group in groups)
    warned = sum(bool(group.get("warning")) for group in groups)
    return f"{plural(len(groups), 'subgroup')} by {', '.join(columns)}, {count(warned)} of them too small to judge."


def heterogeneity(run: Artefacts) -> str | None:
    """Give the AUROC by source."""
    told = [f"{value} {estimate(figure)}" for value, _, figure in subgroup_auroc(run, "source")]
    return f"AUROC by source: {', '.join(told)}. Intervals count groups." if len(told) > 1 else None


def robustness(run: Artefacts) -> str | None:
    """Name the conditions and the worst of them."""
    found = [c for c in conditions(run) if ((c.get("figures") or {}).get("auroc") or {}).get("value") is not None]
    if not found:
        return None
    worst = min(found, key=lambda c: float(c["figures"]["auroc"]["value"]))
    auroc = estimate(worst["figures"]["auroc"])
    return f"{plural(len(found), 'condition')}; the worst is {worst['value']}: AUROC {auroc}."


def explainability(run: Artefacts) -> str | None:
    """Name the methods of the heat maps and whether they were judged."""
    if not run.explanations and not run.explanation_scores:
        return None
    methods = (run.explanation_scores or {}).get("methods") or {}
    if methods:
        pointing = (
            f"{n.replace('_', ' ')} {estimate((m.get('figures') or {}).get('pointing'), 2)}" for n, m in methods.items()
        )
        return f"Heat maps judged against boxes and chance; peak in a box: {', '.join(pointing)}."
    names = dict.fromkeys(str(entry.get("method")).replace("_", " ") for entry in run.explanations or ())
    return f"Heat maps by {', '.join(names)}; not judged against boxes."


def internal(run: Artefacts) -> str | None:
    """Say whether the images judged come from the training sources, and were kept apart; give every AUROC."""
    subset = next((name for name in ("test", "val") if name in run.subsets), None)
    if subset is None:
        return None
    return " ".join(text for text in (capital(f"{origin(run, subset)}."), disjoint(run), performance(run)) if text)


def external(run: Artefacts) -> str | None:
    """Give the external figures where there are any."""
    content = run.subsets.get("external")
    if content is None:
        return None
    return (
        f"{plural(int(content.get('n') or 0), 'image')}: AUROC {estimate((content.get('figures') or {}).get('auroc'))}."
    )


def failures(run: Artefacts) -> str | None:
    """Count the errors at the balanced point."""
    frame = failures_table(run)
    if frame is None:
        return None
    missed = frame.filter(frame["outcome"] == "FN").height
    return (
        f"{plural(missed, 'fracture')} missed and {plural(frame.height - missed, 'false alarm')}, the worst with heat "
        "maps under “Failures”, all in results/failures.csv."
    )


def updating(run: Artefacts) -> str | None:
    """Tell of the recalibration."""
    fitted = (run.evaluation or {}).get("calibration")
    if run.evaluation is None:
        return None
    if not fitted:
        return "None: the scores are judged as they come."
    shift = f", shifted to a prevalence of {fitted['prevalence']}" if fitted.get("prevalence") is not None else ""
    raw, after = _figures(run).get("ece_uncalibrated"), _figures(run).get("ece")
    errors = f"calibration error {estimate(raw)}, then {estimate(after)}"
    where = subset_name(str(fitted.get("fitted_on") or "val"))
    return f"Recalibration by {fitted.get('method')} on {where}{shift}: {errors}."


def uncertain(run: Artefacts) -> str | None:
    """Tell of the images between rule-out and rule-in."""
    figures = _figures(run)
    if "uncertain_share" not in figures:
        return None
    return (
        f"Scores between rule-out and rule-in are called uncertain: {estimate(figures['uncertain_share'])} of the "
        f"images; error among the others {estimate(figures.get('certain_error'))}."
    )


def prevalence(run: Artefacts) -> str | None:
    """Give the share of fractures."""
    figure = _figures(run).get("prevalence")
    return (
        None if figure is None else f"{estimate(figure)} of the {subset_name(str(run.reported))} images are fractured."
    )


def severity(run: Artefacts) -> str | None:
    """Tell of the size of the boxes where the evaluation breaks it down."""
    told = [f"{value} {estimate(figure)}" for value, _, figure in subgroup_auroc(run, "lesion_area")]
    return f"Only the size of the boxes is known; AUROC by it: {', '.join(told)}." if told else None


def adverse(run: Artefacts) -> str | None:
    """Say that nobody was examined."""
    return None if run.catalog is None else "None: no patient was examined for this study."
