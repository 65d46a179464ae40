"""`colles dicom`: answers in the form that a PACS keeps."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    group = typer.Typer(no_args_is_help=True, help="Answers as DICOM objects, beside a PACS.")
    app.add_typer(group, name="dicom", hidden=not group.registered_commands)
