"""Let a finished network go on with the images of val too, and keep scores of val that no network gave its own images.

`python scripts/refit.py divide --catalog CATALOG --split SPLIT --out DIR` halves val by group and writes two splits of
train and val alone: DIR/first.csv moves the first half of val into train and judges the second, DIR/second.csv the
other way round. Train on both from the same weights (`model.weights`), with one seed or with as many of each, and
`python scripts/refit.py join RUN RUN ... --catalog CATALOG --split SPLIT --out RUN` writes one run folder: its weights
are the mean of those of their last epochs, so that val chooses nothing (Wortsman M et al., Model soups,
arXiv:2203.05482), val is scored by the mean of those that had not seen the image, the other images by the mean of all.
`colles export` and `colles evaluate` take it as they take any run of folds.
"""

from __future__ import annotations

import argparse
import copy
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import torch

from colles.core.errors import CollesError, InputError
from colles.core.files import refuse_existing, sha256_json, write_json
from colles.core.provenance import collect_provenance
from colles.core.recipe import Recipe
from colles.core.recipe_text import load_recipe, save_recipe
from colles.core.tables import read_table, write_table
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split, split_digest
from colles.learning.checkpoint import describe_model, load_classifier, save_checkpoint
from colles.learning.models.base import FractureClassifier
from colles.learning.parity import score_rows
from colles.learning.training.scores import SCHEMA
from colles.learning.weights_alone import round_to_half

Halves = tuple[set[str], set[str]]


def halve(val: pl.DataFrame, *, seed: int = 7) -> Halves:
    """Return two sets of groups of `val` (group_id, label) with as many fractures, and as many images, as can be."""
    groups = val.group_by("group_id").agg(n=pl.len(), fractured=pl.col("label").sum())
    rng, halves, held = random.Random(seed), (set[str](), set[str]()), [(0, 0), (0, 0)]
    for name, n, fractured in groups.sort("fractured", "n", "group_id", descending=True).iter_rows():
        # Groups without a fracture come last and even out the images, whichever half has the odd fracture.
        first, second = held if fractured else [(0, n) for _, n in held]
        to = int(first > second or (first == second and rng.random() >= 0.5))
        halves[to].add(name)
        held[to] = (held[to][0] + fractured, held[to][1] + n)
    return halves


def divide(catalog: Catalog, split: Split, out: Path) -> None:
    """Write both splits into the folder `out`."""
    split.assert_matches(catalog)
    rows = split.frame.filter(pl.col("subset").is_in(["train", "val"]))
    labels = catalog.frame.select("image_id", "label")
    halves = halve(rows.filter(pl.col("subset") == "val").join(labels, on="image_id", how="left"))
    for name, judged in zip(("first", "second"), reversed(halves), strict=True):
        moved = (pl.col("subset") == "val") & ~pl.col("group_id").is_in(list(judged))
        frame = rows.with_columns(subset=pl.when(moved).then(pl.lit("train")).otherwise(pl.col("subset")))
        summary = {**split.summary, "split_digest": split_digest(frame), "fold": name}
        replace(split, frame=frame, summary=summary).save(out / f"{name}.csv")


def mean_network(models: Sequence[FractureClassifier]) -> FractureClassifier:
    """Return a network whose weights are the mean of the models'; raise `InputError` where they differ in kind."""
    states = [model.state_dict() for model in models]
    if any(state.keys() != states[0].keys() for state in states):
        raise InputError("the runs are of different networks", field="runs", repair="Join runs of one recipe")
    mean = copy.deepcopy(models[0])
    mean.load_state_dict({key: _mean([state[key] for state in states]) for key in states[0]})
    return mean


def _mean(values: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack([value.double() for value in values]).mean(0).to(values[0].dtype)


def join(
    runs: Sequence[Path], catalog: Catalog, split: Split, out: Path, *, half: bool = False, weights_from: str = ""
) -> None:
    """Write the run folder `out`; raise `InputError` where an image of val was judged by no run, or by two halves.

    Runs that judge the same half (of other seeds) judge it by the mean of their weights too. With `half` the mean
    network is rounded to 16 bits before it scores, as `colles export --half` will do it. `weights_from` says what all
    started from, where the runs name no more than a file.
    """
    split.assert_matches(catalog)
    judged = _by_half(runs)
    if sorted(image for half_ids in judged for image in half_ids) != split.subset("val"):
        raise InputError("the runs do not judge each image of val once", field="runs", repair="Join both of `divide`")
    models = {run: load_classifier(run / "checkpoints" / "last.safetensors")[0] for run in runs}
    recipe, mean = load_recipe(runs[0] / "recipe.yaml"), mean_network(list(models.values()))
    if half:
        round_to_half(mean)
    parts = [
        (mean_network([models[run] for run in names]), pl.col("image_id").is_in(list(ids)))
        for ids, names in judged.items()
    ]
    parts.append((mean, ~pl.col("subset").is_in(["train", "val"])))
    scores = [_scored(model, recipe, catalog, split.frame.filter(rows)) for model, rows in parts]
    write_table(pl.concat([pl.concat(scores[:-1]).sort("image_id"), scores[-1]]), out / "predictions.parquet")
    mean.weights_from = weights_from or mean.weights_from
    described = {**describe_model(recipe.model, recipe.preprocess, mean), "joined": [run.name for run in runs]}
    save_checkpoint(mean, out / "checkpoints" / "best.safetensors", described)
    # It has learned from val: no training that is judged on this val may begin with it, or be taught by it.
    learned = {"catalog_digest": catalog.digest, "out_of_fold": True}
    write_json(out / "checkpoints" / "metadata.json", {"training": learned})
    save_recipe(recipe, out / "recipe.yaml")
    digests = {"catalog": catalog.digest, "split": split.digest, "recipe": sha256_json(recipe.model_dump(mode="json"))}
    write_json(out / "provenance.json", collect_provenance(digests, out_of_fold=True, joined=len(runs)))


def _by_half(runs: Sequence[Path]) -> dict[tuple[str, ...], list[Path]]:
    """Return the runs by the images of val that they judge."""
    halves: dict[tuple[str, ...], list[Path]] = {}
    for run in runs:
        table = read_table(run / "predictions.parquet", SCHEMA).filter(pl.col("subset") == "val")
        halves.setdefault(tuple(table["image_id"].sort()), []).append(run)
    return halves


def _scored(model: FractureClassifier, recipe: Recipe, catalog: Catalog, rows: pl.DataFrame) -> pl.DataFrame:
    known = catalog.frame.select("image_id", "path", y_true="label")
    table = rows.join(known, on="image_id", how="left").sort("image_id")
    scored = score_rows(model, recipe.preprocess, table)
    return scored.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def main(arguments: list[str] | None = None) -> None:
    """Read the arguments, and divide or join."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("divide", "join"))
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--half", action="store_true", help="weights in 16 bits, for a bundle that is exported so")
    parser.add_argument("--weights-from", default="", help="what both started from, in words, for the model card")
    given = parser.parse_args(arguments)
    refuse_existing(given.out, repair="Choose another --out")
    catalog, split = Catalog.load(given.catalog), Split.load(given.split)
    if given.step == "divide":
        divide(catalog, split, given.out)
    else:
        join(given.runs, catalog, split, given.out, half=given.half, weights_from=given.weights_from)


if __name__ == "__main__":
    try:
        main()
    except CollesError as error:
        sys.exit(f"error: {error}")
