"""Simulated radiographs: the same bytes by seed, true boxes, planted faults, and no trivial way to the label."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from colles.core.errors import OutputExistsError
from colles.core.recipe import PhantomRecipe
from colles.datasets.catalog import build_catalog
from colles.datasets.phantom import write_phantoms
from colles.datasets.sources import create_source
from colles.evaluation.evaluate import evaluate_scores

BROKEN = ["truncated", "zero_byte"]


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 120 small phantoms."""
    return write_phantoms(tmp_path_factory.mktemp("p") / "set", PhantomRecipe(images=120, size=96, seed=5), workers=1)


def truth_of(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / "truth.csv")


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(phantoms: Path, tmp_path: Path) -> None:
    again = write_phantoms(tmp_path / "again", PhantomRecipe(images=120, size=96, seed=5), workers=2)
    assert files_of(phantoms) == files_of(again)
    other = write_phantoms(tmp_path / "other", PhantomRecipe(images=40, size=96, seed=6), workers=1)
    assert files_of(other)["truth.csv"] != files_of(phantoms)["truth.csv"]


def test_exactly_as_many_files_as_asked_about_half_in_each_set(phantoms: Path) -> None:
    truth = truth_of(phantoms)
    assert truth.height == 120 == truth["path"].n_unique()
    assert all((phantoms / path).is_file() for path in truth["path"])
    counts = Counter(truth["set"])
    assert counts.keys() == {"FracAtlas", "bonefractureyolo"}
    assert min(counts.values()) >= 40
    assert 0.15 < truth.filter(pl.col("planted") == "")["label"].cast(pl.Float64).mean() < 0.5  # type: ignore[operator]


def test_every_kind_of_fault_is_planted_and_file_names_clash(phantoms: Path) -> None:
    truth = truth_of(phantoms).with_columns(name=pl.col("path").str.split("/").list.last())
    kinds = Counter(truth["planted"].fill_null(""))
    assert {"", "exact", "near", "rotated", "augmented", *BROKEN} <= set(kinds)
    names = [set(truth.filter(pl.col("set") == each)["name"]) for each in ("FracAtlas", "bonefractureyolo")]
    assert names[0] & names[1]
    assert truth.filter(pl.col("planted").is_in(BROKEN))["label"].max() == 0
    by_path = {row["path"]: row for row in truth.iter_rows(named=True)}
    exact = truth.filter(pl.col("planted") == "exact").to_dicts()
    for row in exact:
        assert (phantoms / row["path"]).read_bytes() == (phantoms / row["copy_of"]).read_bytes()
    assert any(row["label"] != by_path[row["copy_of"]]["label"] for row in exact)


def test_the_sources_read_what_was_written(phantoms: Path) -> None:
    sources = [create_source("fracatlas", phantoms / "FracAtlas")]
    sources.append(create_source("yolo", phantoms / "bonefractureyolo", name="bonefractureyolo"))
    frame = build_catalog(sources, workers=1).frame
    truth = {str(phantoms / row["path"]): row for row in truth_of(phantoms).iter_rows(named=True)}
    assert set(frame["path"]) == set(truth)
    for row in frame.iter_rows(named=True):
        known = truth[row["path"]]
        assert (row["status"] != "ok") == (known["planted"] in BROKEN)
        if row["label"] is None:
            continue
        assert row["label"] == known["label"]
        if row["label"] == 1 and row["status"] == "ok":
            got = [[box[side] for side in ("x1", "y1", "x2", "y2")] for box in row["boxes"]]
            np.testing.assert_allclose(got, json.loads(known["boxes"]), atol=0.1)
    assert frame["label"].null_count() >= 1
    assert (frame["label"] != frame["metadata_label"]).sum() == 1


@pytest.mark.slow
def test_the_label_is_not_to_be_had_without_looking_at_bone(tmp_path: Path) -> None:
    folder = write_phantoms(tmp_path / "set", PhantomRecipe(images=300, size=96, seed=2), workers=2)
    truth = truth_of(folder).filter(~pl.col("planted").fill_null("").is_in(BROKEN))
    rows = []
    for path in truth["path"]:
        pixels = np.asarray(Image.open(folder / path).convert("L"), np.float64)
        rows.append([(folder / path).stat().st_size, *pixels.shape, pixels.mean(), pixels.std(), pixels.max()])
    model = make_pipeline(StandardScaler(), LogisticRegression())
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    y_true, groups = truth["label"].to_numpy(), truth["patient_id"].to_list()
    score = cross_val_predict(model, np.array(rows), y_true, groups=groups, cv=folds, method="predict_proba")[:, 1]
    auroc = evaluate_scores(y_true, score, groups=groups).subsets["test"].figures["auroc"]
    assert auroc.value is not None
    assert auroc.value < 0.7


def test_existing_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        write_phantoms(tmp_path, PhantomRecipe(images=20, size=64))
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.slow
def test_overwriting_a_folder_of_ones_own_deleted_all_that_was_in_it(tmp_path: Path) -> None:
    recipe = PhantomRecipe(images=20, size=64)
    made = write_phantoms(tmp_path / "made", recipe, overwrite=True, workers=1)
    write_phantoms(made, recipe, overwrite=True, workers=1)
    mine = [made / "thesis.txt", tmp_path / "data" / "FracAtlas" / "a.jpg"]
    for file in mine:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
    for folder in (made, tmp_path / "data"):
        with pytest.raises(OutputExistsError, match="--overwrite replaces phantoms, and nothing else"):
            write_phantoms(folder, recipe, overwrite=True)
    assert all(file.read_text() == "mine" for file in mine)


def stop_drawing(folder: Path, how: str) -> subprocess.CompletedProcess[str]:
    """Run `colles phantom` in `folder`, whose drawing processes do `how` as they load; return when all have ended."""
    (folder / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'colles.datasets.phantom': {how}\n"
        "if '--multiprocessing-fork' in sys.orig_argv: sys.meta_path.insert(0, Stop())\n"
    )
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv = 'colles phantom --out drawn --images 200 --size 64'.split()\n"
        "from colles.__main__ import main; main()\n"
    )
    paths = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=120,
    )


@pytest.mark.slow
def test_ctrl_c_showed_where_in_python_every_drawing_process_was(tmp_path: Path) -> None:
    """A terminal sends it to all of them; those that loaded buried the line that says what to do."""
    done = stop_drawing(tmp_path, "os.killpg(0, signal.SIGINT)")
    assert done.returncode == 130
    assert done.stderr == "interrupted: no result was written; the same command starts over\n"
    assert not (tmp_path / "drawn").exists()


@pytest.mark.slow
def test_a_program_that_was_killed_left_its_drawing_processes_behind(tmp_path: Path) -> None:
    done = stop_drawing(tmp_path, "os.kill(os.getppid(), signal.SIGKILL)")
    assert done.returncode == -9 and not (tmp_path / "drawn").exists()
