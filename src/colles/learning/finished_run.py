"""A run that is trained and judged, with all that an export takes from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colles.core.errors import InputError, StaleInputError
from colles.core.files import existing_file, read_json
from colles.core.recipe import PreprocessRecipe, Recipe, SourceRecipe
from colles.core.recipe_text import load_recipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.evaluation.results import Evaluation
from colles.learning.checkpoint import load_classifier
from colles.learning.models.base import FractureClassifier
from colles.serving.bundle import RECIPE


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """The best weights of a run, what they were made by, and how well they do."""

    recipe: Recipe
    model: FractureClassifier
    preprocess: PreprocessRecipe
    predictions: Predictions
    judged: Evaluation
    provenance: dict[str, Any]
    """Empty where the run tells none."""

    @classmethod
    def load(
        cls, run: Path, evaluation: Evaluation | None = None, sources: Sequence[SourceRecipe] | None = None
    ) -> FinishedRun:
        """Load a run folder; without an evaluation it is judged now, `sources` stand in place of the recipe's own.

        Raise `MissingInputError` where it is no run, `InputError` where it was trained on shuffled labels,
        `StaleInputError` where the evaluation is of other predictions.
        """
        model, preprocess = load_classifier(run)
        recipe = load_recipe(existing_file(run / RECIPE, "Name the run folder of colles train"))
        if recipe.train.random_labels:
            repair = "Train with train.random_labels=false"
            raise InputError("was trained on shuffled labels, so it is no model", path=run, repair=repair)
        if sources is not None:
            data = recipe.data.model_copy(update={"sources": tuple(sources)})
            recipe = recipe.model_copy(update={"data": data})
        predictions = Predictions.load(run / "predictions.parquet")
        judged = evaluation or evaluate(predictions, recipe.evaluate)
        _assert_same_predictions(judged, predictions, run)
        file = run / "provenance.json"
        provenance = dict(read_json(file)) if file.is_file() else {}
        return cls(recipe, model, preprocess, predictions, judged, provenance)

    @property
    def out_of_fold(self) -> bool:
        """Whether its scores of val are of networks that had not seen the image, each another one."""
        return bool(self.provenance.get("out_of_fold"))


def _assert_same_predictions(evaluation: Evaluation, predictions: Predictions, run: Path) -> None:
    if evaluation.predictions.digest != predictions.digest:
        raise StaleInputError(
            "the evaluation is of other predictions than this run's",
            path=run / "predictions.parquet",
            repair="Run colles evaluate on this run's predictions",
        )
