"""From stored values of a DICOM picture to those that a viewer shows (PS3.3 C.11.1, C.11.2, C.7.6.3.1.2, C.7.6.11)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.imaging.samples import without_gaps
from colles.imaging.shutter import behind_shutter

Shown = tuple[float, float]
Mapped = Callable[[NDArray[Any]], NDArray[Any]]
_STRIP = 256  # rows
_DEEPEST = np.iinfo(np.uint16).max


def as_displayed(stored: NDArray[Any], ds: Any) -> tuple[NDArray[Any], Shown | None]:
    """Return pixels (H, W) or (H, W, 3), and the values that are black and white where the file says so.

    `ds` is the pydicom data set. 8 stored bits give uint8, others uint16, or float32 where the Modality LUT gives
    values that are no whole numbers from 0 to 65,535.
    """
    if str(ds.PhotometricInterpretation) == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        return _eight_or_sixteen(apply_color_lut(stored, ds)), None
    if stored.ndim == 3:
        return _eight_or_sixteen(stored), None
    hidden = _hidden(stored, ds)
    values, shown = _windowed(stored, ds)
    if str(ds.PhotometricInterpretation) == "MONOCHROME1":
        values, shown = _inverted(values, ds, shown)
    if hidden is not None:
        # What is shown without a stretch is black at 0, the rest at its lowest value.
        values[hidden] = 0 if shown or values.dtype == np.uint8 else values[~hidden].min()
    return np.ascontiguousarray(values), shown


def _windowed(stored: NDArray[Any], ds: Any) -> tuple[NDArray[Any], Shown | None]:
    modality = _modality(stored, ds)
    table = _first_table(ds, "VOILUTSequence")
    share = _window(ds) if table is None else _voi_lut(stored, modality, table)
    if share is None:
        return _whole(modality(stored), ds), None
    deep = int(ds.BitsStored) > 8
    shown = np.empty(stored.shape, np.uint16 if deep else np.uint8)
    for rows in _strips(stored):
        shown[rows] = np.rint(share(modality(stored[rows])).clip(0.0, 1.0) * (_DEEPEST if deep else 255))
    return shown, (0.0, float(_DEEPEST)) if deep else None


def _strips(values: NDArray[Any]) -> Iterator[slice]:
    # Of a film of 100 megapixels the numbers between stored and shown would take gigabytes.
    return (slice(start, start + _STRIP) for start in range(0, len(values), _STRIP))


def _modality(stored: NDArray[Any], ds: Any) -> Mapped:
    """Return the function from stored values to those of the Modality LUT or rescale."""
    from pydicom.pixels.processing import apply_modality_lut

    table = _first_table(ds, "ModalityLUTSequence")
    if table is not None:
        return _table(table, lambda: bool(stored.min() < 0))
    ds.pop("ModalityLUTSequence", None)  # pydicom would look for its table
    _make_rescale_sensible(ds)
    return lambda values: apply_modality_lut(values, ds)


def _make_rescale_sensible(ds: Any) -> None:
    # Slope and intercept come together (type 1C, PS3.3 C.11.1). Where one is missing or empty, the other is meant all
    # the same, and a window in its units, so the missing one changes nothing. A slope of 0 would make one grey level of
    # every picture, one beyond every number none at all, and a rescale that changes nothing would make long numbers of
    # short ones: these are left out.
    given = {name: ds.get(name) for name in ("RescaleSlope", "RescaleIntercept")}
    slope, intercept = (
        neutral if value in (None, "") else value for value, neutral in zip(given.values(), (1, 0), strict=True)
    )
    ends = [float(slope) * 2**32 + float(intercept), float(intercept)]  # of what 32 bits can hold
    sensible = (np.abs(ends) < np.finfo(np.float32).max).all() and slope != 0 and (slope, intercept) != (1, 0)
    for name, value in zip(given, (slope, intercept), strict=True):
        if sensible:
            setattr(ds, name, value)
        else:
            ds.pop(name, None)


def _window(ds: Any) -> Mapped | None:
    """Return the function to the first window's output, black (0) to white (1); None where none makes sense."""
    from pydicom.pixels.processing import apply_windowing

    if ds.get("WindowCenter") is None or ds.get("WindowWidth") is None:
        return None
    try:
        with np.errstate(over="ignore"):
            black, white = apply_windowing(np.array([-1e12, 1e12]), ds)
    except (ValueError, TypeError, KeyError, IndexError):  # a width of 0, or an unknown function
        return None
    if not np.isfinite([black, white]).all() or black == white:  # a centre or width without end
        return None

    def share(values: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(over="ignore"):
            return np.asarray((apply_windowing(values, ds) - black) / (white - black))

    return share


def _first_table(ds: Any, keyword: str) -> Any:
    """Return the first item of a sequence of tables; None where there is none, or one without a table in it."""
    items = ds.get(keyword)
    if not items:
        return None
    descriptor, data = items[0].get("LUTDescriptor"), items[0].get("LUTData")
    empty = data is None or not np.size(data) or data == b""
    return None if empty or np.size(descriptor) != 3 or int(descriptor[2]) < 1 else items[0]


def _voi_lut(stored: NDArray[Any], modality: Mapped, item: Any) -> Mapped:
    """Return the function to the first VOI LUT's output, black (0) to white (1)."""
    look = _table(item, lambda: any(bool((modality(stored[rows]) < 0).any()) for rows in _strips(stored)))
    top = 2 ** int(item.LUTDescriptor[2]) - 1
    return lambda values: look(values) / top


def _table(item: Any, negative: Callable[[], bool]) -> Mapped:
    """Return the function of a Modality or VOI LUT (PS3.3 C.11.1.1, C.11.2.1.1); `negative` tells whether values are.

    pydicom 3.0 keeps the index in the table's own type, so that a table of 8 bits with more than 256 entries wraps
    round, and refuses Modality LUTs of 10 to 15 bits.
    """
    entries, first = int(item.LUTDescriptor[0]) or 2**16, int(item.LUTDescriptor[1])
    if first > 32767 and negative():  # written as unsigned, meant as signed
        first -= 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        words = np.dtype(">u2" if item.original_encoding[1] is False else "<u2")
        table = np.frombuffer(data, np.uint8 if len(data) < 2 * entries else words)[:entries]
    else:
        table = np.atleast_1d(np.asarray(data))[:entries]
    return lambda values: table[np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)]


def _inverted(values: NDArray[Any], ds: Any, shown: Shown | None) -> tuple[NDArray[Any], Shown | None]:
    # MONOCHROME1 shows the lowest value white, after the VOI transformation (PS3.3 C.7.6.3.1.2). A Presentation LUT
    # Shape of INVERSE says the same once more and must not invert it back; one that contradicts it is wrong.
    if values.dtype == np.float32:
        return values.max() + values.min() - values, shown
    top = np.iinfo(values.dtype).max if values.dtype == np.uint8 or shown else 2 ** int(ds.BitsStored) - 1
    return values.dtype.type(min(max(top, int(values.max())), np.iinfo(values.dtype).max)) - values, shown


def _hidden(stored: NDArray[Any], ds: Any) -> NDArray[np.bool_] | None:
    """Return which pixels are padding or lie behind a shutter; None where none or all do."""
    parts = [part for part in (_padding(stored, ds), behind_shutter(ds, stored.shape)) if part is not None]
    hidden = np.logical_or.reduce(parts) if parts else None
    return hidden if hidden is not None and hidden.any() and not hidden.all() else None


def _padding(stored: NDArray[Any], ds: Any) -> NDArray[np.bool_] | None:
    value, other = ds.get("PixelPaddingValue"), ds.get("PixelPaddingRangeLimit")
    if value is None:
        return None
    low, high = sorted((int(value), int(value if other is None else other)))
    return np.asarray((stored >= low) & (stored <= high))


def _whole(values: NDArray[Any], ds: Any) -> NDArray[Any]:
    if values.dtype.kind == "f":
        rounded = np.rint(values)
        if not np.array_equal(rounded, values):
            return without_gaps(values.astype(np.float32))
        values = rounded.astype(np.int64)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > _DEEPEST:
        return values.astype(np.float32)
    return values.astype(np.uint8 if int(ds.BitsStored) == 8 and high <= 255 else np.uint16)


def _eight_or_sixteen(colours: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(colours if colours.dtype in (np.uint8, np.uint16) else colours.astype(np.uint16))
