"""Read DICOM files: limits first, then the first frame, decoded whole and shown as a viewer shows it.

Nothing of a patient is read here, and no message holds a value of the file but sizes and names of encodings.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from colles.core.errors import CollesError, MissingExtraError
from colles.core.extras import require
from colles.core.records import Status
from colles.imaging.codestream import assert_few_scans, frame_size, is_cut
from colles.imaging.decoder import DecoderError, decode
from colles.imaging.dicom_bytes import data_set, quieten
from colles.imaging.dicom_frame import first_frame, needs_decoder, whole_data_set
from colles.imaging.dicom_grey import as_displayed
from colles.imaging.dicom_mark import HEAD, is_dicom
from colles.imaging.raw import RawImage, unreadable

INFLATED = 400_000_000
"""Bytes that a deflated file may inflate to where only its header is wanted."""
_PICTURES = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_CUT = ("truncated", "less than expected", "shorter than", "expected length", "end of file", "not enough", "eof")


def read_dicom(
    data: bytes, name: str | None, max_pixels: int, on_header: Callable[[Any], object] | None = None
) -> RawImage:
    """Decode the first frame of a DICOM file; `on_header` is given its data set first.

    Grey runs through Modality LUT, then VOI LUT or the first window, then MONOCHROME1 is inverted; padding and what
    lies behind a shutter are black.
    More than 8 stored bits become uint16. Raise `UnreadableImageError` as `read_image` does; `unsupported` where the
    file holds no picture or no decoder for it is installed.
    """
    try:
        require("pydicom", "dicom")
    except MissingExtraError as error:
        raise unreadable("unsupported", f"is a DICOM file: {error}", name) from error
    quieten()
    try:
        ds = _dataset(data, name, max_pixels)
        if on_header is not None:
            on_header(ds)
        _assert_size(ds, name, max_pixels)
    except CollesError:
        raise
    except Exception as error:  # pydicom reads values when they are asked for, and raises many kinds on damaged ones
        text = f"is not a DICOM file that can be read ({type(error).__name__})"
        raise unreadable("unreadable", text, name) from error
    try:
        pixels, shown = as_displayed(_frame(ds, data, max_pixels), ds)
        frames, mode = int(ds.get("NumberOfFrames") or 1), str(ds.PhotometricInterpretation)
    except Exception as error:  # decoders raise many kinds on damaged data
        raise _failed(error, ds, name) from error
    return RawImage(pixels, mode, file_format="DICOM", frames=frames, shown=shown)


def read_header(source: Path | bytes) -> Any:
    """Read all but the pixels of a file, or of its bytes; None where it is no DICOM file.

    Raise `UnreadableImageError` where it is damaged, `OSError` where it may not be read.
    """
    quieten()
    name = None if isinstance(source, bytes) else str(source)
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        if not is_dicom(stream.read(HEAD)):
            return None
        stream.seek(0)
        try:
            return data_set(stream, name, INFLATED, pixels=False)
        except CollesError:
            raise
        except Exception as error:  # pydicom raises many kinds on damaged files
            raise unreadable("unreadable", f"its header cannot be read ({type(error).__name__})", name) from error


def _dataset(data: bytes, name: str | None, max_pixels: int) -> Any:
    ds = whole_data_set(data, name, max_pixels)
    if not ds.get("Rows") or not ds.get("Columns"):
        kind = ds.file_meta.get("MediaStorageSOPClassUID")
        raise unreadable("unsupported", f"holds no picture ({getattr(kind, 'name', 'DICOM')})", name)
    if not any(keyword in ds for keyword in _PICTURES):
        raise unreadable("truncated", "ends before its pixels", name)
    return ds


def _assert_size(ds: Any, name: str | None, max_pixels: int) -> None:
    rows, columns = int(ds.Rows), int(ds.Columns)
    if rows * columns > max_pixels:
        raise unreadable("too_large", f"{columns} x {rows} pixels are above the limit of {max_pixels}", name)
    if not ds.file_meta.TransferSyntaxUID.is_compressed:
        return
    from pydicom.encaps import get_frame

    try:
        frame = get_frame(ds.PixelData, 0, number_of_frames=int(ds.get("NumberOfFrames") or 1))
    except Exception as error:
        raise unreadable("truncated", "its compressed frames are damaged", name) from error
    size, stated = frame_size(frame), (columns, rows, int(ds.SamplesPerPixel))
    if size is not None and size != stated:
        text, inside = (" x ".join(map(str, each)) for each in (stated, size))
        raise unreadable("unreadable", f"states {text} (width, height, channels), but its picture has {inside}", name)
    assert_few_scans(frame, name)
    if is_cut(frame):
        raise unreadable("truncated", "the compressed picture ends too early", name)


def _frame(ds: Any, data: bytes, max_pixels: int) -> NDArray[Any]:
    return decode(data, max_pixels) if needs_decoder(ds) else first_frame(ds)


def _failed(error: Exception, ds: Any, name: str | None) -> CollesError:
    syntax = getattr(ds.file_meta.TransferSyntaxUID, "name", "unknown")
    text, kind = " ".join(str(error).split()), error.kind if isinstance(error, DecoderError) else type(error).__name__
    if kind == NotImplementedError.__name__ or "missing dependencies" in text or "plugins are missing" in text:
        repair = "needs a decoder: pip install 'colles[dicom]'"
        return unreadable("unsupported", f"{syntax} cannot be decoded ({repair})", name)
    if "does not support" in text:  # such as JPEG Extended of 12 bits: nothing is wrong with the file
        bits = int(ds.get("BitsStored") or 0)
        return unreadable("unsupported", f"{syntax} of {bits} bits is decoded by no library of colles", name)
    status: Status = "truncated" if any(word in text.lower() for word in _CUT) else "unreadable"
    return unreadable(status, f"{syntax} cannot be decoded ({kind})", name)
