"""Explained images on disk: pictures, maps, entries, galleries; from a run and from a bundle."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tiny_run import TinyRun, make_run

from colles.core.errors import BundleError, MissingInputError, UsageError
from colles.core.recipe import ExplainRecipe
from colles.core.records import Box
from colles.flow import pictures
from colles.flow.explain import Item, look, open_maps
from colles.flow.explain_images import explain_images, mean_seconds
from colles.flow.gallery import choose_gallery, gallery_items, write_sheets
from colles.flow.localise import Judge, scores_of
from colles.flow.pictures import Look
from colles.imaging.overlay import overlay
from colles.serving.maps import BundleMaps

CONTRACT = {"path", "method", "score", "peak", "map"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return make_run(tmp_path_factory.mktemp("tiny"), images=12)


def explained(folder: Path, paths: list[Path], methods: list[str], out: Path) -> list[dict]:
    return explain_images(open_maps(folder, methods), [Item(path) for path in paths], out)


def test_a_name_that_is_not_utf8_is_told_as_predict_tells_it(run: TinyRun, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    shutil.copyfile(run.catalog.frame["path"][0], odd)
    (entry,) = explained(run.folder, [odd], ["gradcam"], tmp_path / "out")
    assert entry["path"].endswith("caf\\udce9.png") and entry["error"] is None
    assert (tmp_path / "out" / entry["map"]).is_file() and (tmp_path / "out" / entry["overlay"]).is_file()


def test_a_batch_with_a_broken_and_a_black_image_goes_on(run: TinyRun, tmp_path: Path) -> None:
    good = Path(run.catalog.frame["path"][0])
    broken, black = tmp_path / "broken.png", tmp_path / "black.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.fromarray(np.zeros((60, 100), np.uint8)).save(black)
    out = tmp_path / "out"
    entries = explained(run.folder, [good, broken, black], ["gradcam", "input_gradient"], out)
    assert json.loads((out / "explanations.json").read_text()) == entries
    assert [Path(entry["path"]).stem for entry in entries] == ["image00"] * 2 + ["broken"] + ["black"] * 2
    assert entries[2]["error"] and entries[2]["overlay"] is None and entries[2]["score"] is None
    for entry in (*entries[:2], *entries[3:]):
        assert entry.keys() >= CONTRACT and entry["error"] is None
        heat = np.load(out / entry["map"])
        with Image.open(entry["path"]) as image, Image.open(out / entry["overlay"]) as picture:
            assert heat.shape == image.size[::-1] and picture.size == image.size
        assert ("nearly one grey level" in (entry["note"] or "")) == (entry in entries[3:])
        if entry["peak"] is None:
            assert not heat.any() and "zero" in entry["note"]
        else:
            x, y = entry["peak"]
            assert heat.max() == 1 and 0 <= x < heat.shape[1] and 0 <= y < heat.shape[0]
            assert entry["boxes"][0]["score"] == pytest.approx(entry["score"], rel=1e-3)
            assert (out / entry["side_by_side"]).is_file()
    assert 0 < entries[0]["score"] < 1 and entries[0]["score"] == entries[1]["score"]


def test_boxes_outcomes_and_ids_reach_picture_and_entry(run: TinyRun, tmp_path: Path) -> None:
    path = Path(run.catalog.frame["path"][0])
    source = open_maps(run.folder, ["gradcam"])
    (plain,) = explain_images(source, [Item(path)], tmp_path / "plain")
    known = Item(path, "drawn/a", (Box(x1=5, y1=5, x2=20, y2=20),), 1, "TP")
    (told,) = explain_images(source, [known], tmp_path / "told")
    assert (plain["outcome"], told["outcome"], told["image_id"]) == (None, "TP", "drawn/a")
    assert (tmp_path / "plain" / plain["overlay"]).read_bytes() != (tmp_path / "told" / told["overlay"]).read_bytes()
    assert np.array_equal(np.load(tmp_path / "plain" / plain["map"]), np.load(tmp_path / "told" / told["map"]))


def test_a_picture_says_that_each_map_is_scaled_to_its_own_peak(
    run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film with a score of 0.02 glowed like one with 0.98, and nothing said why."""
    told: list[str] = []
    monkeypatch.setattr(pictures, "overlay", lambda *each, caption, **more: told.append(caption) or overlay(*each))
    small, large = Path(run.catalog.frame["path"][0]), tmp_path / "large.png"
    with Image.open(small) as image:
        image.resize((320, 320)).save(large)
    for image in (large, small):  # one by one: pictures are written by several threads
        explained(run.folder, [image], ["gradcam"], tmp_path / image.stem)
    first, note = told[0].splitlines()
    assert first.startswith("score 0.") and note == "brightest at its own peak, whatever the score"
    assert len(told[1].splitlines()) == 1  # no room for what nobody could read


def test_equal_file_names_do_not_overwrite_each_other(run: TinyRun, tmp_path: Path) -> None:
    paths = []
    for folder, level in (("a", 10), ("b", 200)):
        path = tmp_path / folder / "same.png"
        path.parent.mkdir()
        Image.fromarray(np.full((20, 20), level, np.uint8)).save(path)
        paths.append(path)
    entries = explained(run.folder, paths, ["input_gradient"], tmp_path / "out")
    assert len({entry["overlay"] for entry in entries}) == 2


def test_the_same_seed_gives_the_same_bytes(run: TinyRun, tmp_path: Path) -> None:
    frame = run.table.with_columns(subset=pl.lit("test"))
    for out in ("one", "two"):
        chosen = choose_gallery(frame, float(frame["y_score"].median()), ExplainRecipe(per_outcome=1, worst=0, seed=4))
        assert chosen["outcome"].to_list() == ["TP", "FP", "FN", "TN"]
        entries = explain_images(open_maps(run.folder, ["auto"]), gallery_items(run.catalog, chosen), tmp_path / out)
        assert [entry["outcome"] for entry in entries] == ["TP", "FP", "FN", "TN"]
        assert len(write_sheets(entries, tmp_path / out)) == 4
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    other = choose_gallery(frame, float(frame["y_score"].median()), ExplainRecipe(per_outcome=1, worst=0, seed=5))
    assert other["image_id"].to_list() != chosen["image_id"].to_list()


def test_slow_methods_see_a_seeded_sample(run: TinyRun, tmp_path: Path) -> None:
    items = [Item(Path(path)) for path in run.catalog.frame["path"]]
    source = open_maps(run.folder, ["auto", "scorecam"])
    entries = explain_images(source, items, tmp_path / "out", style=Look(overlays=False, maps="none"), sample=3)
    seen = [entry["path"] for entry in entries if entry["method"] == "scorecam"]
    assert len(seen) == 3 and len([entry for entry in entries if entry["method"] == "gradcam"]) == len(items)
    again = [str(shown.item.path) for shown in look(source, items, sample=3) if "scorecam" in shown.maps]
    assert seen == again
    assert mean_seconds(source)["scorecam"][0] == 6
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["explanations.json"]


def test_native_maps_say_which_part_of_the_image_they_cover(run: TinyRun, tmp_path: Path) -> None:
    path = Path(run.catalog.frame["path"][0])
    style = Look(maps="native", overlays=False)
    (entry,) = explain_images(open_maps(run.folder, ["gradcam"]), [Item(path)], tmp_path, style=style)
    with Image.open(path) as image:
        width, height = image.size
    x1, y1, x2, y2 = entry["map_box"]
    assert np.load(tmp_path / entry["map"]).shape == (2, 2)
    assert x2 - x1 == pytest.approx(y2 - y1, rel=0.02) and x2 - x1 == pytest.approx(max(width, height), abs=2)
    assert entry["overlay"] is None


def test_a_box_outside_the_image_and_an_image_without_boxes_are_told(run: TinyRun, tmp_path: Path) -> None:
    paths = [Path(path) for path in run.catalog.frame["path"][:3]]
    gone = Box(x1=900, y1=900, x2=950, y2=950)
    items = [Item(paths[0], "a", (gone, Box(x1=1, y1=1, x2=9, y2=9)), 1), Item(paths[1], "b", (), 1),
             Item(paths[2], "c", (gone,), 1)]  # fmt: skip
    source = open_maps(run.folder, ["gradcam"])
    judge = Judge(source)
    entries = explain_images(source, items, tmp_path, judge=judge)
    assert entries[0]["note"] is None or "outside the image" in entries[0]["note"]
    assert "outside the image" in entries[2]["note"]
    scores = scores_of(judge, "images")
    assert scores["n"] == 1 and scores["n_boxes"] == 1
    assert sorted(scores["notes"]) == [
        "2 images: has a box outside the image, which was left out", "2 images: has no reference box",
    ]  # fmt: skip


def test_a_method_that_the_model_cannot_have_is_left_out_with_a_note(run: TinyRun) -> None:
    source = open_maps(run.folder, ["location", "gradcam"])
    assert [method.name for method in source.methods] == ["gradcam"] and "no location map" in source.notes[0]
    with pytest.raises(UsageError, match="no location map"):
        open_maps(run.folder, ["location"])


def test_bad_requests_say_what_would_work(run: TinyRun, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'gradcam'"):
        open_maps(run.folder, ["grad-cam"])
    with pytest.raises(UsageError, match="no method"):
        open_maps(run.folder, [])
    with pytest.raises(MissingInputError, match="no trained weights"):
        open_maps(tmp_path, ["gradcam"])
    with pytest.raises(UsageError, match="unknown target"):
        open_maps(run.folder, ["gradcam"], "normal")
    with pytest.raises(UsageError, match="no share"):
        explain_images(open_maps(run.folder, ["gradcam"]), [], tmp_path, style=Look(contour=1.5))


def test_an_altered_bundle_explains_nothing(run: TinyRun, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BundleError):
        open_maps(tmp_path, ["gradcam"])


@pytest.mark.slow
def test_the_map_of_the_graph_is_gradcam(tmp_path: Path) -> None:
    from colles.learning.export import export_bundle

    run = make_run(tmp_path / "tiny", images=12)
    folder = export_bundle(
        run.folder, tmp_path / "bundle", evaluation=None, catalog=run.catalog, recipe=run.recipe.export
    )
    graph, network = open_maps(folder, ["auto"]), open_maps(run.folder, ["auto"])
    assert isinstance(graph, BundleMaps) and not isinstance(network, BundleMaps) and graph.default == "gradcam"
    items = [Item(Path(path)) for path in run.catalog.frame["path"]]
    for one, other in zip(look(graph, items), look(network, items), strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        left, right = (each.maps["gradcam"] / max(each.maps["gradcam"].max(), 1e-12) for each in (one, other))
        assert left == pytest.approx(right, abs=1e-3)
    assert [method.name for method in open_maps(folder, ["auto", "gradcam", "cam"]).methods] == ["gradcam", "cam"]
    with pytest.raises(UsageError, match="no location map"):
        open_maps(folder, ["location"])
    assert not isinstance(open_maps(folder, ["input_gradient"]), BundleMaps)
