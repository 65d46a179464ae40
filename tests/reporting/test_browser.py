"""The report in a real browser: slider, keyboard, narrow and dark screens, print, no network.

It needs Debian's chromium (`apt-get install --no-install-recommends chromium`) and skips where there is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from enriched import enrich
from fabricated_run import write_run

from chromium import MARKS, PATIENCE, chromium
from colles.core.files import write_json
from colles.core.recipe import EvaluateRecipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.reporting.report import write_report

pytestmark = list(MARKS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = enrich(write_run(tmp_path_factory.mktemp("browser") / "run", images=400, replicates=100))
    write_report([run], run / "report.html", checklists=["claim"])
    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def complaints() -> list[str]:
    """Collect what the browser's console says."""
    return []


@pytest.fixture
def page(browser: Any, folder: Path, complaints: list[str]) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(f"file://{folder / 'report.html'}")
    yield opened
    context.close()


def test_the_page_asks_for_nothing_and_says_nothing_in_the_console(page: Any, complaints: list[str]) -> None:
    loaded = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
    assert complaints == []


def out(page: Any, name: str) -> str:
    return str(page.locator(f'[data-out="{name}"]').inner_text())


def cells(page: Any) -> dict[str, int]:
    return {name: int(out(page, name).replace(",", "")) for name in ("tp", "fp", "fn", "tn")}


def test_a_locked_point_shows_its_very_counts_by_keyboard(page: Any, folder: Path) -> None:
    points = json.loads((folder / "evaluation" / "evaluation.json").read_text())["subsets"]["test"]["operating_points"]
    for name, label in (("rule_in", "rule-in"), ("rule_out", "rule-out"), ("f1", "best F1")):
        page.get_by_role("button", name=label, exact=True).focus()
        page.keyboard.press("Enter")
        assert cells(page) == points[name]["confusion"]


def test_arrow_keys_move_the_threshold_along_the_curves(page: Any) -> None:
    slider = page.get_by_role("slider", name="Threshold")  # its label named the output beside it, and not the slider
    slider.focus()
    page.keyboard.press("Home")
    start = cells(page)
    assert start["tp"] == start["fp"] == 0
    seen = [start]
    dots = []
    for _ in range(8):
        page.keyboard.press("ArrowRight")
        seen.append(cells(page))
        dots.append(float(page.locator('[data-dot="roc"]').get_attribute("cy")))
    assert all(a["tp"] <= b["tp"] and a["fp"] <= b["fp"] for a, b in pairwise(seen))
    assert seen[-1] != start and dots == sorted(dots, reverse=True)
    assert "sensitivity" in slider.get_attribute("aria-valuetext")
    page.keyboard.press("End")
    last = cells(page)
    assert last["fn"] == last["tn"] == 0


def test_predictive_values_follow_the_prevalence_that_the_reader_sets(page: Any) -> None:
    page.get_by_role("button", name="best F1", exact=True).click()
    found = cells(page)
    sensitivity, specificity = found["tp"] / (found["tp"] + found["fn"]), found["tn"] / (found["tn"] + found["fp"])
    box = page.locator('[data-in="prevalence"]')
    for share in (0.01, 0.1, 0.5):
        box.fill(str(100 * share))
        ppv = sensitivity * share / (sensitivity * share + (1 - specificity) * (1 - share))
        npv = specificity * (1 - share) / (specificity * (1 - share) + (1 - sensitivity) * share)
        assert float(out(page, "ppv").split()[0]) == pytest.approx(100 * ppv, abs=0.06)
        assert float(out(page, "npv").split()[0]) == pytest.approx(100 * npv, abs=0.06)
    assert out(page, "invalid") == ""
    for nonsense in ("150", "-3", "", "0"):
        box.fill(nonsense)
        assert "above 0 and below 100" in out(page, "invalid")
        assert box.get_attribute("aria-invalid") == "true"
        assert "undefined" not in out(page, "ppv")


def test_scores_near_0_and_rare_fractures_gave_counts_of_other_thresholds_and_claimed_none(
    browser: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(6)
    y_true = np.arange(6000) % 600 == 0
    y_score = np.exp(rng.normal(y_true * 1.0, size=6000) - 18)
    frame = pl.DataFrame({"y_true": y_true.astype(int), "y_score": y_score, "subset": ["val"] * 3000 + ["test"] * 3000})
    frame.write_csv(tmp_path / "predictions.csv")
    judged = evaluate(Predictions.load(tmp_path / "predictions.csv"), EvaluateRecipe(replicates=100))
    points = judged.subsets["test"].operating_points
    write_json(tmp_path / "evaluation.json", judged.model_dump(mode="json"))
    page = browser.new_page()
    page.goto(f"file://{write_report([tmp_path], tmp_path / 'report.html')}")
    assert out(page, "invalid") == ""
    for name, label in (("rule_in", "rule-in"), ("rule_out", "rule-out")):
        page.get_by_role("button", name=label, exact=True).click()
        assert cells(page) == points[name].confusion.model_dump()
        assert "0.0000" not in out(page, "threshold")
        assert not out(page, "npv").startswith("100.0 ")
        ill, called, rightly, wrongly, missed = map(int, re.findall(r"\d+", out(page, "words").replace(",", ""))[1:])
        assert called == rightly + wrongly and ill == rightly + missed > 0
    page.close()


def test_every_control_can_be_reached_by_tab(page: Any) -> None:
    reached = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(e => e.dataset.in || e.tagName)(document.activeElement)"))
        if {"step", "prevalence", "BUTTON", "SUMMARY", "A"} <= reached:
            return
    pytest.fail(f"reached only {reached}")


@pytest.mark.parametrize("width", [380, 768, 1200])
def test_nothing_sticks_out_at_any_width(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_dark_screen_gets_a_dark_page_and_paper_a_white_one(page: Any) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    red = int(page.evaluate(ground).removeprefix("rgb(").split(",")[0])
    assert red < 60
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert not page.locator(".slider").is_visible()
    assert page.locator("#discrimination svg").first.is_visible()


def test_without_scripts_the_page_still_reads(browser: Any, folder: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    opened.goto(f"file://{folder / 'report.html'}")
    assert not opened.locator(".slider").is_visible()
    assert opened.get_by_text("Figures at the locked thresholds").is_visible()
    context.close()


def test_paper_shows_what_the_screen_folds(page: Any) -> None:
    """Checklists and long tables came out of the printer as one closed line each."""
    closed = "document.querySelectorAll('details:not([open])').length"
    before = page.evaluate(closed)
    assert before > 3
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(closed) == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(closed) == before
