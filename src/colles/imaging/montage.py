"""Pictures side by side under their titles, and in rows."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_GAP = 6


def side_by_side(pictures: Sequence[tuple[str, Image.Image]], *, side: int = 480) -> Image.Image:
    """Return (title, picture) pairs of one image in a row, each at most `side` pixels on its longer side."""
    return grid([pictures], side=side)


def grid(rows: Sequence[Sequence[tuple[str, Image.Image]]], *, side: int = 360) -> Image.Image:
    """Return rows of (title, picture) pairs on black; raise `ValueError` where there is none."""
    small = [[(title, _fit(picture, side)) for title, picture in row] for row in rows if row]
    if not small:
        raise ValueError("there is no picture to show")
    font = ImageFont.load_default(max(11, side // 24))
    head = int(font.getbbox("Ag")[3]) + 2 * _GAP
    widths = [sum(picture.width + _GAP for _, picture in row) - _GAP for row in small]
    heights = [max(picture.height for _, picture in row) + head for row in small]
    sheet = Image.new("RGB", (max(widths), sum(heights)))
    draw, top = ImageDraw.Draw(sheet), 0
    for row, height in zip(small, heights, strict=True):
        left = 0
        for title, picture in row:
            sheet.paste(picture, (left, top + head))
            draw.text((left + 2, top + _GAP), _shorten(title, picture.width, font), font=font, fill=(255, 255, 255))
            left += picture.width + _GAP
        top += height
    return sheet


def _fit(picture: Image.Image, side: int) -> Image.Image:
    small = picture.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.BILINEAR)
    return small


def _shorten(title: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    text = " ".join(title.split())
    while len(text) > 1 and font.getbbox(text)[2] > width - 4:
        text = text[:-2].rstrip() + "…" if not text.endswith("…") else text[:-2].rstrip("… ") + "…"
    return text
