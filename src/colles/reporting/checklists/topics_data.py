"""What a run can say of its data, in sentences for a checklist."""

from __future__ import annotations

from collections import Counter

import polars as pl

from colles.core.records import SUBSETS
from colles.reporting.artefacts import Artefacts
from colles.reporting.division import how_divided
from colles.reporting.formats import count, plural, share, subset_name
from colles.reporting.leaks import check_units, patients_unknown
from colles.reporting.tables import count_boxed, with_subset

_ASKED = ("patient_id", "age", "sex", "body_part", "view", "hardware", "manufacturer")


def sources(run: Artefacts) -> str | None:
    """Name the sources with their sizes."""
    if run.catalog is None:
        return None
    counted = run.catalog.group_by("source").len().sort("source")
    named = ", ".join(f"{source} ({count(n)})" for source, n in counted.iter_rows())
    phantom = " They are simulated radiographs (phantoms)." if run.simulated else ""
    return f"{plural(run.catalog.height, 'file')}: {named}.{phantom}"


def eligibility(run: Artefacts) -> str | None:
    """Tell what let an image take part, and how many fell out for which reason."""
    if run.catalog is None:
        return None
    excluded = (run.split_summary or {}).get("excluded")  # names broken files too
    broken = (status for status in run.catalog["status"].to_list() if status != "ok")
    reasons = Counter(broken) if excluded is None else Counter(str(entry.get("reason")) for entry in excluded)
    left = ", ".join(f"{count(n)} {reason.replace('_', ' ')}" for reason, n in reasons.most_common()) or "none"
    return f"Images took part that could be decoded and had a label. Left out: {left}."


def flow(run: Artefacts) -> str | None:
    """Give the numbers of the flow diagram."""
    if run.catalog is None or run.split is None:
        return None
    readable = run.catalog.filter(pl.col("status") == "ok")
    return (
        f"{plural(run.catalog.height, 'file')} found, {count(readable.height)} readable, {count(run.split.height)} in "
        f"the split: {sizes(run)} The diagram is under “Flow of images”."
    )


def sizes(run: Artefacts) -> str | None:
    """Give images and fractures of every subset."""
    if run.catalog is not None and run.split is not None:
        frame = with_subset(run.catalog, run.split)
        parts = [(name, frame.filter(pl.col("subset") == name)) for name in SUBSETS]
        labelled = [
            (name, rows.height, rows.filter(pl.col("label") == 1).height) for name, rows in parts if rows.height
        ]
        named = [_size(*part) for part in labelled]
    else:
        named = [_size(n, int(c.get("n") or 0), int(c.get("n_positive") or 0)) for n, c in run.subsets.items()]
    return f"{'; '.join(named)}." if named else None


def _size(subset: str, images: int, fractured: int) -> str:
    return f"{subset_name(subset)} {plural(images, 'image')}, {count(fractured)} fractured"


def selection(run: Artefacts) -> str | None:
    """Tell whether a region was cut out and which copies were left out."""
    region = ((run.recipe or {}).get("data") or {}).get("region")
    if region is None or run.split_summary is None:
        return None
    kept = "all regions of the body" if region == "all" else str(region).replace("_", " ")
    excluded = run.split_summary.get("excluded") or ()
    copies = sum("copy" in str(entry.get("reason")) for entry in excluded)
    return f"Region: {kept}. {plural(copies, 'copy', 'copies')} of images already there were left out."


def missing(run: Artefacts) -> str | None:
    """Tell how unknown labels and broken files were treated."""
    if run.catalog is None:
        return None
    unknown = run.catalog.filter((pl.col("status") == "ok") & pl.col("label").is_null()).height
    broken = run.catalog.filter(pl.col("status") != "ok").height
    return (
        f"{plural(unknown, 'readable image')} without a label took no part and never counted as “no fracture”; "
        f"{plural(broken, 'broken file')} were set aside. Nothing was imputed."
    )


def quality(run: Artefacts) -> str | None:
    """Count the findings of the audit by kind."""
    if run.audit is None:
        return None
    kinds = Counter(str(issue.get("kind")).replace("_", " ") for issue in run.audit.get("issues") or ())
    found = ", ".join(f"{count(n)} {kind}" for kind, n in kinds.most_common()) or "no problem"
    return f"Every file was decoded in full and compared with every other; the audit found {found}."


def acquisition(run: Artefacts) -> str | None:
    """Give sizes, depths and, where stated, devices."""
    if run.catalog is None:
        return None
    rows = run.catalog.filter(pl.col("status") == "ok")
    longer = rows.select(pl.max_horizontal("width", "height"))["width"]
    depths = ", ".join(str(depth) for depth in sorted(rows["bit_depth"].drop_nulls().unique().to_list()))
    makers = rows["manufacturer"].drop_nulls().n_unique() if "manufacturer" in rows.columns else 0
    told = plural(makers, "manufacturer") if makers else "not stated by the sources"
    low, high = (count(None if x is None else float(str(x))) for x in (longer.min(), longer.max()))
    return f"Longer side {low} to {high} pixels, {depths} bits a pixel; devices: {told}."


def reference(run: Artefacts) -> str | None:
    """Tell what the label is."""
    if run.catalog is None:
        return None
    boxed = count_boxed(run.catalog)
    doubts = sum(
        i.get("kind") in ("label_conflict", "mislabelled_metadata") for i in (run.audit or {}).get("issues") or ()
    )
    return (
        f"The label is the source's own; {plural(boxed, 'image')} have boxes around a fracture. "
        f"The audit found {plural(doubts, 'contradiction')} between labels."
    )


def partitions(run: Artefacts) -> str | None:
    """Tell how the split was made."""
    if run.split is None:
        return None
    parts = run.split.group_by("subset").len().sort("subset")
    named = ", ".join(f"{subset_name(s)} {share(n, run.split.height)}" for s, n in parts.iter_rows())
    digest = "" if run.split_summary is None else " with a digest"
    return f"{_DIVIDED[how_divided(run)]}: {named}. The split is a file{digest}."


_DIVIDED = {
    "made": "By group, stratified by label, source and body part",
    "edited": "By a table that was edited after it was made",
    "adopted": "By a person's own table, taken in and checked for leaks",
    None: "How the images were divided is not recorded",
}


def disjoint(run: Artefacts) -> str | None:
    """Give the certificate that nothing leaks."""
    checks = check_units(run) if run.split is not None else []
    if not checks:
        return None
    looked = ", ".join(f"{count(check.units)} {check.unit}" for check in checks)
    leaking = sum(check.leaking for check in checks)
    if leaking:
        return f"Not disjoint: of {looked}, {count(leaking)} stand in several subsets: a LEAK."
    return f"Disjoint: of {looked}, none stands in more than one subset.{patients_unknown(checks)}"


def characteristics(run: Artefacts) -> str | None:
    """Give what is known of the cases in each subset, and what is not."""
    if run.catalog is None:
        return None
    rows = run.catalog.filter(pl.col("status") == "ok")
    absent = [
        c.replace("_id", "").replace("_", " ")
        for c in _ASKED
        if c not in rows.columns or rows[c].null_count() == rows.height
    ]
    unknown = f" Not stated by the sources: {', '.join(absent)}." if absent else ""
    return f"{sizes(run) or ''} By source and label under “Data”.{unknown}".strip()


def hardware(run: Artefacts) -> str | None:
    """Count images with plates or casts."""
    if run.catalog is None or "hardware" not in run.catalog.columns:
        return None
    known = run.catalog["hardware"].drop_nulls()
    return None if known.is_empty() else f"{count(int(known.sum()))} of {plural(known.len(), 'image')} show hardware."
