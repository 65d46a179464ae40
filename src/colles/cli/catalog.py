"""`colles catalog`: sources to one table, one row a radiograph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from colles.cli.options import AsJson, Overwrite, example, print_json
from colles.core.limits import MAX_BYTES, MAX_PIXELS

if TYPE_CHECKING:
    import polars as pl


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "catalog",
        epilog=example(
            "colles catalog --source fracatlas=data/FracAtlas --source yolo=data/export --out catalog.parquet",
            "colles catalog --source folder=my_images --out catalog.csv",
            "colles catalog --source dicom:clinic=/archive/2026 --out clinic.parquet",
        ),
    )(catalog)


def catalog(
    source: Annotated[
        list[str],
        typer.Option(metavar="KIND[:NAME]=PATH", help="fracatlas, yolo, folder, csv, dicom; repeatable."),
    ],
    out: Annotated[Path, typer.Option(help="Table to write: .parquet, .csv or .json.")],
    class_map: Annotated[
        Path | None, typer.Option(help="YAML, JSON or CSV: class or folder name to 1, 0 or empty (unknown).")
    ] = None,
    boxes_on: Annotated[
        str, typer.Option(help="displayed, or stored where boxes were drawn before the EXIF rotation.")
    ] = "displayed",
    salt: Annotated[
        Path | None, typer.Option(help="Secret that patients' names are made with; beside the catalog by default.")
    ] = None,
    corrections: Annotated[
        Path | None, typer.Option(help="CSV of image_id, label (1, 0, unknown or drop), reason, reader.")
    ] = None,
    max_pixels: Annotated[int, typer.Option(min=1, help="Larger images are refused before decoding.")] = MAX_PIXELS,
    max_bytes: Annotated[int, typer.Option(min=1, help="Larger files are refused unread.")] = MAX_BYTES,
    workers: Annotated[int | None, typer.Option(min=1, help="Reading threads; one a core by default.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Read every source and write the catalog. Each file is decoded once."""
    from typing import get_args

    from colles.core.errors import UsageError
    from colles.core.files import refuse_existing
    from colles.core.progress import say
    from colles.datasets.catalog import absent, build_catalog
    from colles.datasets.corrections import apply_corrections, made_fractures, read_corrections
    from colles.datasets.sources import Frame, parse_source

    if not overwrite:
        refuse_existing(out)
    if boxes_on not in get_args(Frame):
        raise UsageError(f"unknown {boxes_on!r}", field="--boxes-on", repair=f"Use {' or '.join(get_args(Frame))}")
    frame: Frame = "stored" if boxes_on == "stored" else "displayed"
    mapped = None if class_map is None else str(class_map)
    sources = [parse_source(text, mapped, frame, salt or out.with_suffix(".salt")) for text in source]
    made = [] if corrections is None else read_corrections(corrections)
    limits = {"max_pixels": max_pixels, "max_bytes": max_bytes}
    table = build_catalog(sources, **limits, workers=workers, keep_boxes=made_fractures(made))
    if corrections is not None:
        table = apply_corrections(table, made, path=corrections)
    table.save(out)
    counts = summarise(table.frame)
    print_json(counts) if as_json else typer.echo(_sentence(counts, out))
    for warning in absent(table.frame):
        say(warning)


def summarise(frame: pl.DataFrame) -> dict[str, Any]:
    """Count rows by label and status."""
    label = frame["label"]
    corrected = frame["correction"]
    status = dict(frame.group_by("status").len().sort("status").iter_rows())
    return {
        "images": frame.height,
        "fractured": int((label == 1).sum()),
        "not_fractured": int((label == 0).sum()),
        "unknown": label.null_count(),
        "status": status,
        "corrected": corrected.len() - corrected.null_count(),
    }


def _sentence(counts: dict[str, Any], out: Path) -> str:
    bad = ", ".join(f"{count} {name}" for name, count in counts["status"].items() if name != "ok")
    return (
        f"{counts['images']} images ({counts['fractured']} fractured, {counts['not_fractured']} not, "
        f"{counts['unknown']} unknown){'; ' + bad if bad else ''} in {out}"
    )
