from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from colles.core.records import Issue
from colles.core.schema import CATALOG_SCHEMA
from colles.datasets.audit import Audit
from colles.datasets.catalog import Catalog
from colles.reporting.audit_charts import practices
from colles.reporting.audit_page import write_audit_page
from colles.reporting.pictures import thumbnail


def catalog_of(folder: Path, count: int) -> Catalog:
    rows = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (300, 500), dtype=np.uint8)).save(path)
        row = {"image_id": f"set/{number}<b>.png", "source": "set", "path": str(path), "status": "ok"}
        rows.append({**dict.fromkeys(CATALOG_SCHEMA), **row, "label": number % 2, "group_id": row["image_id"]})
    rows[-1]["label"] = None
    return Catalog(pl.DataFrame(rows, schema=CATALOG_SCHEMA))


def audit_of(catalog: Catalog, issues: tuple[Issue, ...]) -> Audit:
    clusters = catalog.frame.select("image_id", "group_id")
    return Audit({"leaks": {"across": "the split", "matrix": {"test|train": 7}}}, issues, clusters)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return catalog_of(tmp_path, 6)


def write(catalog: Catalog, issues: tuple[Issue, ...], out: Path) -> str:
    return write_audit_page(audit_of(catalog, issues), catalog, out / "audit.html").read_text(encoding="utf-8")


def issue(kind: str, images: tuple[str, ...], severity: str = "warning") -> Issue:
    return Issue.model_validate({"kind": kind, "severity": severity, "images": images, "detail": f"about {kind} <i>"})


def test_the_page_loads_nothing_and_escapes_everything(catalog: Catalog, tmp_path: Path) -> None:
    ids = tuple(catalog.frame["image_id"].to_list())
    page = write(catalog, (issue("near_duplicate", ids[:2]), issue("split_leak", ids[:3], "error")), tmp_path)
    words = re.sub(r'data:[^"]+', "", page)
    assert not re.search(r"(?:https?:)?//[a-z]|<script|<link|url\((?!#)|@import", words)
    assert all(source.startswith("data:image/jpeg;base64,") for source in re.findall(r'src="([^"]+)"', page))
    assert "<b>.png" not in page and "0&lt;b&gt;.png" in page
    assert "about near_duplicate &lt;i&gt;" in page
    assert page.count("<img ") == 5
    assert '<td class="n">7</td>' in page


def test_holdings_count_every_label(catalog: Catalog, tmp_path: Path) -> None:
    page = write(catalog, (), tmp_path)
    row = re.search(r"<tr><td>set</td><td>unknown</td>(.*?)</tr>", page)
    assert row and re.findall(r">(\d+)<", row[1]) == ["2", "3", "1", "6"]
    assert "None was found." in page and "<img " not in page


def test_at_most_forty_clusters_carry_pictures(catalog: Catalog, tmp_path: Path) -> None:
    ids = tuple(catalog.frame["image_id"].to_list())
    issues = (*(issue("exact_duplicate", ids[:2]) for _ in range(300)), issue("label_conflict", ids, "error"))
    page = write(catalog, issues, tmp_path)
    assert page.count('class="cluster"') == 40
    assert "40 of 301 issues" in page and "100 more are in audit.json" in page
    assert page.index('class="error">Label conflict') < page.index('class="warning">Exact duplicate')


def test_a_file_that_is_gone_is_shown_as_such(catalog: Catalog, tmp_path: Path) -> None:
    Path(catalog.frame["path"][0]).unlink()
    ids = tuple(catalog.frame["image_id"].to_list())
    page = write(catalog, (issue("exact_duplicate", ids[:2]),), tmp_path)
    assert page.count("cannot be read") == 1 and page.count("<img ") == 1


def test_thumbnails_are_small_grey_jpegs(catalog: Catalog, tmp_path: Path) -> None:
    import base64
    import io

    data = thumbnail(catalog.frame["path"][0])
    assert data is not None
    image = Image.open(io.BytesIO(base64.b64decode(data.removeprefix("data:image/jpeg;base64,"))))
    assert (image.format, image.mode, image.size) == ("JPEG", "L", (160, 96))
    assert thumbnail(tmp_path / "absent.png") is None


def test_shortcuts_practices_and_prices_are_shown_with_their_figures(catalog: Catalog, tmp_path: Path) -> None:
    estimate = {"value": 0.63, "low": 0.6, "high": 0.66, "n": 900}
    bar = {"property": "height", "over": "all sources", "auroc": estimate, "severity": "warning", "advice": "crop"}
    price = {"over": "set", **dict.fromkeys(("random", "grouped"), estimate), "difference": {**estimate, "value": 0.03}}
    practice = {"source": "set", "practice": "random split", "train": 4, "held_out": 8, "leaked": 2}
    found = audit_of(catalog, ())
    summary = {**found.summary, "shortcuts": [bar], "inflation": [price], "practices": [practice]}
    audit = Audit(summary, (issue("label_conflict", ("set/0<b>.png",), "error"),), found.clusters)
    page = write_audit_page(audit, catalog, tmp_path / "audit.html").read_text(encoding="utf-8")
    assert "0.63 (0.60–0.66)" in page and 'style="width:26.0%"' in page and "crop" in page
    assert "+0.030 (+0.600 to +0.660)" in page and "25.0%" in page
    assert "image_id,label,reason,reader" in page and 'download="corrections.csv"' in page
    assert "6 files found" in page and "1 label unknown" in page


def test_a_mean_of_leaked_images_was_rounded_beside_a_share_of_the_whole_figure() -> None:
    found = [{"source": "set", "practice": "random", "held_out": 15, "leaked": leaked} for leaked in (3.4, 2, 1930.0)]
    rows = practices({"practices": found})
    assert [(row["held_out"], row["leaked"]) for row in rows] == [("15", "3.4"), ("15", "2"), ("15", "1,930")]
    assert rows[0]["share"] == "22.7%"


def test_what_scrolls_sideways_could_not_be_reached_by_keyboard(catalog: Catalog, tmp_path: Path) -> None:
    page = write(catalog, (), tmp_path)
    assert page.count('class="scroll"') == page.count('class="scroll" tabindex="0"') > 1
    assert '<pre tabindex="0">' in page and page.count("<main>") == page.count("</main>") == 1


def test_headings_had_no_scope_and_captions_the_grey_of_disabled_text(catalog: Catalog, tmp_path: Path) -> None:
    page = write(catalog, (issue("split_leak", tuple(catalog.frame["image_id"][:2]), "error"),), tmp_path)
    assert page.count("<th ") == page.count("<th scope=") > 0 and "<th>" not in page
    assert "color: GrayText" not in page.replace("stroke: GrayText", "")
    assert "1 unit lies on several sides" in page
