"""What mkdocs does besides rendering: the page of commands is made from the programs' own help."""

from __future__ import annotations

import re
from typing import Any

MARK = "<!-- commands -->"
_MARKUP = re.compile(r"\[/?(?:bold|dim|red|green|yellow|cyan)\]")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the description of every verb where a page asks for it."""
    return markdown.replace(MARK, commands()) if MARK in markdown else markdown


def commands() -> str:
    """Describe every verb in Markdown."""
    import click
    from typer.main import get_command

    from colles.cli.app import app

    program = get_command(app)
    context = click.Context(program, info_name="colles")
    return "\n".join(_sections(program, context, "colles"))


def _sections(command: Any, context: Any, name: str) -> list[str]:
    children = getattr(command, "commands", {})
    if not children:
        return _section(command, context, name)
    made = []
    for child_name, child in children.items():
        made += _sections(child, type(context)(child, info_name=child_name, parent=context), f"{name} {child_name}")
    return made


def _section(command: Any, context: Any, name: str) -> list[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## {name}", "", _MARKUP.sub("", command.help or ""), "", "```text", f"{name} {usage}", "```", ""]
    rows = [_row(parameter, context) for parameter in command.get_params(context)]
    if rows:
        lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    examples = (command.epilog or "").partition("\b\n")[2].splitlines()
    return [*lines, "```text", *examples, "```", ""] if examples else lines


def _row(parameter: Any, context: Any) -> str:
    name, text = parameter.get_help_record(context) or (parameter.human_readable_name, getattr(parameter, "help", ""))
    return f"| `{_cell(name)}` | {_cell(_MARKUP.sub('', text or ''))} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", " or ")
