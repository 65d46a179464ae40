"""`colles doctor`: does this installation work, and what is there to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from colles.cli.options import AsJson, example, print_json, print_rows

if TYPE_CHECKING:
    from colles.flow.doctor import Check


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command("doctor", epilog=example("colles doctor", "COLLES_DATA=/data colles doctor --json"))(doctor)


def doctor(as_json: AsJson = False) -> None:
    """Check environment, machine, data, bundles and extras. Exits with 1 where something needed is broken."""
    from colles.core.errors import CheckError
    from colles.datasets.registry import named_root
    from colles.flow.doctor import examine

    checks = examine(named_root())
    broken = [check for check in checks if check.state == "broken"]
    if as_json:
        print_json({"healthy": not broken, "checks": [check.model_dump() for check in checks]})
    else:
        rows = [[check.topic, check.state, _words(check)] for check in checks]
        print_rows("colles doctor", ["what", "state", "found"], rows)
    if broken:
        first = broken[0]
        raise CheckError(f"{len(broken)} broken, first {first.topic}: {first.detail}", repair=first.repair)


def _words(check: Check) -> str:
    return f"{check.detail}\n→ {check.repair}" if check.repair else check.detail
