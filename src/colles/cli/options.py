"""Options that several verbs share, and how a verb prints its result."""

from __future__ import annotations

import json
import shlex
import sys
import unicodedata
from typing import Annotated, Any, Literal

import typer

Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting: --set train.lr=3e-4")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing result.")]
BundleName = Annotated[
    str | None, typer.Option(help="Bundle folder or name; without it the default of `colles bundle list`.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Computing threads; one a core by default.")]
Precision = Annotated[Literal["fp32", "int8"], typer.Option(help="int8 is faster, where the bundle has it.")]
Gate = Annotated[bool, typer.Option(help="Refuse pictures unlike the radiographs it learned from.")]


def print_json(value: Any) -> None:
    """Print JSON on standard output; in an encoding that lacks letters, by their numbers."""
    lacks = not (sys.stdout.encoding or "").lower().startswith("utf")
    typer.echo(json.dumps(value, indent=2, ensure_ascii=lacks, allow_nan=False, default=str))


# Columns of text; a table in a file or a pipe has no window to fit into, and a figure cut off there is lost.
_PIPED_WIDTH = 400


def print_rows(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a table; plain text, without colours and as wide as it is, where standard output is not a terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=printable(title), title_justify="left")
    for name in header:
        table.add_column(printable(name), overflow="fold")
    for row in rows:
        table.add_row(*map(printable, row))
    console = Console(markup=False, emoji=False)  # names and values are data: a[fold] is no style
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    with console.capture() as drawn:  # rich would end the program with 1 where nobody reads on
        console.print(table)
    print(drawn.get(), end="", flush=True)


def printable(text: str) -> str:
    """Return text of a stranger's file or its name with � for what would steer a terminal."""
    return "".join(letter if _is_shown(letter) else "�" for letter in text)


def _is_shown(letter: str) -> bool:
    return letter.isprintable() or letter == "\n" or unicodedata.category(letter) == "Zs"


def as_digest(text: str | None) -> str | None:
    """Return the value of --sha256 in small letters; raise `UsageError` where it is no sha256."""
    import re

    from colles.core.errors import UsageError

    if text is None or re.fullmatch(r"[0-9a-f]{64}", text.lower()):
        return None if text is None else text.lower()
    raise UsageError(f"--sha256 {text!r} is not a sha256", repair="It has 64 hexadecimal digits: sha256sum FILE")


def command(*words: object) -> str:
    """Format a command line that a shell takes as it is, whatever the names of the files in it."""
    return shlex.join(map(str, words))


def example(*commands: str) -> str:
    """Format example commands for the end of a help page; none is broken into lines: a shell would run each."""
    return "Examples:\n\n\b\n" + "\n".join(commands)
