"""How the training went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Details, Figures, Missing, Table, Text, long_table
from colles.reporting.figures.learning import learning_curves
from colles.reporting.formats import count, number, plural, share
from colles.reporting.sections.base import Section


class Training(Section):
    """Curves, classes seen, files that failed."""

    name = "training"
    title = "Training"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        if run.metrics is None and run.classes is None:
            return [Missing("No log of a training.", "colles train RECIPE --out RUN")]
        return [Text(_settings(run)), *_curves(run), *_classes(run), *_bad_files(run)]


def _settings(run: Artefacts) -> str:
    recipe = run.recipe or {}
    model, train = recipe.get("model") or {}, recipe.get("train") or {}
    if not model:
        return "The run holds no recipe, so the settings are not known."
    words = [f"{model.get('name')}, started from {model.get('weights')} weights"]
    words += [
        f"{key.replace('_', ' ')} {train[key]}"
        for key in ("optimizer", "lr", "batch_size", "sampler", "loss")
        if key in train
    ]
    best = f", best epoch by validation {train['monitor']}" if "monitor" in train else ""
    return ", ".join(words) + best + "."


_CAPTION = (
    "Loss and AUROC by epoch; the network is judged on validation images alone. The training loss counts all that is "
    "learnt, places and weights too, the validation loss the labels alone: compare their courses, not their heights."
)


def _curves(run: Artefacts) -> Iterator[Block]:
    if run.metrics is None or run.metrics.is_empty():
        yield Missing("No epoch was logged.", "colles train RECIPE --out RUN")
        return
    drawing = learning_curves(run.metrics)
    if drawing is not None:
        yield Figures(((drawing, _CAPTION),), wide=True)
    metrics = _from_one(run.metrics)
    columns = [name for name in metrics.columns if metrics.schema[name].is_numeric() or name == "stage"]
    rows = tuple(tuple(_cell(value) for value in row) for row in metrics.select(columns).iter_rows())
    yield Details(f"Every epoch ({len(rows)})", (Table(tuple(columns), rows),))


def _from_one(frame: pl.DataFrame) -> pl.DataFrame:
    """Number epochs from 1, as the curves do; the log counts from 0."""
    return frame.with_columns(pl.col("epoch") + 1) if "epoch" in frame.columns else frame


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 0.001 and value else number(value, 4)
    return "–" if value is None else str(value)


def _classes(run: Artefacts) -> Sequence[Block]:
    frame = run.classes
    if frame is None or not {"epoch", "positives", "negatives"} <= set(frame.columns):
        return []
    rows = tuple(
        (str(epoch), count(positives), count(negatives), share(positives, positives + negatives))
        for epoch, positives, negatives in _from_one(frame).select("epoch", "positives", "negatives").iter_rows()
    )
    table = Table(("Epoch", "Fractured", "Not fractured", "Share fractured"), rows, "Examples drawn in each epoch.")
    return long_table(table, f"Classes seen in each epoch ({len(rows)})", 6)


def _bad_files(run: Artefacts) -> Sequence[Block]:
    frame = run.bad_files
    if frame is None:
        return [Missing("No list of broken files.", "colles train RECIPE --out RUN")]
    if frame.is_empty():
        return [Text("Every file that training asked for could be read.")]
    shown = frame.select([name for name in frame.columns if name != "path"] or frame.columns).head(200)
    rows = tuple(
        tuple("–" if v is None else str(v) for v in row) for row in shown.with_columns(pl.all().cast(pl.String)).rows()
    )
    table = Table(
        tuple(shown.columns), rows, "Files that failed; none counted as an example.", frozenset(range(shown.width))
    )
    return [Details(f"{plural(frame.height, 'file')} could not be read", (table,))]
