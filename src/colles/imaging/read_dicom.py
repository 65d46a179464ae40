"""Read DICOM files: limits first, then the first frame, decoded whole and shown as a viewer shows it.

Nothing of a patient is read here, and no message holds a value of the file but sizes and names of encodings.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.errors import CollesError, MissingExtraError
from colles.core.extras import require
from colles.core.records import Status
from colles.imaging.codestream import assert_few_scans, frame_size, is_cut, is_sound
from colles.imaging.dicom_bytes import data_set
from colles.imaging.dicom_grey import as_displayed
from colles.imaging.dicom_mark import HEAD, is_dicom
from colles.imaging.raw import RawImage, unreadable

INFLATED = 400_000_000
"""Bytes that a deflated file may inflate to where only its header is wanted."""
_PICTURES = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_GREY = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})
_COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
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
        pixels, shown = as_displayed(_first_frame(ds), ds)
        frames, mode = int(ds.get("NumberOfFrames") or 1), str(ds.PhotometricInterpretation)
    except Exception as error:  # decoders raise many kinds on damaged data
        raise _failed(error, ds, name) from error
    return RawImage(pixels, mode, file_format="DICOM", frames=frames, shown=shown)


def quieten() -> None:
    """Silence pydicom: its warnings and log lines quote values of the file, such as a patient's name or study."""
    warnings.filterwarnings("ignore", module=r"pydicom\b")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)


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
    import pydicom

    ds = data_set(io.BytesIO(data), name, 4 * max_pixels + len(data))
    if "TransferSyntaxUID" not in ds.file_meta:
        implicit = ds.original_encoding[0]
        plain = pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
        ds.file_meta.TransferSyntaxUID = plain
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
    if not is_sound(frame):
        raise unreadable("unreadable", "the header of its compressed picture is damaged", name)
    if not _can_be(ds):
        raise unreadable("unreadable", "states bits or colours that no picture so compressed has", name)


def _can_be(ds: Any) -> bool:
    """Tell whether bits and colours fit the encoding: gdcm 3.2 ends the whole process where they do not."""
    from pydicom.uid import JPEG2000TransferSyntaxes, JPEGTransferSyntaxes

    syntax, bits = ds.file_meta.TransferSyntaxUID, (int(ds.BitsAllocated), int(ds.BitsStored))
    if syntax in JPEGTransferSyntaxes:
        return bits == (8, 8) or (bits[0] == 16 and 0 < bits[1] <= 16)
    colours = _GREY if int(ds.SamplesPerPixel) == 1 else _COLOUR
    return syntax not in JPEG2000TransferSyntaxes or str(ds.PhotometricInterpretation) in colours


def _first_frame(ds: Any) -> NDArray[Any]:
    from pydicom.pixels.utils import pixel_array

    below = _bits_below(ds)
    if below:  # pydicom takes the lowest bits for the samples wherever HighBit says that they lie (PS3.5, 8.1.1)
        whole = np.asarray(pixel_array(ds, index=0, bits_stored=int(ds.BitsStored) + below))
        if _needs_more_bits(whole, int(ds.BitsStored)):
            return whole >> below
    return np.asarray(pixel_array(ds, index=0))


def _bits_below(ds: Any) -> int:
    """Return how many bits lie below the samples of pixels that are stored as they are; 0 for all compressed ones."""
    from pydicom.uid import RLELossless

    syntax, high = ds.file_meta.TransferSyntaxUID, int(ds.get("HighBit") or 0)
    if (syntax.is_encapsulated and syntax != RLELossless) or high >= int(ds.BitsAllocated):
        return 0
    return max(0, high + 1 - int(ds.BitsStored))


def _needs_more_bits(values: NDArray[Any], bits: int) -> bool:
    # Where all samples fit into the lowest bits, it is HighBit that is wrong.
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if values.dtype.kind == "i" else (0, (1 << bits) - 1)
    return bool(values.min() < low or values.max() > high)


def _failed(error: Exception, ds: Any, name: str | None) -> CollesError:
    syntax = getattr(ds.file_meta.TransferSyntaxUID, "name", "unknown")
    text = " ".join(str(error).split())
    if isinstance(error, NotImplementedError) or "missing dependencies" in text or "plugins are missing" in text:
        repair = "needs a decoder: pip install 'colles[dicom]'"
        return unreadable("unsupported", f"{syntax} cannot be decoded ({repair})", name)
    if "does not support" in text:  # such as JPEG Extended of 12 bits: nothing is wrong with the file
        bits = int(ds.get("BitsStored") or 0)
        return unreadable("unsupported", f"{syntax} of {bits} bits is decoded by no library of colles", name)
    status: Status = "truncated" if any(word in text.lower() for word in _CUT) else "unreadable"
    return unreadable(status, f"{syntax} cannot be decoded ({type(error).__name__})", name)
