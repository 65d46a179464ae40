"""Judge the maps of a run or a bundle on a subset of its images: localisation, checks, probes → `scores.json`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colles.core.drawn import drawn_places
from colles.core.errors import MissingInputError
from colles.core.progress import say
from colles.core.recipe import ExplainRecipe
from colles.datasets.catalog import Catalog
from colles.evaluation.sanity import warnings_of
from colles.flow.agreement import Twin, compare_twins
from colles.flow.checks import check_methods
from colles.flow.explain import Item, Shown, look
from colles.flow.export import find_split, training_of
from colles.flow.known import items_of_subset, with_boxes, without_fracture
from colles.flow.localise import TUNES, Judge, judge_all, scores_of
from colles.flow.probes import probe_shortcuts
from colles.serving.maps import MapSource


def judge_run(
    source: MapSource,
    catalog: Catalog,
    frame: pl.DataFrame,
    recipe: ExplainRecipe,
    *,
    subset: str = "test",
    twins: Sequence[Twin] = (),
) -> dict[str, Any]:
    """Return the content of scores.json for one subset.

    `frame` (split or predictions) has image_id, group_id and subset. The threshold of the overlap is fitted on val
    where it has boxes. Maps of `twins`, other trainings of the task, are compared with the source's.
    Raise `MissingInputError` where no image of the subset has a box.
    """
    items = items_of_subset(catalog, frame, subset)
    boxed = draw(with_boxes(items), recipe.score_images, recipe.seed)
    others = draw(without_fracture(items), recipe.score_images, recipe.seed)
    if not boxed:
        raise MissingInputError(
            f"no fractured image of {subset} has a reference box, so maps cannot be judged",
            field="boxes",
            repair="Judge on a source with boxes, or leave scores out",
        )
    untrained = source.untrained(recipe.seed)
    judge = Judge(source, untrained, seed=recipe.seed)
    say(f"  {subset}: {len(boxed)} fractures with boxes, {len(others)} images without fracture")
    compared = draw(boxed, max(recipe.sample, recipe.check_images), recipe.seed) if twins else []
    own: list[Shown] = []
    judge_all(_keep(look(source, boxed, sample=recipe.sample, seed=recipe.seed), compared, own), judge)
    judge_all(look(source, others, sample=recipe.sample, seed=recipe.seed, only=[source.default]), judge)
    tune = None if subset == TUNES else _tune(source, catalog, frame, recipe, untrained)
    scores = scores_of(judge, subset, tune=tune)
    bare = sum(item.label == 1 and not item.boxes for item in items)
    if bare:
        scores["notes"].append(f"{bare} fractured image{'' if bare == 1 else 's'} of {subset}: no reference box")
    _add_checks(scores, source, boxed, recipe)
    _add_twins(scores, source, twins, own)
    _add_probes(scores, source, boxed, others, recipe)
    if untrained is None:
        scores["notes"].append("the untrained network was left out: it needs torch (judge the run, or install it)")
    if tune is None:
        why = "its threshold is fitted on val itself" if subset == TUNES else "val has too few boxes for its threshold"
        scores["notes"].append(f"no overlap is stated: {why}")
    return scores


def _add_checks(scores: dict[str, Any], source: MapSource, boxed: Sequence[Item], recipe: ExplainRecipe) -> None:
    items = draw(boxed, recipe.check_images, recipe.seed)
    if items:
        say(f"  sanity checks on {len(items)} fractures")
        for name, found in check_methods(source, items, recipe.seed).items():
            scores["methods"][name].update(found)


def _keep(shown: Iterable[Shown], items: Sequence[Item], kept: list[Shown]) -> Iterator[Shown]:
    """Pass every image on, and keep those of `items` with their maps: they need not be looked at again."""
    wanted = {id(item) for item in items}
    for each in shown:
        if id(each.item) in wanted:
            kept.append(each)
        yield each


def _add_twins(scores: dict[str, Any], source: MapSource, twins: Sequence[Twin], own: Sequence[Shown]) -> None:
    if not twins:
        return
    say(f"  maps of {len(twins)} other training{'' if len(twins) == 1 else 's'} on {len(own)} fractures")
    names = [method.name for method in source.methods]
    for name, found in compare_twins(names, own, twins).items():
        method = scores["methods"][name]
        method["checks"] |= found
        method["warnings"] += warnings_of(found)
    scores["notes"] += [
        f"another training was not compared: it has no {' or '.join(names)}"
        for twin in twins
        if not any(method.name in names for method in twin.source.methods)
    ]


def _add_probes(
    scores: dict[str, Any], source: MapSource, boxed: Sequence[Item], others: Sequence[Item], recipe: ExplainRecipe
) -> None:
    probed = [*draw(boxed, recipe.probe_images, recipe.seed), *draw(others, recipe.probe_images, recipe.seed)]
    if probed:
        say(f"  shortcut probes on {len(probed)} images")
        scores["probes"] = probe_shortcuts(source, probed, seed=recipe.seed)


def _tune(
    source: MapSource, catalog: Catalog, frame: pl.DataFrame, recipe: ExplainRecipe, untrained: MapSource | None
) -> Judge | None:
    try:
        items = draw(with_boxes(items_of_subset(catalog, frame, TUNES)), recipe.score_images // 2, recipe.seed)
    except MissingInputError:
        return None
    if not items:
        return None
    say(f"  {TUNES}: {len(items)} fractures with boxes, for the threshold of the overlap")
    sample = max(1, recipe.sample // 2)
    return judge_all(look(source, items, sample=sample, seed=recipe.seed), Judge(source, untrained))


def draw(items: Sequence[Item], count: int, seed: int) -> list[Item]:
    """Return at most `count` of the images, drawn by seed, in their order."""
    return [items[place] for place in drawn_places(len(items), count, np.random.default_rng(seed))]


def subsets_of_run(folder: Path) -> Path:
    """Return the table of subsets (predictions.parquet or split.csv) that belongs to a run or bundle.

    Raise `MissingInputError` saying where it was looked for.
    """
    run = training_of(folder)
    predictions = run / "predictions.parquet"
    found = predictions if predictions.is_file() else find_split(run)
    if found is None:
        looked = f"no predictions.parquet in {run}, and no split.csv of its own or beside it"
        raise MissingInputError(looked, field="--split", repair="Name it: --split split.csv")
    return found
