"""Files that cannot be read, pictures that look odd, and labels that are absent or contradict their own table.

The figures of a picture were taken at ingest (see `imaging.statistics`); no file is opened here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from colles.core.records import Issue, Severity


def broken_files(frame: pl.DataFrame) -> Iterator[Issue]:
    """Yield an issue for every file that could not be decoded; its kind is the file's status."""
    for row in frame.filter(~pl.col("status").is_in(["ok", "dropped"])).sort("image_id").iter_rows(named=True):
        detail = row["reason"] or f"The file is {row['status']}"
        yield Issue(kind=row["status"], severity="warning", images=(row["image_id"],), detail=detail)


@dataclass(frozen=True)
class Oddity:
    """Something that a picture's figures tell."""

    kind: str
    severity: Severity
    condition: pl.Expr
    detail: str
    """Filled from the row and the columns `span`, `shorter` and `ratio`."""


_COLOURFUL = 15  # "slightly colourful" (Hasler and Süsstrunk 2003, table 2)
# The other limits: docs/experiments.md, "Which pictures are odd?".
ODDITIES = (
    Oddity("blank", "warning", pl.col("span") <= 2, "98 % of the pixels have one grey ({mean_grey:.0f})"),
    Oddity(
        "near_constant",
        "warning",
        pl.col("span").is_between(3, 15),
        "98 % of the pixels lie within {span:.0f} of 255 grey levels",
    ),
    Oddity(
        "looks_inverted",
        "info",
        (pl.col("bright_share") >= 0.45) & (pl.col("span") > 15),
        "{bright_share:.0%} of what is not black is bright: bone may be dark, as in MONOCHROME1 shown as it is stored",
    ),
    Oddity("tiny", "warning", pl.col("shorter") < 100, "The picture has {width} x {height} pixels"),
    Oddity("odd_aspect_ratio", "info", pl.col("ratio") > 4, "One side is {ratio:.1f} times the other"),
    Oddity(
        "not_a_radiograph",
        "warning",
        pl.col("colourfulness") > _COLOURFUL,
        "The picture is coloured (colourfulness {colourfulness:.0f}), like a photograph",
    ),
    Oddity("several_frames", "info", pl.col("frames") > 1, "The file holds {frames} pictures; the first is used"),
    Oddity(
        "burned_in_annotation",
        "warning",
        pl.col("burned_in"),
        "The file says that its pixels hold text, perhaps the patient's name",
    ),
)


def odd_pictures(frame: pl.DataFrame) -> Iterator[Issue]:
    """Yield an issue for every readable picture and each oddity that it has, kind by kind."""
    shorter, longer = pl.min_horizontal("width", "height"), pl.max_horizontal("width", "height")
    rows = (
        frame.filter(pl.col("status") == "ok")
        .sort("image_id")
        .with_columns(
            span=pl.col("high_grey") - pl.col("low_grey"), shorter=shorter, ratio=longer / shorter.cast(pl.Float64)
        )
    )
    for oddity in ODDITIES:
        for row in rows.filter(oddity.condition).iter_rows(named=True):
            detail = oddity.detail.format(**row)
            yield Issue(kind=oddity.kind, severity=oddity.severity, images=(row["image_id"],), detail=detail)


_MEASURED = "file_bytes", "mean_grey", "sd_grey", "colour_mode", "border_width", "bright_share", "colourfulness"


def notices(frame: pl.DataFrame) -> list[str]:
    """Say what could not be looked for, since the catalog holds no such figures of any readable picture."""
    rows = frame.filter(pl.col("status") == "ok")
    lacking = [name for name in _MEASURED if rows.height and rows[name].null_count() == rows.height]
    if not lacking:
        return []
    return [
        f"The catalog does not say {', '.join(lacking)}, perhaps since an older version wrote it: shortcuts and odd "
        "pictures that these would show were not looked for. Make it again with `colles catalog`."
    ]


_ENDINGS = {
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
}


def wrong_endings(frame: pl.DataFrame) -> Iterator[Issue]:
    """Yield one issue a source, form and ending where files are something else than their names say."""
    rows = frame.filter(pl.col("file_format").is_in(list(_ENDINGS))).sort("image_id")
    ending = pl.col("path").str.extract(r"(\.[^./\\]*)$").str.to_lowercase().fill_null("no ending").alias("ending")
    for (source, form, found), part in rows.group_by("source", "file_format", ending, maintain_order=True):
        if found not in _ENDINGS[str(form)]:
            detail = f"{len(part)} files of {source} are {form} though their names end in {found}"
            yield Issue(kind="wrong_ending", severity="info", images=tuple(part["image_id"]), detail=detail)


def corrections(frame: pl.DataFrame) -> Iterator[Issue]:
    """Yield an issue for every image that a reader corrected, so that the page lists what was changed."""
    for row in frame.filter(pl.col("correction").is_not_null()).sort("image_id").iter_rows(named=True):
        before = "unknown" if row["label_before"] is None else row["label_before"]
        done = "Dropped" if row["correction"] == "drop" else f"Label {before} became {row['correction']}"
        detail = f"{done}: {row['correction_reason']} ({row['corrected_by']})"
        yield Issue(kind="correction", severity="info", images=(row["image_id"],), detail=detail)


def correction_counts(frame: pl.DataFrame) -> dict[str, Any]:
    """Count relabelled and dropped images, and the decisions of each reader."""
    made = frame.filter(pl.col("correction").is_not_null())
    dropped = made.filter(pl.col("correction") == "drop").height
    return {
        "relabelled": made.height - dropped,
        "dropped": dropped,
        "readers": dict(made.group_by("corrected_by").len().sort("corrected_by").iter_rows()),
    }


def missing_labels(frame: pl.DataFrame) -> Iterator[Issue]:
    """Yield one issue a source for its images without a label."""
    rows = frame.filter((pl.col("status") == "ok") & pl.col("label").is_null()).sort("image_id")
    for (source,), part in rows.group_by("source", maintain_order=True):
        detail = f"{len(part)} images of {source} have no label; they take no part in training"
        yield Issue(kind="missing_label", severity="info", images=tuple(part["image_id"]), detail=detail)


def mislabelled_metadata(frame: pl.DataFrame) -> Iterator[Issue]:
    """Yield an issue for every image whose label is not the one in the source's own table."""
    rows = frame.filter(pl.col("label") != pl.col("metadata_label")).sort("image_id")
    for row in rows.iter_rows(named=True):
        detail = f"The label is {row['label']}, the source's table says {row['metadata_label']}"
        yield Issue(kind="mislabelled_metadata", severity="warning", images=(row["image_id"],), detail=detail)
