"""A training run to a bundle that gives the same answers without torch, or no bundle at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from colles.core.errors import InputError, StaleInputError
from colles.core.files import (
    atomic_path,
    existing_file,
    read_json,
    sha256_file,
    sha256_json,
    write_bytes,
)
from colles.core.progress import say
from colles.core.recipe import DataRecipe, ExportRecipe, PreprocessRecipe, Recipe, SourceRecipe
from colles.core.recipe_text import load_recipe, save_recipe
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split
from colles.evaluation.evaluate import Evaluation, evaluate
from colles.evaluation.predictions import Predictions
from colles.learning.checkpoint import load_classifier, save_weights
from colles.learning.companions import add_companions
from colles.learning.half_graph import halve_graph
from colles.learning.models.base import FractureClassifier, count_parameters
from colles.learning.onnx_graph import export_graph
from colles.learning.parity import choose_images, measure_parity, score_files
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
    model, preprocess = load_classifier(run)
    resolved = load_recipe(existing_file(run / RECIPE, "Name the run folder of colles train"))
    if sources is not None:
        data = resolved.data.model_copy(update={"sources": tuple(sources)})
        resolved = resolved.model_copy(update={"data": data})
    if resolved.train.random_labels:
        repair = "Train with train.random_labels=false"
        raise InputError("was trained on shuffled labels, so it is no model", path=run, repair=repair)
    predictions = Predictions.load(run / "predictions.parquet")
    judged = evaluation or evaluate(predictions, resolved.evaluate)
    _assert_same_predictions(judged, predictions, run)
    provenance = _provenance(run)
    out_of_fold = bool(provenance.get("out_of_fold"))
    if weights_only:
        recipe = recipe.model_copy(update={"half": True, "int8": False})
    rows = _rows(predictions.frame, catalog, model, preprocess, recipe, out_of_fold=out_of_fold)
    rounded = SCORE_TOLERANCE if recipe.half and round_to_half(model) else None
    graph = export_graph(model, preprocess)
    with atomic_path(out) as staged:
        staged.mkdir()
        write_bytes(staged / MODEL, halve_graph(graph, model.state_dict()) if recipe.half else graph)
        save_weights(model, staged / WEIGHTS, half=recipe.half)
        save_recipe(portable(resolved), staged / RECIPE)
        metadata = _metadata(recipe.name or resolved.name, model, preprocess, judged, half=recipe.half)
        metadata = metadata.model_copy(update={"training": _training(provenance, resolved, model, catalog, split)})
        if judged.levels and metadata.study is None:
            say(f"  no thresholds by {' or '.join(judged.levels)}: val holds no two classes of them")
        if split is not None:
            if out_of_fold:
                say("  gate and int8 network are judged on images that all members but one have learned from")
            metadata = add_companions(staged, graph, metadata, _images(split, catalog), recipe)
        metadata = metadata.model_copy(update={"version": _version(staged, metadata)})
        # Without the gate: a refused image of val has a score to be compared all the same.
        predictor = Predictor(write_bundle(staged, metadata), gate=False)
        parity = measure_parity(model, preprocess, predictor, rows, recipe.tolerance, rounded=rounded)
        whole = write_bundle(staged, metadata.model_copy(update={"parity": parity}))
        if weights_only:
            leave_out_graph(whole)
    return out


def _provenance(run: Path) -> dict[str, Any]:
    file = run / "provenance.json"
    return dict(read_json(file)) if file.is_file() else {}


def _rows(
    predictions: pl.DataFrame,
    catalog: Catalog,
    model: FractureClassifier,
    preprocess: PreprocessRecipe,
    recipe: ExportRecipe,
    *,
    out_of_fold: bool,
) -> pl.DataFrame:
    """Return images with the scores that the exported network itself gave them.

    Scores out of fold are of its members: without any others it is asked now.
    """
    own = predictions.filter(pl.col("subset") != "val") if out_of_fold else predictions
    rows = choose_images(predictions if own.is_empty() else own, catalog.frame, recipe.parity_images)
    if not own.is_empty():
        return rows
    return rows.with_columns(y_score=pl.Series(score_files(model, preprocess, [Path(path) for path in rows["path"]])))


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


def _assert_same_predictions(evaluation: Evaluation, predictions: Predictions, run: Path) -> None:
    if evaluation.model_dump(mode="json")["predictions"]["digest"] != predictions.digest:
        raise StaleInputError(
            "the evaluation is of other predictions than this run's",
            path=run / "predictions.parquet",
            repair="Run colles evaluate on this run's predictions",
        )


def _metadata(
    name: str, model: FractureClassifier, preprocess: PreprocessRecipe, judged: Evaluation, *, half: bool
) -> BundleMetadata:
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
        },
        preprocessing=preprocess,
        operating_points=judged.operating_points,
        calibration=calibration_metadata(judged),
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


def _training(
    provenance: dict[str, Any], recipe: Recipe, model: FractureClassifier, catalog: Catalog, split: Split | None
) -> dict[str, Any]:
    digests = provenance.get("digests", {})
    return {
        "catalog_digest": digests.get("catalog") or catalog.digest,
        "split_digest": digests.get("split"),
        "recipe_digest": sha256_json(portable(recipe).model_dump(mode="json")),
        "sources": _sources(catalog.frame, split, recipe),
        "weights_from": model.weights_from,
        "teachers": [_short(teacher) for teacher in recipe.train.teachers],
        "simulated": recipe.data.phantom is not None,
        **({"out_of_fold": True} if provenance.get("out_of_fold") else {}),
    }


def _sources(frame: pl.DataFrame, split: Split | None, recipe: Recipe) -> list[dict[str, Any]]:
    ok = frame.filter(pl.col("status") == "ok").rename({"source": "name"})
    counts = [pl.len().alias("images"), (pl.col("label") == 1).sum().alias("fractures")]
    if split is not None:
        counts.append(pl.col("image_id").is_in(split.subset("train")).sum().alias("train"))
    about = {source.name or source.kind: {"about": source.about} for source in recipe.data.sources if source.about}
    return [row | about.get(row["name"], {}) for row in ok.group_by("name").agg(counts).sort("name").to_dicts()]


def _version(folder: Path, metadata: BundleMetadata) -> str:
    return bundle_version(sha256_file(folder / MODEL), sha256_file(folder / WEIGHTS), metadata)
