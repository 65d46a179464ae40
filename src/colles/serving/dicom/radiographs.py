"""Which DICOM objects are judged: single projection radiographs, and nothing else."""

from __future__ import annotations

from typing import Any

from colles.datasets.sources.dicom_words import RESULTS_MAKER as MAKER
from colles.datasets.sources.dicom_words import is_result
from colles.serving.dicom.headers import text_of

__all__ = ["MAKER", "exposures", "is_document", "is_picture", "is_result", "why_not"]

CR, DX_SHOWN, DX_RAW = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"
_CAPTURES = ("1.2.840.10008.5.1.4.1.1.7", *(f"1.2.840.10008.5.1.4.1.1.7.{kind}" for kind in range(1, 5)))
_DOCUMENTS = tuple(f"1.2.840.10008.5.1.4.1.1.{kind}." for kind in (9, 11, 88, 104))
"""Waveforms, presentation states, reports and key objects, encapsulated documents (PS3.4, B.5)."""
_MODALITIES = ("CR", "DX", "RG")


def why_not(header: Any) -> str | None:
    """Return why an object is not judged, None where it is one of the kinds that are.

    CR and DX are (PS3.4, B.5), and secondary captures whose Modality is CR, DX or RG: digitised films. Several frames
    are not: an answer on the first would pass for one on all.
    """
    kind, modality = text_of(header, "SOPClassUID"), text_of(header, "Modality").upper()
    if kind not in (CR, DX_SHOWN, DX_RAW, *_CAPTURES):
        return f"neither CR, DX nor a digitised film ({_name(kind)})"
    if kind in _CAPTURES and modality not in _MODALITIES:
        return f"neither CR, DX nor a digitised film (a secondary capture of modality {_shown(modality)})"
    frames = text_of(header, "NumberOfFrames")
    if frames.isdecimal() and int(frames) > 1:
        return f"it holds {int(frames)} frames, and one image is judged at a time"
    return None


def is_document(header: Any) -> bool:
    """Tell whether an object is of a kind that is no image, such as a report of the dose beside each radiograph."""
    return not is_picture(header) and text_of(header, "SOPClassUID").startswith(_DOCUMENTS)


def exposures(header: Any) -> set[str]:
    """Return the UIDs by which an image for presentation names the exposure that it was made of."""
    try:
        sources = {text_of(item, "ReferencedSOPInstanceUID") for item in header.get("SourceImageSequence") or []}
    except Exception:  # pydicom raises many kinds on damaged sequences
        sources = set()
    return (sources | {text_of(header, "IrradiationEventUID")}) - {""}


def is_picture(header: Any) -> bool:
    """Tell whether an object has pixels, so that a report may refer to it as an image."""
    return all(text_of(header, keyword).isdecimal() for keyword in ("Rows", "Columns"))


def _name(kind: str) -> str:
    from pydicom.uid import UID

    if not kind:
        return "no SOP class"
    name = UID(kind).name
    return name if name != kind else "an unknown SOP class"


def _shown(modality: str) -> str:
    # A modality is at most 16 capital letters, digits, spaces and underscores; anything else could be a patient's name.
    return modality if modality.isascii() and modality.isalnum() and len(modality) <= 16 else "unknown"
