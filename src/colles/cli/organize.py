"""`colles organize`: merged folders of images that ImageFolder can read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from colles.cli.options import example


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command("organize", epilog=example("colles organize catalog.parquet split.csv --out data"))(organize)


def organize(
    catalog: Annotated[Path, typer.Argument(metavar="CATALOG", help="The table that `colles catalog` wrote.")],
    split: Annotated[Path, typer.Argument(metavar="SPLIT", help="The split that `colles split` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder that gets combined/ and combined_organized/.")],
    link: Annotated[Literal["hard", "sym", "copy"], typer.Option(help="Links, or copies of the files.")] = "hard",
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make it again where it exists.")] = False,
) -> None:
    """Lay the images out in folders, one a subset and class.

    OUT/combined holds all, OUT/combined_organized/{train,val,test}/{fractured,non_fractured} what was divided.
    """
    from colles.datasets.catalog import Catalog
    from colles.datasets.organize import organize as make
    from colles.datasets.split import Split

    root = make(Catalog.load(catalog), Split.load(split), out, link=link, rebuild=rebuild)
    typer.echo(f"Organised under {root}; every file's origin is in {root / 'manifest.csv'}")
