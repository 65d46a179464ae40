from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
from frames import catalog_of, store, texture
from PIL import Image

from colles.core.errors import MissingInputError, StaleInputError, TableError, UnreadableImageError
from colles.core.recipe import AuditRecipe
from colles.datasets.audit import Audit, audit_catalog
from colles.datasets.audit.conflicts import label_conflicts
from colles.datasets.audit.duplicates import find_duplicates

RECIPE = AuditRecipe()


def kinds(audit: Audit) -> dict[str, set[frozenset[str]]]:
    found: dict[str, set[frozenset[str]]] = {}
    for issue in audit.issues:
        found.setdefault(issue.kind, set()).add(frozenset(issue.images))
    return found


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    """Eight strangers, then copies of the first five."""
    made = [store(tmp_path, f"{seed}.png", texture(seed)) for seed in range(8)]
    first = texture(0)
    made.append({**store(tmp_path, "byte_copy.png", first), "sha256": made[0]["sha256"]})
    made.append(store(tmp_path, "jpeg.jpg", texture(1), quality=30))
    made.append(store(tmp_path, "turned.png", np.rot90(texture(2))))
    made.append(store(tmp_path, "mirrored_negative.png", 255 - texture(3)[:, ::-1]))
    half = Image.fromarray(texture(4)).resize((120, 150))
    made.append(store(tmp_path, "half.png", np.asarray(half)))
    return made


COPIES = {
    frozenset({"set/0.png", "set/byte_copy.png"}),
    frozenset({"set/1.png", "set/jpeg.jpg"}),
    frozenset({"set/2.png", "set/turned.png"}),
    frozenset({"set/3.png", "set/mirrored_negative.png"}),
    frozenset({"set/4.png", "set/half.png"}),
}


def test_planted_copies_are_found_and_nothing_else(rows: list[dict[str, Any]]) -> None:
    audit = audit_catalog(catalog_of(rows), RECIPE)
    found = kinds(audit)
    assert found["exact_duplicate"] == {frozenset({"set/0.png", "set/byte_copy.png"})}
    assert found["near_duplicate"] == COPIES - found["exact_duplicate"]
    assert set(found) == {"exact_duplicate", "near_duplicate"}
    details = " ".join(issue.detail for issue in audit.issues)
    assert "rotated by" in details and "inverted" in details
    clusters = audit.clusters.filter(pl.col("copy_id").is_not_null()).group_by("group_id").agg("image_id")
    assert {frozenset(ids) for ids in clusters["image_id"].to_list()} == COPIES
    assert audit.clusters["image_id"].to_list() == sorted(row["image_id"] for row in rows)
    counted = {"exact_sets": 1, "near_pairs": 4, "clusters": 5, "images": 10, "largest": 2}
    assert audit.summary["duplicates"].items() >= counted.items()
    assert audit.summary["groups"] == {"n": 8, "largest": 2}


def test_the_order_of_the_rows_changes_nothing(rows: list[dict[str, Any]]) -> None:
    forward = audit_catalog(catalog_of(rows), RECIPE)
    backward = audit_catalog(catalog_of(rows[::-1]), RECIPE)
    assert forward.clusters.equals(backward.clusters)
    assert forward.issues == backward.issues


def test_equal_pixels_in_different_files_are_exact_copies(tmp_path: Path) -> None:
    rows = [store(tmp_path, "a.png", texture(1)), store(tmp_path, "b.bmp", texture(1))]
    audit = audit_catalog(catalog_of([{**row, "pixel_sha256": "same"} for row in rows]), RECIPE)
    assert kinds(audit) == {"exact_duplicate": {frozenset({"set/a.png", "set/b.bmp"})}}


def test_blank_pictures_are_not_copies_of_each_other(tmp_path: Path) -> None:
    rows = [store(tmp_path, f"{grey}.png", np.full((80, 60), grey, np.uint8)) for grey in (0, 10, 250)]
    audit = audit_catalog(catalog_of(rows), RECIPE)
    assert audit.issues == ()
    assert audit.summary["duplicates"]["flat"] == 3


@pytest.mark.parametrize("size", [(4, 4), (4, 200)])
def test_pictures_of_a_few_pixels_were_taken_for_copies_of_each_other(tmp_path: Path, size: tuple[int, int]) -> None:
    few = [np.asarray(Image.fromarray(texture(seed)).resize(size)) for seed in range(12)]
    rows = [store(tmp_path, f"{seed}.png", pixels) for seed, pixels in enumerate(few)]
    audit = audit_catalog(catalog_of(rows), RECIPE)
    assert not {"near_duplicate", "label_conflict"} & kinds(audit).keys()
    assert audit.summary["duplicates"]["flat"] == 12


def test_copies_with_both_labels_are_an_error_and_names_with_both_a_warning(rows: list[dict[str, Any]]) -> None:
    rows[0] |= {"base_name": "z", "label": 1, "group_id": "set:z"}
    rows[8] |= {"base_name": "z", "label": 0, "group_id": "set:z"}  # told once, as copies
    rows[1]["label"] = 1  # its copy jpeg.jpg says 0
    rows[5] |= {"base_name": "x", "label": 1, "group_id": "set:x"}
    rows[6] |= {"base_name": "x", "label": 0, "group_id": "set:x"}
    rows[7] |= {"base_name": "y", "label": 0, "group_id": "set:y"}
    rows[4] |= {"base_name": "y", "label": None, "group_id": "set:y"}  # unknown contradicts nothing
    found = [issue for issue in audit_catalog(catalog_of(rows), RECIPE).issues if issue.kind == "label_conflict"]
    assert {(issue.severity, issue.images) for issue in found} == {
        ("error", ("set/0.png", "set/byte_copy.png")),
        ("error", ("set/1.png", "set/jpeg.jpg")),
        ("warning", ("set/5.png", "set/6.png")),
    }


def test_what_is_not_in_use_contradicts_nothing_and_a_third_of_one_name_is_told_beside_two_copies() -> None:
    rows = [
        *({"image_id": f"a/{n}.png", "base_name": "x", "group_id": "a:x", "label": n % 2} for n in range(3)),
        {"image_id": "a/3.png", "base_name": "y", "group_id": "a:y", "label": 1},
        {"image_id": "b/4.png", "base_name": "y", "group_id": "b:y", "label": 0},  # of another source
        {"image_id": "a/5.png", "base_name": "y", "group_id": "a:y", "label": 0, "status": "dropped"},
    ]
    found = label_conflicts(catalog_of(rows).frame, [["a/0.png", "a/1.png"], ["a/3.png", "a/5.png"]])
    assert [(issue.severity, issue.images) for issue in found] == [
        ("error", ("a/0.png", "a/1.png")),
        ("warning", ("a/0.png", "a/1.png", "a/2.png")),
    ]


@pytest.mark.slow
def test_a_pair_says_what_was_done_to_one_of_it_and_the_least_alike_speaks_for_a_set(tmp_path: Path) -> None:
    one, other = texture(20, 210, 180), texture(21, 210, 180)
    turn = cv2.getRotationMatrix2D((90, 105), 7, 1.0)
    made = [store(tmp_path, "one.png", one), store(tmp_path, "other.png", other)]
    made.append(store(tmp_path, "turned.png", cv2.warpAffine(np.ascontiguousarray(one[:, ::-1]), turn, (180, 210))))
    made.append(store(tmp_path, "part.png", 255 - other[14:-4, 6:-10]))
    made.append(store(tmp_path, "jpeg.jpg", other, quality=60))
    found = find_duplicates(catalog_of(made).frame, RECIPE)
    words = {frozenset({pair.first, pair.second}): pair.transform for pair in found.near}
    assert words.pop(frozenset({"set/one.png", "set/turned.png"})) == "mirrored, turned by 7°"
    assert words.pop(frozenset({"set/other.png", "set/jpeg.jpg"})) == "as it is"
    assert words and set(words.values()) == {"inverted, cropped or padded"}
    assert found.rejected == found.candidates - len(found.near)
    least = min((pair for pair in found.near if "turned" not in pair.transform), key=lambda pair: pair.correlation)
    [issue] = [issue for issue in found.issues() if len(issue.images) == 3]
    assert f"r = {least.correlation:.3f} (the least alike of {len(words) + 1} pairs)" in issue.detail


def test_one_patient_may_have_both_labels(tmp_path: Path) -> None:
    rows = [
        {**store(tmp_path, f"{seed}.png", texture(seed)), "patient_id": "p", "label": seed, "group_id": "set:p"}
        for seed in (0, 1)
    ]
    assert audit_catalog(catalog_of(rows), RECIPE).issues == ()


def test_broken_missing_and_mislabelled_rows_are_reported_and_not_read(tmp_path: Path) -> None:
    rows = [
        {"image_id": "set/a.jpg", "status": "truncated", "reason": "ends early", "label": 0},
        {"image_id": "set/b.jpg", "status": "too_large"},
        {**store(tmp_path, "c.png", texture(1)), "label": None},
        {**store(tmp_path, "d.png", texture(2)), "label": 1, "metadata_label": 0},
    ]
    audit = audit_catalog(catalog_of(rows), RECIPE)
    assert {(issue.kind, issue.severity, issue.images) for issue in audit.issues} == {
        ("truncated", "warning", ("set/a.jpg",)),
        ("too_large", "warning", ("set/b.jpg",)),
        ("missing_label", "info", ("set/c.png",)),
        ("mislabelled_metadata", "warning", ("set/d.png",)),
    }
    assert audit.clusters["image_id"].to_list() == ["set/c.png", "set/d.png"]


def test_leaks_across_the_sources_own_split(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["given_split"] = "train"
    rows[9]["given_split"] = "val"  # jpeg.jpg, a copy of 1.png
    rows[5] |= {"base_name": "x", "given_split": "test", "group_id": "set:x"}
    rows[6] |= {"base_name": "x", "group_id": "set:x"}
    audit = audit_catalog(catalog_of(rows), RECIPE)
    assert audit.has_leak
    leaks = kinds(audit)["split_leak"]
    assert leaks == {frozenset({"set/1.png", "set/jpeg.jpg"}), frozenset({"set/5.png", "set/6.png"})}
    assert audit.summary["leaks"]["matrix"] == {"test|train": 1, "train|val": 1}
    assert audit.summary["leaks"]["units"] == {"base name": 1, "duplicate": 1}


def test_copies_of_one_name_are_kin_already_and_are_not_compared(rows: list[dict[str, Any]]) -> None:
    for row in (rows[1], rows[9]):
        row |= {"base_name": "x", "group_id": "set:x"}
    found = find_duplicates(catalog_of([rows[1], rows[9]]).frame, RECIPE)
    assert (found.near, found.candidates, found.flat) == ((), 0, ())


def test_what_cannot_be_used_leaks_nothing() -> None:
    rows = [
        {"image_id": f"a/{n}.png", "patient_id": "p", "given_split": side, "status": status, "label": 0}
        for n, (side, status) in enumerate([("train", "truncated"), ("test", "dropped")])
    ]
    assert not audit_catalog(catalog_of(rows), RECIPE).has_leak


@pytest.mark.parametrize("column", ["patient_id", "study_id", "group_id"])
def test_leaks_of_people_across_a_given_split_table(tmp_path: Path, column: str) -> None:
    rows = [{**store(tmp_path, f"{seed}.png", texture(seed)), column: "same"} for seed in (0, 1)]
    catalog = catalog_of(rows)
    apart = pl.DataFrame({"image_id": ["set/0.png", "set/1.png"], "subset": ["train", "test"]})
    together = apart.with_columns(subset=pl.lit("test"))
    assert audit_catalog(catalog, RECIPE, split=apart).has_leak
    assert not audit_catalog(catalog, RECIPE, split=together).has_leak


def test_a_copy_of_an_image_that_the_split_leaves_out_hid_the_leak_to_its_patient(rows: list[dict[str, Any]]) -> None:
    for row in (rows[2], rows[1]):  # 1.png, of the patient of 2.png, is not divided; jpeg.jpg copies it
        row |= {"patient_id": "p", "group_id": "set:p"}
    split = pl.DataFrame({"image_id": ["set/2.png", "set/jpeg.jpg"], "subset": ["train", "test"]})
    audit = audit_catalog(catalog_of(rows), RECIPE, split=split)
    assert kinds(audit)["split_leak"] == {frozenset({"set/2.png", "set/jpeg.jpg"})}
    assert audit.summary["leaks"]["units"] == {"joined group": 1}
    told = pl.DataFrame({"image_id": ["set/2.png", "set/1.png", "set/jpeg.jpg"], "subset": ["train", "test", "test"]})
    assert audit_catalog(catalog_of(rows), RECIPE, split=told).summary["leaks"]["units"] == {"patient": 1}


def test_a_leak_through_an_id_spelt_in_two_ways_and_an_image_without_a_side_was_not_seen(
    rows: list[dict[str, Any]],
) -> None:
    rows[2] |= {"patient_id": "007", "group_id": "set:007"}
    rows[1] |= {"patient_id": "7", "group_id": "set:7"}  # not divided; jpeg.jpg copies it
    split = pl.DataFrame({"image_id": ["set/2.png", "set/jpeg.jpg"], "subset": ["train", "test"]})
    audit = audit_catalog(catalog_of(rows), RECIPE, split=split)
    assert kinds(audit)["split_leak"] == {frozenset({"set/2.png", "set/jpeg.jpg"})}


def test_a_split_that_names_an_image_twice_is_refused(rows: list[dict[str, Any]]) -> None:
    split = pl.DataFrame({"image_id": ["set/1.png", "set/1.png"], "subset": ["train", "test"]})
    with pytest.raises(TableError, match=r"1 images of the split appear twice, such as set/1\.png"):
        audit_catalog(catalog_of(rows), RECIPE, split=split)


def test_equal_patient_numbers_of_two_sources_are_two_people(tmp_path: Path) -> None:
    rows = [
        {**store(tmp_path, f"{seed}.png", texture(seed)), "patient_id": "7", "source": f"s{seed}", "given_split": side}
        for seed, side in ((0, "train"), (1, "test"))
    ]
    assert not audit_catalog(catalog_of(rows), RECIPE).has_leak


def test_equal_file_names_in_two_folders_are_two_radiographs(tmp_path: Path) -> None:
    rows = [
        {**store(tmp_path, f"{seed}.png", texture(seed)), "base_name": "001", "label": seed, "given_split": side}
        for seed, side in ((0, "train"), (1, "test"))
    ]
    assert audit_catalog(catalog_of(rows), RECIPE).issues == ()


def test_a_foreign_split_is_refused(tmp_path: Path) -> None:
    catalog = catalog_of([store(tmp_path, "0.png", texture(0))])
    with pytest.raises(TableError, match="not in the catalog"):
        audit_catalog(catalog, RECIPE, split=pl.DataFrame({"image_id": ["other"], "subset": ["train"]}))
    with pytest.raises(TableError, match="lacks the column 'subset'"):
        audit_catalog(catalog, RECIPE, split=pl.DataFrame({"image_id": ["set/0.png"]}))
    with pytest.raises(TableError, match="unknown subset 'dev'"):
        audit_catalog(catalog, RECIPE, split=pl.DataFrame({"image_id": ["set/0.png"], "subset": ["dev"]}))


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    row = store(tmp_path, "0.png", texture(0))
    Path(row["path"]).unlink()
    with pytest.raises(MissingInputError, match=r"0\.png"):
        audit_catalog(catalog_of([row]), RECIPE)


def test_a_file_that_changed_since_it_was_catalogued_was_compared_by_its_old_digest(tmp_path: Path) -> None:
    row = store(tmp_path, "0.png", texture(0))
    store(tmp_path, "0.png", texture(1))
    with pytest.raises(StaleInputError, match=r"0\.png: the image has changed since it was catalogued"):
        audit_catalog(catalog_of([row]), RECIPE)


def test_a_file_that_cannot_be_decoded_here_counted_as_blank(tmp_path: Path) -> None:
    """A catalog of DICOM files, on a machine without pydicom: no copy was found, and nothing said."""
    row = store(tmp_path, "0.png", texture(0))
    Path(row["path"]).write_bytes(b"of another form")
    with pytest.raises(UnreadableImageError, match=r"0\.png: is not an image"):
        audit_catalog(catalog_of([{**row, "sha256": None}]), RECIPE)


def test_audit_comes_back_as_it_was_saved(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    audit = audit_catalog(catalog_of(rows), RECIPE)
    loaded = Audit.load(audit.save(tmp_path / "audit"))
    assert loaded.summary == audit.summary and loaded.issues == audit.issues
    assert loaded.clusters.equals(audit.clusters)
    (tmp_path / "audit" / "audit.json").write_text("[]")
    with pytest.raises(TableError, match="not an audit"):
        Audit.load(tmp_path / "audit")


def test_an_empty_catalog_has_no_issue() -> None:
    audit = audit_catalog(catalog_of([{"image_id": "s/a.jpg", "status": "unreadable"}]), RECIPE)
    assert [issue.kind for issue in audit.issues] == ["unreadable"]
    assert audit.clusters.is_empty()


def test_names_and_order_do_not_change_which_copies_are_found(tmp_path: Path) -> None:
    made = [store(tmp_path, f"{seed}.png", texture(seed, 150, 120)) for seed in range(12)]
    made += [store(tmp_path, f"c{seed}.jpg", 255 - texture(seed, 150, 120)[:, ::-1], quality=40) for seed in range(4)]
    renamed = [{**row, "image_id": f"other/{99 - place:02}.png"} for place, row in enumerate(made)]
    renamed_back = {new["image_id"]: old["image_id"] for new, old in zip(renamed, made, strict=True)}
    one = find_duplicates(catalog_of(made).frame, RECIPE)
    other = find_duplicates(catalog_of(renamed[::-1]).frame, RECIPE)
    assert [(renamed_back[pair.first], renamed_back[pair.second], pair.correlation) for pair in other.near] == [
        (pair.first, pair.second, pair.correlation) for pair in one.near
    ]
    assert len(one.near) == 4 and other.candidates == one.candidates


def test_features_of_a_network_propose_pairs_where_every_picture_has_some(tmp_path: Path) -> None:
    made = [store(tmp_path, f"{seed}.png", texture(seed, 150, 120)) for seed in range(3)]
    made.append(store(tmp_path, "copy.jpg", texture(0, 150, 120), quality=40))
    features = {row["image_id"]: np.eye(4, dtype=np.float32)[place % 3] for place, row in enumerate(made)}
    found = find_duplicates(catalog_of(made).frame, RECIPE, features)
    [pair] = found.near
    assert {pair.first, pair.second} == {"set/0.png", "set/copy.jpg"}
    assert "embedding" in pair.found_by and "embedding" in found.methods
    features.pop("set/2.png")
    assert "embedding" not in find_duplicates(catalog_of(made).frame, RECIPE, features).methods
