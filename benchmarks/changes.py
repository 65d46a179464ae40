"""The kinds of change that a copy of a radiograph may have undergone, each drawn at random within its range."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Grey = np.ndarray
Rng = np.random.Generator


def reencoded(grey: Grey, rng: Rng) -> Grey:
    """Save as JPEG of quality 20–60."""
    coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 60))])[1]
    return cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)


def resized(grey: Grey, rng: Rng) -> Grey:
    """Scale by 0.4–0.8, or by 1.5."""
    factor = rng.uniform(0.4, 0.8) if rng.random() < 0.7 else 1.5
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(grey, None, fx=factor, fy=factor, interpolation=way)


def brightness(grey: Grey, rng: Rng) -> Grey:
    """Multiply by 0.7–1.3, or add 10–25 grey levels either way; clipped."""
    by_factor = rng.random() < 0.5
    shift = rng.choice([-1, 1]) * rng.uniform(10, 25)
    values = grey * rng.uniform(0.7, 1.3) if by_factor else grey + shift
    return np.clip(values, 0, 255).astype(np.uint8)


def contrast(grey: Grey, rng: Rng) -> Grey:
    """Spread around the mean by 0.6–1.5, or gamma 0.6–1.6; clipped."""
    if rng.random() < 0.5:
        values = (grey - grey.mean()) * rng.choice([0.6, 0.75, 1.3, 1.5]) + grey.mean()
    else:
        values = 255 * (grey / 255.0) ** rng.choice([0.6, 0.75, 1.4, 1.6])
    return np.clip(values, 0, 255).astype(np.uint8)


def cropped(grey: Grey, rng: Rng) -> Grey:
    """Cut 0–10 % off each of the four sides."""
    height, width = grey.shape
    left, right, top, bottom = rng.uniform(0, 0.1, 4)
    return grey[int(top * height) : height - int(bottom * height), int(left * width) : width - int(right * width)]


def quarter(grey: Grey, rng: Rng) -> Grey:
    """Turn by 90°, 180° or 270°."""
    return np.rot90(grey, int(rng.integers(1, 4)))


def turned(grey: Grey, rng: Rng) -> Grey:
    """Turn by 1–15° either way, on a canvas of the same size or a larger one, with black corners."""
    height, width = grey.shape
    degrees = rng.uniform(1, 15) * rng.choice([-1, 1])
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    size = width, height
    if rng.random() < 0.5:
        cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
        size = int(height * sine + width * cosine), int(height * cosine + width * sine)
        matrix[:, 2] += np.subtract(size, (width, height)) / 2
    return cv2.warpAffine(grey, matrix, size)


def mirrored(grey: Grey, rng: Rng) -> Grey:
    """Swap left and right."""
    return grey[:, ::-1]


def inverted(grey: Grey, rng: Rng) -> Grey:
    """Swap black and white."""
    return 255 - grey


def marker(grey: Grey, rng: Rng) -> Grey:
    """Paint a rectangle of 10–20 % × 6–12 %, black or white, with a letter in it, anywhere."""
    grey = grey.copy()
    height, width = grey.shape
    w, h = int(width * rng.uniform(0.1, 0.2)), int(height * rng.uniform(0.06, 0.12))
    x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
    value = int(rng.choice([0, 255]))
    grey[y : y + h, x : x + w] = value
    place = x + w // 4, y + h - h // 5
    cv2.putText(grey, "L", place, cv2.FONT_HERSHEY_SIMPLEX, h / 40, 255 - value, max(1, h // 12))
    return grey


KINDS: dict[str, Callable[[Grey, Rng], Grey]] = {
    "re-encoded": reencoded,
    "resized": resized,
    "brightness": brightness,
    "contrast": contrast,
    "cropped by up to 10 % a side": cropped,
    "turned by quarters": quarter,
    "turned by up to 15°": turned,
    "mirrored": mirrored,
    "inverted": inverted,
    "marker painted over": marker,
}
