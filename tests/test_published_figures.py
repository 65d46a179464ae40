"""The published figures: cards, README and the page of figures against the scores that ship with the models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from colles.core.recipe_text import load_recipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.learning.export import subset_figures
from colles.serving.bundle import RECIPE, load_bundle
from colles.serving.metadata import BundleMetadata

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "models"
NAMES = sorted(path.stem for path in (MODELS / "predictions").glob("*.parquet"))
PARTS = {  # the subgroup of a card's figures that a column of the tables shows; none: all test images
    "FracAtlas": ("source", "fracatlas"),
    "FracAtlas, upper limb": ("source × upper_limb", "fracatlas"),
    "YOLO export": ("source", "bonefractureyolo"),
    "upper limb, both sets": ("upper_limb", "upper_limb"),
    "all": None,
}
_INTERVAL = re.compile(r"\d\.\d{3} \(\d\.\d{3}–\d\.\d{3}\)")


def metadata(name: str) -> BundleMetadata:
    """Return what the shipped bundle says of itself."""
    return load_bundle(MODELS / name, to_answer=False).metadata


@pytest.mark.parametrize("name", NAMES)
def test_the_card_tells_what_the_shipped_scores_give(name: str) -> None:
    told, recipe = metadata(name), load_recipe(MODELS / name / RECIPE)
    judged = evaluate(Predictions.load(MODELS / "predictions" / f"{name}.parquet"), recipe.evaluate)
    assert {key: point.threshold for key, point in judged.operating_points.items()} == pytest.approx(
        {key: point.threshold for key, point in told.operating_points.items()}
    )
    for subset, figures in (("test", told.evaluation), ("external", told.external)):
        found = subset_figures(judged, subset)
        assert (found is None) == (figures is None)
        assert _numbers(found) == pytest.approx(_numbers(figures), rel=1e-9)


def _numbers(told: Any, at: str = "") -> dict[str, float]:
    """Return every number by its place; subgroups need a catalog, which does not ship."""
    if isinstance(told, dict):
        parts = [_numbers(value, f"{at}/{key}") for key, value in told.items() if key != "subgroups"]
        return {place: number for part in parts for place, number in part.items()}
    return {at: told} if isinstance(told, int | float) else {}


@pytest.mark.parametrize("page", ["README.md", "docs/figures.md"])
def test_the_table_shows_the_figures_of_the_cards(page: str) -> None:
    header, *rows = _table((ROOT / page).read_text("utf-8"))
    assert [cell.rpartition(", ")[0] for cell in header[1:]] == list(PARTS)
    told = {name: row[1:] for row in rows for name in NAMES if f"`{name}`" in row[0]}
    assert sorted(told) == NAMES
    for name, cells in told.items():
        for head, cell in zip(header[1:], cells, strict=True):
            part, _, images = head.rpartition(", ")
            assert _INTERVAL.findall(cell) == _published(metadata(name), part, images), (name, head)


def _table(text: str) -> list[list[str]]:
    """Return the cells of a page's first table of networks, without the line of dashes."""
    lines = text[text.index("| network |") :].partition("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [cells[0], *cells[2:]]


def _published(told: BundleMetadata, part: str, images: str) -> list[str]:
    """Return the AUROC of a part as it is printed, or nothing where the network was not judged on all of its images."""
    wholes = [whole for whole in (told.evaluation, told.external) if whole]
    wanted = PARTS[part]
    if wanted:
        wholes = [sub for whole in wholes for sub in whole["subgroups"] if (sub["column"], sub["value"]) == wanted]
    found = [whole for whole in wholes if f"{whole['n']} ({whole['n_positive']})" == images]
    return [f"{auroc['value']:.3f} ({auroc['low']:.3f}–{auroc['high']:.3f})" for auroc in map(_auroc, found)]


def _auroc(part: dict[str, Any]) -> dict[str, float]:
    return dict(part["figures"]["auroc"])
