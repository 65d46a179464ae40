"""Subgroups from columns as strangers write them: words, units, lists, names that the code uses itself."""

from __future__ import annotations

import polars as pl
import pytest

from colles.core.recipe import EvaluateRecipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.labels import parse_answers
from colles.evaluation.predictions import Predictions
from colles.evaluation.sizes import image_size, lesion_rows
from colles.evaluation.subgroups import subgroup_rows, with_ages, with_sizes


def found(**columns) -> dict[tuple[str, str], int]:
    """Return the number of rows of every subgroup of four images, two of them fractured."""
    frame = pl.DataFrame({"y_true": [1, 0, 1, 0], "y_score": [0.9, 0.1, 0.8, 0.2], **columns})
    return {(column, value): rows.height for column, value, rows in subgroup_rows(with_ages(with_sizes(frame)))}


@pytest.mark.parametrize("answers", [["yes", "no", " Y ", None], ["TRUE", "false", "1", ""], [1.0, 0.0, 1.0, None]])
def test_hardware_and_limb_in_the_words_in_which_labels_are_written(answers):
    assert parse_answers(pl.Series(answers)).to_list() == [True, False, True, None]
    assert found(hardware=answers) == {("hardware", "true"): 2, ("hardware", "false"): 1}
    assert found(upper_limb=answers) == {("upper_limb", "upper_limb"): 2}


@pytest.mark.parametrize("width", [["512 px"] * 4, [[512]] * 4, [None] * 4])
def test_a_width_that_is_no_number_makes_no_size(width):
    assert found(width=width, height=[300] * 4, boxes=[[]] * 4) == {}


def test_numbers_written_as_text_are_numbers():
    assert found(width=["512"] * 4, height=["300"] * 4) == {("image_size", "500 px to 1,000 px"): 4}
    assert found(lesion_area=["0.02", None, "0.001", None]) == {
        ("lesion_area", "under 0.5 %"): 3,
        ("lesion_area", "1 % to 3 %"): 3,
    }


@pytest.mark.parametrize("ages", [[0.02, 17.9, 18, 70], ["0.02", "17.9", "18", "70"]])
def test_ages_of_the_catalog_are_subgroups_in_bands(ages):
    frame = pl.DataFrame({"image_id": list("abcd"), "y_true": [1, 0, 1, 0], "y_score": [0.9, 0.1, 0.8, 0.2]})
    catalog = pl.DataFrame({"image_id": list("abcd"), "age": ages}, strict=False)
    judged = evaluate(Predictions(frame), EvaluateRecipe(replicates=100), catalog_frame=catalog)
    assert {each.column for each in judged.subgroups} == {"age_band"}
    bands = [(each.value, each.n) for each in judged.subgroups]
    assert bands == [("under 18 years", 2), ("18 years to 65 years", 1), ("65 years and more", 1)]


def test_an_age_that_nobody_reaches_is_unknown():
    assert found(age=[-1.0, 999.0, None, float("nan")]) == {}
    assert found(age=["child", "adult", "", None]) == {}


def test_an_area_that_is_not_finite_is_unknown():
    assert found(lesion_area=[float("nan"), 0.0, float("inf"), 0.0]) == {}
    box = [{"x1": 1.0, "y1": 1.0, "x2": 5.0, "y2": 5.0}]
    assert not any(column == "lesion_area" for column, _ in found(width=[0] * 4, height=[0] * 4, boxes=[box] * 4))


def test_a_column_called_size_does_not_meet_that_of_the_fracture():
    assert found(lesion_area=[0.02, None, 0.02, None], size=["S", "M", "L", "M"]) == {("lesion_area", "1 % to 3 %"): 4}


@pytest.mark.parametrize("values", [[["a"], ["b"]] * 2, [{"a": 1}] * 4, [b"\xff"] * 4])
def test_a_source_that_is_no_single_value_is_no_subgroup(values):
    assert found(source=values, hardware=values, upper_limb=values) == {}


@pytest.mark.parametrize("boxes", [[[1.0, 2.0, 3.0, 4.0]] * 4, [[{"a": 1}]] * 4, [[{"x1": "a", "y1": "b"}]] * 4])
def test_boxes_of_another_form_make_no_area(boxes):
    assert found(width=[512] * 4, height=[300] * 4, boxes=boxes) == {("image_size", "500 px to 1,000 px"): 4}


def test_sizes_of_pictures_that_are_not_square_counted_by_hand():
    boxes = [[(0, 0, 10, 40), (50, 100, 70, 110)], [], None, [(0, 0, 100, 10)]]
    frame = pl.DataFrame(
        {
            "y_true": [1, 0, 1, 1],
            "width": [400, 1200, 400, None],
            "height": [1200, 400, None, 500],
            "boxes": [
                None
                if some is None
                else [dict(zip(("x1", "y1", "x2", "y2"), map(float, box), strict=True)) for box in some]
                for some in boxes
            ],
        }
    )
    rows = with_sizes(frame)
    assert rows["image_size"].to_list() == ["1,000 px to 2,000 px"] * 2 + [None, None]
    assert rows["lesion_area"].to_list() == [600 / 480_000, None, None, None]
    named = with_sizes(frame.with_columns(lesion_area=pl.lit(0.5), image_size=pl.lit("own")))
    assert (named["lesion_area"].to_list(), named["image_size"].to_list()) == ([0.5] * 4, ["own"] * 4)
    assert with_sizes(frame.drop("height")).columns == ["y_true", "width", "boxes"]


def test_the_limits_of_bands_belong_to_the_upper_one():
    areas = [0.00499, 0.005, 0.00999, 0.01, 0.02999, 0.03]
    frame = pl.DataFrame({"y_true": [1] * 6, "lesion_area": areas})
    assert [(value, rows["lesion_area"].to_list()) for _, value, rows in lesion_rows(frame)] == [
        ("under 0.5 %", areas[:1]),
        ("0.5 % to 1 %", areas[1:3]),
        ("1 % to 3 %", areas[3:5]),
        ("3 % and more", areas[5:]),
    ]
    ages = with_ages(pl.DataFrame({"age": [-0.1, 0, 17.9, 18, 64.9, 65, 125, 125.1]}))["age_band"].to_list()
    assert ages == [
        None, *["under 18 years"] * 2, *["18 years to 65 years"] * 2, *["65 years and more"] * 2, None,
    ]  # fmt: skip
    own = pl.DataFrame({"age": [30], "age_band": ["old"]})
    assert with_ages(own)["age_band"].to_list() == ["old"]


def test_a_size_of_fracture_has_all_images_without_one_beside_it_whatever_their_boxes():
    frame = pl.DataFrame({"y_true": [1, 1, 1, 0, 0, None], "lesion_area": [0.001, 0.02, None, 0.001, None, 0.1]})
    found = {value: rows["lesion_area"].to_list() for _, value, rows in lesion_rows(frame)}
    assert found == {"under 0.5 %": [0.001, 0.001, None], "1 % to 3 %": [0.02, 0.001, None]}


@pytest.mark.parametrize("side", [1, 499, 500, 999.5, 1000, 2000, 3000])
def test_one_images_size_has_the_name_that_a_tables_has(side):
    assert {("image_size", image_size(side)): 4} == found(width=[side] * 4, height=[1] * 4)
