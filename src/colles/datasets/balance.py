"""What a split came out as: counts and shares a subset, sizes of groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from colles.core.recipe import SplitRecipe
from colles.core.records import SUBSETS
from colles.datasets.grouping import Grouping
from colles.datasets.stratify import Member

_TWO_KINDS = "a plain id, a pseudonym", "one table (csv) of both, with patient_id, names them alike"
_TWO_SALTS = "pseudonyms of two salts", "read both with one --salt"


def balance(made: pl.DataFrame, rows: pl.DataFrame) -> dict[str, Any]:
    """Count images, fractures and groups a subset, over all and by source and body part.

    `made` is the split's table, `rows` the catalog's rows of the same images.
    """
    joined = made.join(rows.select("image_id", "label", "source", "body_part"), on="image_id")
    return {
        name: {
            **_counts(part),
            "share": round(len(part) / len(joined), 4),
            "n_groups": part["group_id"].n_unique(),
            "sources": _by(part, "source"),
            "body_parts": _by(part, "body_part"),
        }
        for name in SUBSETS
        if len(part := joined.filter(pl.col("subset") == name))
    }


def _counts(part: pl.DataFrame) -> dict[str, Any]:
    positive = int(part["label"].cast(pl.Int64).sum())
    return {"n": len(part), "n_positive": positive, "prevalence": round(positive / len(part), 4)}


def _by(part: pl.DataFrame, column: str) -> dict[str, Any]:
    values = sorted(part[column].fill_null("unknown").unique().to_list())
    return {value: _counts(part.filter(pl.col(column).fill_null("unknown") == value)) for value in values}


def deviation(members: Sequence[Member], place: Mapping[str, str], shares: Mapping[str, float]) -> dict[str, Any]:
    """Compare what each subset was to hold with what it got: over all, and in the stratum that is furthest off.

    An image counts what it does in the allocation: one over the copies of its radiograph, 0 where it may only be
    trained on. Strata are label, then source, then body part.
    """
    whole: defaultdict[str, float] = defaultdict(float)
    got: defaultdict[tuple[str, str], float] = defaultdict(float)
    for member in members:
        for stratum in member.strata:
            whole[stratum] += member.weight
            got[place[member.group], stratum] += member.weight
    found = {}
    for subset, share in shares.items():
        off = {stratum: got[subset, stratum] - share * whole[stratum] for stratum in whole}
        worst = max(sorted(off), key=lambda stratum: abs(off[stratum]))
        found[subset] = {
            "target": round(share, 4),
            "reached": round(got[subset, "all"] / max(1e-9, whole["all"]), 4),
            "worst_stratum": {
                "stratum": worst,
                "target": round(share * whole[worst], 2),
                "reached": round(got[subset, worst], 2),
            },
        }
    return found


def group_summary(grouping: Grouping, rows: pl.DataFrame, recipe: SplitRecipe) -> tuple[dict[str, Any], list[str]]:
    """Describe the groups of the usable images, and warn where a promise about them could not be kept.

    `rows` are the catalog's rows of these images.
    """
    sizes = Counter(grouping.group.values())
    name, largest = min(sizes.items(), key=lambda item: (-item[1], item[0]))
    share = largest / (len(grouping.group) + len(grouping.bridges))
    found = {
        "n": len(sizes),
        "largest": largest,
        "largest_share": round(share, 4),
        "block": grouping.block,
        "person_folders": grouping.persons,
        "quarantined": len(grouping.bridges),
    }
    warnings = []
    if grouping.block < recipe.block:
        warnings.append(f"the set is small: blocks of {grouping.block} neighbouring files instead of {recipe.block}")
    if share > recipe.max_group_share:
        members = rows.filter(pl.col("image_id").is_in([image for image, own in grouping.group.items() if own == name]))
        warnings.append(f"group {name} holds {share:.1%} of the images: {_nature(members)} never cut")
    return found, warnings


def _nature(members: pl.DataFrame) -> str:
    for column, word in (("patient_id", "patient"), ("study_id", "study"), ("base_name", "base name")):
        if members[column].n_unique() == 1 and members[column].null_count() == 0:
            return f"one {word}, which is"
    return "neighbouring or linked files, which are"


def doubts(rows: pl.DataFrame, group: Mapping[str, str]) -> list[str]:
    """Warn of what the catalog does not tell about patients; `rows` are its rows of the images that are split."""
    return [*shared_ids(rows), *unlike_ids(rows), *partly_known(rows), *alone(rows, group)]


def shared_ids(rows: pl.DataFrame) -> list[str]:
    """Warn of plain patient ids that stand in several sources: only the user knows whether they mean one person."""
    plain = rows.filter(pl.col("patient_id").is_not_null() & pl.col("id_scope").is_null())
    found = plain.group_by("patient_id").agg(pl.col("source").unique().sort()).filter(pl.col("source").list.len() > 1)
    if found.is_empty():
        return []
    name, sources = found.sort("patient_id").row(0)
    text = f"{len(found)} patient ids stand in several sources, such as {name} in {', '.join(sources)}"
    return [f"{text}: taken for different patients; where one hospital gave them, give its tables one name: csv:NAME="]


def unlike_ids(rows: pl.DataFrame) -> list[str]:
    """Warn of two sources whose patients have names of other kinds: nobody can tell who is in both."""
    named = rows.filter(pl.col("patient_id").is_not_null()).with_columns(pl.col("id_scope").fill_null(""))
    scopes = dict(named.group_by("source").agg(pl.col("id_scope").unique()).sort("source").iter_rows())
    for (one, first), (other, second) in combinations(scopes.items(), 2):
        if set(first).isdisjoint(second):
            kinds, repair = _TWO_KINDS if "" in (*first, *second) else _TWO_SALTS
            text = f"patients of {one} and {other} are named in ways that cannot be compared ({kinds})"
            return [f"{text}: one who is in both counts as two, on whatever sides; {repair}"]
    return []


def partly_known(rows: pl.DataFrame) -> list[str]:
    """Warn of sources of which some images have a patient or study and others do not: these may be the same people."""
    lacking = pl.col("patient_id").is_null() & pl.col("study_id").is_null()
    said = []
    for (source,), part in rows.sort("image_id").group_by("source", maintain_order=True):
        without = part.filter(lacking)["image_id"]
        if 0 < len(without) < len(part):
            text = f"{len(without)} of {len(part)} images of {source} have no patient, such as {without[0]}"
            said.append(f"{text}: they may lie on another side than that patient's other images")
    return said


def alone(rows: pl.DataFrame, group: Mapping[str, str]) -> list[str]:
    """Warn of images that nothing could be told of: without an id, and without a number in their names."""
    free = rows.filter(pl.col("patient_id").is_null() & pl.col("study_id").is_null()).sort("image_id")
    size = Counter(group.values())
    own = [image for image in free["image_id"].to_list() if group.get(image) == image and size[image] == 1]
    found = [image for image in own if not any(letter.isdigit() for letter in PurePosixPath(image).stem)]
    if not found:
        return []
    text = f"{len(found)} images, such as {found[0]}, have no id and no number in their names"
    return [f"{text}: each counts as a patient of its own; a table with patient_id tells which belong together"]
