"""What every reader returns: decoded pixels as displayed; and the error of an image that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from colles.core.errors import UnreadableImageError
from colles.core.records import Status


@dataclass(frozen=True, slots=True)
class RawImage:
    """Decoded pixels as displayed."""

    pixels: NDArray[Any]
    """(H, W) or (H, W, 3); uint8, uint16 or float32; after EXIF rotation."""
    mode: str
    """Pillow's name of the stored form, such as `L`, `RGB`, `I;16`; of DICOM its photometric interpretation."""
    file_format: str | None = None
    """What the bytes are, whatever the name says: `JPEG`, `PNG`, `TIFF` …"""
    frames: int = 1
    """Pictures in the file, at most 65,536 of them counted; the first is the one read."""
    orientation: int = 1
    """EXIF orientation (1–8) that was applied."""
    tables: tuple[tuple[int, ...], ...] = ()
    """JPEG quantisation tables (64 values each), luminance first."""
    shown: tuple[float, float] | None = None
    """Values of more than 8 bits that are black and white (a window); None for minimum and maximum."""

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def channels(self) -> int:
        """1 or 3."""
        return 1 if self.pixels.ndim == 2 else int(self.pixels.shape[2])

    @property
    def bit_depth(self) -> int:
        """Bits a sample of the array: 8, 16 or 32."""
        return int(self.pixels.dtype.itemsize * 8)


def unreadable(status: Status, message: str, path: str | None) -> UnreadableImageError:
    """Build the error of an image that cannot be used; its `status` goes into the catalog."""
    error = UnreadableImageError(message, path=path, repair="Replace the file or leave it out")
    error.status = status
    return error
