"""Whatever holds an image to the canvas that the network sees, with a reason instead of an error where that fails."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from colles.core.errors import UnreadableImageError, UsageError
from colles.core.limits import MAX_BYTES
from colles.core.recipe import PreprocessRecipe
from colles.imaging.preprocess import Placement, placement, to_canvas
from colles.imaging.read import RawImage, read_image, to_grey
from colles.imaging.samples import without_gaps
from colles.serving.archive import ZipMember, is_unopened
from colles.serving.checks import Look, look_at
from colles.serving.remote import RemoteFile

ImageLike = str | Path | bytes | ZipMember | RemoteFile | NDArray[Any] | Image.Image
OnHeader = Callable[[ImageLike, Any], object]
# Modes that PNG keeps exactly; TIFF keeps the deep ones, and the rest become RGB as they do when read from a file.
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA"}
_TIFF_MODES = {"CMYK", "F", "I", "I;16", "I;16B", "I;16L"}
_WITH_ALPHA = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}


@dataclass(frozen=True, slots=True)
class Sample:
    """An image ready for the network."""

    canvas: NDArray[np.uint8]
    """(S, S)."""
    place: Placement
    grey: NDArray[np.uint8] | None
    """(H, W) as displayed, where it is needed for a picture."""
    look: Look
    seconds: float
    frames: int = 1
    """Pictures in the file, of which this is the first."""
    refusal: str | None = None
    """Why its DICOM header says that it is no radiograph; what the gate keeps from the network."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An image that is none, or that is not to be looked at."""

    status: Literal["refused", "unreadable"]
    reason: str
    seconds: float


def decode(
    image: ImageLike,
    recipe: PreprocessRecipe,
    *,
    keep_grey: bool = False,
    on_header: OnHeader | None = None,
) -> Sample | Rejected:
    """Read an image and lay it on the canvas; never raise for what the image holds.

    `on_header` is given the image and, where it is a DICOM file, its data set. Raise `UsageError` for a value that is
    no kind of image at all.
    """
    started = time.perf_counter()
    if isinstance(image, ZipMember | RemoteFile) and image.refusal:
        return Rejected("refused", image.refusal, time.perf_counter() - started)
    header = _Header(image, on_header)
    try:
        pixels = _pixels(image, header.read)
        grey = to_grey(pixels)
        canvas = to_canvas(grey, recipe)
        look = look_at(pixels, grey)
    except UnreadableImageError as error:
        reason = f"{error.status}: {error.message}{_repair(image)}"
        return Rejected("unreadable", reason, time.perf_counter() - started)
    except UsageError:
        raise
    except Exception as error:  # one odd file among a million must not end the run; its row says what happened
        reason = f"unreadable: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return Rejected("unreadable", reason, time.perf_counter() - started)
    place = placement(grey.shape[1], grey.shape[0], recipe)
    if header.is_result:  # without the gate too: the answer is drawn on it
        return Rejected("refused", str(header.refusal), time.perf_counter() - started)
    frames = pixels.frames if isinstance(pixels, RawImage) else 1
    kept = grey if keep_grey else None
    return Sample(canvas, place, kept, look, time.perf_counter() - started, frames, header.refusal)


class _Header:
    """What the DICOM header of an image says of it."""

    def __init__(self, image: ImageLike, on_header: OnHeader | None) -> None:
        self._image, self._on_header = image, on_header
        self.refusal: str | None = None
        self.is_result = False

    def read(self, ds: Any) -> None:
        """Take a data set."""
        from colles.datasets.sources.dicom_words import is_result, no_radiograph  # with polars, for DICOM alone

        self.refusal, self.is_result = no_radiograph(ds), is_result(ds)
        if self._on_header is not None:
            self._on_header(self._image, ds)


def _repair(image: ImageLike) -> str:
    if not isinstance(image, str | Path) or not is_unopened(Path(image)):
        return ""
    return "; archives are not opened but for zip files: unpack it, or pack it as one"


def path_of(image: ImageLike) -> str | None:
    """Return the path where the image is given by one; `ARCHIVE!/NAME` inside a zip file."""
    return str(image) if isinstance(image, str | Path | ZipMember | RemoteFile) else None


def _pixels(image: ImageLike, on_header: Callable[[Any], object]) -> RawImage | NDArray[Any]:
    if isinstance(image, ZipMember | RemoteFile):
        image = image.read(MAX_BYTES)
    if isinstance(image, str | Path | bytes):
        return read_image(image, on_header=on_header)
    if isinstance(image, Image.Image):
        return read_image(_encode(image))
    if isinstance(image, np.ndarray) and image.size and image.dtype.kind in "buif":
        return without_gaps(image) if image.dtype.kind == "f" else image
    raise UsageError(
        f"cannot read an image from {_kind(image)}",
        repair="Give a path, bytes of a file, a numpy array (H, W) or (H, W, 3), or a Pillow image",
    )


def _encode(image: Image.Image) -> bytes:
    # Through a lossless file, so that a Pillow image takes exactly the path that its file would take.
    image = ImageOps.exif_transpose(image)
    if image.mode not in _PNG_MODES | _TIFF_MODES:
        image = image.convert(_WITH_ALPHA.get(image.mode, "RGB"))
    stream = io.BytesIO()
    if image.mode in _PNG_MODES:
        image.save(stream, "PNG", compress_level=0)
    else:
        image.save(stream, "TIFF")
    return stream.getvalue()


def _kind(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    return f"a value of type {type(value).__name__}"
