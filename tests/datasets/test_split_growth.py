"""A split that is kept while its data set grows, folds, held-out sources, and tables that people edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from frames import catalog_of, numbered
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from colles.core.errors import LeakError, MissingInputError, StaleInputError, TableError, UsageError
from colles.core.recipe import SplitRecipe
from colles.datasets.audit.audit import cluster_table
from colles.datasets.extending import BRIDGE, TOO_LARGE
from colles.datasets.split import Split, adopt_split, assert_no_leak, make_folds, make_split
from colles.datasets.split_table import read_split_table

RECIPE = SplitRecipe(val=0.2, test=0.2)


def sides(split: Split) -> dict[str, str]:
    return dict(split.frame.select("image_id", "subset").iter_rows())


def reasons(split: Split) -> dict[str, str]:
    return {entry["image_id"]: entry["reason"] for entry in split.summary["excluded"]}


def patients(count: int, each: int = 2, *, source: str = "clinic", first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "image_id": f"{source}/p{number}_{view}.png",
            "label": number % 3 == 0,
            "patient_id": f"p{number}",
            "group_id": f"{source}:p{number}",
        }
        for number in range(first, first + count)
        for view in range(each)
    ]


@st.composite
def growths(draw: st.DrawFn) -> tuple[list[dict], list[dict], list[list[str]]]:
    """Return rows of a data set, the rows that come later, and the sets of copies in the whole."""
    old = numbered(draw(st.integers(60, 100))) + patients(draw(st.integers(20, 40)))
    numbers = draw(st.lists(st.integers(0, 160), unique=True, max_size=30))
    taken = {row["image_id"] for row in old}
    new = [
        row
        for row in ({"image_id": f"atlas/images/IMG{number:07d}.jpg", "label": number % 2} for number in numbers)
        if row["image_id"] not in taken
    ]
    new += [
        {**row, "image_id": row["image_id"].replace(".png", "_new.png")}
        for row in patients(draw(st.integers(0, 50)), 1, first=draw(st.integers(0, 20)))
    ]
    ids = sorted(row["image_id"] for row in [*old, *new])
    later = {row["image_id"] for row in new}
    sets = draw(st.lists(st.lists(st.sampled_from(ids), min_size=2, max_size=3, unique=True), max_size=10))
    apart: list[list[str]] = []
    used: set[str] = set()
    for found in sets:
        # Copies among old images alone would have been known when the old split was made.
        if used.isdisjoint(found) and len([image for image in found if image not in later]) < 2:
            apart.append(found)
            used.update(found)
    return old, new, apart


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(growths(), st.integers(0, 5))
def test_adding_images_never_moves_old_ones(made: tuple[list[dict], list[dict], list[list[str]]], seed: int) -> None:
    old_rows, new_rows, copies = made
    old_catalog, catalog = catalog_of(old_rows), catalog_of([*new_rows, *old_rows])
    recipe = SplitRecipe(val=0.2, test=0.2, seed=seed)
    old = make_split(old_catalog, recipe)
    clusters = cluster_table(catalog.frame, copies)
    grown = make_split(catalog, recipe, clusters=clusters, keep=old)
    before, after = sides(old), sides(grown)
    assert {image: after[image] for image in before} == before
    assert_no_leak(grown, catalog, clusters)
    listed = [*after, *reasons(grown)]
    assert sorted(listed) == sorted(catalog.frame["image_id"].to_list())
    assert grown.frame.group_by("group_id").agg(pl.col("subset").n_unique())["subset"].max() == 1
    again = make_split(catalog_of([*old_rows, *new_rows]), recipe, clusters=clusters.reverse(), keep=old)
    assert again.frame.equals(grown.frame)


def test_a_copy_of_a_new_image_that_is_left_out_is_left_out_too() -> None:
    """It stayed with its block in val, though the patient whose picture it copies was in train."""
    rows = [*numbered(61), *patients(40)]
    old = make_split(catalog_of(rows), RECIPE)
    there = sides(old)
    kin = next(row for row in rows if "patient_id" in row and there[row["image_id"]] != there[rows[60]["image_id"]])
    first = {"image_id": "atlas/images/IMG0000062.jpg", "label": kin["label"]}
    bridge = {**kin, "image_id": kin["image_id"].replace(".png", "_new.png")}
    catalog = catalog_of([*rows, first, bridge])
    clusters = cluster_table(catalog.frame, [[first["image_id"], bridge["image_id"]]])
    grown = make_split(catalog, RECIPE, clusters=clusters, keep=old)
    assert reasons(grown) == dict.fromkeys((first["image_id"], bridge["image_id"]), BRIDGE)
    assert_no_leak(grown, catalog, clusters)


def test_a_new_image_that_would_bridge_two_subsets_is_left_out_and_named() -> None:
    rows = patients(60)
    old = make_split(catalog_of(rows), RECIPE)
    train, test = old.subset("train")[0], old.subset("test")[0]
    new = {"image_id": "clinic/z.png", "label": 1}
    catalog = catalog_of([*rows, new])
    clusters = cluster_table(catalog.frame, [[train, "clinic/z.png", test]])
    grown = make_split(catalog, RECIPE, clusters=clusters, keep=old)
    assert reasons(grown)["clinic/z.png"] == BRIDGE
    assert grown.summary["kept"]["left_out"] == 1
    assert_no_leak(grown, catalog, clusters)
    assert "kept split" in grown.summary["warnings"][0]


@pytest.mark.parametrize("known", ["patient_id", "group_id"])
def test_a_new_image_of_a_known_patient_joins_its_side(known: str) -> None:
    rows = [{**row, "patient_id": row["patient_id"] if known == "patient_id" else None} for row in patients(60)]
    old = make_split(catalog_of(rows), RECIPE)
    new = [{**row, "image_id": row["image_id"].replace(".png", "_later.png")} for row in rows]
    grown = sides(make_split(catalog_of([*rows, *new]), RECIPE, keep=old))
    for row in rows:
        assert grown[row["image_id"].replace(".png", "_later.png")] == grown[row["image_id"]]


def test_a_new_image_joins_no_two_groups_to_one_that_is_too_large() -> None:
    rows = patients(40, each=10)
    old = make_split(catalog_of(rows), RECIPE)
    one, *_, other = old.subset("train")
    new = {**next(row for row in rows if row["image_id"] == one), "image_id": "clinic/new.png"}
    catalog = catalog_of([*rows, new])
    clusters = cluster_table(catalog.frame, [["clinic/new.png", other]])
    grown = make_split(catalog, RECIPE, clusters=clusters, keep=old)  # 21 of 401 are more than 5 %
    assert reasons(grown) == {"clinic/new.png": TOO_LARGE}
    wider = make_split(catalog, RECIPE.model_copy(update={"max_group_share": 0.055}), clusters=clusters, keep=old)
    assert reasons(wider) == {} and wider.summary["groups"]["largest"] == 21


def test_a_new_number_joins_the_block_of_its_neighbours() -> None:
    rows = [row for row in numbered(400) if not row["image_id"].endswith("7.jpg")]
    old = make_split(catalog_of(rows), RECIPE)
    grown = make_split(catalog_of(numbered(400)), RECIPE, keep=old)
    groups = dict(grown.frame.select("image_id", "group_id").iter_rows())
    assert groups["atlas/images/IMG0000017.jpg"] == groups["atlas/images/IMG0000016.jpg"] == "atlas/IMG0000010+10"


def test_new_images_fill_up_what_is_missing() -> None:
    old = make_split(catalog_of(patients(60)), SplitRecipe(val=0.1, test=0.1))
    grown = make_split(catalog_of(patients(300)), RECIPE, keep=old)
    for name in ("val", "test"):
        assert grown.summary["balance"][name]["share"] == pytest.approx(0.2, abs=0.02)


def test_the_judged_copy_of_a_base_name_stays_though_others_come() -> None:
    def copies(first: int) -> list[dict[str, Any]]:
        return [
            {"image_id": f"y/b{n}.rf.{c}.jpg", "label": n % 2, "base_name": f"b{n}", "group_id": f"y:b{n}"}
            for n in range(50)
            for c in range(first, first + 3)
        ]

    old = make_split(catalog_of(copies(0)), RECIPE)
    grown = make_split(catalog_of([*copies(3), *copies(0)]), RECIPE, keep=old)
    for name in ("val", "test"):
        assert grown.subset(name) == old.subset(name)
    assert len(grown.subset("train")) == 2 * len(old.subset("train"))


def test_images_that_are_gone_are_counted() -> None:
    rows = patients(60)
    old = make_split(catalog_of(rows), RECIPE)
    grown = make_split(catalog_of(rows[6:]), RECIPE, keep=old)
    assert grown.summary["kept"]["gone"] == 6 and len(grown) == len(old) - 6
    [warning] = grown.summary["warnings"]
    assert warning.startswith("6 images of the kept split are gone or cannot be used") and "--salt" in warning


def test_each_image_is_test_once_over_the_folds() -> None:
    catalog = catalog_of(numbered(300) + patients(60))
    clusters = cluster_table(catalog.frame, [["clinic/p0_0.png", "atlas/images/IMG0000000.jpg"]])
    folds = make_folds(catalog, SplitRecipe(folds=5), clusters=clusters)
    tested = [image for fold in folds for image in fold.subset("test")]
    assert len(tested) == len(set(tested))
    left = set(catalog.frame["image_id"].to_list()) - set(tested)
    assert left == {"clinic/p0_0.png"}, "of two copies one is judged, as in any test"
    for index, fold in enumerate(folds):
        assert_no_leak(fold, catalog, clusters)
        assert fold.subset("val") == folds[(index + 1) % 5].subset("test")
        assert fold.summary["balance"]["test"]["share"] == pytest.approx(0.2, abs=0.03)
        assert fold.summary["recipe"]["fold"] == index
        for name, found in fold.summary["deviation"].items():
            assert name in ("val", "test") and found["reached"] == pytest.approx(0.2, abs=0.03)
    one = make_split(catalog, SplitRecipe(folds=5, fold=3), clusters=clusters)
    assert one.frame.equals(folds[3].frame)


@pytest.mark.parametrize("settings", [{"folds": 1}, {"folds": 2}, {"folds": 5, "fold": 5}, {"val": 0.6, "test": 0.4}])
def test_settings_without_sense_are_refused(settings: dict) -> None:
    with pytest.raises(ValidationError):
        SplitRecipe(**settings)
    with pytest.raises(UsageError, match="folds cannot keep"):
        old = make_split(catalog_of(patients(60)), RECIPE)
        make_split(catalog_of(patients(60)), SplitRecipe(folds=3), keep=old)


def test_a_whole_source_is_held_out_without_its_kin() -> None:
    rows = numbered(200) + patients(60)
    catalog = catalog_of(rows)
    clusters = cluster_table(catalog.frame, [["clinic/p3_0.png", "atlas/images/IMG0000000.jpg"]])
    split = make_split(catalog, SplitRecipe(external=("clinic",)), clusters=clusters)
    held = split.subset("external")
    assert set(held) == {row["image_id"] for row in patients(60)} - {"clinic/p3_0.png", "clinic/p3_1.png"}
    assert reasons(split)["clinic/p3_0.png"] == "kin or copy of an image of another source"
    assert not any(image.startswith("clinic") for name in ("train", "val", "test") for image in split.subset(name))
    assert split.summary["balance"]["external"]["n"] == 118
    assert_no_leak(split, catalog, clusters)
    with pytest.raises(UsageError, match="no usable image of the source 'nowhere'"):
        make_split(catalog, SplitRecipe(external=("nowhere",)))


def two_sources(later: int = 0) -> list[dict[str, Any]]:
    return patients(60) + patients(60 + later, source="abroad")


def test_a_source_that_was_trained_on_cannot_be_held_out_later() -> None:
    """Its images of train moved to external, and nothing said so."""
    old = make_split(catalog_of(two_sources()), RECIPE)
    with pytest.raises(UsageError, match="images of abroad, which cannot be held out"):
        make_split(catalog_of(two_sources(5)), SplitRecipe(external=("abroad",)), keep=old)


@pytest.mark.parametrize("again", [(), ("abroad",)])
def test_a_source_that_the_kept_split_holds_out_stays_out(again: tuple[str, ...]) -> None:
    """Its new images went to train, val and test where --external was not repeated."""
    old = make_split(catalog_of(two_sources()), SplitRecipe(external=("abroad",)))
    for _ in range(2):  # a split that is kept again hands it on
        old = make_split(catalog_of(two_sources(30)), SplitRecipe(external=again), keep=old)
    there = sides(old)
    assert {subset for image, subset in there.items() if image.startswith("abroad")} == {"external"}
    assert len(old.subset("external")) == 180


def test_a_kept_split_with_a_group_on_two_sides_is_refused() -> None:
    """The images of the group all moved to one of the sides."""
    old = make_split(catalog_of(numbered(400)), RECIPE)
    moved = pl.when(pl.col("image_id") == old.subset("train")[0]).then(pl.lit("test")).otherwise("subset")
    torn = Split(old.frame.with_columns(moved.alias("subset")), old.summary)
    with pytest.raises(LeakError, match=r"of the kept split lies in test, train"):
        make_split(catalog_of(numbered(400)), RECIPE, keep=torn)


def test_images_stay_in_a_subset_that_has_no_share_any_more() -> None:
    """It ended in a ValueError."""
    old = make_split(catalog_of(patients(60)), RECIPE)
    grown = make_split(catalog_of(patients(90)), SplitRecipe(val=0, test=0.2), keep=old)
    assert grown.subset("val") == old.subset("val") and len(grown) == 180


def test_a_split_of_other_images_is_not_kept() -> None:
    """It ended in a KeyError after the table was written."""
    old = make_split(catalog_of(patients(60)), RECIPE)
    with pytest.raises(StaleInputError, match="shares no usable image"):
        make_split(catalog_of(patients(60, source="renamed")), RECIPE, keep=old)


def test_the_deviation_from_the_target_is_reported() -> None:
    split = make_split(catalog_of(numbered(1000)), RECIPE)
    found = split.summary["deviation"]
    assert found["val"]["target"] == 0.2 and found["val"]["reached"] == pytest.approx(0.2, abs=0.01)
    worst = found["val"]["worst_stratum"]
    assert set(worst) == {"stratum", "target", "reached"} and abs(worst["target"] - worst["reached"]) < 6
    lopsided = patients(40)
    for row in lopsided[:60]:  # one patient of 60 images cannot be divided
        row |= {"patient_id": "big", "group_id": "clinic:big"}
    found = make_split(catalog_of(lopsided), SplitRecipe(val=0.3, test=0.3)).summary["deviation"]
    assert max(abs(one["target"] - one["reached"]) for one in found.values()) > 0.005


def test_a_table_of_ones_own_is_taken_in_and_checked(tmp_path: Path) -> None:
    rows = patients(60)
    catalog = catalog_of(rows)
    made = make_split(catalog, RECIPE)
    table = made.frame.filter(pl.col("subset") != "val")
    table.write_csv(tmp_path / "mine.csv")
    mine = adopt_split(catalog, read_split_table(tmp_path / "mine.csv"))
    path = mine.save(tmp_path / "split.csv")
    loaded = Split.load(path)
    loaded.assert_matches(catalog)
    assert loaded.digest == mine.digest != made.digest and loaded.summary["adopted"]
    assert len(loaded.summary["excluded"]) == len(rows) - len(table)
    assert sides(make_split(catalog, RECIPE, keep=loaded)).items() >= sides(loaded).items()
    moved = pl.when(pl.col("image_id") == made.subset("train")[0]).then(pl.lit("test")).otherwise("subset")
    with pytest.raises(LeakError, match="several sides"):
        adopt_split(catalog, made.frame.with_columns(moved.alias("subset")))
    copies = cluster_table(catalog.frame, [[made.subset("train")[0], made.subset("test")[0]]])
    with pytest.raises(LeakError):
        adopt_split(catalog, made.frame, clusters=copies)


def test_a_table_of_ones_own_without_group_id_takes_the_groups_of_catalog_and_audit(tmp_path: Path) -> None:
    """`colles split --check` failed with "lacks the column 'group_id'"."""
    catalog = catalog_of(patients(60))
    made = make_split(catalog, RECIPE)
    bare = made.frame.select("subset", "image_id")
    bare.write_csv(tmp_path / "mine.csv")
    mine = adopt_split(catalog, read_split_table(tmp_path / "mine.csv", grouped=False))
    assert mine.frame.equals(made.frame)
    one, other = made.subset("train")[0], made.subset("train")[-1]
    joined = adopt_split(
        catalog,
        read_split_table(tmp_path / "mine.csv", grouped=False),
        clusters=cluster_table(catalog.frame, [[one, other]]),
    )
    group = dict(joined.frame.select("image_id", "group_id").iter_rows())
    assert group[one] == group[other] and len(set(group.values())) == 59
    with pytest.raises(TableError, match=r"lacks the column 'group_id'\. Take the table in"):
        read_split_table(tmp_path / "mine.csv")
    moved = pl.when(pl.col("image_id") == one).then(pl.lit("test")).otherwise("subset")
    bare.with_columns(moved.alias("subset")).write_csv(tmp_path / "mine.csv")
    with pytest.raises(LeakError, match="several sides"):
        adopt_split(catalog, read_split_table(tmp_path / "mine.csv", grouped=False))


def test_an_empty_table_is_not_taken_in(tmp_path: Path) -> None:
    """It became a split that left every image out."""
    (tmp_path / "mine.csv").write_text("image_id,subset\n")
    with pytest.raises(TableError, match="names no image"):
        adopt_split(catalog_of(patients(6)), read_split_table(tmp_path / "mine.csv", grouped=False))


def test_an_edit_is_checked_when_it_is_used(tmp_path: Path) -> None:
    rows = patients(60)
    catalog = catalog_of(rows)
    made = make_split(catalog, RECIPE)
    path = made.save(tmp_path / "split.csv")
    text = path.read_text()
    patient = made.subset("val")[0].rsplit("_", 1)[0]
    lines = [line.replace(",val", ",test") if f"{patient}_" in line else line for line in text.splitlines()]
    path.write_text("\n".join(lines) + "\n")
    whole = Split.load(path)
    whole.assert_matches(catalog)  # a whole patient may be moved by hand
    assert whole.summary["edited"] and whole.digest != made.digest
    path.write_text(text.replace(",val\n", ",test\n", 1))
    with pytest.raises(LeakError, match="several sides"):
        Split.load(path).assert_matches(catalog)
    path.write_text(text + "clinic/stranger.png,x,train\n")
    with pytest.raises(TableError, match=r"stranger\.png' is not in the catalog"):
        Split.load(path).assert_matches(catalog)
    rows[0]["label"] = None
    with pytest.raises(TableError, match="has no label"):
        adopt_split(catalog_of(rows), made.frame)
    rows[0] |= {"label": 1, "status": "truncated"}
    with pytest.raises(TableError, match="cannot be read"):
        adopt_split(catalog_of(rows), made.frame)
    path.write_text("image_id,group_id,subset\na,,val\n")
    with pytest.raises(TableError, match="a group_id is empty"):
        Split.load(path)
    with pytest.raises(MissingInputError):
        read_split_table(tmp_path / "none.csv")


def test_a_table_of_ones_own_with_equal_files_on_two_sides_passed_where_no_audit_was_given() -> None:
    rows = [{**row, "sha256": f"{number // 2:064}"} for number, row in enumerate(numbered(20))]
    catalog = catalog_of(rows)
    ids = [row["image_id"] for row in rows]
    sides = ["train"] * 9 + ["test"] * 11  # the ninth and tenth are one file
    table = pl.DataFrame({"image_id": ids, "group_id": ids, "subset": sides})
    with pytest.raises(LeakError, match="1 unit lies on several sides"):
        adopt_split(catalog, table)
    assert len(adopt_split(catalog, table.with_columns(subset=pl.Series(["train"] * 10 + ["test"] * 10)))) == 20


def test_a_kept_split_with_equal_files_on_two_sides_goes_on() -> None:
    rows = [
        {**row, "sha256": f"{number // 2:064}", "label": number // 2 % 2} for number, row in enumerate(numbered(40))
    ]
    old = make_split(catalog_of([{**row, "sha256": None} for row in rows]), RECIPE.model_copy(update={"block": 1}))
    grown = make_split(catalog_of([*rows, {**rows[0], "image_id": "atlas/images/new.jpg"}]), RECIPE, keep=old)
    before = dict(old.frame.select("image_id", "subset").iter_rows())
    after = dict(grown.frame.select("image_id", "subset").iter_rows())
    assert {image: after[image] for image in before} == before


def test_a_leak_of_a_kept_split_or_of_a_table_of_ones_own_was_to_be_mended_by_the_same_command() -> None:
    rows = patients(60, each=1)
    made = make_split(catalog_of(rows), RECIPE)
    one, other = made.subset("train")[0], made.subset("test")[0]
    linked = catalog_of([{**row, "patient_id": "p0"} if row["image_id"] in (one, other) else row for row in rows])
    with pytest.raises(LeakError, match="one side of the kept split, or split without it"):
        assert_no_leak(make_split(linked, RECIPE, keep=made), linked)
    with pytest.raises(LeakError, match="one side of your table"):
        adopt_split(linked, made.frame)


def test_a_link_by_an_image_without_a_side_passed_where_a_table_of_ones_own_gives_groups() -> None:
    """The same table without groups was refused."""
    rows = [{**row, "sha256": f"{number:064}"} for number, row in enumerate(patients(20, each=1))]
    linking = {**rows[1], "image_id": "clinic/both.png", "sha256": rows[0]["sha256"], "label": None}
    ids = [row["image_id"] for row in rows]
    table = pl.DataFrame({"image_id": ids, "group_id": ids, "subset": ["train"] + ["test"] * 19})
    with pytest.raises(LeakError, match="Joined group clinic:p0 lies in test, train"):
        adopt_split(catalog_of([*rows, linking]), table)
    assert len(adopt_split(catalog_of(rows), table)) == 20


def test_a_leak_of_a_patient_was_told_as_one_of_a_duplicate() -> None:
    rows = patients(20)
    table = pl.DataFrame({"image_id": [row["image_id"] for row in rows], "subset": ["train", "test"] * 20})
    with pytest.raises(LeakError, match=r"20 units lie on several sides of the split; first: Patient p0 \(clinic\)"):
        adopt_split(catalog_of(rows), table.with_columns(group_id=pl.lit(None, pl.String)))


def test_a_copy_that_a_person_added_to_a_split_was_not_seen(tmp_path: Path) -> None:
    rows = [{**row, "sha256": f"{number:064}"} for number, row in enumerate(patients(60, each=1))]
    copies = [{**row, "image_id": f"{row['image_id']}-copy", "patient_id": None, "group_id": None} for row in rows]
    catalog = catalog_of([*rows, *copies])
    path = make_split(catalog, RECIPE).save(tmp_path / "split.csv")
    added = max(set(catalog.frame["image_id"]) - set(Split.load(path).frame["image_id"]))
    path.write_text(path.read_text() + f"{added},mine,train\n")
    with pytest.raises(LeakError, match=r"Duplicate clinic/p\d+_0\.png lies in t"):
        Split.load(path).assert_matches(catalog)


def test_equal_files_that_a_kept_split_has_on_two_sides_stop_no_edited_one() -> None:
    """They were told when it was made."""
    rows = [{**row, "sha256": f"{number:064}"} for number, row in enumerate(patients(60, each=1))]
    old = make_split(catalog_of(rows), RECIPE)
    one, other = (next(n for n, row in enumerate(rows) if sides(old)[row["image_id"]] == s) for s in ("train", "test"))
    rows[other]["sha256"] = rows[one]["sha256"]
    catalog = catalog_of(rows)
    kept = make_split(catalog, RECIPE, keep=old)
    assert any("on two sides" in warning for warning in kept.summary["warnings"])
    third = min({0, 1, 2} - {one, other})
    fewer = kept.frame.filter(pl.col("image_id") != rows[third]["image_id"])
    Split(fewer, {**kept.summary, "edited": True}).assert_matches(catalog)
    with pytest.raises(LeakError, match="Duplicate"):
        Split(fewer, {**old.summary, "catalog_digest": catalog.digest, "edited": True}).assert_matches(catalog)


def test_equal_file_names_in_two_folders_are_no_leak() -> None:
    folders = ("normal", "fractured")
    rows = [
        {"image_id": f"s/{folder}/{n:03d}.png", "label": label, "base_name": f"{n:03d}"}
        for label, folder in enumerate(folders)
        for n in range(60)
    ]
    ids = [row["image_id"] for row in rows]
    table = pl.DataFrame({"image_id": ids, "group_id": ids, "subset": ["train"] * 60 + ["test"] * 60})
    assert len(adopt_split(catalog_of(rows), table)) == 120


def test_a_table_of_file_names_was_to_be_emptied() -> None:
    table = pl.DataFrame({"image_id": ["p0_0.png"], "group_id": ["p0"], "subset": ["train"]})
    with pytest.raises(TableError, match=r"Name images as the catalog does, such as clinic/p0_0\.png, or take"):
        adopt_split(catalog_of(patients(6)), table)


def test_a_table_of_ones_own_was_taken_in_without_a_word_on_unknown_patients() -> None:
    """`colles split` warned of the same images."""
    rows = [*patients(40, each=1), *({"image_id": f"clinic/{name}.png", "label": 1} for name in ("ap", "lat"))]
    catalog = catalog_of(rows)
    made = make_split(catalog, RECIPE)
    alone = made.frame.with_columns(group_id=pl.lit(None, pl.String))
    assert adopt_split(catalog, alone).summary["warnings"] == made.summary["warnings"] != []
    one = pl.DataFrame({"image_id": ["clinic/ap.png", "clinic/lat.png"], "group_id": "mine", "subset": "train"})
    assert adopt_split(catalog, one).summary["warnings"] == []
