"""What is done to a picture to make a copy of it: augmentation, re-encoding, rotation, damage."""

from __future__ import annotations

import io
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]
QUALITY = 92


def encode(picture: Picture, quality: int = QUALITY, *, rgb: bool = False) -> bytes:
    """Encode a grey picture as JPEG, grey or with three equal channels."""
    buffer = io.BytesIO()
    image = Image.fromarray(picture)
    (image.convert("RGB") if rgb else image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def change(picture: Picture, boxes: Sequence[Box], kind: str, variant: int) -> tuple[Picture, list[Box], int]:
    """Return the changed picture, its boxes, and the JPEG quality to store it with."""
    if kind == "augmented":
        return *_augment(picture, boxes, variant), QUALITY
    if kind == "near":
        return _near(picture, boxes, variant)
    if kind == "rotated":
        return *_rotate(picture, boxes, variant % 4), QUALITY
    return picture, list(boxes), QUALITY


def damage(data: bytes, kind: str, variant: int) -> bytes:
    """Cut a file off, or empty it."""
    if kind == "zero_byte":
        return b""
    return data[: int(len(data) * (0.55 + 0.1 * (variant % 4)))] if kind == "truncated" else data


def _near(picture: Picture, boxes: Sequence[Box], variant: int) -> tuple[Picture, list[Box], int]:
    if variant % 3 == 0:
        return picture, list(boxes), 45
    if variant % 3 == 1:
        height, width = picture.shape
        size = (round(width * 0.7), round(height * 0.7))
        x, y = size[0] / width, size[1] / height
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8), [(a * x, b * y, c * x, d * y) for a, b, c, d in boxes], QUALITY
    brighter = np.clip(picture.astype(np.float32) * 1.12 + 8, 0, 255)
    return np.asarray(np.rint(brighter), np.uint8), list(boxes), QUALITY


def _rotate(picture: Picture, boxes: Sequence[Box], variant: int) -> tuple[Picture, list[Box]]:
    height, width = picture.shape
    if variant == 3:
        return np.ascontiguousarray(picture[:, ::-1]), [(width - c, b, width - a, d) for a, b, c, d in boxes]
    turned = np.ascontiguousarray(np.rot90(picture, variant + 1))  # counter-clockwise
    moved = list(boxes)
    w, h = width, height
    for _ in range(variant + 1):
        moved = [(b, w - c, d, w - a) for a, b, c, d in moved]
        w, h = h, w
    return turned, moved


def _augment(picture: Picture, boxes: Sequence[Box], variant: int) -> tuple[Picture, list[Box]]:
    moved = list(boxes)
    if variant % 2 == 1:
        picture, moved = _rotate(picture, moved, 3)
    angle = (-1) ** variant * (3.0 + 2.0 * (variant % 3))
    height, width = picture.shape
    matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0), np.float64)
    turned = cv2.warpAffine(picture, matrix, (width, height))
    moved = [_around(matrix, box, width, height) for box in moved]
    shown = np.clip(turned.astype(np.float32) * (0.92 + 0.06 * (variant % 3)), 0, 255)
    return np.asarray(np.rint(shown), np.uint8), moved


def _around(matrix: NDArray[np.float64], box: Box, width: int, height: int) -> Box:
    corners = np.array([[x, y, 1.0] for x in (box[0], box[2]) for y in (box[1], box[3])]) @ matrix.T
    x1, y1 = np.clip(corners.min(axis=0), 0, [width, height])
    x2, y2 = np.clip(corners.max(axis=0), 0, [width, height])
    return float(x1), float(y1), float(x2), float(y2)
