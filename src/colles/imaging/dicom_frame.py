"""The first frame of a DICOM file, decoded: its data set within limits, then the samples where they lie."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.imaging.dicom_bytes import data_set


def whole_data_set(data: bytes, name: str | None, max_pixels: int) -> Any:
    """Read pydicom's data set of a file's bytes; one without a transfer syntax has the one that it was read by.

    Raise `UnreadableImageError` (`too_large`) as `data_set` does; whatever pydicom raises where it is damaged.
    """
    import pydicom

    ds = data_set(io.BytesIO(data), name, 4 * max_pixels + len(data))
    if "TransferSyntaxUID" not in ds.file_meta:
        implicit = ds.original_encoding[0]
        plain = pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
        ds.file_meta.TransferSyntaxUID = plain
    return ds


def first_frame(ds: Any) -> NDArray[Any]:
    """Return the samples (H, W) or (H, W, 3) as they are stored; raise whatever a decoder raises."""
    from pydicom.pixels.utils import pixel_array

    below = _bits_below(ds)
    if below:  # pydicom takes the lowest bits for the samples wherever HighBit says that they lie (PS3.5, 8.1.1)
        whole = np.asarray(pixel_array(ds, index=0, bits_stored=int(ds.BitsStored) + below))
        if _needs_more_bits(whole, int(ds.BitsStored)):
            return whole >> below
    return np.asarray(pixel_array(ds, index=0))


def needs_decoder(ds: Any) -> bool:
    """Tell whether the samples are neither stored as they are nor as runs (RLE), which pydicom reads by itself."""
    from pydicom.uid import RLELossless

    syntax = ds.file_meta.TransferSyntaxUID
    return bool(syntax.is_encapsulated) and syntax != RLELossless


def _bits_below(ds: Any) -> int:
    """Return how many bits lie below the samples of pixels that are stored as they are; 0 for all compressed ones."""
    high = int(ds.get("HighBit") or 0)
    if needs_decoder(ds) or high >= int(ds.BitsAllocated):
        return 0
    return max(0, high + 1 - int(ds.BitsStored))


def _needs_more_bits(values: NDArray[Any], bits: int) -> bool:
    # Where all samples fit into the lowest bits, it is HighBit that is wrong.
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if values.dtype.kind == "i" else (0, (1 << bits) - 1)
    return bool(values.min() < low or values.max() > high)
