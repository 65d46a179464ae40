"""Images that several tables share: the same ones in one order, judged as they are, in the groups of all tables."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from colles.core.errors import TableError
from colles.evaluation.pairing import shared_scores
from colles.evaluation.predictions import Predictions

IDS = ["a", "b", "c", "d", "e", "f"]


def table(ids: list[str] = IDS, **columns: list) -> Predictions:
    rows = {"image_id": ids, "y_true": ["abcdefg".index(name) % 2 for name in ids],
            "y_score": ["abcdefg".index(name) / 10 for name in ids]}  # fmt: skip
    return Predictions(pl.DataFrame({**rows, **columns}))


def test_rows_are_paired_by_their_id_whatever_their_order() -> None:
    tables = {"one": table(), "other": table(IDS[::-1]), "more": table(IDS[3:] + IDS[:3])}
    scores, warnings = shared_scores(tables, "test")
    for own in scores.values():
        assert sorted(own.y_score.tolist()) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
        assert np.array_equal(own.y_score, scores["one"].y_score)
        assert np.array_equal(own.y_true, np.round(own.y_score * 10) % 2 == 1)
    assert warnings == [] and scores["one"].groups is None


def test_perturbed_and_unlabelled_images_are_not_paired_and_not_said_to_be_left_out() -> None:
    conditions = [None] * 6 + ["blur 1"] * 6
    both = table(IDS * 2, condition=conditions, y_score=[0.5] * 6 + [0.9] * 6)
    bare = table([*IDS, "g"], y_true=[0, 1, 0, 1, 0, 1, None], y_score=[0.1] * 7)
    scores, warnings = shared_scores({"both": both, "bare": bare}, "test")
    assert scores["both"].y_score.tolist() == [0.5] * 6 and scores["bare"].n == 6
    assert warnings == []


def test_images_that_any_chain_of_tables_holds_together_are_one_group() -> None:
    one = table(group_id=["p", "p", "q", "r", "s", "t"])
    other = table(IDS[::-1], group_id=["5", "4", "3", "2", "2", "0"])
    scores, warnings = shared_scores({"one": one, "other": other, "plain": table()}, "test")
    assert scores["plain"].groups is scores["one"].groups
    names = dict(zip(np.round(scores["one"].y_score * 10).astype(int), scores["one"].groups.tolist(), strict=True))
    assert names[0] == names[1] == names[2] and len(set(names.values())) == 4
    assert "(one, other more finely than all together)" in warnings[0]
    assert shared_scores({"one": one, "plain": table()}, "test")[1] == []


@pytest.mark.parametrize("fine", [["1", "1", "2", "3", "4", "5"], ["1", "2", "3", "4", "5", "6"]])
def test_groups_that_one_table_holds_already_are_not_joined_further(fine: list[str]) -> None:
    coarse = ["p", "p", "p", "q", "r", "s"]
    scores, warnings = shared_scores({"fine": table(group_id=fine), "coarse": table(group_id=coarse)}, "test")
    assert scores["fine"].groups.tolist() == [0, 0, 0, 1, 2, 3]
    assert "(fine more finely than all together)" in warnings[0]


def test_the_first_image_with_another_label_is_named_and_one_of_a_class_is_too_few() -> None:
    with pytest.raises(
        TableError, match="other: y_true: 2 images have another label than in the first table, first 'c'"
    ):
        shared_scores({"one": table(), "other": table(y_true=[0, 1, 1, 1, 1, 1])}, "test")
    lone = table(IDS[:3])
    with pytest.raises(TableError, match="at least two images of each class"):
        shared_scores({"one": lone, "other": lone}, "test")
