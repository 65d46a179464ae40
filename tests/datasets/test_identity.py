"""Which rows mean one patient or study."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from frames import catalog_of

from colles.core.errors import LeakError
from colles.core.identity import one_spelling, with_keys
from colles.core.recipe import SplitRecipe
from colles.datasets.audit.leaks import find_leaks
from colles.datasets.catalog import Catalog
from colles.datasets.split import Split, assert_no_leak, make_split

RECIPE = SplitRecipe(val=0.2, test=0.2)


def archives(count: int = 40, scope: str | None = "salted") -> list[dict[str, Any]]:
    """Return rows of two folders, each with one image of every patient and of the same study."""
    return [
        {
            "image_id": f"{source}/{n}.dcm",
            "label": n % 2,
            "patient_id": f"p{n}" if n % 4 else None,
            "study_id": f"s{n}",
            "id_scope": scope,
            "group_id": f"{scope or source}:{f'p{n}' if n % 4 else f's{n}'}",
        }
        for source in ("a25", "a26")
        for n in range(count)
    ]


def studies_by_number(count: int = 40) -> list[dict[str, Any]]:
    return [
        {"image_id": f"t/{n}_{view}.png", "label": n % 2, "patient_id": f"p{n}", "study_id": "1", "group_id": f"t:p{n}"}
        for n in range(count)
        for view in range(2)
    ]


def of_studies(catalog: Catalog, split: Split) -> pl.DataFrame:
    rows = split.frame.join(catalog.frame.select("image_id", "study_id"), on="image_id")
    return rows.group_by("study_id").agg(pl.col("subset").n_unique())


def test_two_folders_of_one_archive_share_patients_and_studies() -> None:
    """Ids were told apart by source, though one salt had made them, and nothing noticed the leak."""
    catalog = catalog_of(archives())
    split = make_split(catalog, RECIPE)
    assert of_studies(catalog, split)["subset"].max() == 1
    assert_no_leak(split, catalog)
    moved = pl.when(pl.col("image_id") == split.subset("train")[0]).then(pl.lit("test")).otherwise("subset")
    edited = split.frame.with_columns(moved.alias("subset"), group_id="image_id")
    with pytest.raises(LeakError, match=r"\(a25, a26\)"):
        assert_no_leak(Split(edited, {}), catalog)
    apart = catalog_of(archives(scope=None))  # plain ids of two sources are two patients
    assert of_studies(apart, make_split(apart, RECIPE))["subset"].max() == 2


def test_a_new_folder_of_one_archive_joins_the_kept_side() -> None:
    rows = archives()
    old = make_split(catalog_of(rows[:40]), RECIPE)
    catalog = catalog_of(rows)
    grown = make_split(catalog, RECIPE, keep=old)
    assert of_studies(catalog, grown)["subset"].max() == 1 and len(grown) == 80


def test_studies_numbered_for_every_patient_join_no_patients() -> None:
    """The split failed: all fractures lay in one independent group."""
    catalog = catalog_of(studies_by_number())
    split = make_split(catalog, RECIPE)
    assert split.summary["groups"]["n"] == 40
    assert_no_leak(split, catalog)
    sides = dict(split.frame.select("image_id", "subset").iter_rows())
    assert list(find_leaks(catalog.frame, [], sides)) == []


def test_a_study_of_its_own_name_joins_images_without_a_patient() -> None:
    rows = [
        {"image_id": "t/a.png", "patient_id": "p1", "study_id": "s1"},
        {"image_id": "t/b.png", "study_id": "s1"},
        {"image_id": "t/c.png", "patient_id": "p2", "study_id": "1"},
        {"image_id": "t/d.png", "patient_id": "p3", "study_id": "1"},
        {"image_id": "u/e.png", "patient_id": "p1", "study_id": "s1"},
        {"image_id": "u/f.png"},
    ]
    found = with_keys(catalog_of(rows).frame)
    one, same, *others, none = found["study_key"].to_list()
    assert one == same and len({one, *others}) == 4 and none is None
    assert found["patient_key"].null_count() == 2 and found["patient_key"].n_unique() == 5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("007", "7"), ("12.0", "12"), ("P-1", "p-1 "), ("0012.0", "12"), ("MRN 5", "mrn 5")),
        *(("M\u00fcller 1", "Mu\u0308ller 1"), ("\uff10\uff10\uff17", "7")),
    ],
)
def test_an_id_written_in_two_ways_was_two_patients(one: str, other: str) -> None:
    """One table of a hospital lost its leading zeros in a spreadsheet, or wrote 12.0 for 12."""
    rows = [{"image_id": f"t/{n}x{n}.png", "label": n % 2, "patient_id": f"q{n}"} for n in range(40)]
    rows[0]["patient_id"], rows[1]["patient_id"] = one, other
    keys = with_keys(catalog_of([{**row, "group_id": f"t:{row['patient_id']}"} for row in rows]).frame)["patient_key"]
    assert keys[0] == keys[1] and keys.n_unique() == 39
    assert one_spelling(one) == one_spelling(other)


@pytest.mark.parametrize(("one", "other"), [("1.2.840.0", "1.2.840"), ("10", "1"), ("1.20", "1.2"), ("00", "01")])
def test_ids_that_differ_in_more_than_their_spelling_are_two(one: str, other: str) -> None:
    keys = with_keys(pl.DataFrame({"source": ["t", "t"], "patient_id": [one, other]}))["patient_key"]
    assert keys[0] != keys[1]


def test_one_plain_id_in_two_sources_is_two_patients_and_a_split_did_not_say_so() -> None:
    rows = [
        {"image_id": f"{source}/{n}.png", "label": n % 2, "patient_id": f"p{n}", "group_id": f"{source}:p{n}"}
        for source in ("a", "b")
        for n in range(30)
    ]
    [warning] = make_split(catalog_of(rows), RECIPE).summary["warnings"]
    assert warning.startswith(
        "30 patient ids stand in several sources, such as p0 in a, b: taken for different patients"
    )
    assert "csv:NAME=" in warning
    salted = catalog_of([{**row, "id_scope": "salt"} for row in rows])
    assert make_split(salted, RECIPE).summary["warnings"] == []


def test_patients_under_names_that_cannot_be_compared_passed_without_a_word() -> None:
    """A table of plain ids beside DICOM files of the same hospital, or two catalogs of two salts put together."""

    def said(*scopes: str | None) -> list[str]:
        rows = [
            {"image_id": f"{name}/{n}.png", "label": n % 2, "patient_id": f"{name}{n}", "id_scope": scope}
            for name, scope in zip("abc", scopes, strict=False)
            for n in range(30)
        ]
        found = make_split(catalog_of([{**row, "group_id": f"g:{row['patient_id']}"} for row in rows]), RECIPE)
        return list(found.summary["warnings"])

    [warning] = said(None, "one", "one")
    assert warning.startswith("patients of a and b are named in ways that cannot be compared (a plain id, a pseudonym)")
    assert said("one", "two")[0].startswith("patients of a and b are named in ways that cannot be compared (pseudonyms")
    assert said(None, None) == said("one", "one") == []
