"""Pictures of a bundle's location map: colours that mean the same everywhere, corners around the likeliest places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colles.core.errors import UsageError
from colles.core.records import Box
from colles.imaging.heatmap import Candidate
from colles.imaging.overlay import overlay
from colles.imaging.preprocess import Placement
from colles.serving import judge, location
from colles.serving.bundle import load_bundle
from colles.serving.checks import Look
from colles.serving.decision import Decision
from colles.serving.decode import Sample
from colles.serving.location import Overlays, draw_heat, likeliest, location_heat
from colles.serving.output import save_predictions
from colles.serving.prediction import Prediction
from colles.serving.predictor import Predictor

SIDE = 200
PLACE = Candidate(Box(x1=60, y1=60, x2=120, y2=120), 90, 90, 0.2)
OTHER = Candidate(Box(x1=20, y1=20, x2=40, y2=40), 30, 30, 0.09)


def drawn(tmp_path: Path, decision: Decision, peak: float, kind: str = "location") -> np.ndarray:
    grey = np.full((SIDE, SIDE), 80, np.uint8)
    heat = np.zeros((SIDE, SIDE), np.float32)
    heat[80:100, 80:100] = peak
    sample = Sample(grey, Placement(1, 1, 0, 0, SIDE, SIDE, SIDE), grey, Look(SIDE, 20, 0.9, 0, 0), 0.0)
    answer = Prediction("a.png", "ok", None, 0.5, 0.5, decision, "b@1", 0.0, heat=heat, boxes=(PLACE, OTHER))
    folder = tmp_path / f"{decision}{peak}{kind}"
    Overlays(folder, ["a.png"], kind=kind).draw(answer, sample)
    return np.asarray(Image.open(folder / "a.png")).astype(int)


def coloured(picture: np.ndarray) -> int:
    return int(np.ptp(picture[90, 90]))


def test_a_place_that_a_fracture_peaks_at_is_plainly_coloured(tmp_path: Path) -> None:
    hot, cold = drawn(tmp_path, "fracture", 0.3), drawn(tmp_path, "no_fracture", 0.05)
    assert coloured(hot) > 100 > 30 > coloured(cold) > 0


def test_the_colour_means_the_same_in_every_picture(tmp_path: Path) -> None:
    assert coloured(drawn(tmp_path, "fracture", 0.1)) == coloured(drawn(tmp_path, "no_fracture", 0.1))


@pytest.mark.parametrize(("decision", "marked"), [("fracture", True), ("uncertain", True), ("no_fracture", False)])
def test_the_likeliest_places_have_corners_but_not_against_the_decision(
    tmp_path: Path, decision: Decision, marked: bool
) -> None:
    picture = drawn(tmp_path, decision, 0.2)
    assert (picture[60, 61].min() == 255) == marked
    assert picture[20, 21].tolist() == [80, 80, 80]  # less than half as likely


def test_three_places_are_shown_at_most() -> None:
    places = tuple(replace(PLACE, score=score) for score in (0.8, 0.7, 0.6, 0.5))
    answer = Prediction("a.png", "ok", None, 0.5, 0.5, "uncertain", "b@1", 0.0, boxes=places)
    assert likeliest(answer) == places[:3]
    assert likeliest(replace(answer, boxes=(places[0], replace(PLACE, score=0.39)))) == places[:1]


def test_a_map_smaller_than_its_image_has_the_corners_in_its_own_pixels() -> None:
    grey = np.full((SIDE, SIDE), 80, np.uint8)
    sample = Sample(grey, Placement(1, 1, 0, 0, SIDE, SIDE, SIDE), grey, Look(SIDE, 20, 0.9, 0, 0), 0.0)
    heat = np.zeros((SIDE // 2, SIDE // 2), np.float32)
    answer = Prediction("a.png", "ok", None, 0.5, 0.5, "fracture", "b@1", 0.0, heat=heat, boxes=(PLACE,))
    picture = draw_heat(answer, sample, kind="location", caption=False)
    assert picture is not None and picture.size == (SIDE // 2, SIDE // 2)
    pixels = np.asarray(picture)
    assert pixels[30, 31].min() == 255 and pixels[-5, 5].tolist() == [80, 80, 80]


def test_a_map_that_marks_no_places_is_drawn_as_it_is(tmp_path: Path) -> None:
    picture = drawn(tmp_path, "fracture", 0.3, kind="class_activation")
    assert picture[60, 61].tolist() == [80, 80, 80]
    assert coloured(picture) < coloured(drawn(tmp_path, "fracture", 0.3))


@pytest.mark.parametrize(
    ("probability", "told"), [(0.9964, "> 0.99"), (0.994, "0.99"), (0.0049, "< 0.01"), (0.005, "0.01"), (0.5, "0.50")]
)
def test_a_caption_claims_no_certainty_and_names_the_bundle_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, probability: float, told: str
) -> None:
    said: list[str] = []

    def note(grey: np.ndarray, heat: np.ndarray, *, caption: str, candidates: object) -> Image.Image:
        said.append(caption)
        return Image.fromarray(grey)

    monkeypatch.setattr("colles.serving.location.overlay", note)
    for side in (200, 400):
        grey = np.full((side, 150), 80, np.uint8)
        sample = Sample(grey, Placement(1, 1, 0, 0, side, side, side), grey, Look(side, 20, 0.9, 0, 0), 0.0)
        answer = Prediction(
            "a.png",
            "ok",
            None,
            0.5,
            probability,
            "fracture",
            "b@1",
            0.0,
            heat=np.zeros_like(grey, np.float32),
            boxes=(PLACE,),
        )
        Overlays(tmp_path / str(side), ["a.png"], kind="location").draw(answer, sample)
    assert said == [
        f"fracture, probability {told}",
        f"fracture, probability {told}\nb@1; corners: its likeliest places",
    ]


def test_a_picture_does_not_replace_an_image(drawn_bundle: Path, grey_files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a picture could replace it"):
        Predictor(load_bundle(drawn_bundle)).predict_paths(grey_files, overlays=tmp_path)


def test_maps_are_made_and_drawn_image_by_image(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk of films held all its maps at once."""
    done: list[str] = []
    monkeypatch.setattr(judge, "location_heat", lambda *given: done.append("map") or location_heat(*given))
    monkeypatch.setattr(location, "overlay", lambda *given, **more: done.append("picture") or overlay(*given, **more))
    list(
        Predictor(load_bundle(drawn_bundle), threads=1).predict_paths(
            grey_files[:2], overlays=tmp_path / "maps", batch=2
        )
    )
    assert done == ["map", "picture"] * 2


def test_a_picture_that_cannot_be_drawn_does_not_end_the_run(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "maps" / "level000.png" / "in the way").mkdir(parents=True)
    answers = list(Predictor(load_bundle(drawn_bundle)).predict_paths(grey_files[:2], overlays=tmp_path / "maps"))
    assert [answer.status for answer in answers] == ["ok", "ok"]
    assert str(answers[0].reason).startswith("no picture could be drawn (") and answers[1].reason is None
    tally = save_predictions(answers, tmp_path / "t.csv")
    assert tally.undrawn == 1 and str(tally).endswith(" (1 without a picture: see their reason)")


def test_a_file_of_several_pictures_is_not_one_without_a_picture(
    drawn_bundle: Path, grey_files: list[Path], tmp_path: Path
) -> None:
    """The summary said so of each, and `undrawn` counted it, where no pictures had been asked for at all."""
    views = [Image.open(file).convert("L") for file in grey_files[:2]]
    views[0].save(tmp_path / "views.tif", save_all=True, append_images=views[1:])
    answers = Predictor(load_bundle(drawn_bundle)).predict_batch([tmp_path / "views.tif"])
    assert answers[0].status == "ok" and str(answers[0].reason).startswith("only the first of its 2")
    tally = save_predictions(answers, tmp_path / "t.csv")
    assert tally.undrawn == 0 and "picture" not in str(tally)
