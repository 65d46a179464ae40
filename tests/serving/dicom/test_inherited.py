"""Patient and study are copied as they are stored; what breaks its form is named, and nothing is invented."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from typing import Any

import pydicom
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement

from colles.core.errors import UsageError
from colles.serving.bundle import Bundle
from colles.serving.dicom.answers import Judged
from colles.serving.dicom.inherited import FURTHER, NEEDED
from drawn_dicom import CT, MADE, create_results, encoded, radiograph, texts

Judge = Callable[[Dataset], Judged]


def stored(data: bytes, keyword: str) -> bytes:
    """Return the bytes of an element of a file as they lie in it."""
    found: Any = dcmread(io.BytesIO(data)).get_item(keyword)
    assert found.is_raw, keyword
    return bytes(found.value or b"")


def gbk_with_backslash() -> str:
    """Return a Chinese letter whose second byte is that of a backslash."""
    return next(letter for letter in map(chr, range(0x4E00, 0x9FA5)) if letter.encode("gb18030")[1:] == b"\\")


NAMES = {
    "latin": ("ISO_IR 100", "Müller^Jörg"),
    "greek": ("ISO_IR 126", "Διονυσιος"),
    "utf-8": ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
    "gb18030": ("GB18030", "Wang^XiaoDong=王^小东"),
    "gb18030 with a backslash's byte": ("GB18030", f"Wang=王^{gbk_with_backslash()}"),
    "japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "japanese half width": (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    "korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
}


@pytest.mark.parametrize(("charset", "name"), NAMES.values(), ids=NAMES)
def test_names_of_any_script_are_copied_byte_for_byte(
    judge: Judge, locating_bundle: Bundle, charset: str | list[str], name: str
) -> None:
    ds = radiograph(
        1, SpecificCharacterSet=charset, PatientName=name, ReferringPhysicianName=name, StudyDescription="a"
    )
    ds.PatientComments = name.partition("=")[2] or name
    source = encoded(ds)
    for result in create_results([judge(ds)], locating_bundle, made=MADE):
        data = encoded(result)
        keywords = ("PatientName", "ReferringPhysicianName", "PatientComments", "PatientID", "AccessionNumber")
        assert result.SpecificCharacterSet == ds.SpecificCharacterSet
        for keyword in (*keywords, "PatientBirthDate", "PatientSex", "StudyDate", "StudyID"):
            assert stored(data, keyword) == stored(source, keyword), keyword
        assert str(result.PatientName) == name
        if result.Modality == "SR":
            assert not any("Left out" in text for text in texts(result))


def test_a_chinese_name_of_iso_2022_ir_58_was_left_out(judge: Judge, locating_bundle: Bundle) -> None:
    ds = radiograph(1, SpecificCharacterSet=["", "ISO 2022 IR 58"])
    name = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab"  # as in PS3.5, K.2
    ds["PatientName"] = RawDataElement(ds["PatientName"].tag, "PN", len(name), name, 0, False, True)
    for result in create_results([judge(ds)], locating_bundle, made=MADE):
        assert stored(encoded(result), "PatientName") == name


def test_an_implicit_source_gives_the_same_patient(judge: Judge, locating_bundle: Bundle) -> None:
    ds = radiograph(1, PatientName="Müller^Jörg")
    source = encoded(ds)
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    for result in create_results([judge(ds)], locating_bundle, made=MADE):
        assert stored(encoded(result), "PatientName") == stored(source, "PatientName")


def test_a_name_without_its_character_set_stays_as_it_lies_in_the_file(judge: Judge, locating_bundle: Bundle) -> None:
    ds = radiograph(1, SpecificCharacterSet=None)
    source = encoded(ds).replace(b"Roe^Rita", b"Ro\xeb^Rita")
    image = judge(dcmread(io.BytesIO(source)))
    report, _ = create_results([image], locating_bundle, made=MADE)
    assert stored(encoded(report), "ReferringPhysicianName") == b"Ro\xeb^Rita"
    assert "SpecificCharacterSet" not in report


@pytest.mark.parametrize("series", [0, 9])
def test_patient_and_study_are_those_of_a_judged_image(judge: Judge, locating_bundle: Bundle, series: int) -> None:
    stated = {"PatientName": "M", "PatientBirthDate": None, "SeriesNumber": series}
    other = judge(radiograph(1, SOPClassUID=CT, Modality="CT", **stated))
    for result in create_results([other, judge(radiograph(2))], locating_bundle, made=MADE):
        assert (result.PatientName, result.PatientBirthDate) == ("Meier^Änne", "19470823")
    (report,) = create_results([other], locating_bundle, made=MADE)
    assert report.PatientName == "M"


def test_absent_values_are_empty_and_never_invented(judge: Judge, locating_bundle: Bundle) -> None:
    gone = dict.fromkeys((*NEEDED, "StudyDescription", "SpecificCharacterSet"))
    for result in create_results([judge(radiograph(1, **gone))], locating_bundle, made=MADE):
        assert all(keyword in result and not result[keyword].value for keyword in NEEDED)
        assert not any(keyword in result for keyword in FURTHER)


BROKEN = {
    "PatientBirthDate": "23.08.1947",
    "PatientSex": "FEM",
    "StudyDate": "yesterday",
    "StudyTime": "10 past",
    "StudyID": "S" * 40,
    "AccessionNumber": "A" * 60,
    "PatientName": "N" * 200,
    "StudyDescription": "two\\values",
    "PatientAge": "seventy-six",
    "PatientWeight": "heavy",
    "Occupation": "nurse\ton call",
}


@pytest.mark.parametrize("keyword", BROKEN)
def test_values_that_break_their_form_are_left_out_and_named(
    judge: Judge, locating_bundle: Bundle, keyword: str
) -> None:
    ds = radiograph(1)
    value = BROKEN[keyword].encode() + b" " * (len(BROKEN[keyword]) % 2)
    tag = pydicom.tag.Tag(keyword)
    ds[tag] = RawDataElement(tag, pydicom.datadict.dictionary_VR(keyword), len(value), value, 0, False, True)
    report, capture = create_results([judge(ds)], locating_bundle, made=MADE)
    for result in (report, capture):
        assert not result.get(keyword)
        assert BROKEN[keyword].encode() not in encoded(result)
    assert any(f"break their form: {keyword}." in text for text in texts(report))


def test_letters_of_another_character_set_are_left_out_and_named(judge: Judge, locating_bundle: Bundle) -> None:
    ds = radiograph(1, SpecificCharacterSet="ISO_IR 192")
    tag, value = pydicom.tag.Tag("PatientName"), "Meier^Änne".encode("latin-1")
    ds[tag] = RawDataElement(tag, "PN", len(value), value, 0, False, True)
    report, capture = create_results([judge(ds)], locating_bundle, made=MADE)
    assert not report.PatientName and not capture.PatientName
    assert any("break their form: PatientName." in text for text in texts(report))


ALSO = {
    "IssuerOfPatientID": "NORTH",  # one PatientID is two patients in an archive of two hospitals
    "TypeOfPatientID": "TEXT",
    "QualityControlSubject": "NO",
    "PatientBirthTime": "1015",
    "OtherPatientNames": "Maier^Aenne",
    "PatientComments": "fell\r\non ice",
    "AdditionalPatientHistory": "first line\r\nsecond",
    "PatientSpeciesDescription": "canine",
    "ResponsiblePerson": "Meier^Max",
    "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": "by hand",
    "PatientSize": "1.68",
    "AdmissionID": "ADM-1",
    "ServiceEpisodeID": "EP-1",
    "RequestingService": "ED",
    "ClinicalTrialProtocolID": "T-1",
    "ClinicalTrialSubjectID": "T-1-0007",
}


def test_what_tells_patients_visits_and_trials_apart_is_copied(judge: Judge, locating_bundle: Bundle) -> None:
    for result in create_results([judge(radiograph(1, **ALSO))], locating_bundle, made=MADE):
        assert {keyword: str(result[keyword].value) for keyword in ALSO if keyword in result} == ALSO


def test_control_characters_before_a_number_are_seen_too(judge: Judge, locating_bundle: Bundle) -> None:
    source = encoded(radiograph(1, PatientWeight="123456")).replace(b"123456", b"\n60   ")
    for result in create_results([judge(dcmread(io.BytesIO(source)))], locating_bundle, made=MADE):
        assert "PatientWeight" not in result


def test_private_attributes_are_never_copied(judge: Judge, locating_bundle: Bundle) -> None:
    ds = radiograph(1)
    ds.private_block(0x0011, "SOMEBODY", create=True).add_new(1, "LO", "SECRET-A")
    item = Dataset()
    item.PatientID, item.TypeOfPatientID = "OTHER-1", "TEXT"
    item.private_block(0x0011, "SOMEBODY", create=True).add_new(1, "LO", "SECRET-B")
    ds.OtherPatientIDsSequence = [item]
    for result in create_results([judge(ds)], locating_bundle, made=MADE):
        assert result.OtherPatientIDsSequence[0].PatientID == "OTHER-1"
        assert b"SECRET" not in encoded(result)


@pytest.mark.parametrize("syntax", [pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian])
def test_sequences_are_copied_whole_or_left_out_whole(judge: Judge, locating_bundle: Bundle, syntax: str) -> None:
    ds = radiograph(1)
    ds.file_meta.TransferSyntaxUID = syntax
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "W1", "99HERE", "Händchen"
    ds.ProcedureCodeSequence = [code]
    report, capture = create_results([judge(ds)], locating_bundle, made=MADE)
    assert {each.ProcedureCodeSequence[0].CodeMeaning for each in (report, capture)} == {"Händchen"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code.CodeValue = "W" * 40
    report, capture = create_results([judge(ds)], locating_bundle, made=MADE)
    assert "ProcedureCodeSequence" not in report
    assert any("break their form: ProcedureCodeSequence." in text for text in texts(report))


def test_uids_with_leading_zeros_are_kept_and_not_told_to_anybody(
    judge: Judge, locating_bundle: Bundle, recwarn: pytest.WarningsRecorder
) -> None:
    ds = radiograph(1)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            setattr(ds, keyword, f"1.02.003.{len(keyword)}")
    image = judge(ds)
    recwarn.clear()
    report, capture = create_results([image], locating_bundle, made=MADE)
    assert not recwarn.list
    assert report.StudyInstanceUID == ds.StudyInstanceUID
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == ds.SOPInstanceUID


@pytest.mark.parametrize(
    ("elements", "told"),
    [
        ({"StudyInstanceUID": None}, "no StudyInstanceUID"),
        ({"StudyInstanceUID": "1." * 35 + "1"}, "StudyInstanceUID"),
        ({"StudyInstanceUID": "ABC-SECRET"}, "StudyInstanceUID"),
        ({"PatientID": "SECRET" * 20}, "PatientID breaks its form"),
    ],
)
def test_a_study_that_cannot_be_filed_is_an_error_without_values(
    judge: Judge, locating_bundle: Bundle, elements: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        ds = radiograph(1, **elements)
    with warnings.catch_warnings(record=True) as warned, pytest.raises(UsageError, match=told) as error:
        warnings.simplefilter("always")
        image = judge(ds)
        create_results([image], locating_bundle, made=MADE)
    quoted = f"{error.value} {caplog.text} {[str(each.message) for each in warned if 'colles' in each.filename]}"
    assert "SECRET" not in quoted


def test_an_unknown_character_set_is_named_and_takes_foreign_letters_with_it(
    judge: Judge, locating_bundle: Bundle
) -> None:
    source = encoded(radiograph(1)).replace(b"ISO_IR 100", b"ISO_IR 999")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = judge(dcmread(io.BytesIO(source)))
        report, _ = create_results([image], locating_bundle, made=MADE)
    assert "SpecificCharacterSet" not in report
    assert any("break their form: SpecificCharacterSet" in text for text in texts(report))
