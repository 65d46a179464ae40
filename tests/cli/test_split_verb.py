"""What `colles split` writes, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import CollesError
from colles.datasets.catalog import Catalog


@pytest.fixture
def catalog() -> Catalog:
    """Return a catalog of 60 images, every third fractured; no file is behind it."""
    rows = [
        {"image_id": f"s/{n}x", "source": "s", "path": f"/none/{n}", "label": int(n % 3 == 0), "status": "ok"}
        for n in range(60)
    ]
    return Catalog.of(pl.DataFrame(rows).with_columns(group_id="image_id"))


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_the_summary_of_a_split_replaced_files_that_were_never_looked_at(
    catalog: Catalog, tmp_path: Path, options: tuple[str, ...]
) -> None:
    source = catalog.save(tmp_path / "data.json")
    before = source.read_bytes()
    for out in ("data.csv", "data.json", "split.json"):
        result = CliRunner().invoke(app, ["split", str(source), "--out", str(tmp_path / out), *options])
        assert isinstance(result.exception, CollesError) and result.exception.exit_code == 2, result.output
        assert source.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["data.json"]
    other = tmp_path / "split.json"
    other.write_text("mine")
    result = CliRunner().invoke(app, ["split", str(source), "--out", str(tmp_path / "split.csv")])
    assert "split.json: already exists" in str(result.exception) and other.read_text() == "mine"
    result = CliRunner().invoke(app, ["split", str(source), "--out", str(tmp_path / "split.csv"), "--overwrite"])
    assert result.exit_code == 0 and json.loads(other.read_text())["catalog_digest"] == catalog.digest
