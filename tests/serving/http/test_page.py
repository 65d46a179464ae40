"""The page before any script runs: what it says of the bundle, escaped, and the policy that fits it alone."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from colles.core.errors import BundleError
from colles.core.records import OperatingPoint
from colles.serving.bundle import load_bundle
from colles.serving.http.about import About
from colles.serving.http.page import Page, render
from colles.serving.http.worth import WORDS, worth
from colles.serving.predictor import Predictor

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "models" / "fracture-fracatlas"


@pytest.fixture(scope="module")
def about() -> About:
    return About.of(Predictor(load_bundle(SHIPPED)))


@pytest.fixture(scope="module")
def page(about: About) -> Page:
    return render(about)


def test_it_says_what_it_is_for_and_how_well_it_does(page: Page, about: About) -> None:
    assert about.intended_use in page.html and "Not a medical device" in page.html
    assert all(limit in page.html for limit in about.limits)
    found = about.measured
    assert found is not None
    for point in ("rule_out", "rule_in"):
        figure = found.operating_points[point]["sensitivity"]
        assert f"<td>{figure.value:.3f} <span>({figure.low:.3f}–{figure.high:.3f})</span></td>" in page.html
    assert f"On test: {found.n} images, {found.n_positive} with a fracture" in page.html


def test_each_decision_has_words_and_a_worth(page: Page, about: About) -> None:
    for decision, told in WORDS.items():
        assert f'data-decision="{decision}" data-words="{told}"' in page.html
    said = worth(about)
    among = "Of all test images, 17 in 100 had one: among other patients both will differ."
    assert said["fracture"] == f"Of 100 test images that it called so, 63 (47–77) had a fracture. {among}"
    assert said["no_fracture"] == f"Of 100 test images that it called so, 99 (97–99.8) had no fracture. {among}"
    assert said["uncertain"] == "Of 100 test images, 31 (26–36) were left undecided as well."


def test_predictive_values_of_a_recalibrated_bundle_name_their_share_of_fractures(about: About) -> None:
    """They stood alone, since a site's figures have no prevalence among them, and its name made no sentence."""
    assert about.measured is not None
    figures = {name: each for name, each in about.measured.figures.items() if name == "auroc"}
    site = {"subset": "site, by five folds", "n": 90, "n_positive": 30, "figures": figures}
    said = worth(about.model_copy(update={"measured": about.measured.model_copy(update=site)}))
    images = "images (site, by five folds)"
    assert said["fracture"].startswith(f"Of 100 {images} that it called so, 63 (47–77) had a fracture.")
    assert all(f"Of all {images}, 33 in 100 had one" in said[each] for each in ("fracture", "no_fracture"))
    assert said["uncertain"] == "How many it leaves undecided is not known."


def test_a_set_that_it_never_saw_was_judged_whole_and_the_page_says_so(page: Page, about: About) -> None:
    told = "and everything answered, whatever the gate says."
    assert page.html.count(told) == 1
    assert told not in render(about.model_copy(update={"external": None})).html


def test_the_policy_lets_its_own_script_and_style_run_and_nothing_else(page: Page) -> None:
    parts = dict(part.split(" ", 1) for part in page.policy.split("; "))
    assert parts["default-src"] == parts["base-uri"] == parts["form-action"] == parts["frame-ancestors"] == "'none'"
    assert (parts["img-src"], parts["connect-src"]) == ("data:", "'self'")
    for kind in ("script", "style"):
        (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page.html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert parts[f"{kind}-src"] == f"'sha256-{digest}'"


def test_nothing_is_loaded_and_nothing_is_inserted_as_html(page: Page) -> None:
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//|url\(|@import|integrity=", page.html)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\son\w+=|\sstyle=", page.html
    )


def test_below_a_path_of_a_proxy_the_description_of_the_api_is_found(page: Page) -> None:
    """`/openapi.json` stood there as text: at the proxy's root, and out of a keyboard's reach."""
    assert page.html.count('<a href="openapi.json">') == 2 and "/openapi.json" not in page.html


def test_words_of_a_foreign_bundle_are_escaped(bundle_maker: Callable[..., Path], tmp_path: Path) -> None:
    evil = "</template><script>alert(1)</script><img src=x onerror=alert(1)>"
    points = {
        name: OperatingPoint(name=name, threshold=value, criterion=evil, chosen_on=evil, digest="")
        for name, value in (("rule_out", 0.3), ("rule_in", 0.7))
    }
    sources = [{"name": evil, "images": 1, "fractures": 1, "train": 1, "about": evil}]
    folder = bundle_maker(
        tmp_path / "b", name=evil, intended_use=evil, operating_points=points, training={"sources": sources}
    )
    html = render(About.of(Predictor(load_bundle(folder)))).html
    assert html.count("<script>") == 1 and "<img src=x" not in html and "&lt;script&gt;alert(1)" in html


def test_a_bundle_of_one_threshold_and_no_figures_has_a_page(bundle_maker: Callable[..., Path], tmp_path: Path) -> None:
    points = {"f1": OperatingPoint(name="f1", threshold=0.5, criterion="drawn", chosen_on="val", digest="")}
    about = About.of(Predictor(load_bundle(bundle_maker(tmp_path / "b", operating_points=points))))
    html = render(about).html
    assert about.decides_by == ("f1", "f1") and "nothing is known of its worth" in html
    assert set(worth(about).values()) == {"How often it is right is not known."}


def test_a_bundle_without_figures_says_its_other_weaknesses_too(
    bundle_maker: Callable[..., Path], tmp_path: Path
) -> None:
    """Nothing was said of a gate that is off, nor of simulated radiographs."""
    bundle = load_bundle(bundle_maker(tmp_path / "b", training={"simulated": True}))
    changed = bundle.metadata.model_copy(update={"gate": load_bundle(SHIPPED).metadata.gate})
    notes = About.of(Predictor(replace(bundle, metadata=changed), gate=False)).notes
    assert len(notes) == 3 and notes[0].startswith("It was not evaluated")
    assert "simulated" in notes[1] and notes[2].startswith("Its gate is off")


def test_a_criterion_that_no_threshold_reached_is_not_told_as_if_it_were(
    bundle_maker: Callable[..., Path], tmp_path: Path
) -> None:
    point = OperatingPoint(name="f1", threshold=0.5, criterion="drawn", chosen_on="val", digest="", reached=False)
    folder = bundle_maker(tmp_path / "b", operating_points={"f1": point})
    html = render(About.of(Predictor(load_bundle(folder)))).html
    assert "<li>Threshold best F1: drawn (not reached), chosen on validation.</li>" in html


@pytest.mark.parametrize("found", [{"n": 3}, {"subset": "test", "n": "x"}])
@pytest.mark.parametrize("name", ["evaluation", "external"])
def test_figures_of_another_form_are_an_error_of_the_bundle(
    bundle_maker: Callable[..., Path], tmp_path: Path, name: str, found: dict[str, object]
) -> None:
    """They were a defect of colles, while `colles predict` answered by the same bundle."""
    predictor = Predictor(load_bundle(bundle_maker(tmp_path / "b", **{name: found})))
    with pytest.raises(BundleError, match=f"metadata.json: {name}: "):
        About.of(predictor)


def test_corners_and_colours_on_a_picture_were_explained_nowhere_on_the_page(page: Page) -> None:
    assert "corners stand around the likeliest places" in page.html
    bundle = load_bundle(SHIPPED)
    other = bundle.metadata.model_copy(update={"model": {**bundle.metadata.model, "map": "class_activation"}})
    assert "corners" not in " ".join(About.of(Predictor(replace(bundle, metadata=other))).limits)


def test_what_weakens_the_figures_is_said() -> None:
    bundle = load_bundle(SHIPPED)
    notes = About.of(Predictor(bundle, gate=False, precision="int8")).notes
    assert (
        notes[0].startswith("Its figures are those of the 32-bit network")
        and "0.84% of the validation images" in notes[0]
    )
    assert notes[1].startswith("Its gate is off")
    assert not any("It refuses pictures" in limit for limit in About.of(Predictor(bundle, gate=False)).limits)
    changed = bundle.metadata.model_copy(
        update={
            "training": {**bundle.metadata.training, "simulated": True},
            "operating_points": {
                name: point.model_copy(update={"chosen_on": "test"})
                for name, point in bundle.metadata.operating_points.items()
            },
        }
    )
    told = About.of(Predictor(replace(bundle, metadata=changed))).notes
    assert "simulated" in told[0] and told[1] == "Its figures flatter: the images of test chose its thresholds."
