"""Folders that hold one person each stand in for ids that a source lacks."""

from __future__ import annotations

from typing import Any

import pytest
from frames import catalog_of, numbered

from colles.core.recipe import SplitRecipe
from colles.datasets.audit.audit import cluster_table
from colles.datasets.audit.fold_groups import ALL, by_source, with_fold_groups
from colles.datasets.persons import person_folders
from colles.datasets.split import Split, make_split

RECIPE = SplitRecipe(val=0.2, test=0.2)


def of_folders(paths: list[str], each: int = 3, *, source: str = "mura") -> list[dict[str, Any]]:
    """Return rows of `each` images in every folder, numbered from 1 in each; a folder called positive is fractured."""
    return [
        {"image_id": f"{source}/{path}/image{number}.png", "label": int("positive" in path)}
        for path in paths
        for number in range(1, each + 1)
    ]


def studies(count: int) -> list[str]:
    """Return the folders of MURA: region, patient, study with its label."""
    return [f"train/XR_WRIST/patient{n:05d}/study1_{'positive' if n % 3 == 0 else 'negative'}" for n in range(count)]


@pytest.mark.parametrize("each", [1, 2, 3, 14])
def test_images_of_a_folder_per_patient_lie_on_one_side(each: int) -> None:
    """Blocks of equal file numbers joined all patients, and blocks of one tore every patient apart."""
    split = make_split(catalog_of(of_folders(studies(40), each)), RECIPE)
    sides: dict[str, set[str]] = {}
    for image, subset in split.frame.select("image_id", "subset").iter_rows():
        sides.setdefault(image.split("/")[3], set()).add(subset)
    assert len(sides) == 40 and all(len(found) == 1 for found in sides.values())
    assert split.summary["groups"]["n"] == 40 and split.summary["warnings"] == []


def test_a_new_image_of_a_folder_per_patient_joins_its_side() -> None:
    old = make_split(catalog_of(of_folders(studies(40))), RECIPE)
    grown = make_split(catalog_of(of_folders(studies(50), 5)), RECIPE, keep=old)
    before, after = (dict(made.frame.select("image_id", "subset").iter_rows()) for made in (old, grown))
    for image, subset in after.items():
        assert subset == before.get(image.replace("image5", "image1"), subset)
    assert len(after) == 250 and {image: after[image] for image in before} == before


def test_folders_of_days_were_taken_for_persons_whatever_was_known_of_them() -> None:
    rows = [{"image_id": f"ward/day{n // 6:02d}/IMG{n:05d}.png", "label": n % 2} for n in range(240)]
    made = [make_split(catalog_of(rows), RECIPE.model_copy(update={"person_folders": on})) for on in (True, False)]
    assert [split.summary["groups"]["n"] for split in made] == [40, 24]
    assert [split.summary["groups"]["person_folders"] for split in made] == [True, False]


def test_what_was_said_of_folders_holds_for_a_kept_split_and_for_the_one_made_from_it() -> None:
    free = RECIPE.model_copy(update={"person_folders": False, "block": 1})
    paths = studies(40)
    old = make_split(catalog_of(of_folders(paths, 1) + numbered(40)), free)
    once = make_split(catalog_of(of_folders(paths, 2) + numbered(40)), RECIPE, keep=old)
    twice = make_split(catalog_of(of_folders(paths, 3) + numbered(40)), RECIPE, keep=once)
    assert not once.summary["groups"]["person_folders"] and not twice.summary["groups"]["person_folders"]
    earlier = Split(old.frame, old.summary | {"groups": {"block": 1}})  # of before this could be said
    assert make_split(catalog_of(of_folders(paths, 2) + numbered(40)), free, keep=earlier).summary["groups"][
        "person_folders"
    ]


def test_folds_of_the_audit_are_patients_where_each_has_a_folder() -> None:
    """All 24 images were one group, so that no shortcut was measured, which nothing said."""
    frame = catalog_of(of_folders(studies(12), 2)).frame
    ids = frame["image_id"].to_list()
    found = with_fold_groups(frame, cluster_table(frame, []))
    assert found["fold_group"].n_unique() == 12
    found = with_fold_groups(frame, cluster_table(frame, [[ids[1], ids[2]]]))  # a copy joins both patients whole
    assert found["fold_group"].n_unique() == 11
    assert [name for name, _ in by_source(found)] == [ALL]  # one source is not measured twice


def test_one_patient_under_two_classes_subsets_and_regions_is_one() -> None:
    paths = [
        f"{above}/p{n:03d}" for above in ("train/positive", "valid/negative", "XR_HAND", "wrist") for n in range(30)
    ]
    found = person_folders(catalog_of(of_folders(paths, 2)).frame)
    assert set(found.values()) == {f"p{n:03d}" for n in range(30)} and len(found) == 240


@pytest.mark.parametrize("place", ["{side}/{name}/{n}.png", "{side}/{name}_{n}.png"])
def test_a_person_whose_name_unicode_writes_in_two_ways_was_two(place: str) -> None:
    """A folder copied from macOS beside one of another machine; an id of a table was one already."""
    rows = [
        {"image_id": "s/" + place.format(side=side, name=f"M{letter}ller {number}", n=n), "label": label}
        for label, (side, letter) in enumerate((("normal", "u\u0308"), ("fractured", "\u00fc")))
        for number in range(40)
        for n in range(2)
    ]
    found = person_folders(catalog_of(rows).frame)
    assert len(found) == 160 and len(set(found.values())) == 40


def test_a_patient_of_several_studies_is_one() -> None:
    paths = [f"P{n:03d}/DX_{day}/positive" for n in range(25) for day in ("20200101", "20210304")]
    assert set(person_folders(catalog_of(of_folders(paths, 2)).frame).values()) == {f"P{n:03d}" for n in range(25)}


def test_equal_folders_of_two_sites_are_two_persons_though_one_site_has_fractures_alone() -> None:
    rows = [
        {"image_id": f"s/{site}/p{n}/IMG{k}.png", "label": int(site == "A" or n % 2), "group_id": None}
        for site in "AB"
        for n in range(30)
        for k in range(2)
    ]
    assert set(person_folders(catalog_of(rows).frame).values()) == {f"{site}/p{n}" for site in "AB" for n in range(30)}


@pytest.mark.parametrize(
    "rows",
    [
        numbered(400),
        [
            {**row, "image_id": row["image_id"].replace("images", f"images/{'Non_f' if n % 4 else 'F'}ractured")}
            for n, row in enumerate(numbered(400))
        ],
        of_folders(["0", "1"], 15),  # classes, whose meaning a class map tells
        of_folders([f"kind{n}_positive" for n in range(6)] + ["none1"], 15),
        of_folders([f"site{n}/positive" for n in range(4)] + [f"site{n}/negative" for n in range(4)], 60),
        [{**row, "patient_id": row["image_id"], "group_id": "one"} for row in of_folders(studies(40))],
        [{"image_id": f"set/{n:03d}/IMG{n:03d}.png", "label": n % 2} for n in range(60)],
    ],
    ids=["flat", "fracatlas", "classes", "kinds", "sites", "grouped", "a folder an image"],
)
def test_other_folders_are_no_persons(rows: list[dict[str, Any]]) -> None:
    assert person_folders(catalog_of(rows).frame) == {}


@pytest.mark.parametrize("names", [("fx", "nofx"), ("1", "0"), ("A", "B"), ("train/A", "test/A", "train/B", "test/B")])
def test_a_patient_under_two_classes_that_a_map_names_lay_on_two_sides(names: tuple[str, ...]) -> None:
    """Only names such as fractured and normal were passed over, so fx/p1 and nofx/p1 were two persons."""
    ones = names[: len(names) // 2]
    rows = [
        {"image_id": f"s/{name}/p{number}/IMG{image}.png", "label": int(name in ones)}
        for name in names
        for number in range(30)
        for image in range(2)
    ]
    assert set(person_folders(catalog_of(rows).frame).values()) == {f"p{number}" for number in range(30)}


@pytest.mark.parametrize("name", ["patient{:02}", "P{:03}", "sub-{:02}", "Case {}", "{:05}", "MRN{}"])
def test_some_patients_of_many_images_lay_on_two_sides(name: str) -> None:
    """Fifteen folders of thirty images each were neither small nor many, and blocks of numbers tore each of them."""
    rows = of_folders([name.format(n + 1) for n in range(15)], 30)
    rows = [{**row, "label": int(index % 7 < 3)} for index, row in enumerate(rows)]
    split = make_split(catalog_of(rows), RECIPE)
    sides: dict[str, set[str]] = {}
    for image, subset in split.frame.select("image_id", "subset").iter_rows():
        sides.setdefault(image.split("/")[1], set()).add(subset)
    assert len(sides) == 15 and all(len(found) == 1 for found in sides.values())


@pytest.mark.parametrize(
    "name",
    ["P{p:03}_{n}", "{p}_IMG{n:04}", "patient-{p}-img-{n}", "P{p}_AP_{k} P{p}_LAT_{k}", "{p}-rotated{k}-rotated{k}"],
)
def test_images_named_for_their_patient_lay_on_two_sides(name: str) -> None:
    """Blocks of file numbers ended between P001_9 and P001_10, and P1_AP_1 was no neighbour of P1_LAT_1."""
    rows, whose = [], {}
    for number in range(400):
        person = number // 4
        for part in name.split():
            image = (
                f"s/{'fractured' if person % 3 else 'normal'}/{part.format(p=person, n=number + 7, k=number % 4)}.png"
            )
            rows.append({"image_id": image, "label": int(person % 3 > 0)})
            whose[image] = person
    split = make_split(catalog_of(rows), RECIPE)
    sides: dict[int, set[str]] = {}
    for image, subset in split.frame.select("image_id", "subset").iter_rows():
        sides.setdefault(whose[image], set()).add(subset)
    assert len(sides) == 100 and all(len(found) == 1 for found in sides.values())
    assert split.summary["groups"]["n"] == 100


@pytest.mark.parametrize(
    "names",
    [
        [f"IMG{n:05}" for n in range(200)],
        [f"2024_{n:05}" for n in range(200)],
        [f"1 ({n})" for n in range(200)],
        [f"wrist_{n:03}" for n in range(200)],
        [f"IMG{n:05}" for n in range(200)] + ["IMG00003_copy", "IMG00004_copy"],
        [f"{n * 2654435761 % 2**32:08x}-{n:04x}" for n in range(200)],
    ],
)
def test_numbers_of_images_are_no_persons(names: list[str]) -> None:
    rows = [{"image_id": f"s/{name}.png", "label": n % 2} for n, name in enumerate(names)]
    assert person_folders(catalog_of(rows).frame) == {}
