"""What an evaluation may lock into a bundle: nothing that the data of test chose."""

from __future__ import annotations

import numpy as np
import polars as pl

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.serving.locked import study_metadata


def two_images_a_study(*, sound_in_val: int) -> Predictions:
    """40 studies of two images on val and as many on test; on val all but a few have a fractured image."""
    study = np.arange(160) // 2
    sound = np.where(study < 40, study < sound_in_val, study % 2 == 0)
    y_true = np.where(sound, 0, np.arange(160) % 2)
    ids = [f"s{number}" for number in study]
    return Predictions(
        pl.DataFrame(
            {
                "image_id": [f"i{number}" for number in range(160)],
                "study_id": ids,
                "group_id": ids,
                "subset": ["val"] * 80 + ["test"] * 80,
                "y_true": y_true,
                "y_score": np.clip(0.3 + 0.3 * y_true + np.random.default_rng(0).normal(0, 0.2, 160), 0, 1),
            }
        )
    )


def test_studies_whose_thresholds_test_chose_are_not_locked():
    recipe = EvaluateRecipe(replicates=100)
    assert (
        study_metadata(evaluate(two_images_a_study(sound_in_val=10), recipe)).operating_points["f1"].chosen_on == "val"
    )
    found = evaluate(two_images_a_study(sound_in_val=0), recipe)
    assert found.levels["study"].chosen_on == "test"
    assert study_metadata(found) is None


def test_two_sound_studies_chose_thresholds_and_one_with_an_undecided_image_was_filed_as_absent():
    found = evaluate(two_images_a_study(sound_in_val=2), EvaluateRecipe(replicates=100))
    assert found.levels["study"].chosen_on == "val"
    assert study_metadata(found) is None
