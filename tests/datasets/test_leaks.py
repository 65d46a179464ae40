"""Whatever links two images on two sides is found, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import polars as pl
from frames import catalog_of
from hypothesis import given, settings
from hypothesis import strategies as st

from colles.core.errors import LeakError
from colles.datasets.audit.audit import cluster_table
from colles.datasets.audit.leaks import Leak, find_leaks, joined_leaks, leak_counts
from colles.datasets.naming import trust_names
from colles.datasets.split import adopt_split

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "source": st.sampled_from("ab"),
            "patient_id": st.sampled_from([None, None, "7", "007", "8"]),
            "study_id": st.sampled_from([None, None, "s", "t"]),
            "base_name": st.sampled_from([None, "x", "y"]),
            "group_id": st.sampled_from([None, None, "g", "h"]),
            "copy": st.sampled_from([None, None, "c", "d"]),
            "side": st.sampled_from([None, "train", "train", "test"]),
        }
    ),
    min_size=2,
    max_size=7,
)


def told(rows: list[dict[str, Any]]) -> list[list[tuple[str, ...]]]:
    """Return what each row says that links it with others."""
    patients: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        if row["patient_id"] and row["study_id"]:
            patients[row["source"], row["study_id"]].add(row["patient_id"].lstrip("0"))
    found = []
    for row in rows:
        source, patient = row["source"], (row["patient_id"] or "").lstrip("0")
        owner = patient if len(patients[source, row["study_id"]]) > 1 else ""
        said = {
            "group": (row["group_id"],),
            "patient": (row["patient_id"] and source, patient),
            "study": (row["study_id"], source, owner),
            "base name": (row["base_name"] if row["group_id"] else None, source),
            "copy": (row["copy"],),
        }
        found.append([(unit, *name) for unit, name in said.items() if name[0] is not None])
    return found


def linked(links: list[list[tuple[str, ...]]]) -> list[int]:
    """Return a number for each row, equal where rows are linked, also through others."""
    number = list(range(len(links)))
    for _ in links:
        for one, some in enumerate(links):
            for other, others in enumerate(links):
                if not set(some).isdisjoint(others):
                    number[one] = number[other] = min(number[one], number[other])
    return number


def test_an_image_in_two_leaks_is_counted_once_and_three_sides_are_three_pairs() -> None:
    leaks = [
        Leak("patient", ("a", "b", "c"), ("test", "train", "val"), ""),
        Leak("study", ("a", "d"), ("test", "train"), ""),
    ]
    assert leak_counts(leaks) == {
        "n": 2,
        "images": 4,
        "units": {"patient": 1, "study": 1},
        "matrix": {"test|train": 2, "test|val": 1, "train|val": 1},
    }


@settings(max_examples=40)
@given(ROWS)
def test_linked_images_on_two_sides_are_found_and_nothing_else(rows: list[dict[str, Any]]) -> None:
    images = [f"{row['source']}/{index}.png" for index, row in enumerate(rows)]
    made = [{name: row[name] for name in row if name not in ("copy", "side")} for row in rows]
    made = [{**row, "image_id": image, "label": 1} for row, image in zip(made, images, strict=True)]
    catalog = catalog_of(made)
    copies = [[i for i, row in zip(images, rows, strict=True) if row["copy"] == name] for name in ("c", "d")]
    copies = [ids for ids in copies if len(ids) > 1]
    clusters = cluster_table(catalog.frame, copies)
    number = linked(told(rows))
    groups = dict(clusters.select("image_id", "group_id").iter_rows())
    assert len(set(zip(number, (groups[image] for image in images), strict=True))) == len(set(number))
    assert len(set(groups.values())) == len(set(number))
    sides = {image: row["side"] for image, row in zip(images, rows, strict=True)}
    divided = [(place, row["side"]) for place, row in zip(number, rows, strict=True) if row["side"]]
    crossing = len(set(divided)) > len({place for place, _ in divided})
    leaks = list(find_leaks(trust_names(catalog.frame), copies, sides))
    assert bool([*leaks, *joined_leaks(clusters, sides, leaks)]) == crossing
    table = pl.DataFrame({"image_id": images, "subset": list(sides.values())}).drop_nulls()
    if table.is_empty():
        return
    try:
        adopt_split(catalog, table.with_columns(group_id=pl.lit(None, pl.String)), clusters=clusters)
    except LeakError:
        assert crossing
    else:
        assert not crossing
