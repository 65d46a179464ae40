"""The practicum's seven weeks as calls that a notebook can show: data found, stages run quietly, results as tables.

Everything here calls other rooms; `notebooks/final_clean_pipeline.ipynb` calls this and draws what comes back.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from colles.core.files import remove
from colles.core.recipe import EvaluateRecipe, Recipe
from colles.core.recipe_text import recipe_from
from colles.core.records import Estimate
from colles.datasets.audit.audit import Audit
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split, split_digest
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.evaluation.results import Evaluation
from colles.flow.gallery import choose_gallery, gallery_items, write_sheets
from colles.flow.run import prepare_data
from colles.flow.sources import DATA_VARIABLE
from colles.flow.workspace import Workspace
from colles.serving.known import default_bundle

FIGURES = ("auroc", "average_precision", "brier", "ece")
RATES = ("sensitivity", "specificity", "ppv", "npv", "f1", "accuracy")
_SETS = ("FracAtlas", "bonefractureyolo")
_PHANTOMS: dict[str, Any] = {
    "name": "notebook",
    "data": {"phantom": {"images": 160, "size": 128, "seed": 0}},
    "split": {"val": 0.25, "test": 0.25},
    "preprocess": {"size": 96, "mean": [0.5] * 3, "std": [0.5] * 3},
    "model": {"name": "efficientnet_lite0", "location": "off"},
    "train": {"head_epochs": 1, "epochs": 2, "batch_size": 16, "optimizer": "adamw", "lr": 1e-3,
              "scheduler": "onecycle", "allocator": False, "threads": 1},
    "evaluate": {"replicates": 500},
    "explain": {"methods": ["gradcam", "input_gradient"], "per_outcome": 2, "worst": 1},
}  # fmt: skip
"""Small enough for a few minutes on two cores; its scores mean nothing but that the software works."""


@dataclass(frozen=True)
class Practicum:
    """One walk through the weeks: where its files lie and on which data it goes."""

    recipe: Recipe
    recipe_folder: Path
    space: Workspace
    real: bool

    @property
    def catalog(self) -> Catalog:
        """One row a radiograph."""
        return Catalog.load(self.space.catalog)

    @property
    def audit(self) -> Audit:
        """What is wrong with the data."""
        return Audit.load(self.space.audit)

    @property
    def split(self) -> Split:
        """Who stands where."""
        return Split.load(self.space.split)

    @property
    def found(self) -> str:
        """Say which data were found and what that means."""
        if self.real:
            return f"Real radiographs: {' and '.join(_SETS)}, under {DATA_VARIABLE}."
        phantom = self.recipe.data.phantom
        assert phantom is not None
        return (
            f"Simulated radiographs ({phantom.images} files of {phantom.size} px): the software is shown at work, and "
            f"no score says anything about patients. For the real sets name their folder in {DATA_VARIABLE}."
        )


def open_practicum(work: str | Path = "out/notebook", *, real: bool | None = None) -> Practicum:
    """Choose the data: the real sets where COLLES_DATA holds both and `real` is not False, else phantoms."""
    root = Path(os.environ.get(DATA_VARIABLE) or "nowhere")
    there = all((root / name).is_dir() for name in _SETS)
    if not there or real is False:
        return Practicum(recipe_from(_PHANTOMS), Path(), Workspace(Path(work) / "phantom"), real=False)
    kinds = {"FracAtlas": "fracatlas", "bonefractureyolo": "yolo"}
    sources = [{"kind": kinds[name], "name": name.lower(), "path": name} for name in _SETS]
    recipe = recipe_from({**_PHANTOMS, "data": {"sources": sources}, "split": {"val": 0.15, "test": 0.2}})
    return Practicum(recipe, Path(), Workspace(Path(work) / "real"), real=True)


def prepare(practicum: Practicum, *, rebuild: bool = False) -> Path:
    """Run catalog, audit, split and the merged folders, or skip what is current; return the folder of the merge."""
    from colles.datasets.organize import organize

    with quiet():
        if rebuild:
            remove(practicum.space.out)
        prepare_data(practicum.recipe, practicum.space.out, recipe_folder=practicum.recipe_folder)
        manifest = practicum.space.organized / "manifest.csv"
        if not manifest.is_file():
            organize(practicum.catalog, practicum.split, practicum.space.organized, rebuild=True)
    return practicum.space.organized


def train_model(practicum: Practicum, name: str, *overrides: str, again: bool = False) -> Path:
    """Train a network under a name, or take the training that is there; return its run folder."""
    out = practicum.space.out / "runs" / name
    with quiet():
        from colles.learning.training import train

        if again:
            remove(out)
        if not (out / "provenance.json").is_file():
            recipe = recipe_from(practicum.recipe.model_dump(mode="json"), overrides)
            train(practicum.catalog, practicum.split, recipe, out, resume=out.exists())
    return out


def with_split(practicum: Practicum, frame: pl.DataFrame, name: str) -> Practicum:
    """Return the same data under another division (image_id, group_id, subset), however careless it is."""
    return _variant(practicum, practicum.catalog, frame, name)


def with_test_copies(practicum: Practicum, name: str) -> Practicum:
    """Return the same data with every test image in train as well, as copies made before a split would be."""
    catalog, split = practicum.catalog, practicum.split.frame
    copies = split.filter(pl.col("subset") == "test").with_columns(
        original=pl.col("image_id"), image_id=pl.col("image_id") + " (copy)", subset=pl.lit("train")
    )
    rows = catalog.frame.join(copies.select("original", copy="image_id"), left_on="image_id", right_on="original")
    rows = rows.with_columns(image_id="copy").drop("copy")
    both = pl.concat([catalog.frame, rows.select(catalog.frame.columns)])
    return _variant(practicum, Catalog(both), pl.concat([split, copies.select(split.columns)]), name)


def _variant(practicum: Practicum, catalog: Catalog, frame: pl.DataFrame, name: str) -> Practicum:
    space = Workspace(practicum.space.out / "variants" / name)
    ordered = frame.sort("image_id")
    summary = {"catalog_digest": catalog.digest, "split_digest": split_digest(ordered), "excluded": []}
    catalog.save(space.catalog)
    Split(ordered, summary).save(space.split)
    return replace(practicum, space=space)


def judge(practicum: Practicum, runs: Mapping[str, Path]) -> dict[str, Evaluation]:
    """Evaluate the predictions of runs anew, from their tables alone."""
    frame = practicum.catalog.frame
    return {
        name: evaluate(Predictions.load(run / "predictions.parquet"), practicum.recipe.evaluate, catalog_frame=frame)
        for name, run in runs.items()
    }


def shipped() -> dict[str, Evaluation]:
    """Evaluate the default bundle's published scores of val and test; raise `MissingInputError` without a checkout."""
    name = default_bundle()
    table = Path(__file__).parents[3] / "models" / "predictions" / f"{name}.parquet"
    return {name: evaluate(Predictions.load(table), EvaluateRecipe(replicates=500))}


def explain(practicum: Practicum, run: Path, threshold: float) -> list[Path]:
    """Draw heat maps of some hits, misses and false alarms of a run; return a sheet an outcome."""
    recipe, out = practicum.recipe.explain, practicum.space.out / "maps" / run.name
    chosen = choose_gallery(Predictions.load(run / "predictions.parquet").frame, threshold, recipe)
    with quiet():
        from colles.flow.explain import open_maps
        from colles.flow.explain_images import explain_images

        remove(out)
        entries = explain_images(open_maps(run, recipe.methods), gallery_items(practicum.catalog, chosen), out)
    return write_sheets(entries, out)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep progress off the page: what a stage says depends on the machine's speed, its results do not."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def images_table(practicum: Practicum) -> pl.DataFrame:
    """Count images by source, subset and label."""
    rows = practicum.split.frame.join(practicum.catalog.frame.select("image_id", "source", "label"), on="image_id")
    counts = rows.group_by("source", "subset").agg(
        images=pl.len(), fractured=(pl.col("label") == 1).sum(), groups=pl.col("group_id").n_unique()
    )
    order = pl.Enum(["train", "val", "test", "external"])
    return counts.sort("source", pl.col("subset").cast(order))


def issues_table(practicum: Practicum) -> pl.DataFrame:
    """Count what the audit found by kind."""
    rows = [(issue.kind, issue.severity, len(issue.images)) for issue in practicum.audit.issues]
    table = pl.DataFrame(rows, schema=["kind", "severity", "images"], orient="row")
    return table.group_by("kind", "severity").agg(issues=pl.len(), images=pl.col("images").sum()).sort("kind")


def excluded_table(practicum: Practicum) -> pl.DataFrame:
    """Count the images left out of the split by reason."""
    reasons = [item["reason"] for item in practicum.split.summary["excluded"]]
    return pl.DataFrame({"reason": reasons}).group_by("reason").len("images").sort("reason")


def models_table(evaluations: Mapping[str, Evaluation], subset: str = "test") -> pl.DataFrame:
    """Set the figures of several models side by side, each with its interval."""
    rows = []
    for name, evaluation in evaluations.items():
        part = evaluation.subsets[subset]
        point = part.operating_points["f1"].figures
        rows.append({"model": name, **_texts(part.figures, FIGURES), **_texts(point, RATES)})
    return pl.DataFrame(rows)


def points_table(evaluation: Evaluation, subset: str = "test") -> pl.DataFrame:
    """List the operating points: threshold, where it was chosen, and what it gives on `subset`."""
    rows = []
    for name, point in evaluation.operating_points.items():
        figures = evaluation.subsets[subset].operating_points[name].figures
        head = {"point": name, "chosen on": point.chosen_on, "criterion": point.criterion, "threshold": point.threshold}
        rows.append({**head, **_texts(figures, ("sensitivity", "specificity", "ppv", "npv"))})
    return pl.DataFrame(rows)


def _texts(figures: Mapping[str, Estimate], names: tuple[str, ...]) -> dict[str, str]:
    return {name: str(figures[name]) for name in names if name in figures}
