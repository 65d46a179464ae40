"""Pictures side by side under their titles, and in rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_GAP = 6
_SMALLEST = 9  # letters in pixels; below that a title is shortened


def side_by_side(pictures: Sequence[tuple[str, Image.Image]], *, side: int = 480) -> Image.Image:
    """Return (title, picture) pairs of one image in a row, each at most `side` pixels on its longer side."""
    return grid([pictures], side=side)


def grid(rows: Sequence[Sequence[tuple[str, Image.Image]]], *, side: int = 360) -> Image.Image:
    """Return rows of (title, picture) pairs on black; raise `ValueError` where there is none."""
    small = [[(title, _fit(picture, side)) for title, picture in row] for row in rows if row]
    if not small:
        raise ValueError("there is no picture to show")
    letters = max(11, side // 24)
    head = int(ImageFont.load_default(letters).getbbox("Ag")[3]) + 2 * _GAP
    widths = [sum(picture.width + _GAP for _, picture in row) - _GAP for row in small]
    heights = [max(picture.height for _, picture in row) + head for row in small]
    sheet = Image.new("RGB", (max(widths), sum(heights)))
    draw, top = ImageDraw.Draw(sheet), 0
    for row, height in zip(small, heights, strict=True):
        left = 0
        for title, picture in row:
            sheet.paste(picture, (left, top + head))
            text, fitting = _fit_title(title, picture.width, letters)
            draw.text((left + 2, top + _GAP), text, font=fitting, fill=(255, 255, 255))
            left += picture.width + _GAP
        top += height
    return sheet


def _fit(picture: Image.Image, side: int) -> Image.Image:
    small = picture.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.BILINEAR)
    return small


def _fit_title(title: str, width: int, pixels: int) -> tuple[str, Font]:
    """Return the title in the largest letters that fit, down to `_SMALLEST`, and shortened only below that."""
    text = " ".join(title.split())
    fonts: Iterator[Font] = (ImageFont.load_default(size) for size in range(pixels, _SMALLEST - 1, -1))
    font = next((font for font in fonts if font.getbbox(text)[2] <= width - 4), ImageFont.load_default(_SMALLEST))
    while len(text) > 1 and font.getbbox(text)[2] > width - 4:
        text = text[:-2].rstrip("… ") + "…"
    return text, font
