"""A training run to a bundle that gives the same answers without torch, or no bundle at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from colles.core.files import (
    atomic_path,
    sha256_file,
    sha256_json,
    write_bytes,
)
from colles.core.progress import say
from colles.core.recipe import DataRecipe, ExportRecipe, Recipe, SourceRecipe
from colles.core.recipe_text import save_recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.evaluation.locked import LEAST
from colles.evaluation.results import Evaluation
from colles.learning.checkpoint import save_weights
from colles.learning.companions import add_companions
from colles.learning.finished_run import FinishedRun
from colles.learning.half_graph import halve_graph
from colles.learning.models.base import count_parameters
from colles.learning.onnx_graph import export_graph
from colles.learning.parity import choose_images, measure_parity, score_rows
from colles.learning.weights_alone import SCORE_TOLERANCE, leave_out_graph, round_to_half
from colles.serving.bundle import MODEL, RECIPE, WEIGHTS, write_bundle
from colles.serving.locked import bundle_version, calibration_metadata, study_metadata
from colles.serving.manifest import refuse_kept
from colles.serving.metadata import BundleMetadata
from colles.serving.predictor import Predictor


def export_bundle(
    run: Path,
    out: Path,
    *,
    evaluation: Evaluation | None,
    catalog: Catalog,
    recipe: ExportRecipe,
    split: Split | None = None,
    weights_only: bool = False,
    overwrite: bool = False,
    sources: Sequence[SourceRecipe] | None = None,
) -> Path:
    """Write the bundle of a run's best checkpoint, and return its folder.

    Without an evaluation the operating points and the calibration are chosen on the run's val predictions. With
    `split` the gate and the int8 network are made from its train and val images. With `recipe.half` the weights are
    rounded to 16 bits, and so is all that is made of them; with `weights_only` the networks are left out besides (see
    `weights_alone`). `sources` describe the sets where the run's own recipe no longer does. Raise `ParityError` where
    bundle, checkpoint and predictions disagree on real images of the run (nothing is written then), `StaleInputError`
    where the evaluation is of other predictions, `InputError` where it was trained on shuffled labels,
    `OutputExistsError` where `out` holds something and `overwrite` is not set, or something beside one bundle.
    """
    refuse_kept(out, overwrite=overwrite)
    if weights_only:
        recipe = recipe.model_copy(update={"half": True, "int8": False})
    trained = FinishedRun.load(run, evaluation, sources)
    rows = _rows(trained, catalog, recipe)
    rounded = SCORE_TOLERANCE if recipe.half and round_to_half(trained.model) else None
    with atomic_path(out) as staged:
        staged.mkdir()
        graph = _write_network(staged, trained, recipe)
        metadata = _describe(staged, graph, trained, catalog, split, recipe)
        # Without the gate: a refused image of val has a score to be compared all the same.
        predictor = Predictor(write_bundle(staged, metadata), gate=False)
        parity = measure_parity(trained.model, trained.preprocess, predictor, rows, recipe.tolerance, rounded=rounded)
        whole = write_bundle(staged, metadata.model_copy(update={"parity": parity}))
        if weights_only:
            leave_out_graph(whole)
    return out


def _write_network(folder: Path, trained: FinishedRun, recipe: ExportRecipe) -> bytes:
    """Write graph, weights and recipe; return the graph in 32 bits, from which the int8 network is made."""
    graph = export_graph(trained.model, trained.preprocess)
    write_bytes(folder / MODEL, halve_graph(graph, trained.model.state_dict()) if recipe.half else graph)
    save_weights(trained.model, folder / WEIGHTS, half=recipe.half)
    save_recipe(portable(trained.recipe), folder / RECIPE)
    return graph


def _describe(
    folder: Path, graph: bytes, trained: FinishedRun, catalog: Catalog, split: Split | None, recipe: ExportRecipe
) -> BundleMetadata:
    """Return the metadata; with `split` the gate and the int8 network are made, and told of."""
    metadata = _metadata(recipe.name or trained.recipe.name, trained, half=recipe.half)
    metadata = metadata.model_copy(update={"training": _training(trained, catalog, split)})
    levels = trained.judged.levels
    if levels and metadata.study is None:
        say(f"  no thresholds by {' or '.join(levels)}: val holds fewer than {LEAST} of a class of them")
    if split is not None:
        if trained.out_of_fold:
            say("  gate and int8 network are judged on images of val, from which members of this mean have learned")
        metadata = add_companions(folder, graph, metadata, _images(split, catalog), recipe)
    version = bundle_version(sha256_file(folder / MODEL), sha256_file(folder / WEIGHTS), metadata)
    return metadata.model_copy(update={"version": version})


def _rows(trained: FinishedRun, catalog: Catalog, recipe: ExportRecipe) -> pl.DataFrame:
    """Return images with the scores that the exported network itself gave them.

    Scores out of fold are of its members: without any others it is asked now.
    """
    predictions = trained.predictions.frame
    own = predictions.filter(pl.col("subset") != "val") if trained.out_of_fold else predictions
    rows = choose_images(predictions if own.is_empty() else own, catalog.frame, recipe.parity_images)
    if not own.is_empty():
        return rows
    return score_rows(trained.model, trained.preprocess, rows)


def _images(split: Split, catalog: Catalog) -> pl.DataFrame:
    known = catalog.frame.filter(pl.col("status") == "ok").select("image_id", "path", "label")
    return split.frame.join(known, on="image_id", how="inner")


def portable(recipe: Recipe) -> Recipe:
    """Return the recipe without paths of this machine: only the last part of an absolute path stays."""
    data: DataRecipe = recipe.data.model_copy(update={"root": None, "sources": tuple(map(_moved, recipe.data.sources))})
    data = data.model_copy(update={"salt": _short(data.salt), "corrections": _short(data.corrections)})
    split = recipe.split.model_copy(update={"keep": _short(recipe.split.keep)})
    model = recipe.model.model_copy(update={"weights": _short(recipe.model.weights)})
    train = recipe.train.model_copy(update={"teachers": tuple(map(_short, recipe.train.teachers))})
    return recipe.model_copy(update={"data": data, "split": split, "model": model, "train": train})


def _moved(source: SourceRecipe) -> SourceRecipe:
    classes = source.class_map
    about = {"path": _short(source.path), "class_map": _short(classes) if isinstance(classes, str) else classes}
    return source.model_copy(update=about)


def _short(path: str | None) -> str | None:
    if path is None:
        return None
    return Path(path).name if Path(path).is_absolute() or path.startswith("~") else path


def _metadata(name: str, trained: FinishedRun, *, half: bool) -> BundleMetadata:
    model, judged = trained.model, trained.judged
    return BundleMetadata(
        name=name,
        version="",
        model={
            "name": model.name,
            "parameters": count_parameters(model),
            "weight_bits": 16 if half else 32,
            "has_cam": model.has_cam,
            "map": model.map_kind if model.has_cam else None,
            # Grad-CAM is the class activation map without this.
            "cam_bias": float(model.head.bias.detach()) if model.has_cam else None,
            **({"second_look": True} if model.second_look else {}),
        },
        preprocessing=trained.preprocess,
        operating_points=judged.operating_points,
        calibration=calibration_metadata(judged.calibration),
        study=study_metadata(judged),
        evaluation=subset_figures(judged, "test"),
        external=subset_figures(judged, "external"),
    )


def subset_figures(judged: Evaluation, subset: str) -> dict[str, Any] | None:
    """Return what a bundle keeps of a subset's evaluation; None where the subset was not judged."""
    if subset not in judged.subsets:
        return None
    found = judged.subsets[subset].model_dump(mode="json")
    points = {name: point["figures"] for name, point in found["operating_points"].items()}
    counts = {key: found[key] for key in ("n", "n_positive", "n_groups")}
    kept = {"column", "value", "n", "n_positive", "figures", "warning"}
    groups = [g.model_dump(mode="json", include=kept) for g in judged.subgroups if g.subset == subset]
    return {"subset": subset, **counts, "figures": found["figures"], "operating_points": points, "subgroups": groups}


def _training(trained: FinishedRun, catalog: Catalog, split: Split | None) -> dict[str, Any]:
    recipe, digests = trained.recipe, trained.provenance.get("digests", {})
    return {
        "catalog_digest": digests.get("catalog") or catalog.digest,
        "split_digest": digests.get("split"),
        "recipe_digest": sha256_json(portable(recipe).model_dump(mode="json")),
        "sources": _sources(catalog.frame, split, recipe),
        "weights_from": trained.model.weights_from,
        "teachers": [_short(teacher) for teacher in recipe.train.teachers],
        "simulated": recipe.data.phantom is not None,
        **({"out_of_fold": True} if trained.out_of_fold else {}),
        **({"joined": trained.provenance["joined"]} if trained.provenance.get("joined") else {}),
    }


def _sources(frame: pl.DataFrame, split: Split | None, recipe: Recipe) -> list[dict[str, Any]]:
    ok = frame.filter(pl.col("status") == "ok").rename({"source": "name"})
    counts = [pl.len().alias("images"), (pl.col("label") == 1).sum().alias("fractures")]
    if split is not None:  # a source that is judged alone taught and chose nothing
        taught = ok.filter(pl.col("image_id").is_in([*split.subset("train"), *split.subset("val")]))["name"]
        ok = ok.filter(pl.col("name").is_in(taught.unique().to_list()))
        counts.append(pl.col("image_id").is_in(split.subset("train")).sum().alias("train"))
    about = {source.name or source.kind: {"about": source.about} for source in recipe.data.sources if source.about}
    return [row | about.get(row["name"], {}) for row in ok.group_by("name").agg(counts).sort("name").to_dicts()]
