"""Fit a bundle's calibration and operating points anew on a site's own labelled images, as a new bundle."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colles.core.drawn import drawn_places
from colles.core.errors import TableError, UsageError
from colles.core.files import atomic_path, refuse_existing
from colles.core.recipe import EvaluateRecipe
from colles.core.records import Estimate
from colles.evaluation.crossfit import Figures, crossfit
from colles.evaluation.estimates import calibration_estimates
from colles.evaluation.groups import group_warning
from colles.evaluation.levels import UNITS, choose_level, unit_codes
from colles.evaluation.locked import LEAST, lock_on
from colles.evaluation.point_estimates import share_estimates
from colles.evaluation.predictions import Predictions, to_scores
from colles.evaluation.scores import Scores
from colles.evaluation.subgroups import few_warning
from colles.flow.site import SITE, SiteAnswers, SiteLabels, judge_site, learned_from, load_site_labels
from colles.flow.site_int8 import judge_int8_on_site
from colles.serving.bundle import CARD, INT8_MODEL, LICENSE, METADATA, MODEL, WEIGHTS, Bundle, load_bundle, write_bundle
from colles.serving.decision import DecisionRule
from colles.serving.locked import bundle_version, calibration_metadata
from colles.serving.metadata import BundleMetadata, StudyMetadata
from colles.serving.predictor import Predictor

_MADE_ANEW = {METADATA, CARD, LICENSE}
"""Files of the old bundle that are not copied."""
JUDGED = "site, by five folds"
"""Each image judged by thresholds and a calibration that other groups chose."""
_LOOKED_AT = 100
"""Images, at most, of which it is asked whether the bundle learned from them: each costs as much as an answer."""


@dataclass(frozen=True, eq=False)
class Recalibration:
    """The new bundle, and how it and the old one do on the site's images."""

    bundle: Bundle
    n: int
    n_positive: int
    left_out: int
    """Could not be read."""
    refused: int
    """By the bundle's gate."""
    before: dict[str, Figures]
    """Old operating point → shares at its threshold; `calibration` → Brier score, ECE, slope and intercept."""
    after: dict[str, Figures]
    """The same by five folds."""
    warnings: tuple[str, ...]


def recalibrate(
    bundle: str | Path,
    labels: str | Path,
    out: Path,
    recipe: EvaluateRecipe,
    *,
    name: str | None = None,
    gate: bool = True,
) -> Recalibration:
    """Write a bundle with the same weights and new calibration and operating points, chosen on `labels`.

    Images that its gate refuses are left out, since it will give them no answer; with `gate` false they count too. Its
    `evaluation` holds the site's figures by five folds, so nothing is judged by the labels that chose it. Raise
    `OutputExistsError` where `out` holds something, `TableError` where the labels do not allow a choice.
    """
    refuse_existing(out, repair="Choose another --out; a bundle is never overwritten")
    if name and not name.isprintable():
        raise UsageError(f"{name!r} is none that can be shown", field="--name", repair="Leave out control characters")
    old = load_bundle(bundle)
    table = load_site_labels(labels)
    predictor = Predictor(old, gate=gate)
    answers = judge_site(predictor, table)
    learned = _learned(predictor, answers)
    predictions, scores = answers.predictions, answers.predictions.scores
    locked = lock_on(_enough(scores, labels), SITE, recipe)
    figures, points = crossfit(scores, SITE, recipe)
    study, said = _study(predictions, recipe, old.metadata)
    rule = DecisionRule.from_operating_points(locked.points)
    int8 = judge_int8_on_site(old, rule, predictions)
    metadata = old.metadata.model_copy(update={
        "name": name or old.metadata.name,
        "operating_points": locked.points,
        "calibration": calibration_metadata(locked.calibrator),
        "study": study,
        "evaluation": _evaluation(scores, figures, points),
        "external": None,  # was measured at the old thresholds
        "int8": int8,
        "training": {**old.metadata.training, "recalibrated": _origin(old, table, answers, gate) | learned},
    })  # fmt: skip
    made = _write(old, metadata, out)
    of_images = (
        few_warning(scores),
        group_warning(predictions.groups_from),
        _unlabelled(table),
        _refused(answers),
        _flattered(learned),
        _crossed(rule),
    )
    warnings = (*(text for text in of_images if text), *locked.warnings, *said)
    before = _before(scores, old, recipe)
    after = {**points, "calibration": {key: figures[key] for key in before["calibration"]}}
    counts = (scores.n, scores.n_positive, answers.unreadable, answers.refused)
    return Recalibration(made, *counts, before, after, warnings)


def _crossed(rule: DecisionRule) -> str | None:
    one, other = rule.points
    if one != other:
        return None
    return f"rule_out lies above rule_in: the bundle decides by {one} alone and leaves nothing undecided"


def _unlabelled(table: SiteLabels) -> str | None:
    if not table.unlabelled:
        return None
    return (
        f"{table.unlabelled:,} of {table.unlabelled + len(table.frame):,} rows have no label: they count in no figure"
    )


def _refused(answers: SiteAnswers) -> str | None:
    if not answers.refused:
        return None
    judged = len(answers.predictions)
    return (
        f"the bundle refuses {answers.refused:,} of {judged + answers.refused:,} readable images as unlike those it "
        f"learned from: thresholds and figures are of the other {judged:,} (--no-gate: of all)"
    )


def _learned(predictor: Predictor, answers: SiteAnswers) -> dict[str, int]:
    paths = answers.predictions.frame["image_id"].to_list()
    looked = [paths[place] for place in drawn_places(len(paths), _LOOKED_AT, np.random.default_rng(0))]
    return {"looked_at": len(looked), "learned_from": learned_from(predictor, looked)}


def _flattered(learned: dict[str, int]) -> str | None:
    if not learned["learned_from"]:
        return None
    return (
        f"the bundle learned from {learned['learned_from']} of {learned['looked_at']} images looked at, or more: it "
        "knows them, so thresholds and figures flatter; use images that it has not seen"
    )


def _enough(scores: Scores, labels: str | Path) -> Scores:
    fewest = min(scores.n_positive, scores.n - scores.n_positive)
    if fewest < LEAST:
        raise TableError(
            f"of the {scores.n:,} images that it judges {scores.n_positive:,} are fractured and "
            f"{scores.n - scores.n_positive:,} are not: too few to choose thresholds by",
            path=Path(labels),
            field="label",
            repair=f"Label more: {LEAST} of each at least, and a hundred for a threshold to hold",
        )
    return scores


def _study(
    predictions: Predictions, recipe: EvaluateRecipe, old: BundleMetadata
) -> tuple[StudyMetadata | None, tuple[str, ...]]:
    """Choose how images become a study, where the labels name studies or patients of several images of both classes."""
    said = []
    for unit, column in UNITS.items():
        frame = predictions.frame
        rows = frame.filter(pl.col(column).is_not_null()) if column in frame.columns else frame.clear()
        if not rows.height or not rows[column].is_duplicated().any():
            continue
        images, units = to_scores(rows), unit_codes(rows, column)
        fractured = len(np.unique(units[images.y_true]))
        if min(fractured, len(np.unique(units)) - fractured) < LEAST:
            said.append(f"no operating points by {unit}: fewer than {LEAST} of a class are too few to choose them by")
            continue
        how, locked = choose_level(images, units, SITE, recipe)
        points, calibration = locked.points, calibration_metadata(locked.calibrator)
        known = {"unit": unit, "aggregation": how, "operating_points": points, "calibration": calibration}
        made = StudyMetadata.model_validate(known)
        return made, (*said, *(f"by {unit}: {warning}" for warning in locked.warnings))
    if old.study is not None and not said:
        said.append(
            "the old bundle's operating points by study are left out: the labels name no study_id or patient_id"
        )
    return None, tuple(said)


def _evaluation(scores: Scores, figures: Figures, points: dict[str, Figures]) -> dict[str, Any]:
    return {
        "subset": JUDGED,
        "n": scores.n,
        "n_positive": scores.n_positive,
        "n_groups": scores.n_groups(),
        "figures": _plain(figures),
        "operating_points": {name: _plain(each) for name, each in points.items()},
    }


def _plain(figures: dict[str, Estimate]) -> dict[str, Any]:
    return {name: estimate.model_dump(mode="json") for name, estimate in figures.items()}


def _origin(old: Bundle, table: SiteLabels, answers: SiteAnswers, gate: bool) -> dict[str, Any]:
    scores = answers.predictions.scores
    return {
        "from": old.name,
        "labels_digest": table.digest,
        "images": scores.n,
        "fractures": scores.n_positive,
        "unlabelled": table.unlabelled,
        "left_out": answers.unreadable,
        "refused": answers.refused,
        "gate": gate,
    }


def _before(scores: Scores, old: Bundle, recipe: EvaluateRecipe) -> dict[str, Figures]:
    points = {
        key: share_estimates(scores, point.threshold, recipe) for key, point in old.metadata.operating_points.items()
    }
    calibration = old.metadata.calibration
    probability = scores.y_score if calibration is None else calibration.transform(scores.y_score)
    return {**points, "calibration": calibration_estimates(scores, probability, recipe)}


def _write(old: Bundle, metadata: BundleMetadata, out: Path) -> Bundle:
    left = _MADE_ANEW if (metadata.int8 or {}).get("kept") else _MADE_ANEW | {INT8_MODEL}
    with atomic_path(out) as staged:
        staged.mkdir()
        for name in old.manifest.files.keys() - left:
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(old.folder / name, staged / name)
        left_out = {name: entry for name, entry in old.manifest.left_out.items() if name not in left}
        files = {**old.manifest.files, **left_out}
        weights = files[WEIGHTS].sha256 if WEIGHTS in files else None
        version = bundle_version(files[MODEL].sha256, weights, metadata)
        write_bundle(staged, metadata.model_copy(update={"version": version}), left_out)
    return load_bundle(out)
