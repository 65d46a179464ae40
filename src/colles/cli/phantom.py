"""`colles phantom`: simulated radiographs with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colles.cli.options import example


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command("phantom", epilog=example("colles phantom --out out/phantoms --images 600 --seed 0"))(phantom)


def phantom(
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    images: Annotated[int, typer.Option(min=20, help="How many files, planted copies included.")] = 600,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed gives the same bytes.")] = 0,
    size: Annotated[int, typer.Option(min=64, max=2048, help="Longer side in pixels.")] = 384,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace phantoms made before.")] = False,
) -> None:
    """Simulate radiographs with a table of the truth. They lie as a YOLO export and in FracAtlas' layout."""
    from colles.core.recipe import PhantomRecipe
    from colles.datasets.phantom import write_phantoms

    write_phantoms(out, PhantomRecipe(images=images, size=size, seed=seed), overwrite=overwrite)
    typer.echo(f"{images} files in {out}; the truth about them in {out / 'truth.csv'}")
