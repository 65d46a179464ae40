"""Pictures that look odd are flagged from the figures taken at ingest; sound ones are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colles.core.recipe import PhantomRecipe
from colles.datasets.audit.integrity import odd_pictures, wrong_endings
from colles.datasets.catalog import Catalog, build_catalog
from colles.datasets.phantom import write_phantoms
from colles.datasets.sources import create_source


@pytest.fixture
def flagged(tmp_path: Path, draw):
    """Return a function: pictures by file name → kinds by file name."""

    def look(pictures: dict[str, Image.Image | np.ndarray], **options) -> dict[str, set[str]]:
        folder = tmp_path / "set" / "normal"
        folder.mkdir(parents=True)
        for name, picture in pictures.items():
            image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
            image.save(folder / name, **options)
        catalog = build_catalog([create_source("folder", tmp_path / "set")])
        found: dict[str, set[str]] = {name: set() for name in pictures}
        for issue in odd_pictures(catalog.frame):
            found[Path(issue.images[0]).name].add(issue.kind)
        return found

    return look


def test_each_kind_is_flagged_and_a_radiograph_is_not(flagged, draw) -> None:
    sound = draw(200, 160)
    inverted = 255 - sound
    noise = np.random.default_rng(0).integers(120, 128, (160, 200)).astype(np.uint8)
    photograph = np.random.default_rng(0).integers(0, 255, (160, 200, 3), dtype=np.uint8)
    found = flagged(
        {
            "sound.png": sound,
            "rgb.png": np.dstack([sound] * 3),
            "deep.png": sound.astype(np.uint16) * 257,
            "black.png": np.zeros((160, 200), np.uint8),
            "white.png": np.full((160, 200), 255, np.uint8),
            "noise.png": noise,
            "inverted.png": inverted,
            "turned.png": np.asarray(Image.fromarray(inverted).rotate(20, expand=True)),
            "small.png": draw(200, 60),
            "strip.png": draw(600, 120),
            "photograph.png": photograph,
        }
    )
    assert found == {
        "sound.png": set(),
        "rgb.png": set(),
        "deep.png": set(),
        "black.png": {"blank"},
        "white.png": {"blank"},
        "noise.png": {"near_constant"},
        "inverted.png": {"looks_inverted"},
        "turned.png": {"looks_inverted"},
        "small.png": {"tiny"},
        "strip.png": {"odd_aspect_ratio"},
        "photograph.png": {"not_a_radiograph"},
    }


def test_an_animation_is_flagged(flagged, draw) -> None:
    frames = [Image.fromarray(draw(200, 160, seed)) for seed in (1, 2)]
    found = flagged({"moving.gif": frames[0]}, save_all=True, append_images=frames[1:])
    assert found == {"moving.gif": {"several_frames"}}


def test_wrong_endings_are_one_issue_a_kind(tmp_path: Path, draw) -> None:
    folder = tmp_path / "set" / "normal"
    folder.mkdir(parents=True)
    for name, form in (("a.jpg", "PNG"), ("b.jpg", "PNG"), ("c.JPEG", "JPEG"), ("d.tif", "TIFF"), ("e.v2.png", "JPEG")):
        Image.fromarray(draw()).save(folder / name, form)
    issues = list(wrong_endings(build_catalog([create_source("folder", tmp_path / "set")]).frame))
    assert [(len(issue.images), issue.detail) for issue in issues] == [
        (2, "2 files of folder are PNG though their names end in .jpg"),
        (1, "1 files of folder are JPEG though their names end in .png"),
    ]


def test_a_catalog_of_an_earlier_version_has_no_oddities(tmp_path: Path, write_image) -> None:
    write_image(tmp_path / "set" / "normal" / "a.png")
    catalog = build_catalog([create_source("folder", tmp_path / "set")])
    columns = ("span", "bright_share", "low_grey", "high_grey", "colourfulness", "frames", "file_format", "burned_in")
    path = Catalog(catalog.frame.drop(set(columns) & set(catalog.frame.columns))).save(tmp_path / "old.parquet")
    old = Catalog.load(path).frame
    assert {issue.kind for issue in odd_pictures(old)} == {"tiny"} and not list(wrong_endings(old))


@pytest.mark.slow
def test_phantoms_are_sound(tmp_path: Path) -> None:
    write_phantoms(tmp_path, PhantomRecipe(images=20, size=256, seed=3))
    catalog = build_catalog([create_source("fracatlas", tmp_path / "FracAtlas")])
    assert not [issue for issue in odd_pictures(catalog.frame) if issue.severity == "warning"]
