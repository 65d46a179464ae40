"""`colles split`: train, val and test by group."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colles.cli.options import AsJson, Overwrite, command, example, print_json, print_rows

if TYPE_CHECKING:
    import polars as pl

    from colles.core.recipe import SplitRecipe
    from colles.datasets.catalog import Catalog
    from colles.datasets.split import Split

# Options that a way of splitting does not look at, and what decides in their place.
_IDLE = {
    "--check": ("val", "test", "seed", "block", "person_folders", "region", "external"),
    "--folds": ("val", "test"),
    "--keep": ("block", "person_folders"),
}
_INSTEAD = {
    "--check": "takes the table as it is",
    "--folds": "makes parts of one size",
    "--keep": "goes on as the old split was made",
}


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "split",
        epilog=example(
            "colles split catalog.parquet --groups audit/clusters.csv --out split.csv --seed 1",
            "colles split catalog.parquet --folds 5 --out cv.csv",
            "colles split grown.parquet --keep split.csv --out split2.csv",
            "colles split catalog.parquet --check mine.csv --out split.csv",
        ),
    )(split)


def split(
    context: typer.Context,
    catalog: Annotated[Path, typer.Argument(metavar="CATALOG", help="The table that `colles catalog` wrote.")],
    out: Annotated[Path, typer.Option(help="split.csv; split.json is written beside it.")],
    groups: Annotated[Path | None, typer.Option(help="clusters.csv of the audit: duplicates kept together.")] = None,
    val: Annotated[float, typer.Option(min=0, max=0.9, help="Share of val.")] = 0.15,
    test: Annotated[float, typer.Option(min=0, max=0.9, help="Share of test.")] = 0.15,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed gives the same split.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="So many splits, OUT.seed0.csv and on from --seed.")] = 1,
    folds: Annotated[int, typer.Option(min=0, max=20, help="So many folds, OUT.fold0.csv and on.")] = 0,
    block: Annotated[int, typer.Option(min=1, help="Neighbouring file numbers kept together.")] = 10,
    person_folders: Annotated[
        bool,
        typer.Option(
            help="Keep a folder, or names that begin alike, together where each seems a person's, and no ids."
        ),
    ] = True,
    region: Annotated[str, typer.Option(help="all or upper_limb.")] = "all",
    external: Annotated[list[str] | None, typer.Option(help="Hold this source out whole; may be repeated.")] = None,
    keep: Annotated[Path | None, typer.Option(help="An older split.csv: its images stay where they are.")] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="Take in a table of yours (image_id, subset; group_id if you like), checked for leaks."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Divide a catalog by group. Label, source and body part are shared out evenly."""
    from colles.core.recipe import SplitRecipe
    from colles.datasets.audit.audit import read_clusters
    from colles.datasets.catalog import Catalog
    from colles.datasets.split import Split, assert_no_leak

    _refuse_senseless(val, test, folds, region)
    ways = {"--folds": folds > 0, "--seeds": seeds > 1, "--keep": keep is not None, "--check": check is not None}
    _refuse_two(ways)
    old = None if keep is None else Split.load(keep)
    _refuse_idle(context, {**ways, "--keep": old is not None and "block" in (old.summary.get("groups") or {})})
    names = [f"fold{index}" for index in range(folds)] or [f"seed{seed + index}" for index in range(seeds)]
    outs = [out] if len(names) == 1 else [out.with_name(f"{out.stem}.{name}{out.suffix}") for name in names]
    _assert_places(outs, catalog, overwrite)
    table = Catalog.load(catalog)
    clusters = None if groups is None else read_clusters(groups)
    recipe = SplitRecipe(
        val=val,
        test=test,
        seed=seed,
        block=block,
        person_folders=person_folders,
        external=tuple(external or ()),
        folds=folds,
    )
    splits = _make(table, recipe, clusters, region, seeds, old, check)
    splits = [_without_copies(made, catalog) for made in splits] if clusters is None else splits
    for made, path in zip(splits, outs, strict=True):
        assert_no_leak(made, table, clusters)
        made.save(path)
    _tell(splits, outs, as_json)


def _refuse_senseless(val: float, test: float, folds: int, region: str) -> None:
    from colles.core.errors import UsageError

    if val + test >= 1:
        raise UsageError("val + test leave nothing for train", field="--val, --test", repair="Choose smaller shares")
    if region not in ("all", "upper_limb"):
        raise UsageError(f"unknown region {region!r}", field="--region", repair="Use all or upper_limb")
    if folds in (1, 2):
        raise UsageError(f"{folds} folds leave nothing for train", field="--folds", repair="Use at least 3")


def _refuse_idle(context: typer.Context, ways: dict[str, bool]) -> None:
    from colles.core.errors import UsageError

    for way, options in _IDLE.items():
        for name in options if ways[way] else ():
            source = context.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                option = f"--{name.replace('_', '-')}"
                text = f"{option} does nothing with {way}, which {_INSTEAD[way]}"
                raise UsageError(text, field=option, repair="Leave one of the two out")


def _refuse_two(options: dict[str, bool]) -> None:
    from colles.core.errors import UsageError

    chosen = [name for name, given in options.items() if given]
    if len(chosen) > 1:
        raise UsageError("these exclude each other", field=" and ".join(chosen), repair="Give one of them")


def _assert_places(outs: list[Path], catalog: Path, overwrite: bool) -> None:
    # A split is two files: neither may replace what is there unasked, nor ever the catalog that it is made from.
    from colles.core.errors import UsageError
    from colles.core.files import refuse_existing
    from colles.datasets.split_table import summary_file

    for path in (place for out in outs for place in (out, summary_file(out))):
        if path.resolve() == catalog.resolve():
            raise UsageError("is the catalog, which would be replaced", path=path, repair="Choose another --out")
        if not overwrite:
            refuse_existing(path)


def _make(
    table: Catalog,
    recipe: SplitRecipe,
    clusters: pl.DataFrame | None,
    region: str,
    seeds: int,
    keep: Split | None,
    check: Path | None,
) -> list[Split]:
    from colles.datasets.split import adopt_split, make_folds, make_split
    from colles.datasets.split_table import read_split_table

    if check is not None:
        return [adopt_split(table, read_split_table(check, grouped=False), clusters=clusters)]
    if recipe.folds:
        return make_folds(table, recipe, clusters=clusters, region=region)
    recipes = [recipe.model_copy(update={"seed": recipe.seed + index}) for index in range(seeds)]
    return [make_split(table, one, clusters=clusters, region=region, keep=keep) for one in recipes]


def _without_copies(made: Split, catalog: Path) -> Split:
    # Only files with equal bytes or pixels are known to be copies: others would be parted without a word.
    from dataclasses import replace

    from colles.datasets.split_table import COPIES_UNKNOWN

    audit = command("colles", "audit", catalog, "--out", "audit")
    text = f"{COPIES_UNKNOWN}, and may lie on two sides: {audit}"
    warnings = [*made.summary["warnings"], f"{text}, then split with --groups audit/clusters.csv"]
    return replace(made, summary={**made.summary, "warnings": warnings})


def _tell(splits: list[Split], outs: list[Path], as_json: bool) -> None:
    if as_json:
        summaries = {path.name: made.summary for made, path in zip(splits, outs, strict=True)}
        print_json(summaries if len(outs) > 1 else splits[0].summary)
        return
    for made, path in zip(splits, outs, strict=True):
        _show(made, path)


def _show(made: Split, path: Path) -> None:
    from colles.core.records import SUBSETS
    from colles.datasets.split_table import left_out

    found, reached = made.summary["balance"], made.summary.get("deviation") or {}
    rows = []
    for name in SUBSETS:
        if name in found:
            target = f"{reached[name]['target']:.1%}" if name in reached else "–"
            got = f"{reached[name]['reached']:.1%}" if name in reached else "–"
            rows.append([name, str(found[name]["n"]), str(found[name]["n_positive"]), target, got])
    print_rows(str(path), ["subset", "images", "fractured", "target", "reached"], rows)
    for warning in made.summary["warnings"]:
        typer.echo(warning)
    kept = made.summary.get("kept")
    if kept:
        typer.echo(f"{kept['images']} images kept their place, {kept['new']} are new, {kept['left_out']} were left out")
    typer.echo(left_out(made.summary, path))
