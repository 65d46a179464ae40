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


def test_a_split_without_groups_did_not_say_that_copies_were_not_looked_for(catalog: Catalog, tmp_path: Path) -> None:
    source, out = catalog.save(tmp_path / "my data.parquet"), tmp_path / "split.csv"
    result = CliRunner().invoke(app, ["split", str(source), "--out", str(out)])
    [line] = [line for line in result.output.splitlines() if "copies" in line]
    assert line.startswith("changed copies of one radiograph were not looked for")
    assert f"colles audit '{source}' --out audit" in line and "--groups audit/clusters.csv" in line
    assert json.loads(out.with_suffix(".json").read_text())["warnings"][-1] == line
    alone = catalog.frame.select("image_id", group_id="image_id")
    alone.write_csv(tmp_path / "clusters.csv")
    groups = ["--groups", str(tmp_path / "clusters.csv"), "--overwrite"]
    assert "copies" not in CliRunner().invoke(app, ["split", str(source), "--out", str(out), *groups]).output
