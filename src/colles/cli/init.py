"""`colles init`: a commented recipe for own data, after a look at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colles.cli.options import AsJson, Overwrite, command, example, print_json, print_rows

if TYPE_CHECKING:
    from colles.datasets.survey import Survey


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "init",
        epilog=example(
            "colles init my_images --out mine.yaml  # a class a folder: fractured/, normal/",
            "colles init export_folder table.csv --out both.yaml  # a YOLO export and a table",
            "colles init yolo:clinic=/data/export --out clinic.yaml",
        ),
    )(init)


def init(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="FOLDER|SOURCE...", help="Folders, tables, or KIND[:NAME]=PATH as `colles catalog` takes them."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Recipe to write.")] = Path("recipe.yaml"),
    name: Annotated[str | None, typer.Option(help="Name of the run; the first source's by default.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Look at own data and write a commented recipe for it. Labels, sizes and imbalance decide; it says why."""
    from colles.core.files import refuse_existing, write_text
    from colles.datasets.survey import survey_all
    from colles.flow.starter import choose, has_gpu, recipe_text, recipe_values

    if not overwrite:
        refuse_existing(out)
    found = survey_all(sources)
    choices = choose(found, gpu=has_gpu())
    run = name or found[0].name
    from colles.core.recipe_text import recipe_from

    recipe_from(recipe_values(found, choices, run))
    write_text(out, recipe_text(found, choices, run))
    unclear = list(dict.fromkeys(label for item in found for label in item.unclear))
    if as_json:
        chosen = {choice.key: {"value": choice.value, "why": choice.why} for choice in choices}
        print_json(
            {
                "recipe": str(out),
                "sources": [item.model_dump() for item in found],
                "choices": chosen,
                "unclear": unclear,
            }
        )
        return
    for item in found:
        typer.echo(_sentence(item))
    print_rows("Chosen", ["setting", "value", "why"], [[item.key, str(item.value), item.why] for item in choices])
    if unclear:
        typer.echo(f"To do: say in {out} what {', '.join(map(repr, unclear[:8]))} mean (1, 0, or null to leave out)")
        if any(item.kind == "folder" for item in found):
            typer.echo("Where folders are no classes, name a table of path and label instead: colles init TABLE.csv")
    typer.echo(f"{'Then' if unclear else 'Next'}: {command('colles', 'run', out, '--out', f'out/{run}')}")


def _sentence(item: Survey) -> str:
    groups = f"{item.patients} patients" if item.patients else f"{item.groups} groups, no patient ids"
    side = f"longer side {item.longer_side} px (median)" if item.longer_side else "no size could be read"
    counts = f"{item.images} images, {item.fractured} fractured, {item.normal} not, {item.unknown} unknown"
    given = "; comes with a split, which is not used" if item.given_split else ""
    return f"{item.name} ({item.kind}): {counts}; boxes on {item.with_boxes}; {groups}; {side}{given}"
