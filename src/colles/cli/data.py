"""`colles data`: public data sets by name. Nothing else in colles touches the network on its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colles.cli.options import AsJson, as_digest, command, example, print_json, print_rows

if TYPE_CHECKING:
    from colles.datasets.registry import DataSet

data = typer.Typer(no_args_is_help=True, help="List public data sets; fetch one with licence and checksum.")


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.add_typer(data, name="data", epilog=example("colles data list", "colles data get fracatlas --out data"))


@data.command("list", epilog=example("colles data list", "colles data list --json"))
def list_sets(as_json: AsJson = False) -> None:
    """List the data sets that colles knows. Tells their licences, and whether they are here."""
    from colles.datasets.registry import load_registry

    known = load_registry().values()
    if as_json:
        print_json([{**item.model_dump(), "here": _here(item)} for item in known])
        return
    rows = [[item.name, item.licence, _size(item.bytes), _here(item) or "no", item.title] for item in known]
    print_rows(f"Data sets (looked for under {_root()})", ["name", "licence", "size", "here", "what"], rows)


@data.command(
    "get",
    epilog=example(
        "colles data get fracatlas --out data",
        "colles data get fracatlas --from ~/Downloads/FracAtlas.zip --accept-licence",
        "colles data get bonefractureyolo --from export.zip --out data",
    ),
)
def get(
    name: Annotated[str, typer.Argument(help="A name of `colles data list`.")],
    out: Annotated[Path | None, typer.Option(help="Folder to put it in; COLLES_DATA or data by default.")] = None,
    origin: Annotated[
        str | None, typer.Option("--from", metavar="URL|FILE", help="Another address, or a .zip on this machine.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="Digest of the archive, in place of the registered one.")] = None,
    accept: Annotated[
        bool, typer.Option("--accept-licence", help="Do not ask whether the licence is accepted.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a data set and unpack it. Shows its licence, checks its sha256, goes on after an interrupt."""
    from colles.core.files import refuse_existing
    from colles.core.progress import say
    from colles.datasets.obtain import obtain
    from colles.datasets.registry import find_data_set

    item, root = find_data_set(name), out or _root()
    refuse_existing(root / item.folder, repair="Use it, or choose another --out")
    for line in (item.title, f"Licence: {item.licence}, {item.licence_url}", item.terms, f"Cite: {item.citation}"):
        say(line)
    _confirm(accept)
    folder = obtain(item, root, origin=origin, sha256=as_digest(sha256))
    record = root / f"{item.folder}.origin.json"
    if as_json:
        print_json({"name": name, "kind": item.kind, "folder": str(folder), "origin": str(record)})
        return
    typer.echo(f"{folder} is ready; where it came from stands in {record}")
    source = f"{item.kind}:{item.name}={folder}"
    typer.echo(f"Next: {command('colles', 'catalog', '--source', source, '--out', 'catalog.parquet')}")


def _root() -> Path:
    from colles.datasets.registry import named_root

    return named_root() or Path("data")


def _here(item: DataSet) -> str | None:
    folder = _root() / item.folder
    return str(folder) if folder.is_dir() else None


def _size(count: int | None) -> str:
    return "?" if count is None else f"{count / 1e6:.0f} MB"


def _confirm(accept: bool) -> None:
    from colles.core.errors import UsageError

    if accept:
        return
    if not sys.stdin.isatty():
        raise UsageError("the licence is not accepted yet", repair="Read it, then add --accept-licence")
    if not typer.confirm("Do you accept these terms?", err=True):
        raise UsageError("the licence was not accepted, nothing was fetched", repair="Another set: colles data list")
