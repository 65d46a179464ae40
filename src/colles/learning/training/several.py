"""Several trainings as one: folds of a cross-validation, or seeds; their mean is the model.

The run folder holds a run folder a member, and on top what any run has: predictions, checkpoint, recipe, provenance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from pytorch_lightning.callbacks import Callback

from colles.core.files import refuse_existing, sha256_json, write_json
from colles.core.progress import say
from colles.core.provenance import collect_provenance
from colles.core.recipe import Recipe
from colles.core.recipe_text import load_recipe, save_recipe
from colles.core.tables import read_table, write_table
from colles.datasets.catalog import Catalog
from colles.datasets.folds import validation_folds
from colles.datasets.split import Split
from colles.learning.checkpoint import describe_model, load_classifier, save_checkpoint
from colles.learning.models import count_parameters
from colles.learning.models.ensemble import create_ensemble
from colles.learning.training.inputs import MEMBERS, assert_same_inputs, describe_inputs, save_inputs
from colles.learning.training.mode import keep_training
from colles.learning.training.module import validation_figures
from colles.learning.training.scores import SCHEMA

_LEAST = 1e-12
"""Scores are kept this far from 0 and 1, where the logit is infinite."""
_KEYS = ["image_id", "group_id", "subset", "y_true"]


@dataclass(frozen=True)
class Member:
    """One training of several."""

    name: str
    split: Split
    recipe: Recipe


def train_several(
    catalog: Catalog,
    split: Split,
    recipe: Recipe,
    out: Path,
    train: Callable[..., Path],
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train the folds or seeds that `recipe.train` asks for by `train`, and join them in the run folder `out`.

    Val of `predictions.parquet` is out of fold (each image scored by the one network that has not seen it) or, with
    seeds, the mean of all; test is the mean of all members' logits. Raise as a single training does.
    """
    skip = recipe.train.mode == "skip"
    if not resume and not skip:
        refuse_existing(out / "checkpoints", repair="Go on with resume, or choose another folder")
    members = members_of(catalog, split, recipe)
    if not skip:
        inputs = joint_inputs(catalog, split, recipe)
        assert_same_inputs(out / "checkpoints", inputs)
        save_inputs(out / "checkpoints", inputs)
    for number, member in enumerate(members, 1):
        say(f"{member.name} ({number} of {len(members)})")
        folder = out / member.name
        # a finished member is only scored again, which checks that it is one of this recipe
        train(catalog, member.split, member.recipe, folder, resume=resume and folder.exists(), callbacks=callbacks)
    runs = [out / member.name for member in members]
    write_table(_join(runs, out_of_fold=bool(recipe.train.folds)), out / "predictions.parquet")
    write_json(out / MEMBERS, _summary(runs))
    _save(catalog, split, recipe, runs, out)
    return out


def joint_inputs(catalog: Catalog, split: Split, recipe: Recipe) -> dict[str, Any]:
    """Return what the trainings have in common; of seeds neither which nor how many, since others may join."""
    if recipe.train.seeds > 1:
        recipe = recipe.model_copy(update={"seed": 0, "train": recipe.train.model_copy(update={"seeds": 2})})
    return describe_inputs(recipe, catalog.digest, split.digest)


def members_of(catalog: Catalog, split: Split, recipe: Recipe) -> list[Member]:
    """Return the single trainings that the folds or seeds of `recipe.train` mean."""
    alone = recipe.train.model_copy(update={"folds": 0, "seeds": 1})
    if recipe.train.folds:
        single = recipe.model_copy(update={"train": alone})
        folds = validation_folds(split, catalog, recipe.train.folds, recipe.split, seed=recipe.seed)
        return [Member(f"fold-{number}", fold, single) for number, fold in enumerate(folds, 1)]
    seeds = range(recipe.seed, recipe.seed + recipe.train.seeds)
    return [Member(f"seed-{seed}", split, recipe.model_copy(update={"train": alone, "seed": seed})) for seed in seeds]


def _join(runs: Sequence[Path], *, out_of_fold: bool) -> pl.DataFrame:
    tables = [read_table(run / "predictions.parquet", SCHEMA) for run in runs]
    if not out_of_fold:
        return mean_predictions(tables)
    val = pl.concat([table.filter(pl.col("subset") == "val") for table in tables]).sort("image_id")
    return pl.concat([val, mean_predictions([table.filter(pl.col("subset") != "val") for table in tables])])


def mean_predictions(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return one table whose scores are the sigmoid of the mean of the tables' logits, row by row of the first."""
    score = pl.col("y_score").clip(_LEAST, 1.0 - _LEAST)
    logits = [table.with_columns(logit=score.log() - (-score).log1p()) for table in tables]
    joined = pl.concat(logits).group_by(_KEYS, maintain_order=True).agg(pl.col("logit").mean())
    scored = joined.with_columns(y_score=1.0 / (1.0 + (-pl.col("logit")).exp()))
    return scored.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _summary(runs: Sequence[Path]) -> dict[str, Any]:
    """Return each member's figures, and mean and SD (n − 1) over the members."""
    found = {run.name: _figures(read_table(run / "predictions.parquet", SCHEMA)) for run in runs}
    rows = [
        {"subset": subset, "figure": name, "value": value}
        for figures in found.values() for subset, values in figures.items() for name, value in values.items()
    ]  # fmt: skip
    table = pl.DataFrame(rows).group_by("subset", "figure", maintain_order=True)
    spread = table.agg(mean=pl.col("value").mean(), sd=pl.col("value").std())
    return {"members": found, "spread": spread.to_dicts()}


def _figures(table: pl.DataFrame) -> dict[str, dict[str, float]]:
    found = {}
    for subset in ("val", "test"):
        part = table.filter(pl.col("subset") == subset)
        if part["y_true"].n_unique() == 2:
            score, label = part["y_score"].to_torch().double(), part["y_true"].cast(pl.Float64).to_torch()
            found[subset] = validation_figures(torch.logit(score, _LEAST), label)
    return found


def _save(catalog: Catalog, split: Split, recipe: Recipe, runs: Sequence[Path], out: Path) -> None:
    loaded = [load_classifier(run)[0] for run in runs]
    model = create_ensemble(loaded)
    resolved = load_recipe(runs[0] / "recipe.yaml")
    skip = recipe.train.mode == "skip"
    trained = keep_training(recipe, out / "recipe.yaml") if skip else recipe
    whole = trained.model_copy(update={"model": resolved.model})
    save_recipe(whole, out / "recipe.yaml")
    described = describe_model(whole.model, whole.preprocess, model)
    meta = {**described, "members": [run.name for run in runs]}
    save_checkpoint(model, out / "checkpoints" / "best.safetensors", meta)
    digests = {"catalog": catalog.digest, "split": split.digest, "recipe": sha256_json(whole.model_dump(mode="json"))}
    more = {"model": whole.model.name, "weights_from": model.weights_from, "parameters": count_parameters(model)}
    out_of_fold = bool(recipe.train.folds)
    write_json(out / "provenance.json", collect_provenance(digests, **more, out_of_fold=out_of_fold, members=len(runs)))
