"""Folds judge what they did not choose, or say that they could not."""

from __future__ import annotations

import numpy as np
import pytest

from colles.core.errors import TableError
from colles.evaluation.crossfit import crossfit
from colles.evaluation.scores import Scores


def test_a_fold_whose_other_groups_are_of_one_class_says_so(recipe):
    # Both groups with a fracture are dealt into one fold.
    scores = Scores(np.array([False, False, True, True]), np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 1, 0, 2]))
    with pytest.raises(TableError, match=r"a fold could not choose: outside fold 1 all 1 images are of one class"):
        crossfit(scores, "site", recipe)
