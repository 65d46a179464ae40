"""`colles split`: train, val and test by group."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colles.cli.options import AsJson, Overwrite, example, print_json, print_rows


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "split", epilog=example("colles split catalog.parquet --groups audit/clusters.csv --out split.csv --seed 1")
    )(split)


def split(
    catalog: Annotated[Path, typer.Argument(metavar="CATALOG", help="The table that `colles catalog` wrote.")],
    out: Annotated[Path, typer.Option(help="split.csv; split.json is written beside it.")],
    groups: Annotated[Path | None, typer.Option(help="clusters.csv of the audit: duplicates kept together.")] = None,
    val: Annotated[float, typer.Option(min=0, max=0.9, help="Share of val.")] = 0.15,
    test: Annotated[float, typer.Option(min=0, max=0.9, help="Share of test.")] = 0.15,
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.")] = 0,
    block: Annotated[int, typer.Option(min=1, help="Neighbouring file numbers kept together.")] = 10,
    region: Annotated[str, typer.Option(help="all or upper_limb.")] = "all",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Divide a catalog by group, stratified by label, source and body part."""
    from colles.core.errors import UsageError
    from colles.core.files import refuse_existing
    from colles.core.recipe import SplitRecipe
    from colles.core.tables import read_table
    from colles.datasets.catalog import Catalog
    from colles.datasets.split import assert_no_leak, make_split

    if not overwrite:
        refuse_existing(out)
    if val + test >= 1:
        raise UsageError("val + test leave nothing for train", field="--val, --test", repair="Choose smaller shares")
    if region not in ("all", "upper_limb"):
        raise UsageError(f"unknown region {region!r}", field="--region", repair="Use all or upper_limb")
    table = Catalog.load(catalog)
    clusters = None if groups is None else read_table(groups, ("image_id", "group_id"))
    recipe = SplitRecipe(val=val, test=test, seed=seed, block=block)
    made = make_split(table, recipe, clusters=clusters, region=region)
    assert_no_leak(made, table, clusters)
    made.save(out)
    if as_json:
        print_json(made.summary)
        return
    counts = made.frame.group_by("subset").len().sort("subset").iter_rows()
    print_rows(str(out), ["subset", "images"], [[str(name), str(count)] for name, count in counts])
    typer.echo(f"{len(made.summary['excluded'])} left out; the reasons are in {out.with_suffix('.json')}")
