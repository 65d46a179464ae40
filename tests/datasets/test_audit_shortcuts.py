from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from frames import catalog_of

from colles.core.records import Estimate
from colles.datasets.audit.fold_groups import enough, with_fold_groups
from colles.datasets.audit.practices import leaking_practices
from colles.datasets.audit.shortcuts import ALL, TOGETHER, Shortcut, find_shortcuts, shortcut_issues


def rows(count: int = 240, seed: int = 0) -> list[dict[str, Any]]:
    """Pictures of two sources; in the first, fractures are taller, and hardware is noted there alone."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        source, label = ("atlas", "export")[number % 2], int(rng.random() < 0.5)
        height = 400 + (120 * label if source == "atlas" else 0) + int(rng.normal(0, 60))
        row = {"image_id": f"{source}/{number}.jpg", "label": label, "width": 400, "height": height}
        grey = {"mean_grey": float(rng.normal(60, 10)), "file_bytes": int(rng.integers(10_000, 20_000))}
        known = {"hardware": bool(rng.random() < 0.2 * label)} if source == "atlas" else {}
        made.append({**row, **grey, **known, "group_id": f"{source}:{number // 2}", "colour_mode": "L"})
    return made


def own_groups(table: pl.DataFrame) -> pl.DataFrame:
    return table.select("image_id", "group_id")


def test_a_planted_shortcut_is_found_where_it_is_and_noise_is_not() -> None:
    frame = catalog_of(rows()).frame
    found = {(each.name, each.over): each for each in find_shortcuts(frame, own_groups(frame))}
    assert (found["image height", "atlas"].auroc.value or 0) > 0.8
    assert found["image height", "atlas"].severity == "warning"
    assert found["mean brightness", ALL].severity is None
    assert found["image height", "export"].severity is None
    assert ("source", "atlas") not in found and ("colour mode", ALL) not in found  # the same everywhere
    assert found["hardware", ALL].auroc.n == 120  # judged where it was noted
    assert found[TOGETHER.name, "atlas"].severity == "warning"
    assert "Image height alone reaches an AUROC of 0." in found["image height", "atlas"].sentence
    details = [issue.detail for issue in shortcut_issues(list(found.values()))]
    assert any("within atlas" in detail and "preprocessing" in detail for detail in details)


def test_what_tells_one_visit_from_another_is_no_shortcut_and_a_visit_counts_once() -> None:
    """The size of a file says which visit it is of, and no more."""
    sizes = np.random.default_rng(5).permutation(24)
    made = [
        {
            "image_id": f"a/{visit}_{view}.jpg",
            "label": visit % 2,
            "file_bytes": int(sizes[visit]),
            "group_id": f"a:{visit}",
        }
        for visit in range(24)
        for view in range(12)
    ]
    frame = catalog_of(made).frame
    [found] = find_shortcuts(frame, own_groups(frame))
    assert found.severity is None
    assert (found.auroc.n, found.auroc.n_groups) == (288, 24)


def test_the_lower_bound_decides_on_an_issue_and_the_strongest_comes_first() -> None:
    def measured(value: float, low: float | None) -> Shortcut:
        auroc = Estimate(value=value, low=low, high=value, level=0.95, method="m", n=9, n_groups=9)
        return Shortcut("border", f"{value}", auroc, "advice")

    found = [measured(*pair) for pair in ((0.7, 0.54), (0.62, 0.56), (0.71, 0.61), (0.8, 0.6), (0.9, None))]
    assert [each.severity for each in found] == [None, "info", "warning", "warning", None]
    assert [issue.detail.split(" within ")[1][:4] for issue in shortcut_issues(found)] == ["0.8,", "0.71", "0.62"]


@pytest.mark.slow
def test_trees_get_one_thread_also_where_nothing_had_loaded_their_library_before() -> None:
    """The limit came before the library: 240 images took minutes of waiting threads beside a busy core."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_audit_shortcuts import catalog_of, own_groups, rows\n"
        "import colles.datasets.audit.shortcuts as shortcuts\n"
        "seen, plain = [], shortcuts._out_of_fold\n"
        "def watched(*given):\n"
        "    import sklearn.ensemble, threadpoolctl\n"
        "    seen.extend(pool['num_threads'] for pool in threadpoolctl.threadpool_info())\n"
        "    return plain(*given)\n"
        "shortcuts._out_of_fold = watched\n"
        "frame = catalog_of(rows()).frame\n"
        "shortcuts.find_shortcuts(frame, own_groups(frame))\n"
        "print(set(seen))"
    )
    threads = {name: "2" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads}, check=False)
    assert done.stdout.strip() == "{1}", done.stderr


def test_class_names_of_boxes_are_never_looked_at() -> None:
    box = {"x1": 0.0, "y1": 0.0, "x2": 1.0, "y2": 1.0, "name": "wrist"}
    told = [{**row, "boxes": [box] if row["label"] else [], "height": 400, "hardware": None} for row in rows()]
    frame = catalog_of(told).frame
    found = find_shortcuts(frame, own_groups(frame))
    assert found and all(each.severity is None for each in found)


def test_too_few_groups_are_left_out() -> None:
    frame = catalog_of(rows(12)).frame
    assert find_shortcuts(frame, own_groups(frame)) == []
    label = np.repeat([0, 1], 50)
    assert enough(label, np.arange(100) // 5) and not enough(label, np.arange(100) // 10)


def test_neighbouring_numbers_share_a_fold_and_copies_do_before_that() -> None:
    made = [{"image_id": f"a/IMG{number:04}.jpg", "label": 0} for number in range(30)]
    frame = catalog_of(made).frame
    clusters = own_groups(frame).with_columns(
        pl.when(pl.col("image_id").is_in(["a/IMG0003.jpg", "a/IMG0025.jpg"]))
        .then(pl.lit("copies"))
        .otherwise("group_id")
        .alias("group_id")
    )
    groups = dict(with_fold_groups(frame, clusters).select("image_id", "fold_group").iter_rows())
    assert groups["a/IMG0003.jpg"] == groups["a/IMG0025.jpg"] == "copies"
    assert groups["a/IMG0011.jpg"] == groups["a/IMG0019.jpg"] != groups["a/IMG0020.jpg"]


def test_persons_of_one_name_in_two_sources_are_two() -> None:
    made = [
        {"image_id": f"{source}/patient{person:02}/{view}.png", "label": person % 2}
        for source in "ab"
        for person in range(6)
        for view in range(2)
    ]
    frame = catalog_of(made).frame
    assert with_fold_groups(frame, own_groups(frame))["fold_group"].n_unique() == 12


@pytest.mark.parametrize("copies", [[], [["a/0.jpg", "a/19.jpg"]]])
def test_practices_count_held_out_images_whose_radiograph_is_in_train(copies: list[list[str]]) -> None:
    made = [{"image_id": f"a/{number:02}.jpg".replace("/0", "/"), "label": 0} for number in range(20)]
    frame = catalog_of(made).frame.with_columns(base_name=pl.lit(None, dtype=pl.String))
    ids = frame["image_id"].to_list()
    given = {image: "test" if image == "a/19.jpg" else "train" for image in ids}
    found = {row["practice"]: row for row in leaking_practices(frame, copies, given, "the split")}
    assert found["the split"] == {
        "source": "a",
        "practice": "the split",
        "train": 19,
        "held_out": 1,
        "leaked": len(copies),
    }
    assert (found["random split of images"]["leaked"] > 0) == bool(copies)
    ordered = leaking_practices(frame, [["a/0.jpg", "a/9.jpg"]], given, "the split")[1]  # 9 comes behind 19
    counts = {"train": 14, "held_out": 6, "leaked": 1}
    assert ordered == {"source": "a", "practice": "ranges of the file order", **counts}
    assert len(leaking_practices(frame, copies, dict.fromkeys(ids, "test"), "the split")) == 2  # nothing is divided


def test_practices_count_copies_of_one_name_and_only_images_that_can_be_divided() -> None:
    made = [{"image_id": f"a/{n}.png", "label": 0, "base_name": "x" if n in (0, 4) else f"y{n}"} for n in range(6)]
    made[1] |= {"status": "truncated", "base_name": "x"}
    made[2] |= {"label": None}
    sides = dict(zip([row["image_id"] for row in made], ["train", "test", "test", "train", "test", "val"], strict=True))
    [*_, given] = leaking_practices(catalog_of(made).frame, [], sides, "the split")
    assert given == {"source": "a", "practice": "the split", "train": 2, "held_out": 2, "leaked": 1}
