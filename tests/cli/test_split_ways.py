"""`colles split` refuses options that the chosen way of splitting does not look at."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.schema import CATALOG_SCHEMA
from colles.datasets.catalog import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Return a catalog of 60 images, its split `old.csv` and a table of one's own `mine.csv` beside it."""
    empty = dict.fromkeys(CATALOG_SCHEMA)
    about = {"source": "s", "path": "/x", "status": "ok"}
    rows = [{**empty, **about, "image_id": f"s/a{n}.png", "group_id": f"s/a{n}.png", "label": n % 2} for n in range(60)]
    path = Catalog(pl.DataFrame(rows, schema=CATALOG_SCHEMA)).save(tmp_path / "c.parquet")
    assert CliRunner().invoke(app, ["split", str(path), "--out", str(tmp_path / "old.csv")]).exit_code == 0
    pl.read_csv(tmp_path / "old.csv").select("image_id", "subset").write_csv(tmp_path / "mine.csv")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "idle"),
    [
        *((("--check", "mine.csv"), pair) for pair in (("--val", "0.15"), ("--test", "0.2"), ("--seed", "1"))),
        *((("--check", "mine.csv"), pair) for pair in (("--block", "5"), ("--region", "all"), ("--external", "s"))),
        *((("--folds", "3"), pair) for pair in (("--val", "0.2"), ("--test", "0.2"))),
        (("--keep", "old.csv"), ("--block", "5")),
        (("--keep", "old.csv"), ("--person-folders",)),
    ],
)
def test_an_option_that_does_nothing_is_refused(catalog: Path, way: tuple[str, str], idle: tuple[str, ...]) -> None:
    """`--check` passed over --region, --external and --val without a word."""
    value = str(catalog.with_name(way[1])) if way[1].endswith(".csv") else way[1]
    command = ["split", str(catalog), way[0], value, "--out", str(catalog.with_name("new.csv"))]
    refused = CliRunner().invoke(app, [*command, *idle])
    assert f"{idle[0]} does nothing with {way[0]}" in str(refused.exception)
    assert not list(catalog.parent.glob("new*"))
    assert CliRunner().invoke(app, command).exit_code == 0


def test_an_old_table_without_blocks_takes_those_given(catalog: Path) -> None:
    adopted, new = catalog.with_name("adopted.csv"), catalog.with_name("new.csv")
    check = ["--check", str(catalog.with_name("mine.csv"))]
    assert CliRunner().invoke(app, ["split", str(catalog), *check, "--out", str(adopted)]).exit_code == 0
    command = ["split", str(catalog), "--keep", str(adopted), "--block", "5", "--out", str(new)]
    assert CliRunner().invoke(app, command).exit_code == 0
