"""What a run can answer: a name that the checklists use → a sentence from the run's files, or None."""

from __future__ import annotations

from collections.abc import Callable

from colles.reporting.artefacts import Artefacts
from colles.reporting.checklists import topics_data as data
from colles.reporting.checklists import topics_model as model
from colles.reporting.checklists import topics_results as results
from colles.reporting.sections.limits import limit_sentences

Topic = Callable[[Artefacts], str | None]


def limits(run: Artefacts) -> str | None:
    """Give the limits as the report states them."""
    return " ".join(limit_sentences(run))


_FUNCTIONS: tuple[Topic, ...] = (
    data.sources, data.eligibility, data.flow, data.sizes, data.selection, data.missing, data.quality,
    data.acquisition, data.reference, data.partitions, data.disjoint, data.characteristics, data.hardware,
    model.kind, model.goal, model.design, model.intended_use, model.preprocessing, model.augmentation,
    model.architecture, model.initialisation, model.software, model.training, model.chosen_model, model.ensemble,
    model.imbalance, model.thresholds, model.predictors, model.availability, model.repeat, model.blind_test,
    model.poor_input, model.auditable, results.summary, results.measures, results.uncertainty, results.accuracy,
    results.performance, results.crosstab, results.subgroups, results.heterogeneity, results.robustness,
    results.explainability, results.internal, results.external, results.failures, results.updating,
    results.uncertain, results.prevalence, results.severity, results.adverse, limits,
)  # fmt: skip
TOPICS: dict[str, Topic] = {function.__name__: function for function in _FUNCTIONS}
