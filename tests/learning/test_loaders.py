"""Batches: the same pixels as at serving, drawn and changed by seed alone, broken files without weight."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.v2.functional import adjust_brightness, adjust_contrast

from colles.core.files import sha256_file
from colles.core.recipe import AugmentRecipe, DataRecipe, PreprocessRecipe
from colles.core.records import Radiograph
from colles.core.schema import CATALOG_SCHEMA
from colles.datasets.catalog import CatalogRows
from colles.imaging.preprocess import to_canvas, to_input
from colles.imaging.read import read_image
from colles.learning.loaders.augment import RandomTone, augment_seeded, create_augment
from colles.learning.loaders.cache import load_canvases
from colles.learning.loaders.dataset import CanvasDataset
from colles.learning.loaders.samplers import EpochSampler, Kind, draw_epoch, epoch_seed

RECIPE = PreprocessRecipe(size=32)


def radiographs(folder: Path, count: int) -> list[Radiograph]:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 255, (40, 30 + number), dtype=np.uint8)).save(path)
        rows.append(Radiograph(image_id=str(number), source="s", path=str(path), sha256=sha256_file(path)))
    return rows


def test_the_cache_holds_what_serving_computes(tmp_path: Path) -> None:
    rows = radiographs(tmp_path, 5)
    cache = load_canvases(rows, RECIPE, tmp_path / "cache")
    for row, canvas in zip(rows, cache.canvases, strict=True):
        np.testing.assert_array_equal(canvas, to_canvas(read_image(row.path), RECIPE))
    assert cache.bad == {}


def test_the_cache_decodes_once_and_is_rebuilt_when_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = radiographs(tmp_path, 3)
    before = np.array(load_canvases(rows, RECIPE, tmp_path / "cache").canvases)
    for row in rows:
        Path(row.path).rename(row.path + ".away")
    np.testing.assert_array_equal(load_canvases(rows, RECIPE, tmp_path / "cache").canvases, before)
    for row in rows:
        Path(row.path + ".away").rename(row.path)
    file = next((tmp_path / "cache").glob("*/canvases.npy"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 0xFF
    file.write_bytes(bytes(data))
    np.testing.assert_array_equal(load_canvases(rows, RECIPE, tmp_path / "cache").canvases, before)
    assert "damaged" in capsys.readouterr().err


def test_another_size_or_file_is_another_cache(tmp_path: Path) -> None:
    rows = radiographs(tmp_path, 2)
    load_canvases(rows, RECIPE, tmp_path / "cache")
    load_canvases(rows, PreprocessRecipe(size=48), tmp_path / "cache")
    Image.new("L", (20, 20), 90).save(rows[1].path)
    changed = [rows[0], rows[1].model_copy(update={"sha256": sha256_file(rows[1].path)})]
    load_canvases(changed, RECIPE, tmp_path / "cache")
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 3


def test_a_file_changed_since_the_catalog_is_not_trained_on(tmp_path: Path) -> None:
    rows = radiographs(tmp_path, 2)
    Image.new("L", (20, 20), 90).save(rows[1].path)
    assert "changed" in load_canvases(rows, RECIPE, tmp_path / "cache").bad[1]


def test_the_recipes_limits_hold_for_training_too(tmp_path: Path) -> None:
    rows = radiographs(tmp_path, 3)  # 40 pixels high, 30, 31 and 32 wide
    cache = load_canvases(rows, RECIPE, tmp_path / "cache", limits=DataRecipe(max_pixels=31 * 40))
    assert list(cache.bad) == [2]


def test_a_broken_file_is_a_black_placeholder_and_named(tmp_path: Path) -> None:
    rows = radiographs(tmp_path, 3)
    Path(rows[1].path).write_bytes(b"not an image")
    cache = load_canvases(rows, RECIPE, tmp_path / "cache")
    assert list(cache.bad) == [1]
    assert cache.canvases[1].max() == 0
    assert cache.canvases[0].max() > 0


def dataset(augment: AugmentRecipe | None) -> CanvasDataset:
    canvases = np.random.default_rng(1).integers(0, 255, (4, 32, 32), dtype=np.uint8)
    chain = None if augment is None else create_augment(augment, 32)
    rows, weights = np.arange(4), np.ones(4, np.float32)
    return CanvasDataset(canvases, rows, np.array([0, 1, 0, 1]), weights, RECIPE, augment=chain, seed=5)


def test_without_augmentation_an_example_is_the_serving_input() -> None:
    data = dataset(None)
    np.testing.assert_array_equal(data[2]["image"].numpy(), to_input(data.canvases[2], RECIPE))


def test_an_example_hangs_on_seed_epoch_and_place_alone() -> None:
    data = dataset(AugmentRecipe())
    first = data[(3, 1, 2)]["image"]
    torch.manual_seed(99)
    _ = data[(0, 0, 0)]
    assert torch.equal(data[(3, 1, 2)]["image"], first)
    assert not torch.equal(data[(4, 1, 2)]["image"], first)
    assert not torch.equal(data[(3, 2, 2)]["image"], first)


def test_augmentation_leaves_torchs_own_generator_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    augment_seeded(create_augment(AugmentRecipe(), 16), torch.zeros(1, 16, 16, dtype=torch.uint8), 7)
    assert torch.equal(torch.rand(3), expected)


def test_augmentation_gives_the_threads_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        augment_seeded(create_augment(AugmentRecipe(), 16), torch.zeros(1, 16, 16, dtype=torch.uint8), 7)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_brightness_and_contrast_are_what_torchvisions_colour_jitter_does() -> None:
    canvas = torch.from_numpy(np.random.default_rng(2).integers(20, 200, (1, 32, 32), dtype=np.uint8))
    tone = RandomTone(0.3, 0.4)
    orders = set()
    for seed in range(30):
        torch.manual_seed(seed)
        drawn = tone.make_params([])
        orders.add(drawn["contrast_first"])
        steps = [(adjust_brightness, drawn["brightness"]), (adjust_contrast, drawn["contrast"])]
        expected = canvas
        for adjust, factor in reversed(steps) if drawn["contrast_first"] else steps:
            expected = adjust(expected, factor)
        found = tone.transform(canvas, drawn)
        assert (found.int() - expected.int()).abs().max() <= 2  # torchvision cuts off at each step
        assert abs(drawn["brightness"] - 1) <= 0.3 and abs(drawn["contrast"] - 1) <= 0.4
    assert orders == {False, True}


def test_no_augmentation_changes_nothing() -> None:
    plain = AugmentRecipe(flip=0, rotation=0, brightness=0, contrast=0, noise=0)
    canvas = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    assert torch.equal(augment_seeded(create_augment(plain, 16), canvas, 3)[0], canvas)


LABELS = np.array([1] * 10 + [0] * 40)


def test_plain_shows_each_image_once() -> None:
    assert sorted(draw_epoch(LABELS, None, "plain", seed=0, epoch=0)) == list(range(50))


def test_oversample_shows_every_image_and_evens_the_classes() -> None:
    drawn = draw_epoch(LABELS, None, "oversample", seed=0, epoch=0)
    assert set(drawn) == set(range(50))
    assert Counter(LABELS[drawn].tolist()) == {0: 40, 1: 40}


def test_weighted_draws_even_classes_in_expectation() -> None:
    drawn = np.concatenate([draw_epoch(LABELS, None, "weighted", seed=0, epoch=epoch) for epoch in range(200)])
    assert LABELS[drawn].mean() == pytest.approx(0.5, abs=0.02)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 8), min_size=4, max_size=40), st.sampled_from(["plain", "oversample"]), st.integers(0, 99)
)
def test_one_copy_of_each_radiograph_an_epoch(names: list[int], kind: str, epoch: int) -> None:
    labels = np.array([name % 2 for name in names])
    drawn = draw_epoch(labels, [str(name) for name in names], kind, seed=1, epoch=epoch)  # type: ignore[arg-type]
    shown = {names[index] for index in drawn}
    assert shown == set(names)
    assert len(set(drawn.tolist())) == len(shown)


def test_epochs_differ_and_repeat_by_seed() -> None:
    first, again, next_one = (draw_epoch(LABELS, None, "plain", seed=3, epoch=epoch) for epoch in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != next_one).any()
    assert next(iter(EpochSampler(first, 4))) == (4, 0, int(first[0]))
    assert epoch_seed(1, 2, 3) != epoch_seed(1, 3, 2)


def test_negatives_are_capped_by_source_and_drawn_anew_each_epoch() -> None:
    labels = np.array([1] * 10 + [0] * 90 + [1] * 5 + [0] * 5 + [0] * 20)
    sources = ["a"] * 100 + ["b"] * 10 + ["only_normal"] * 20
    drawn = [draw_epoch(labels, None, "plain", seed=0, epoch=e, sources=sources, negatives=2.0) for e in range(2)]
    counts = Counter(zip(np.array(sources)[drawn[0]].tolist(), labels[drawn[0]].tolist(), strict=True))
    assert counts == {("a", 1): 10, ("a", 0): 20, ("b", 1): 5, ("b", 0): 5, ("only_normal", 0): 20}
    assert set(drawn[0].tolist()) != set(drawn[1].tolist())


_BUILDER = """
import sys
from pathlib import Path
from colles.core.recipe import PreprocessRecipe
from colles.core.records import Radiograph
from colles.learning.loaders.cache import load_canvases
folder, count = Path(sys.argv[1]), int(sys.argv[2])
rows = [Radiograph(image_id=str(n), source="s", path=str(folder / f"{n}.png")) for n in range(count)]
print(int(load_canvases(rows, PreprocessRecipe(size=32), folder / "cache").canvases.astype("int64").sum()))
"""


@pytest.mark.slow
def test_several_runs_may_build_the_same_cache_at_once(tmp_path: Path) -> None:
    radiographs(tmp_path, 40)
    command = [sys.executable, "-c", _BUILDER, str(tmp_path), "40"]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], answers
    assert len({out for out, _ in answers}) == 1 and int(answers[0][0]) > 0
    assert not any("damaged" in err for _, err in answers)
    [place] = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    assert sorted(path.name for path in place.iterdir()) == ["canvases.json", "canvases.npy"]


def test_who_waited_for_the_lock_does_not_build_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = radiographs(tmp_path, 3)
    first = load_canvases(rows, RECIPE, tmp_path / "cache")
    answers = iter([None, first])
    monkeypatch.setattr("colles.learning.loaders.cache._current", lambda *_, **__: next(answers))
    monkeypatch.setattr("colles.learning.loaders.cache._build", lambda *_: pytest.fail("built again"))
    assert load_canvases(rows, RECIPE, tmp_path / "cache") is first


def test_canvases_are_mapped_and_not_read(tmp_path: Path) -> None:
    cache = load_canvases(radiographs(tmp_path, 3), RECIPE, tmp_path / "cache")
    assert isinstance(cache.canvases, np.memmap) and not cache.canvases.flags.writeable


@pytest.mark.parametrize("damage", ["cut", "gone", "header", "json"])
def test_every_damage_to_the_cache_is_mended(tmp_path: Path, damage: str) -> None:
    rows = radiographs(tmp_path, 3)
    before = np.array(load_canvases(rows, RECIPE, tmp_path / "cache").canvases)
    file = next((tmp_path / "cache").glob("*/canvases.npy"))
    if damage == "gone":
        file.unlink()
    elif damage == "json":
        file.with_suffix(".json").write_text('{"bad": []}')
    else:
        data = file.read_bytes()
        file.write_bytes(data[:-7] if damage == "cut" else b"x" * 16 + data[16:])
    np.testing.assert_array_equal(load_canvases(rows, RECIPE, tmp_path / "cache").canvases, before)


def test_rows_of_a_table_share_the_cache_with_rows_of_a_list(tmp_path: Path) -> None:
    rows = radiographs(tmp_path, 3)
    load_canvases(rows, RECIPE, tmp_path / "cache")
    table = CatalogRows(pl.DataFrame([row.model_dump() for row in rows], schema=CATALOG_SCHEMA))
    assert list(table) == rows and table[1] == rows[1] and list(table[1:]) == rows[1:]
    assert list(table.take([2, 0])) == [rows[2], rows[0]]
    with pytest.raises(IndexError):
        table[3]
    load_canvases(table, RECIPE, tmp_path / "cache")
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1


@pytest.mark.parametrize("world", [1, 2, 4, 8])
def test_each_of_several_processes_sees_both_classes_evenly(world: int) -> None:
    """Bug: of four processes each was shown one class alone."""
    labels = np.array([1] * 9 + [0] * 64)
    shown = labels[draw_epoch(labels, None, "balanced_batches", seed=0, epoch=0)]
    for rank in range(world):
        own = [shown[position] for _, position, _ in EpochSampler(shown, 0, rank=rank, world=world)]
        pairs = np.array(own[: len(own) // 2 * 2]).reshape(-1, 2)
        assert (pairs.sum(1) == 1).all()


def test_a_mapped_cache_travels_to_another_process_by_its_name(tmp_path: Path) -> None:
    """Bug: a training on several GPUs sent each process all canvases."""
    rows = radiographs(tmp_path, 8)
    canvases = load_canvases(rows, RECIPE, tmp_path / "cache").canvases
    sent = pickle.dumps(canvases)
    assert len(sent) < 1000 < canvases.nbytes
    assert np.array_equal(pickle.loads(sent), canvases)
    part = canvases[2:4]
    assert np.array_equal(pickle.loads(pickle.dumps(part)), part)


@pytest.mark.parametrize("kind", ["plain", "weighted", "oversample", "balanced_batches"])
def test_a_small_share_of_negatives_left_none(kind: Kind) -> None:
    """train.negatives=0.01 trained on fractures alone, or ended in `all input arrays must have the same shape`."""
    labels = np.array([1] * 8 + [0] * 30)
    drawn = draw_epoch(labels, None, kind, seed=0, epoch=0, negatives=0.01)
    assert set(labels[drawn].tolist()) == {0, 1}
