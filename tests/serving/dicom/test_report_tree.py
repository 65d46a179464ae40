"""The whole of one report, item by item: codes and their schemes, answers under their concepts, images at groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colles.core.records import OperatingPoint
from colles.serving.bundle import Bundle, load_bundle
from colles.serving.dicom.answers import judge_file, judge_study
from colles.serving.dicom.arrangement import arrange
from colles.serving.dicom.results import stream_results
from colles.serving.predictor import Predictor
from drawn_dicom import CT, DX, MADE, SERIES, STUDY, encoded, radiograph

EXPECTED = """\
126000 DCM
. 121049 DCM: en RFC5646
. 121005 DCM: 121007 DCM
. 121012 DCM
. 121013 DCM: colles
. 121014 DCM: colles
. 121015 DCM: drawn
. 121016 DCM: 0123456789ab
. 121058 DCM: 168537006 SCT
. 126010 DCM
. . 125007 DCM
. . . 112039 DCM: colles image 1
. . . 112040 DCM
. . . 121071 DCM: 125605004 SCT
. . . 111001 DCM: drawn
. . . 111003 DCM: 0123456789ab
. . . 122405 DCM: colles
. . . 111002 DCM: program: colles
. . . 111002 DCM: decision: absent below score 0.020000, present from 0.025000, undetermined between
. . . 111002 DCM: operating point rule_out: drawn
. . . 111002 DCM: operating point rule_in: drawn
. . . 111002 DCM: calibration: none, the probability is the score
. . . 111002 DCM: sha256 of manifest.json: MANIFEST
. . . PROB_FRACTURE 99COLLES: 25.0 % UCUM
. . . 125605004 SCT: 52101004 SCT
. . . 111064 DCM: 111222 DCM
. . . 121112 DCM: image 1
. . . 121106 DCM: Image 1 (series 1, image 1): fracture; probability of a fracture 25.00 %. 1 place(s) outlined.
. . 125007 DCM
. . . 112039 DCM: colles image 1 place 1
. . . 112040 DCM
. . . 121071 DCM: 125605004 SCT
. . . 125605004 SCT: 52101004 SCT
. . . 111030 DCM: POLYLINE of 5
. . . . 260753009 SCT: image 1
. . 125007 DCM
. . . 112039 DCM: colles image 2
. . . 112040 DCM
. . . 111064 DCM: 111225 DCM
. . . 121112 DCM: image 2
. . . 121106 DCM: Image 2 (series 1, image 2): not judged: neither CR, DX nor a digitised film (CT Image Storage).
. . 125007 DCM
. . . 112039 DCM: colles image 3
. . . 112040 DCM
. . . 111064 DCM: 111224 DCM
. . . 121112 DCM: image 3
. . . 121106 DCM: Image 3 (series 1, image 3): not judged: truncated
. . 125007 DCM
. . . 112039 DCM: colles study
. . . 112040 DCM
. . . 121071 DCM: 125605004 SCT
. . . PROB_FRACTURE 99COLLES: 30.0 % UCUM
. . . 125605004 SCT: 52101004 SCT
. . . 111064 DCM: 111223 DCM
. . . 121112 DCM: image 1
. . . 121106 DCM: Study: fracture; probability of a fracture 30.00 %, by max of the scores of 1 of 3 images.
. C0034375 UMLS
. . 111064 DCM: 111223 DCM
. . 121077 DCM: Study: fracture; probability of a fracture 30.00 %, by max of the scores of 1 of 3 images.
. . 121106 DCM: Made by a program, colles
. . 121106 DCM: Not judged: object 2, neither CR, DX nor a digitised film (CT Image Storage).
. . 121106 DCM: Not judged: object 3, truncated"""


def codes(sequence: Any) -> str:
    return " ".join(f"{each.CodeValue} {each.CodingSchemeDesignator}" for each in sequence)


def value(item: Any) -> str:
    if item.ValueType == "CODE":
        return codes(item.ConceptCodeSequence)
    if item.ValueType == "NUM":
        (told,) = item.MeasuredValueSequence
        return f"{float(told.NumericValue)} {codes(told.MeasurementUnitsCodeSequence)}"
    if item.ValueType == "IMAGE":
        (source,) = item.ReferencedSOPSequence
        return f"image {source.ReferencedSOPInstanceUID.removeprefix(SERIES + '.')}"
    if item.ValueType == "SCOORD":
        return f"{item.GraphicType} of {len(item.GraphicData) // 2}"
    return str(item.get("TextValue", ""))


def outline(item: Any, depth: int = 0) -> Iterator[str]:
    said = value(item)
    yield ". " * depth + codes(item.ConceptNameCodeSequence) + (f": {said}" if said else "")
    for each in item.get("ContentSequence", []):
        yield from outline(each, depth + 1)


@pytest.fixture(scope="module")
def of_studies(
    tmp_path_factory: pytest.TempPathFactory, make_drawn: Callable[..., Path], predictor: Predictor
) -> Bundle:
    metadata = predictor.bundle.metadata
    f1 = OperatingPoint(
        name="f1", threshold=0.5, criterion="drawn", chosen_on="val", digest="0" * 64
    )  # decides nothing
    study = {"unit": "study", "aggregation": "max", "operating_points": metadata.operating_points}
    points = {**metadata.operating_points, "f1": f1}
    folder = tmp_path_factory.mktemp("tree") / "drawn"
    return load_bundle(make_drawn(folder, model=metadata.model, operating_points=points, study=study))


def test_a_report_item_by_item(of_studies: Bundle) -> None:
    predictor = Predictor(of_studies, threads=1, gate=False)
    files = [
        encoded(radiograph(1)),
        encoded(radiograph(2, Modality="CT", SOPClassUID=CT)),
        encoded(radiograph(3))[:-100],
    ]
    images = [judge_file(each, predictor) for each in files]
    images[0] = replace(images[0], prediction=replace(images[0].prediction, probability=0.25))
    subjects = arrange(images)
    whole = judge_study(subjects, of_studies)
    assert whole is not None
    report, _ = stream_results(subjects, of_studies, replace(whole, probability=0.3), made=MADE)
    expected = EXPECTED.replace("MANIFEST", of_studies.manifest_sha256).splitlines()
    found = list(outline(report))
    assert [line[: len(wanted)] for line, wanted in zip(found, expected, strict=True)] == expected
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    (series,) = evidence.ReferencedSeriesSequence
    named = [(each.ReferencedSOPClassUID, each.ReferencedSOPInstanceUID) for each in series.ReferencedSOPSequence]
    assert (evidence.StudyInstanceUID, series.SeriesInstanceUID) == (STUDY, SERIES)
    assert named == [(kind, f"{SERIES}.{number}") for number, kind in enumerate((DX, CT, DX), 1)]
    assert (report.VerificationFlag, report.PreliminaryFlag, report.SeriesNumber) == ("UNVERIFIED", "PRELIMINARY", 9701)
    assert (report.CompletionFlag, report.CompletionFlagDescription) == ("PARTIAL", "1 of 3 images judged")


def test_the_observer_is_the_bundle_whatever_it_looked_at(predictor: Predictor) -> None:
    observers = []
    for number in (1, 2):
        subjects = arrange([judge_file(encoded(radiograph(number)), predictor)])
        report, _ = stream_results(subjects, predictor.bundle, made=MADE)
        observers.append([each.UID for each in report.ContentSequence if each.ValueType == "UIDREF"])
    assert observers[0] == observers[1] and len(observers[0]) == 1
