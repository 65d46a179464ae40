from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from frames import catalog_of, numbered
from hypothesis import given, settings
from hypothesis import strategies as st

from colles.core.errors import InputError, LeakError, MissingInputError, StaleInputError, TableError, UsageError
from colles.core.recipe import SplitRecipe
from colles.datasets.audit.audit import cluster_table
from colles.datasets.catalog import Catalog
from colles.datasets.extending import TOO_LARGE
from colles.datasets.selection import evaluation_only
from colles.datasets.split import Split, assert_no_leak, make_split
from colles.datasets.stratify import Member, allocate

RECIPE = SplitRecipe(val=0.2, test=0.2)


def reasons(split: Split) -> dict[str, str]:
    return {entry["image_id"]: entry["reason"] for entry in split.summary["excluded"]}


def augmented(count: int, copies: int = 3, source: str = "yolo") -> list[dict[str, Any]]:
    return [
        {
            "image_id": f"{source}/b{number}.rf.{copy}.jpg",
            "label": number % 2,
            "base_name": f"b{number}",
            "group_id": f"{source}:b{number}",
        }
        for number in range(count)
        for copy in range(copies)
    ]


@st.composite
def catalogs(draw: st.DrawFn) -> tuple[Catalog, list[list[str]]]:
    rows: list[dict[str, Any]] = numbered(draw(st.integers(60, 120)))
    rows += augmented(draw(st.integers(20, 40)), draw(st.integers(1, 3)))
    for number in range(draw(st.integers(12, 60))):
        patient = f"p{draw(st.integers(0, 20))}"
        row = {"image_id": f"clinic/{number}.png", "patient_id": patient, "group_id": f"clinic:{patient}"}
        rows.append({**row, "label": draw(st.sampled_from([0, 1, None]))})
    for row in draw(st.lists(st.sampled_from(rows), max_size=5)):
        row["status"] = "truncated"
    ok = [row["image_id"] for row in rows if row.get("status", "ok") == "ok"]
    copies = draw(st.lists(st.lists(st.sampled_from(ok), min_size=2, max_size=4, unique=True), max_size=12))
    taken: set[str] = set()
    apart = []
    for ids in copies:
        if taken.isdisjoint(ids):
            apart.append(ids)
            taken.update(ids)
    return catalog_of(rows), apart


@settings(max_examples=25, deadline=None)
@given(catalogs(), st.integers(0, 5))
def test_nothing_crosses_and_every_row_is_accounted_for_once(made: tuple[Catalog, list[list[str]]], seed: int) -> None:
    catalog, copies = made
    clusters = cluster_table(catalog.frame, copies)
    recipe = SplitRecipe(val=0.2, test=0.2, seed=seed)
    split = make_split(catalog, recipe, clusters=clusters)
    side = dict(split.frame.select("image_id", "subset").iter_rows())
    sides: dict[str, set[str]] = defaultdict(set)
    for row in catalog.rows():
        if row.image_id not in side:
            continue
        keys = [row.patient_id, row.base_name, row.group_id]
        if row.source == "atlas":
            keys.append(f"block {int(row.image_id[-11:-4]) // split.summary['groups']['block']}")
        for key in filter(None, keys):
            sides[key].add(side[row.image_id])
    for image, cluster in clusters.select("image_id", "group_id").iter_rows():
        if image in side:  # clusters are joined through images without a label too
            sides[f"cluster {cluster}"].add(side[image])
    assert all(len(found) <= 1 for found in sides.values())
    assert_no_leak(split, catalog, clusters)
    listed = [*side, *reasons(split)]
    assert sorted(listed) == sorted(catalog.frame["image_id"].to_list())
    assert len(listed) == len(set(listed))
    assert split.frame.group_by("group_id").agg(pl.col("subset").n_unique())["subset"].max() == 1
    assert make_split(catalog, recipe, clusters=clusters.reverse()).frame.equals(split.frame)


def test_shares_and_prevalence_are_reached_in_every_source() -> None:
    catalog = catalog_of(numbered(2000, positive_every=5) + numbered(1000, positive_every=3, source="other"))
    split = make_split(catalog, RECIPE)
    for name, share in (("train", 0.6), ("val", 0.2), ("test", 0.2)):
        found = split.summary["balance"][name]
        assert found["share"] == pytest.approx(share, abs=0.01)
        assert found["sources"]["atlas"]["prevalence"] == pytest.approx(1 / 5, abs=0.01)
        assert found["sources"]["other"]["prevalence"] == pytest.approx(1 / 3, abs=0.01)
        assert len(split.subset(name)) == found["n"]


def test_seeds_differ_and_repeat() -> None:
    catalog = catalog_of(numbered(600))
    one, again, other = (make_split(catalog, SplitRecipe(seed=seed)) for seed in (1, 1, 2))
    assert one.frame.equals(again.frame) and one.digest == again.digest
    assert one.digest != other.digest


def test_a_split_hangs_on_its_seed_and_not_on_the_order_of_its_images() -> None:
    """Python orders the texts of a set anew in every process."""
    members = [Member(f"g{n % 150}", (f"label {n % 3 // 2}", "all"), n % 3 // 2, 1.0) for n in range(600)]
    shares = {"train": 0.6, "val": 0.2, "test": 0.2}
    assert allocate(members, shares, 3) == allocate(members[::-1], shares, 3)


def test_blocks_begin_at_multiples_so_later_files_change_none() -> None:
    split = make_split(catalog_of(numbered(400)[7:]), RECIPE)
    groups = dict(split.frame.select("image_id", "group_id").iter_rows())
    assert groups["atlas/images/IMG0000007.jpg"] == "atlas/IMG0000000+10"
    assert groups["atlas/images/IMG0000010.jpg"] == groups["atlas/images/IMG0000019.jpg"] == "atlas/IMG0000010+10"
    assert Counter(groups.values())["atlas/IMG0000000+10"] == 3


def test_a_bridge_that_would_make_a_giant_is_set_aside() -> None:
    catalog = catalog_of(numbered(400))
    ids = catalog.frame["image_id"].to_list()
    bridges = [[ids[10 * k + 1], ids[10 * k + 12]] for k in range(30)]
    clusters = cluster_table(catalog.frame, bridges)
    assert clusters["group_id"].n_unique() == 370
    split = make_split(catalog, RECIPE, clusters=clusters)
    aside = [image for image, reason in reasons(split).items() if "too large" in reason]
    assert 0 < len(aside) < 30
    assert set(aside) <= {pair[1] for pair in bridges}  # one copy of each stays
    assert split.summary["groups"]["largest"] <= 0.05 * 400
    assert split.summary["groups"]["quarantined"] == len(aside)
    assert split.summary["warnings"] == []
    assert_no_leak(split, catalog, clusters)
    plain = make_split(catalog, RECIPE, clusters=clusters.drop("copy_id"))
    assert_no_leak(plain, catalog, clusters.drop("copy_id"))
    assert plain.summary["groups"]["largest"] <= 0.05 * 400


def test_an_image_without_a_label_still_links_its_copies() -> None:
    rows = [*augmented(40, 2), *numbered(200)]
    rows[0]["label"] = None  # one of two augmented copies; a file far away copies it
    catalog = catalog_of(rows)
    far = rows[150]["image_id"]
    clusters = cluster_table(catalog.frame, [[rows[0]["image_id"], far]])
    for seed in range(8):
        split = make_split(catalog, SplitRecipe(val=0.2, test=0.2, seed=seed), clusters=clusters)
        groups = dict(split.frame.select("image_id", "group_id").iter_rows())
        assert groups[rows[1]["image_id"]] == groups[far]


def test_groups_of_ones_own_hold_where_a_catalog_of_ones_own_gives_none() -> None:
    rows = [{**row, "group_id": None} for row in numbered(500)]
    ids = [row["image_id"] for row in rows]
    named = ["same" if number in (5, 150) else image for number, image in enumerate(ids)]
    split = make_split(catalog_of(rows), RECIPE, clusters=pl.DataFrame({"image_id": ids, "group_id": named}))
    groups = dict(split.frame.select("image_id", "group_id").iter_rows())
    assert groups[ids[5]] == groups[ids[150]]
    assert len(set(groups.values())) == 49  # blocks of ten, two of them joined


def test_an_image_without_a_label_that_is_set_aside_is_listed_once() -> None:
    rows = numbered(400)
    for number in range(12, 300, 10):
        rows[number]["label"] = None
    ids = [row["image_id"] for row in rows]
    clusters = cluster_table(catalog_of(rows).frame, [[ids[k - 10], ids[k], ids[k + 1]] for k in range(12, 300, 10)])
    split = make_split(catalog_of(rows), RECIPE, clusters=clusters)
    listed = [entry["image_id"] for entry in split.summary["excluded"]]
    assert len(listed) == len(set(listed)) and set(reasons(split).values()) >= {"label unknown", TOO_LARGE}
    assert split.summary["groups"]["quarantined"] == list(reasons(split).values()).count(TOO_LARGE)


def test_a_copy_of_a_grouped_image_goes_rather_than_the_group_is_cut() -> None:
    rows = [*numbered(400), *augmented(10, 19)]
    catalog = catalog_of(rows)
    ids = [row["image_id"] for row in rows]
    pairs = [[ids[0], ids[400 + 5]], [ids[20], ids[400 + 7]]]  # two blocks copy one base name of 19 images
    split = make_split(
        catalog, SplitRecipe(val=0.2, test=0.2, max_group_share=0.05), clusters=cluster_table(catalog.frame, pairs)
    )
    aside = [image for image, reason in reasons(split).items() if "too large" in reason]
    assert aside == [ids[20]]
    assert_no_leak(split, catalog, cluster_table(catalog.frame, pairs))


def test_a_large_patient_is_never_cut_but_named() -> None:
    rows = numbered(400)
    for row in rows[:80]:
        row |= {"patient_id": "big", "group_id": "atlas:big"}
    split = make_split(catalog_of(rows), RECIPE)
    ids = {row["image_id"] for row in rows[:80]}
    assert len({name for image, name in split.frame.select("image_id", "subset").iter_rows() if image in ids}) == 1
    assert "atlas:big" in split.summary["warnings"][0]


def test_beside_a_large_patient_no_chain_of_blocks_grows_as_large() -> None:
    """The room of every group was the size of the largest patient."""
    rows = [*numbered(400), *({"image_id": f"atlas/{n}x.png", "label": n % 2} for n in range(100))]
    for row in rows[400:]:
        row |= {"patient_id": "big", "group_id": "atlas:big"}
    catalog = catalog_of(rows)
    ids = [row["image_id"] for row in rows]
    clusters = cluster_table(catalog.frame, [[ids[10 * k + 9], ids[10 * k + 10]] for k in range(30)])
    split = make_split(catalog, RECIPE, clusters=clusters)
    sizes = sorted(Counter(split.frame["group_id"].to_list()).values())
    assert sizes[-1] == 100 and sizes[-2] <= 25
    assert split.summary["warnings"][0] == "group atlas:big holds 20.0% of the images: one patient, which is never cut"
    assert_no_leak(split, catalog, clusters)


def test_augmented_copies_are_kept_for_training_only() -> None:
    catalog = catalog_of(augmented(100))
    split = make_split(catalog, RECIPE)
    count = Counter(split.frame["subset"].to_list())
    bases = Counter(image.split(".rf.")[0] for image in split.frame["image_id"].to_list())
    assert count["train"] == 3 * 60 and count["val"] == count["test"] == 20
    assert sum(number == 1 for number in bases.values()) == 40
    assert Counter(reasons(split).values()) == {"augmented copy": 80}
    everything = make_split(catalog, SplitRecipe(val=0.2, test=0.2, evaluation_copies="all"))
    assert len(everything) == 300


def test_a_copy_under_another_name_is_not_judged_twice() -> None:
    catalog = catalog_of(numbered(200))
    ids = catalog.frame["image_id"].to_list()
    pairs = [[ids[number + 1], ids[number + 2]] for number in range(0, 200, 20)]
    clusters = cluster_table(catalog.frame, pairs)
    split = make_split(catalog, RECIPE, clusters=clusters)
    subset = dict(split.frame.select("image_id", "subset").iter_rows())
    judged = [[image for image in pair if subset.get(image) in ("val", "test")] for pair in pairs]
    assert {len(images) for images in judged} == {0, 1}
    why = [reason for reason in reasons(split).values() if reason == "copy of an image that is judged"]
    assert len(why) == sum(len(images) for images in judged)
    everything = make_split(catalog, SplitRecipe(val=0.2, test=0.2, evaluation_copies="all"), clusters=clusters)
    assert len(everything) == 200


def test_one_name_with_both_labels_keeps_one_image_of_each() -> None:
    rows = augmented(40, 2)
    for row in rows:
        row["label"] = int(row["image_id"].endswith("1.jpg"))  # two radiographs share every name
    split = make_split(catalog_of(rows), RECIPE)
    assert len(split) == 80


def test_equal_file_names_in_two_folders_are_two_radiographs() -> None:
    names = [first + second for first in "abcdefgh" for second in "abcdefg"][:50]
    rows = [
        {"image_id": f"s/{part}/{name}.jpg", "label": n % 2, "base_name": name}
        for part in ("old", "new")
        for n, name in enumerate(names)
    ]
    split = make_split(catalog_of(rows), RECIPE)
    assert len(split) == 100 and split.summary["groups"]["n"] == 100


def test_contradicting_copies_may_be_trained_on_only() -> None:
    rows = numbered(600)
    catalog = catalog_of(rows)
    ids = [row["image_id"] for row in rows]
    pairs = [[ids[10 * k], ids[10 * k + 1]] for k in range(60)]  # labels by number // 4: some contradict
    split = make_split(catalog, RECIPE, clusters=cluster_table(catalog.frame, pairs))
    label = {row["image_id"]: row["label"] for row in rows}
    doubtful = {image for pair in pairs if label[pair[0]] != label[pair[1]] for image in pair}
    out = {image for image, reason in reasons(split).items() if reason == "contradicting labels of duplicates"}
    train = set(split.subset("train"))
    assert out and out < doubtful
    assert doubtful - out <= train
    assert out.isdisjoint(split.frame["image_id"].to_list())


def test_unusable_rows_are_left_out_with_the_reason() -> None:
    rows = numbered(200)
    for row in rows:
        row["upper_limb"] = True
    rows[0] |= {"status": "truncated"}
    rows[1] |= {"label": None}
    rows[2] |= {"upper_limb": False}
    rows[3] |= {"upper_limb": None}
    catalog = catalog_of(rows)
    ids = [row["image_id"] for row in rows[:4]]
    wanted = dict(zip(ids, ["truncated file", "label unknown", *["not of the upper limb"] * 2], strict=True))
    assert reasons(make_split(catalog, RECIPE, region="upper_limb")) == wanted
    assert set(reasons(make_split(catalog, RECIPE))) == set(ids[:2])


@pytest.mark.parametrize("positives", [3, 5, 10, 17])
@pytest.mark.parametrize("seed", range(5))
def test_twenty_images_are_enough(positives: int, seed: int) -> None:
    rows = [{"image_id": f"s/{number}.png", "label": int(number < positives)} for number in range(20)]
    split = make_split(catalog_of(rows), SplitRecipe(seed=seed))
    for name in ("train", "val", "test"):
        found = split.summary["balance"][name]
        assert 0 < found["n_positive"] < found["n"]
    assert "set is small" in split.summary["warnings"][0]


def test_a_subset_without_a_share_stays_empty() -> None:
    split = make_split(catalog_of(numbered(300)), SplitRecipe(val=0.2, test=0.0))
    assert set(split.frame["subset"].to_list()) == {"train", "val"}


def test_impossible_splits_say_why() -> None:
    rows = numbered(40, positive_every=2)
    with pytest.raises(InputError, match="no fractures to split"):
        make_split(catalog_of([{**row, "label": 0} for row in rows]), RECIPE)
    for row in rows:
        if row["label"]:
            row |= {"patient_id": "p", "group_id": "atlas:p"}
    with pytest.raises(InputError, match="the fractures lie in 1 independent group, too few for train, val, test"):
        make_split(catalog_of(rows), RECIPE)
    with pytest.raises(InputError, match="no usable image"):
        make_split(catalog_of([{"image_id": "s/1.png"}]), RECIPE)


def test_clusters_of_another_catalog_are_refused() -> None:
    catalog = catalog_of(numbered(60))
    clusters = cluster_table(catalog_of(numbered(50)).frame, [])
    with pytest.raises(StaleInputError, match="10 images differ"):
        make_split(catalog, RECIPE, clusters=clusters)


def test_a_planted_leak_is_caught() -> None:
    rows = augmented(40, 2)
    catalog = catalog_of(rows)
    split = make_split(catalog, SplitRecipe(val=0.2, test=0.2, evaluation_copies="all"))
    image = split.subset("train")[0]
    moved = pl.when(pl.col("image_id") == image).then(pl.lit("test")).otherwise("subset").alias("subset")
    with pytest.raises(LeakError, match="several sides"):
        assert_no_leak(Split(split.frame.with_columns(moved), split.summary), catalog)
    copies = [[split.subset("train")[0], split.subset("test")[0]]]
    with pytest.raises(LeakError, match="lies in test, train"):
        assert_no_leak(split, catalog, cluster_table(catalog.frame, copies))


def test_split_comes_back_and_an_edit_is_marked(tmp_path: Path) -> None:
    catalog = catalog_of(numbered(200))
    split = make_split(catalog, RECIPE)
    path = split.save(tmp_path / "split.csv")
    loaded = Split.load(path)
    assert loaded.frame.equals(split.frame) and loaded.summary == split.summary
    loaded.assert_matches(catalog)
    path.write_text(path.read_text().replace(",val\n", ",test\n", 1))
    edited = Split.load(path)
    assert edited.summary["edited"] is True
    assert edited.summary["split_digest"] == edited.digest != split.digest


def test_a_subset_by_another_name_was_empty_without_a_word() -> None:
    split = make_split(catalog_of(numbered(200)), RECIPE)
    assert split.subset("Validation") == split.subset("val") != []
    assert split.subset("external") == []
    with pytest.raises(UsageError, match=r"no subset 'tset'.*Did you mean 'test'"):
        split.subset("tset")


def test_a_changed_catalog_is_stale(tmp_path: Path) -> None:
    rows = numbered(200)
    split = make_split(catalog_of(rows), RECIPE)
    rows[5]["label"] = 1 - rows[5]["label"]
    with pytest.raises(StaleInputError, match="another catalog"):
        split.assert_matches(catalog_of(rows))
    with pytest.raises(StaleInputError, match=r"split\.csv: catalog_digest: the split was made from another catalog"):
        Split.load(split.save(tmp_path / "split.csv")).assert_matches(catalog_of(rows))


def test_bad_split_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    with pytest.raises(MissingInputError, match="colles split"):
        Split.load(path)
    path.write_text("image_id,group_id,subset\na,a,dev\n")
    with pytest.raises(TableError, match="unknown subset 'dev'"):
        Split.load(path)
    path.write_text("image_id,group_id,subset\na,a,val\na,a,train\n")
    with pytest.raises(TableError, match="appears twice"):
        Split.load(path)
    path.write_text("image_id,group_id,subset\na,a,val\n")
    with pytest.raises(MissingInputError, match=r"split\.json"):
        Split.load(path)
    path.write_text("image_id,subset\na,val\n")
    with pytest.raises(TableError, match="group_id"):
        Split.load(path)


def test_a_doubtful_copy_does_not_stand_for_its_radiograph() -> None:
    rows = catalog_of(augmented(30, 2)).frame
    side = dict.fromkeys(rows["image_id"].to_list(), "val")
    doubtful = {f"yolo/b{number}.rf.0.jpg" for number in range(30)}
    left_out = evaluation_only(rows, side, doubtful, {}, RECIPE)
    assert left_out == dict.fromkeys(doubtful, "contradicting labels of duplicates")


def test_equal_files_under_two_sources_lay_on_two_sides_where_no_audit_was_given() -> None:
    rows = [{**row, "sha256": f"{number:064}"} for number, row in enumerate(numbered(80))]
    again = [{**row, "image_id": row["image_id"].replace("atlas/", "table/")} for row in rows]
    catalog = catalog_of([*rows, *again])
    made = make_split(catalog, RECIPE)
    side = dict(made.frame.select("image_id", "subset").iter_rows())
    for row in rows:
        there = {side.get(row["image_id"]), side.get(row["image_id"].replace("atlas/", "table/"))} - {None}
        assert len(there) == 1


@pytest.mark.parametrize("name", ["{:04}_AP.png {:04}_LAT.png", "P{:03}-left.png P{:03}-right.png"])
def test_two_views_of_one_numbered_patient_lay_on_two_sides(name: str) -> None:
    """Their names end in a word, so that no number was seen in them."""
    rows = [
        {"image_id": f"s/{view.format(number)}", "label": int(number % 3 == 0)}
        for number in range(90)
        for view in name.split()
    ]
    side = dict(make_split(catalog_of(rows), RECIPE).frame.select("image_id", "subset").iter_rows())
    torn = [n for n in range(90) if len({side[f"s/{view.format(n)}"] for view in name.split()}) > 1]
    assert torn == []


def test_a_source_with_ids_for_some_images_passed_without_a_word() -> None:
    rows = [{"image_id": f"t/IMG{n:03}.png", "label": n % 2} for n in range(80)]
    known = [{**row, "patient_id": row["image_id"], "group_id": f"t:{row['image_id']}"} for row in rows[:60]]
    [warning] = make_split(catalog_of([*known, *rows[60:]]), RECIPE.model_copy(update={"block": 1})).summary["warnings"]
    assert warning.startswith("20 of 80 images of t have no patient, such as t/IMG060.png")
    assert make_split(catalog_of(known), RECIPE).summary["warnings"] == []


def test_names_without_a_number_made_every_image_a_patient_without_a_word() -> None:
    names = [f"{first}{second}_{view}" for first in "abcdefgh" for second in "xyz" for view in ("ap", "lat")]
    rows = [{"image_id": f"t/{name}.png", "label": n % 2} for n, name in enumerate(names)]
    [warning] = make_split(catalog_of(rows), RECIPE).summary["warnings"]
    assert warning.startswith("48 images, such as t/ax_ap.png, have no id and no number in their names")


def test_a_numbered_study_leaked_where_the_other_patient_who_has_its_number_was_left_out() -> None:
    """Whether a study's name is one patient's own was asked of the split's images alone."""
    rows = [
        {"image_id": f"t/{n}.{who}", "label": n // 2 % 2, "study_id": f"{n}", "patient_id": who, "group_id": group}
        for n in range(40)
        for who, group in ((f"p{n}", f"t:p{n}"), (f"q{n}", f"t:q{n}"), (None, f"t:{n}"))
    ]
    catalog = catalog_of([{**row, "label": None if ".q" in row["image_id"] else row["label"]} for row in rows])
    assert_no_leak(make_split(catalog, RECIPE), catalog)
