"""Pictures that are no radiographs of bones, drawn or taken from installed libraries: what a gate has to refuse.

Photographs are crops of the three that scikit-learn and matplotlib carry; everything else is drawn from a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
_WORDS = (
    "the patient",
    "was seen",
    "on the ward",
    "with pain",
    "after a fall",
    "there is no sign of",
    "we advise",
    "return",
)


@cache
def _photographs() -> tuple[Picture, ...]:
    import matplotlib
    from sklearn.datasets import load_sample_images

    hopper = Image.open(matplotlib.get_data_path() + "/sample_data/grace_hopper.jpg").convert("RGB")
    return (*load_sample_images().images, np.asarray(hopper))


def photo(rng: np.random.Generator) -> Picture:
    """Crop a photograph at random, in colour."""
    source = _photographs()[rng.integers(3)]
    height, width = source.shape[:2]
    side = int(rng.uniform(0.4, 1.0) * min(height, width))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    crop = source[top : top + side, left : left + side]
    return np.ascontiguousarray(crop[:, :: rng.choice([-1, 1])])


def grey_photo(rng: np.random.Generator) -> Picture:
    """Crop a photograph, without its colours."""
    return np.asarray(Image.fromarray(photo(rng)).convert("L"))


def text_page(rng: np.random.Generator) -> Picture:
    """Print lines of words on white or slightly grey paper."""
    page = Image.new("L", (620, 877), int(rng.integers(225, 256)))
    _write(ImageDraw.Draw(page), rng, (50, 50, 570, 830), int(rng.integers(12, 20)), 20)
    return np.asarray(page)


def screenshot(rng: np.random.Generator) -> Picture:
    """Draw a window with a title, a side bar, buttons and text, light or dark."""
    dark = bool(rng.integers(2))
    paper, ink, bar = (
        ((30, 32, 36), (220, 220, 220), (52, 56, 64)) if dark else ((250, 250, 250), (30, 30, 30), (225, 228, 235))
    )
    shot = Image.new("RGB", (1024, 640), paper)
    draw = ImageDraw.Draw(shot)
    accent = tuple(int(value) for value in rng.integers(20, 235, 3))
    draw.rectangle((0, 0, 1024, 36), fill=accent)
    draw.rectangle((0, 36, 200, 640), fill=bar)
    for row in range(8):
        draw.rectangle(
            (16, 60 + 40 * row, 16 + int(rng.integers(60, 170)), 78 + 40 * row), fill=accent if row == 2 else ink
        )
    _write(draw, rng, (230, 70, 1000, 600), int(rng.integers(11, 16)), ink)
    return np.asarray(shot)


def grey_screenshot(rng: np.random.Generator) -> Picture:
    """Draw a window, without colours."""
    return np.asarray(Image.fromarray(screenshot(rng)).convert("L"))


def blank(rng: np.random.Generator) -> Picture:
    """Return one grey level, with the faintest noise on every second one."""
    level, noise = int(rng.integers(0, 256)), float(rng.integers(2))
    values = np.full((480, 400), level) + rng.normal(0, noise, (480, 400))
    return np.clip(values, 0, 255).astype(np.uint8)


def noise(rng: np.random.Generator) -> Picture:
    """Return white noise, uniform or normal."""
    values = rng.uniform(0, 255, (400, 400)) if rng.integers(2) else rng.normal(128, rng.uniform(15, 60), (400, 400))
    return np.clip(values, 0, 255).astype(np.uint8)


def clouds(rng: np.random.Generator) -> Picture:
    """Return noise with a spectrum like a natural picture's, amplitude 1/f."""
    side = 400
    rows, columns = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    radius = np.hypot(rows, columns)
    radius[0, 0] = 1.0
    phases = np.exp(2j * np.pi * rng.random(radius.shape))
    values = np.fft.irfft2(phases / radius, (side, side))
    values = (values - values.min()) / (values.max() - values.min())
    return (255 * values).astype(np.uint8)


def ct_slice(rng: np.random.Generator) -> Picture:
    """Draw an axial slice of a trunk: body, organs, spine and table on black air."""
    image = np.zeros((512, 512), np.float32)
    centre = (256 + int(rng.integers(-10, 11)), 250 + int(rng.integers(-10, 11)))
    axes = (int(rng.integers(165, 215)), int(rng.integers(120, 155)))
    _ellipse(image, centre, axes, 0, 95)
    _ellipse(image, centre, (axes[0] - 16, axes[1] - 16), 0, 130)
    chest = bool(rng.integers(2))
    for side in (-1, 1):
        organ = (centre[0] + side * int(axes[0] * 0.45), centre[1] - 10)
        size = (int(axes[0] * 0.33), int(axes[1] * 0.6))
        _ellipse(image, organ, size, float(rng.uniform(-20, 20)), 12 if chest else float(rng.uniform(135, 165)))
    _ellipse(image, (centre[0] - 10, centre[1] - 20), (45, 38), float(rng.uniform(0, 90)), 165)
    spine = (centre[0], centre[1] + int(axes[1] * 0.55))
    _ellipse(image, spine, (26, 20), 0, 235)
    _ellipse(image, (spine[0], spine[1] + 26), (9, 8), 0, 120)
    for angle in np.linspace(0, 2 * np.pi, 14, endpoint=False) + rng.uniform(0, 0.4):
        rib = (int(centre[0] + (axes[0] - 24) * np.cos(angle)), int(centre[1] + (axes[1] - 24) * np.sin(angle)))
        _ellipse(image, rib, (12, 6), float(np.degrees(angle)) + 90, 225)
    cv2.ellipse(image, (256, 640), (330, 240), 0, 220, 320, 90, 3)
    image = cv2.GaussianBlur(image, (0, 0), 1.4) + rng.normal(0, 6, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def real_slice(rng: np.random.Generator) -> Picture:
    """Turn, mirror and crop a real CT or MR slice that pydicom or matplotlib carries."""
    source = _slices()[rng.integers(len(_slices()))]
    turned = np.rot90(source, int(rng.integers(4)))[:, :: rng.choice([-1, 1])]
    margin = int(rng.integers(0, turned.shape[0] // 10 + 1))
    crop = np.ascontiguousarray(turned[margin : turned.shape[0] - margin, margin : turned.shape[1] - margin])
    return np.asarray(cv2.resize(crop, (384, 384), interpolation=cv2.INTER_LINEAR))


@cache
def _slices() -> tuple[Picture, ...]:
    import gzip

    import matplotlib
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    with gzip.open(matplotlib.get_data_path() + "/sample_data/s1045.ima.gz") as stream:
        arrays = [np.frombuffer(stream.read(), np.uint16).reshape(256, 256).astype(np.float32)]
    for name in ("CT_small.dcm", "MR_small.dcm"):
        arrays.append(dcmread(str(get_testdata_file(name))).pixel_array.astype(np.float32))
    ranges = [(values, *np.percentile(values, (1, 99.5))) for values in arrays]
    return tuple((np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8) for values, low, high in ranges)


def chest_film(rng: np.random.Generator) -> Picture:
    """Draw a frontal chest film: lungs, ribs, heart, spine, clavicles and diaphragm."""
    width, height = 640, 720
    image = np.full((height, width), 165, np.float32)
    _ellipse(image, (320, 700), (330, 180), 0, 205)
    shift = int(rng.integers(-12, 13))
    for side in (-1, 1):
        lung = (320 + shift + side * 140, 330)
        _ellipse(image, lung, (int(rng.integers(95, 118)), int(rng.integers(215, 250))), side * -6.0, 55)
    spine = np.zeros_like(image)
    cv2.rectangle(spine, (292 + shift, 0), (348 + shift, height), 60, -1)
    heart = np.zeros_like(image)
    _ellipse(heart, (350 + shift, 440), (105, 120), 30, 105)
    image += cv2.GaussianBlur(spine, (0, 0), 9) + cv2.GaussianBlur(heart, (0, 0), 11)
    ribs = np.zeros_like(image)
    for side in (-1, 1):
        for number in range(9):
            centre = (320 + shift + side * 95, 110 + 52 * number)
            cv2.ellipse(ribs, centre, (150, 75), side * 20.0, 180, 360, 34, int(rng.integers(11, 16)))
        start, end = (320 + shift + side * 30, 150), (320 + shift + side * 250, 95)
        cv2.line(ribs, start, end, 45, 18)
    image += cv2.GaussianBlur(ribs, (0, 0), 2.5)
    image = cv2.GaussianBlur(image, (0, 0), 1.2) + rng.normal(0, 4, image.shape)
    return np.clip(image * rng.uniform(0.85, 1.05), 0, 255).astype(np.uint8)


def _ellipse(
    image: NDArray[np.float32], centre: tuple[int, int], axes: tuple[int, int], angle: float, level: float
) -> None:
    cv2.ellipse(image, centre, axes, angle, 0, 360, level, -1)


def _write(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, area: tuple[int, int, int, int], size: int, ink: object
) -> None:
    left, top, right, bottom = area
    font = ImageFont.load_default(size)
    for row in range(top, bottom - size, round(size * 1.5)):
        line = ""
        while draw.textlength(line, font=font) < (right - left) * 0.9:
            line += str(rng.choice(_WORDS)) + " "
        draw.text((left, row), line, font=font, fill=ink)


KINDS: dict[str, Callable[[np.random.Generator], Picture]] = {
    "photo": photo,
    "photo, grey": grey_photo,
    "screenshot": screenshot,
    "screenshot, grey": grey_screenshot,
    "text page": text_page,
    "blank": blank,
    "white noise": noise,
    "1/f noise": clouds,
    "CT slice (drawn)": ct_slice,
    "CT or MR slice (real)": real_slice,
    "chest film (drawn)": chest_film,
}
