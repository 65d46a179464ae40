"""The flow of images: from files found to the subsets, with what was left out on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from markupsafe import Markup

from colles.core.records import SUBSETS
from colles.reporting.artefacts import Artefacts
from colles.reporting.blocks import Block, Bullets, Missing, Svg
from colles.reporting.figures.flow_diagram import Exit, Station, flow_diagram
from colles.reporting.formats import count, plural, subset_name
from colles.reporting.sections.base import Section
from colles.reporting.tables import LEFT_OUT, with_subset

UNEXPLAINED = "no reason recorded"


class Flow(Section):
    """Flow diagram of exclusions."""

    name = "flow"
    title = "Flow of images"

    def blocks(self, run: Artefacts, page: Path) -> Sequence[Block]:
        if run.catalog is None:
            return [Missing("No catalog.", "colles catalog --source KIND=PATH --out catalog.parquet")]
        broken = _broken(run.catalog)
        if run.split is None:
            readable = run.catalog.height - broken.total()
            stations = [Station(f"{plural(run.catalog.height, 'file')} found", (_exit(_aside(broken), broken),))]
            diagram = flow_diagram([*stations, Station(f"{plural(readable, 'readable image')}")], [])
            missing = Missing("No split, so the flow ends here.", "colles split CATALOG --out split.csv")
            return [Svg(diagram, _CAPTION), missing]
        return [Svg(_diagram(run, broken), _CAPTION), Bullets(tuple(_remarks(run)))]


_CAPTION = "From the files found to the subsets; to the right what was left out, and why."


def _broken(catalog: pl.DataFrame) -> Counter[str]:
    return Counter(str(status) for status in catalog["status"].to_list() if status != "ok")


def _aside(broken: Counter[str]) -> str:
    return "not readable, or dropped by a reader" if broken["dropped"] else "not readable"


def _diagram(run: Artefacts, broken: Counter[str]) -> Markup:
    assert run.catalog is not None
    readable = with_subset(run.catalog.filter(pl.col("status") == "ok"), run.split)
    out = readable.filter(pl.col("subset") == LEFT_OUT)
    unknown = out.filter(pl.col("label").is_null()).height
    reasons = left_out_reasons(run, out.filter(pl.col("label").is_not_null()))
    used = readable.height - out.height
    stations = [
        Station(f"{plural(run.catalog.height, 'file')} found", (_exit(_aside(broken), broken),)),
        Station(
            plural(readable.height, "readable image"),
            (Exit(unknown, "label unknown", ()), _exit("left out by the split", reasons)),
        ),
        Station(f"{plural(used, 'image')} in the split"),
    ]
    return flow_diagram(stations, [_ending(readable, name) for name in SUBSETS if name in set(readable["subset"])])


def _exit(title: str, reasons: Counter[str]) -> Exit:
    lines = tuple(f"{count(n)} {reason}" for reason, n in reasons.most_common())
    return Exit(reasons.total(), title, lines)


def left_out_reasons(run: Artefacts, rows: pl.DataFrame) -> Counter[str]:
    """Count the reasons that the split's summary gives for the given catalog rows."""
    listed = (run.split_summary or {}).get("excluded") or ()
    reason = {str(entry.get("image_id")): str(entry.get("reason") or UNEXPLAINED) for entry in listed}
    return Counter(reason.get(image, UNEXPLAINED).replace("_", " ") for image in rows["image_id"].to_list())


def _ending(readable: pl.DataFrame, subset: str) -> tuple[str, ...]:
    part = readable.filter(pl.col("subset") == subset)
    positives = part.filter(pl.col("label") == 1).height
    negatives = part.filter(pl.col("label") == 0).height
    return (
        subset_name(subset).capitalize(),
        plural(part.height, "image"),
        f"{count(positives)} fractured",
        f"{count(negatives)} not",
    )


def _remarks(run: Artefacts) -> list[str]:
    remarks = []
    duplicates = ((run.audit or {}).get("summary") or {}).get("duplicates") or {}
    if duplicates.get("images"):
        sets = plural(int(duplicates.get("clusters") or 0), "set")
        remarks.append(
            f"The audit found {plural(int(duplicates['images']), 'image')} with a copy elsewhere, in {sets}; each set "
            "stays on one side of the split, or gives up copies."
        )
    if run.bad_files is not None and run.bad_files.height:
        remarks.append(f"{plural(run.bad_files.height, 'file')} failed during training and did not count as examples.")
    return remarks
