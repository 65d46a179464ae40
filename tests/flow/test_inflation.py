from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colles.core.errors import StaleInputError, TableError
from colles.core.files import sha256_file
from colles.core.schema import CATALOG_SCHEMA
from colles.flow.embeddings import embeddings_file, load_embeddings
from colles.flow.inflation import measure_inflation


def rows(groups: int, copies: int) -> pl.DataFrame:
    made = [
        {**dict.fromkeys(CATALOG_SCHEMA), "image_id": f"set/{g}-{c}", "source": "set", "status": "ok", "label": g % 2}
        | {"group_id": f"set:{g}", "sha256": f"{g}-{c}", "path": "/nowhere"}
        for g in range(groups)
        for c in range(copies)
    ]
    return pl.DataFrame(made, schema=CATALOG_SCHEMA)


def features(frame: pl.DataFrame, own: float) -> dict[str, np.ndarray]:
    """Draw features of which a part belongs to the group alone and says nothing of the label."""
    rng = np.random.default_rng(0)
    person = {group: rng.normal(size=20) for group in frame["group_id"].unique(maintain_order=True)}
    return {
        image: (own * person[group] + rng.normal(size=20) * 0.3).astype(np.float32)
        for image, group in frame.select("image_id", "group_id").iter_rows()
    }


def test_copies_inflate_a_random_split() -> None:
    copied = rows(40, 5)
    price = measure_inflation(copied, copied.select("image_id", "group_id"), features(copied, 1.0))[0]
    assert price["over"] == "all sources"
    assert price["random"]["value"] > 0.7 > price["grouped"]["value"]
    assert price["difference"]["value"] == pytest.approx(price["random"]["value"] - price["grouped"]["value"])
    assert price["difference"]["low"] > 0.05 and price["difference"]["n_groups"] == 40
    assert "the random one adds +0." in price["sentence"]


def test_too_few_groups_are_left_out() -> None:
    few = rows(8, 3)
    assert measure_inflation(few, few.select("image_id", "group_id"), features(few, 1.0)) == []


def test_embeddings_come_from_the_file_beside_the_catalog(tmp_path: Path) -> None:
    frame, cache = rows(3, 1), embeddings_file(tmp_path / "catalog.parquet")
    values = np.arange(12, dtype=np.float16).reshape(3, 4)
    np.savez(cache, sha256=np.array(frame["sha256"].to_list()), features=values)
    found = load_embeddings(frame, cache)
    assert found["set/2-0"].tolist() == [8, 9, 10, 11] and found["set/2-0"].dtype == np.float32


def test_embeddings_were_finer_the_first_time_than_out_of_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, cache = rows(3, 1), tmp_path / "catalog.embeddings.npz"
    drawn = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    monkeypatch.setattr("colles.flow.embeddings._compute", lambda paths: iter(drawn))
    first, second = load_embeddings(frame, cache), load_embeddings(frame, cache)
    assert all(np.array_equal(first[image], second[image]) for image in frame["image_id"])


def test_embeddings_of_a_catalog_in_a_read_only_folder_were_computed_and_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The audit ended after the minutes that they took."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("colles.flow.embeddings._compute", lambda rows: iter(np.ones((3, 4), np.float32)))
    monkeypatch.setattr(np, "savez", refuse)
    assert len(load_embeddings(rows(3, 1), tmp_path / "catalog.embeddings.npz")) == 3
    assert "cannot write (Permission denied): the features are not kept" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_features_of_a_file_that_changed_were_kept_under_its_old_digest(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "a.png").write_bytes(b"other bytes")
    frame = rows(1, 1).with_columns(path=pl.lit(str(tmp_path / "a.png")), sha256=pl.lit("0" * 64))
    with pytest.raises(StaleInputError, match=r"a\.png: the image has changed"):
        load_embeddings(frame, tmp_path / "c.npz")


def test_a_damaged_file_of_embeddings_is_named(tmp_path: Path) -> None:
    cache = tmp_path / "catalog.embeddings.npz"
    cache.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(TableError, match="not a file of embeddings"):
        load_embeddings(rows(2, 1), cache)


@pytest.mark.slow
def test_missing_embeddings_are_computed_once(tmp_path: Path) -> None:
    from PIL import Image

    pytest.importorskip("torch")
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90), dtype=np.uint8)).save(path)
    frame, cache = rows(2, 1).with_columns(path=pl.lit(str(path)), sha256=pl.lit(sha256_file(path))), tmp_path / "c.npz"
    found = load_embeddings(frame, cache)
    assert found["set/0-0"].shape == (1280,) and np.array_equal(found["set/0-0"], found["set/1-0"])
    path.unlink()  # a second time nothing is read
    again = load_embeddings(frame, cache)
    assert np.allclose(again["set/0-0"], found["set/0-0"], atol=2e-2)
