"""`colles export`: a run to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colles.cli.options import Overwrite, command, example


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command("export", epilog=_EXAMPLES)(export)


_EXAMPLES = example(
    "colles export out/run --out models/mine",
    "colles export out/run --out models/mine-half --half",
    "colles export out/run --out models/mine-small --weights-only",
    "colles export models/mine-small --out models/mine-whole  # makes the network again",
)


def export(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="Run folder of `colles train` or `colles run`, or a bundle of weights alone."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Bundle folder to make.")],
    evaluation: Annotated[Path | None, typer.Option(help="evaluation.json whose thresholds are locked in.")] = None,
    catalog: Annotated[Path | None, typer.Option(help="Catalog of the run, for the check on real pixels.")] = None,
    split: Annotated[Path | None, typer.Option(help="Split of the run, for the gate and the int8 network.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the bundle; the recipe's otherwise.")] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Weights in 16 bits, computed with in 32: half the size.")
    ] = False,
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="Weights in 16 bits and no network, to keep or send many of.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write an ONNX bundle. Fails unless it gives the checkpoint's probabilities on real pixels."""
    from colles.core.extras import require
    from colles.serving.manifest import refuse_kept

    refuse_kept(out, overwrite=overwrite)
    require("torch", "train")
    from colles.flow.export import export_run

    made = export_run(
        run, out, evaluation=evaluation, catalog=catalog, split=split, name=name, half=half, weights_only=weights_only,
        overwrite=overwrite,
    )  # fmt: skip
    words = (
        ("export", made, "--out", "DIR") if weights_only else ("predict", "IMAGES", "--bundle", made, "--out", "FILE")
    )
    typer.echo(f"Bundle: {made}. Next: {command('colles', *words)}")
