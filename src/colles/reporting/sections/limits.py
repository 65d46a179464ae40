"""What the figures do not show; every line follows from the run's own files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Bullets
from colles.reporting.division import origin
from colles.reporting.formats import capital, count, plural
from colles.reporting.sections.base import Section


class Limits(Section):
    """Limits in sentences."""

    name = "limits"
    title = "Limits"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        return [Bullets(limit_sentences(run))]


def limit_sentences(run: Artefacts) -> tuple[str, ...]:
    """Return the limits that follow from the run's files, and those of every run."""
    return (*_data(run), *_evaluation(run), *_ALWAYS)


_ALWAYS = (
    "Labels are those of the data sets; how often they are wrong is not known, and no second modality checked them.",
    "One image is judged at a time. A reader sees several views, the history and earlier studies.",
    "No reader took part, so nothing is said about whether a reader with this software does better than one without.",
    "Research software, not a medical device: it has not been cleared for diagnosis.",
)


def _data(run: Artefacts) -> Iterator[str]:
    if run.simulated:
        yield (
            "The radiographs are simulated (phantoms): the figures show that the software works and say nothing about "
            "patients."
        )
    if run.catalog is None:
        return
    rows = run.catalog.filter(pl.col("status") == "ok")
    for column, words in (
        ("patient_id", "patients"),
        ("hardware", "hardware (plates, casts)"),
        ("sex", "sex"),
    ):
        lacking = rows.height if column not in rows.columns else rows[column].null_count()
        if rows.height and lacking == rows.height:
            yield f"The sources do not state {words}, so nothing here is broken down by it."
    unknown = rows.filter(pl.col("label").is_null()).height
    if unknown:
        yield f"{plural(unknown, 'readable image')} without a known label took no part."


def _evaluation(run: Artefacts) -> Iterator[str]:
    subset = run.reported
    if subset is None:
        return
    content = run.subsets[subset]
    n, positives = int(content.get("n") or 0), int(content.get("n_positive") or 0)
    if subset != "external" and "external" not in run.subsets:
        yield capital(f"{origin(run, subset)}; another hospital's may be harder.")
    if subset == "val":
        yield "There is no test set: thresholds were chosen on the very images that the figures judge."
    if n:
        yield (
            f"PPV, NPV, accuracy and F1 hold where {100 * positives / n:.1f} % of images are fractured, "
            f"as in this set ({count(positives)} of {count(n)})."
        )
    warned = [
        g for g in (run.evaluation or {}).get("subgroups") or () if g.get("subset") == subset and g.get("warning")
    ]
    if warned:
        yield f"{plural(len(warned), 'subgroup')} with too few images of a class cannot be judged."
