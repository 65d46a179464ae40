"""What DICOM attributes say, in the catalog's words."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from colles.core.identity import known_id

# Defined terms of BodyPartExamined (PS3.16, annex L), and words that sites write instead; of the upper limb and others.
_UPPER_LIMB = "upper_limb"
_UPPER = (
    *("finger", "thumb", "hand", "wrist", "carpus", "carpal", "metacarpus", "metacarpal", "scaphoid"),
    *("forearm", "radius", "ulna", "radiusulna", "elbow", "olecranon", "humerus", "arm", "uparm", "upperarm"),
    *("shoulder", "clavicle", "scapula", "acjoint", _UPPER_LIMB),
)
_OTHER = frozenset(
    (
        *("abdomen", "ankle", "back", "breast", "calcaneus", "calf", "cervical", "chest", "coccyx", "cspine"),
        *("ctspine", "face", "facial", "feet", "femur", "fibula", "foot", "head", "heel", "hip", "ilium", "jaw"),
        *("knee", "leg", "lower", "lspine", "lsspine", "lumbar", "lung", "mandible", "maxilla", "metatarsal"),
        *("metatarsus", "nasal", "neck", "nose", "orbit", "patella", "pelvis", "rib", "sacrum", "sijoint", "skull"),
        *("spine", "sspine", "sternum", "talus", "tarsal", "tarsus", "teeth", "thigh", "thoracic", "thorax", "tibia"),
        *("tibiafibula", "tlspine", "toe", "tooth", "tspine", "zygoma"),
    )
)
_WHOLE_LIMB = re.compile(r"\bup(pe)?r? ?(limb|extremit)")
_VIEWS = {
    "frontal": ("ap", "pa", "frontal", "antero posterior", "postero anterior", "anteroposterior", "posteroanterior"),
    "lateral": ("ll", "rl", "lat", "lateral", "lm", "ml"),
    "oblique": ("obl", "oblique", "lao", "rao", "lpo", "rpo", "llo", "rlo"),
}
_SIDES = {"L": "left", "R": "right", "B": "both"}
_UNITS = {"Y": 1.0, "M": 12.0, "W": 52.1775, "D": 365.2425}  # in a year
RESULTS_MAKER = "colles"
"""Manufacturer of the results of colles: what tells them from images where both come from one archive."""
_OTHER_MODALITIES = frozenset({"CT", "MR", "US", "PT", "NM", "MG", "OPT", "OP", "ES", "XC", "GM", "SM", "ECG", "BMD"})


def first_text(ds: Any, keyword: str) -> str | None:
    """Return an attribute's first value as text, None where it is absent, empty or damaged."""
    try:
        value = ds.get(keyword)
        if value is not None and not isinstance(value, str) and hasattr(value, "__len__"):
            value = value[0] if len(value) else None
        return str(value).strip(" \0") or None if value is not None else None
    except Exception:  # pydicom reads values when they are asked for, and raises many kinds on damaged ones
        return None


def identity(ds: Any, keyword: str) -> str | None:
    """Return an id, None where it stands for nobody (`ANONYMOUS`, `0` and the like)."""
    return known_id(first_text(ds, keyword))


def meaning(ds: Any, keyword: str) -> str | None:
    """Return the meaning of the first code of a sequence."""
    try:
        items = ds.get(keyword)
        return first_text(items[0], "CodeMeaning") if items else None
    except Exception:
        return None


def _words(text: str) -> list[str]:
    return re.sub(r"[^a-z]+", " ", text.lower()).split()


def _singular(words: list[str]) -> set[str]:
    return {*words, *(word.removesuffix("s") for word in words)}


def body_part(ds: Any) -> str | None:
    """Return BodyPartExamined, else the anatomic region, in small letters: a part of the upper limb by its own name."""
    text = first_text(ds, "BodyPartExamined") or meaning(ds, "AnatomicRegionSequence")
    if text is None:
        return None
    words = _words(text)
    said, known = " ".join(words), _singular(words)
    whole = _UPPER_LIMB if _WHOLE_LIMB.search(said) else said
    return next((word for word in _UPPER if word in known), whole or None)


def upper_limb(part: str | None) -> bool | None:
    """Tell whether a body part belongs to the upper limb, None where it is not known which part is meant."""
    if part is None:
        return None
    return True if part in _UPPER else None if _OTHER.isdisjoint(_singular(part.split())) else False


def view(ds: Any) -> str | None:
    """Return frontal, lateral or oblique; else what ViewPosition or the view code says, in small letters."""
    text = first_text(ds, "ViewPosition") or meaning(ds, "ViewCodeSequence")
    if text is None:
        return None
    said = " ".join(_words(text))
    padded = f" {said} "
    # "Oblique" first: an oblique lateral view is oblique.
    for name in ("oblique", "frontal", "lateral"):
        if any(f" {word} " in padded for word in _VIEWS[name]):
            return name
    return said or None


def laterality(ds: Any) -> str | None:
    """Return left, right or both."""
    for keyword in ("ImageLaterality", "Laterality", "FrameLaterality"):
        side = _SIDES.get((first_text(ds, keyword) or "").upper()[:1])
        if side:
            return side
    return None


def age(ds: Any) -> float | None:
    """Return the patient's age in years: PatientAge, else from the dates of birth and study."""
    stated = years(first_text(ds, "PatientAge") or "")
    if stated is not None:
        return stated
    born, seen = _date(first_text(ds, "PatientBirthDate")), _date(first_text(ds, "StudyDate"))
    if born is None or seen is None or seen < born:
        return None
    return float(seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day)))


def years(text: str) -> float | None:
    """Return the years of an age as DICOM writes it (`034Y`, `005M`), None for anything else."""
    stated = re.fullmatch(r"(\d{1,3})([DWMY])", text.strip().upper())
    return round(int(stated[1]) / _UNITS[stated[2]], 2) if stated else None


def _date(text: str | None) -> date | None:
    match = re.fullmatch(r"(\d{4})[.-]?(\d\d)[.-]?(\d\d)", text or "")
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def sex(ds: Any) -> str | None:
    """Return M, F or O."""
    letter = (first_text(ds, "PatientSex") or "").upper()[:1]
    return letter if letter in ("M", "F", "O") else None


def burned_in(ds: Any) -> bool | None:
    """Tell whether the file says that its pixels hold text about the patient."""
    return {"YES": True, "NO": False}.get((first_text(ds, "BurnedInAnnotation") or "").upper())


def other_modality(ds: Any) -> str | None:
    """Return the modality where it is none of projection radiography."""
    modality = (first_text(ds, "Modality") or "").upper()
    return modality if modality in _OTHER_MODALITIES else None


def no_radiograph(ds: Any) -> str | None:
    """Return why a file's header says that it is no radiograph to learn from or to judge; None where it does not."""
    if is_result(ds):
        return "is a result of colles, with the answer drawn on it"
    modality = other_modality(ds)
    return None if modality is None else f"modality {modality} is no radiograph"


def is_result(ds: Any) -> bool:
    """Tell whether an object is one that colles made of an earlier answer."""
    return first_text(ds, "Manufacturer") == RESULTS_MAKER and first_text(ds, "Modality") in ("SR", "OT")
