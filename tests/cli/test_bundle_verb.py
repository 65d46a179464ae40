"""`colles bundle` on the bundles of the repository."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from colles.cli.app import app

DEFAULT = Path(__file__).parents[2] / "models" / "fracture-fracatlas"


def test_show_tells_what_is_known_on_a_set_that_it_never_saw() -> None:
    """It told the figures on test alone, the better ones."""
    shown = CliRunner().invoke(app, ["bundle", "show", str(DEFAULT)])
    assert shown.exit_code == 0, shown.output
    areas = [float(found) for found in re.findall(r"^\w+ auroc +(0\.\d+)", shown.output, re.M)]
    assert len(areas) == 2 and areas[1] < areas[0]
    assert re.search(r"^external +243 images of a set that it never saw$", shown.output, re.M)
