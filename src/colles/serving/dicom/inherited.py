"""What a result takes over from the images that it is about: the patient, the study, and the character set.

Values are copied as they are stored, byte for byte, and never invented. Those that break the form of their attribute
are left out and named; private attributes are never taken.
"""

from __future__ import annotations

import copy
from typing import Any
from unicodedata import category

from pydicom import Dataset
from pydicom import config as pydicom_config
from pydicom.charset import CODES_TO_ENCODINGS, convert_encodings, python_encoding
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.valuerep import validate_value

NEEDED = (
    *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID"),
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
)
"""Type 2 of the Patient and General Study modules: written empty where the images have none (PS3.3, C.7)."""
FURTHER = (
    # Patient (PS3.3, C.7.1.1)
    *("IssuerOfPatientID", "TypeOfPatientID", "IssuerOfPatientIDQualifiersSequence", "PatientBirthTime"),
    *("QualityControlSubject", "OtherPatientIDsSequence", "OtherPatientNames", "EthnicGroup", "PatientComments"),
    *("PatientSpeciesDescription", "PatientBreedDescription", "ResponsiblePerson", "ResponsiblePersonRole"),
    *("ResponsibleOrganization", "PatientIdentityRemoved", "DeidentificationMethod"),
    "DeidentificationMethodCodeSequence",
    # General Study (C.7.2.1)
    *("StudyDescription", "IssuerOfAccessionNumberSequence", "ConsultingPhysicianName", "PhysiciansOfRecord"),
    *("NameOfPhysiciansReadingStudy", "RequestingService", "ProcedureCodeSequence"),
    # Patient Study (C.7.2.2)
    *("AdmittingDiagnosesDescription", "PatientAge", "PatientSize", "PatientWeight", "Occupation"),
    *("AdditionalPatientHistory", "AdmissionID", "PatientSexNeutered", "ServiceEpisodeID", "ServiceEpisodeDescription"),
    # Clinical Trial Subject and Study (C.7.1.3, C.7.2.3)
    *("ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName", "ClinicalTrialSiteID"),
    *("ClinicalTrialSiteName", "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID"),
    *("ClinicalTrialTimePointID", "ClinicalTrialTimePointDescription"),
)
_WORDS = {
    "PatientSex": ("M", "F", "O"),
    "PatientIdentityRemoved": ("YES", "NO"),
    "QualityControlSubject": ("YES", "NO"),
    "TypeOfPatientID": ("TEXT", "RFID", "BARCODE"),
}
_CHARSET = "SpecificCharacterSet"


def inherit(header: Any) -> tuple[Dataset, tuple[str, ...]]:
    """Return a data set with the patient, study and character set of a header, and keywords of what was left out.

    The keywords are those of attributes that the header has, and whose values are damaged or break their form.
    """
    found, left_out = Dataset(), []
    encodings = _take_charset(header, found)
    if encodings is None:
        left_out.append(_CHARSET)
        encodings = [python_encoding[""]]
    # So that a value is decoded as it is stored, before the data set has been written and read again.
    found.set_original_encoding(False, True, encodings)
    for keyword in (*NEEDED, *FURTHER):
        element = _lawful(header, keyword, encodings)
        if element is not None:
            found[element.tag] = element
        elif keyword in NEEDED:
            setattr(found, keyword, None)
        if element is None and _is_there(header, keyword):
            left_out.append(keyword)
    return found, tuple(left_out)


def _take_charset(header: Any, found: Dataset) -> list[str] | None:
    """Copy the character set and return Python's names of it; None where it is unknown."""
    if _CHARSET not in header:
        return [python_encoding[""]]
    try:
        terms = header[_CHARSET].value
        listed = [terms] if isinstance(terms, str) else list(terms or [""])
        if any(str(term) not in python_encoding for term in listed):
            return None
        found.add(copy.deepcopy(header[_CHARSET]))
        return list(convert_encodings(listed))
    except Exception:  # pydicom raises many kinds on damaged values
        return None


def _is_there(header: Any, keyword: str) -> bool:
    if keyword not in header:
        return False
    stored = header.get_item(keyword)
    return bool(stored.value) if stored.is_raw else not stored.is_empty


def _lawful(header: Any, keyword: str, encodings: list[str]) -> DataElement | RawDataElement | None:
    """Return an element to copy; None where it is absent, empty, damaged, or breaks its form."""
    if not _is_there(header, keyword):
        return None
    try:
        if dictionary_VR(keyword) == "SQ":
            return _sequence(header[keyword])
        stored = header.get_item(keyword)
        raw = _raw(stored, keyword) if stored.is_raw else None
        if raw is not None:
            _assert_printable(raw)
        element = stored if raw is None else convert_raw_data_element(raw, encoding=encodings)
        _assert_form(element, keyword)
        return copy.deepcopy(element) if raw is None else raw
    except Exception:  # pydicom raises many kinds on damaged values
        return None


def _raw(stored: RawDataElement, keyword: str) -> RawDataElement:
    # The dictionary's VR: where the file says none, or another one, the bytes of a text are the same.
    value = stored.value or b""
    value += b" " * (len(value) % 2)
    return RawDataElement(stored.tag, dictionary_VR(keyword), len(value), value, 0, False, True)


def _assert_form(element: DataElement, keyword: str) -> None:
    value, vr = element.value, dictionary_VR(keyword)
    parts = list(value) if element.VM > 1 else [value]
    if len(parts) > 1 and dictionary_VM(keyword) == "1":
        raise ValueError("several values")
    allowed = "\r\n\t\f" if vr in ("LT", "ST", "UT") else ""
    for part in map(_without_escapes, parts):
        validate_value(vr, part, pydicom_config.RAISE)
        # U+FFFD is what pydicom puts in the place of bytes that are no letters of the character set.
        if "\ufffd" in part or any(category(letter) == "Cc" and letter not in allowed for letter in part):
            raise ValueError("control characters, or letters of another character set")
        if part and part not in _WORDS.get(keyword, (part,)):
            raise ValueError("not one of the defined terms")


def _without_escapes(value: Any) -> str:
    # Of ISO 2022 IR 58 pydicom 3.0 decodes the letters and leaves the escape sequences between them.
    text = str(value)
    for sequence in CODES_TO_ENCODINGS:
        text = text.replace(sequence.decode("ascii"), "")
    return text


def _assert_printable(raw: RawDataElement) -> None:
    # Numbers lose such bytes on their way to a value. Escape sequences (27) switch character sets (PS3.5, 6.1.2.5).
    lines = b"\r\n\t\f" if raw.VR in ("LT", "ST", "UT") else b""
    if any(byte < 32 and byte != 27 and byte not in lines for byte in (raw.value or b"").rstrip(b"\0")):
        raise ValueError("control characters")


def _sequence(sequence: Any) -> DataElement:
    """Return a copy without private attributes; raise any error where a value in it is damaged or breaks its form."""
    kept = copy.deepcopy(sequence)
    for inside in kept.value:
        inside.remove_private_tags()
        for element in inside.iterall():
            if element.VR != "SQ":
                _assert_form(element, element.keyword)
    return DataElement(kept.tag, "SQ", kept.value)
