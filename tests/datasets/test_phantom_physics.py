"""Solids, fractures and exposure of the phantoms against what can be worked out by hand or by brute force."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from colles.datasets.phantom import physics
from colles.datasets.phantom.anatomy import PARTS, VIEWS, arm, draw_build, shoulder
from colles.datasets.phantom.fracture import SITES, break_tube, draw_fracture, draw_site
from colles.datasets.phantom.geometry import Bone, Frame, Motion, paths, project
from colles.datasets.phantom.layouts import CLASSES
from colles.datasets.phantom.patient import Patient
from colles.datasets.phantom.render import render_view

ROD = Bone("rod", (0, -100, 0), (0, 100, 0), ((0, 12, 6), (1, 12, 6)), ((0, 2), (1, 2)))
FRAME = Frame(200, 60, 0.5, (0.0, 0.0), 0.0)


def patient(fractured: bool, seed: int, part: str = "forearm") -> Patient:
    return Patient(1, part, "R", fractured, hardware=False, cast=False, marker=False, seed=seed)


@pytest.mark.parametrize("degrees", [0, 30, 42, 75, 90])
def test_path_lengths_agree_with_marching_along_the_ray(degrees: int) -> None:
    angle = math.radians(degrees)
    found = paths(project(ROD, angle).moved(FRAME.placement), FRAME)
    assert found is not None
    row = found.outer.shape[0] // 2
    x = FRAME.columns[0, found.window[1]] - FRAME.width * FRAME.pitch / 2
    z = np.arange(-15, 15, 0.01)
    across, deep = np.meshgrid(x, z)
    back_x, back_z = (
        across * math.cos(angle) - deep * math.sin(angle),
        across * math.sin(angle) + deep * math.cos(angle),
    )
    outer = ((back_x / 12) ** 2 + (back_z / 6) ** 2 < 1).sum(axis=0) * 0.01
    inner = ((back_x / 10) ** 2 + (back_z / 4) ** 2 < 1).sum(axis=0) * 0.01
    np.testing.assert_allclose(found.outer[row], outer, atol=0.06)
    np.testing.assert_allclose(found.inner[row], inner, atol=0.06)


def test_attenuation_follows_beer_and_lambert() -> None:
    still = physics.Exposure(1e6, blur=0.01, scatter=0, low=0, high=1, gamma=1, detail=0)
    steps = np.repeat(np.arange(8, dtype=np.float32) * np.float32(10 * physics.SOFT), 40)[None].repeat(64, axis=0)
    shown = physics.expose(steps, steps, np.ones_like(steps), 0.45, still, np.random.default_rng(0))
    levels = shown.reshape(64, 8, 40)[:, :, 15:25].mean(axis=(0, 2))
    np.testing.assert_allclose(np.diff(levels), 1 / 7, atol=0.01)  # equal layers give equal steps of the logarithm
    assert physics.LEAD > physics.IRON > physics.TITANIUM > physics.CORTICAL > physics.SOFT > 0


def test_fewer_photons_give_a_noisier_picture() -> None:
    flat = np.full((64, 64), 1.0, np.float32)
    flat[:, :4] = 0
    spread = []
    for photons in (500, 5000, 50000):
        how = physics.Exposure(photons, blur=0.2, scatter=0, low=0, high=1.2, gamma=1, detail=0)
        shown = physics.expose(flat, flat, np.ones_like(flat), 0.45, how, np.random.default_rng(0))
        spread.append(float(shown[10:-10, 20:-10].std()))
    assert spread[0] > 2 * spread[1] > 4 * spread[2]


def test_every_site_names_a_bone_and_a_class_of_the_export() -> None:
    build = draw_build(np.random.default_rng(0))
    bones = {part: {b.name for b in (shoulder(build) if part == "shoulder" else arm(build, 0)).bones} for part in PARTS}
    for part, sites in SITES.items():
        for site in sites:
            assert {site.bone, site.twin or site.bone} <= bones[part]
            assert site.name in CLASSES


def test_wider_gaps_steps_and_angles_are_easier() -> None:
    rng = np.random.default_rng(1)
    site, place = draw_site("forearm", rng)
    base = replace(draw_fracture(site, place, rng), gap=1.0, step=(0.0, 0.0), angle=(0.0, 0.0), slope=(0.2, 0.0))
    hard = break_tube(project(ROD, 0), base, 0).difficulty
    assert hard == pytest.approx(math.exp(-1 / 1.2), abs=1e-3)  # a sharp gap of 1 mm and nothing else
    for change in ({"gap": 2.0}, {"step": (0.3, 0.0)}, {"angle": (8.0, 0.0)}):
        assert 0 <= break_tube(project(ROD, 0), replace(base, **change), 0).difficulty < hard  # type: ignore[arg-type]
    assert break_tube(project(ROD, 0), replace(base, slope=(0.2, 0.12)), 0).difficulty > hard  # oblique to the ray


def test_a_displacement_towards_the_tube_is_hidden_in_that_view_and_plain_in_the_other() -> None:
    rng = np.random.default_rng(1)
    site, place = draw_site("forearm", rng)
    fracture = replace(draw_fracture(site, place, rng), step=(0.0, 0.6), angle=(0.0, 0.0), slope=(0.0, 0.0), gap=0.5)
    frontal, lateral = (break_tube(project(ROD, view), fracture, view) for view in (0.0, math.pi / 2))
    assert np.hypot(*frontal.motion.shift) < 1 < np.hypot(*lateral.motion.shift)
    assert lateral.difficulty < frontal.difficulty


def test_motion_keeps_distances() -> None:
    points = np.random.default_rng(0).normal(size=(5, 2))
    moved = Motion((1.0, 2.0), 0.7, (3.0, -4.0)).apply(points)
    np.testing.assert_allclose(
        np.linalg.norm(np.diff(moved, axis=0), axis=1), np.linalg.norm(np.diff(points, axis=0), axis=1)
    )


@pytest.mark.slow
def test_a_fracture_changes_the_picture_inside_its_box() -> None:
    checked = 0
    for seed in range(60):
        broken = patient(True, seed, PARTS[seed % 4])
        if broken.condition.fractures[0].kind != "gap":
            continue
        checked += 1
        whole = render_view(replace(broken, fractured=False), "frontal", 0, 192)
        view = render_view(broken, "frontal", 0, 192)
        assert whole.boxes == () and whole.difficulty is None
        assert view.pixels.shape == whole.pixels.shape  # same aim, same field: framing does not give the label away
        change = np.abs(cv2.GaussianBlur(view.pixels.astype(np.float32) - whole.pixels.astype(np.float32), (0, 0), 1.2))
        inside = np.zeros(change.shape, bool)
        for x1, y1, x2, y2 in view.boxes:
            inside[math.floor(y1) : math.ceil(y2), math.floor(x1) : math.ceil(x2)] = True
        assert np.percentile(change[inside], 99) > 1.5 * np.percentile(change[~inside], 90)
    assert checked >= 8


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_views_of_a_patient_share_the_fracture_and_lie_in_the_picture(part: str) -> None:
    for seed in range(6):
        broken = patient(True, seed, part)
        for index, view in enumerate(VIEWS):
            shown = render_view(broken, view, index, 128)
            assert 1 <= len(shown.boxes) <= len(broken.condition.fractures)
            assert max(shown.pixels.shape) == 128
            assert shown.difficulty is not None and 0 <= shown.difficulty <= 1
            height, width = shown.pixels.shape
            for x1, y1, x2, y2 in shown.boxes[:1]:
                assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
                assert (x2 - x1) * (y2 - y1) < 0.35 * width * height
            if seed == 0:
                again = render_view(broken, view, index, 128)
                assert np.array_equal(again.pixels, shown.pixels)
