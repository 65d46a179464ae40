"""`colles audit`: what is wrong with a data set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colles.cli.options import AsJson, Overwrite, example, print_json, print_rows

if TYPE_CHECKING:
    from colles.datasets.audit.audit import Audit
    from colles.datasets.audit.duplicates import Embeddings
    from colles.datasets.catalog import Catalog


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "audit",
        epilog=example(
            "colles audit catalog.parquet --out audit",
            "colles audit catalog.parquet --split split.csv --fail-on-leak --out audit-of-split",
            "colles audit catalog.parquet --embed --inflation --out audit-by-network",
        ),
    )(audit)


def audit(
    catalog: Annotated[Path, typer.Argument(metavar="CATALOG", help="The table that `colles catalog` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for audit.json, clusters.csv and audit.html.")],
    split: Annotated[Path | None, typer.Option(help="Look for leaks across this split, not the sources' own.")] = None,
    fail_on_leak: Annotated[bool, typer.Option("--fail-on-leak", help="Exit with 1 where there is a leak.")] = False,
    embed: Annotated[
        bool, typer.Option("--embed", help="Let a network propose copies too; its features are kept beside CATALOG.")
    ] = False,
    inflation: Annotated[
        bool, typer.Option("--inflation", help="Measure what a random split would add to the AUROC (with --embed).")
    ] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Find broken files, copies, wrong labels, leaks, shortcuts."""
    from colles.core.files import refuse_existing
    from colles.core.recipe import AuditRecipe
    from colles.datasets.audit import audit_catalog
    from colles.datasets.catalog import Catalog
    from colles.datasets.split_table import read_split_table
    from colles.reporting.audit_page import write_audit_page

    if not overwrite:
        refuse_existing(out)
    table = Catalog.load(catalog)
    given = None if split is None else read_split_table(split, grouped=False)
    features = _features(catalog, table) if embed or inflation else None
    found = audit_catalog(table, AuditRecipe(), split=given, embeddings=features)
    if inflation:
        assert features is not None
        found = _with_inflation(found, table, features)
    found.save(out)
    write_audit_page(found, table, out / "audit.html")
    print_json(found.summary) if as_json else _report(found, len(table), out)
    if fail_on_leak:
        _refuse_leak(found, out)


def _features(catalog: Path, table: Catalog) -> Embeddings:
    from colles.flow.embeddings import embeddings_file, load_embeddings

    return load_embeddings(table.frame, embeddings_file(catalog))


def _with_inflation(found: Audit, table: Catalog, features: Embeddings) -> Audit:
    from dataclasses import replace

    from colles.datasets.naming import trust_names
    from colles.flow.inflation import measure_inflation

    prices = measure_inflation(trust_names(table.frame), found.clusters, features)
    return replace(found, summary={**found.summary, "inflation": prices})


def _report(found: Audit, images: int, out: Path) -> None:
    counts = Counter((issue.kind, issue.severity) for issue in found.issues)
    rows = [[kind, severity, str(count)] for (kind, severity), count in sorted(counts.items())]
    print_rows(f"{images} images", ["issue", "severity", "count"], rows)
    for notice in found.summary["notices"]:
        typer.echo(notice)
    typer.echo(f"Details: {out / 'audit.html'}")


def _refuse_leak(found: Audit, out: Path) -> None:
    from colles.core.errors import LeakError

    if found.has_leak:
        leaks = sum(issue.kind == "split_leak" for issue in found.issues)
        repair = "See split_leak in audit.json; `colles split --groups` keeps copies together"
        raise LeakError(f"{leaks} leak{'s' * (leaks != 1)} across the split", path=out / "audit.json", repair=repair)
