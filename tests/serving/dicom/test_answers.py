"""Whatever a file holds, there is an answer or a reason; a study is judged by the bundle's own thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from highdicom.sr import srread
from pydicom import Dataset

from colles.serving.bundle import Bundle, load_bundle
from colles.serving.dicom.answers import Judged, judge_file, judge_study
from colles.serving.dicom.arrangement import arrange
from colles.serving.predictor import Predictor
from drawn_dicom import CT, DX, MADE, SC, create_results, encoded, radiograph, spot, texts

Judge = Callable[[Dataset], Judged]
CR, RF = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.12.2"


@pytest.mark.parametrize(
    ("kind", "modality", "status"),
    [
        (CR, "CR", "ok"),
        (DX, "DX", "ok"),
        (f"{DX}.1", "DX", "ok"),
        (SC, "CR", "ok"),
        (SC, "RG", "ok"),
        (SC, "OT", "refused"),
        (SC, None, "refused"),
        (CT, "CT", "refused"),
        (RF, "RF", "refused"),
        (None, "DX", "refused"),
        ("1.2.3.4", "DX", "refused"),
    ],
)
def test_only_projection_radiographs_are_judged(judge: Judge, kind: str, modality: str, status: str) -> None:
    image = judge(radiograph(1, SOPClassUID=kind, Modality=modality))
    assert image.prediction.status == status
    assert (image.prediction.score is None) == (status != "ok")
    assert (image.picture is None) == (status != "ok")


def test_a_reason_never_quotes_what_is_no_modality(judge: Judge) -> None:
    image = judge(radiograph(1, SOPClassUID=SC, Modality="Doe^Jane"))
    assert image.prediction.reason == "neither CR, DX nor a digitised film (a secondary capture of modality unknown)"


def test_a_mammogram_is_not_said_to_be_no_projection(judge: Judge) -> None:
    image = judge(radiograph(1, SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2", Modality="MG"))
    reason = "neither CR, DX nor a digitised film (Digital Mammography X-Ray Image Storage - For Presentation)"
    assert image.prediction.reason == reason


@pytest.mark.parametrize("data", [b"", b"not DICOM", b"\0" * 128 + b"DICM" + b"\xff" * 50, b"\0" * 128 + b"DICM"])
def test_any_bytes_give_an_answer(predictor: Predictor, data: bytes) -> None:
    image = judge_file(data, predictor)
    assert image.prediction.status in ("unreadable", "refused")
    assert image.prediction.reason
    assert image.picture is None
    assert "StudyInstanceUID" not in image.header


def test_a_cut_file_of_any_length_gives_an_answer(predictor: Predictor) -> None:
    data = encoded(radiograph(1))
    for length in range(0, len(data), 97):
        assert judge_file(data[:length], predictor).prediction.status != "ok"


def test_a_file_is_read_as_its_bytes_and_left_as_it_is(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    data = encoded(radiograph(1))
    path.write_bytes(data)
    before = path.stat()
    of_file, of_bytes = judge_file(path, predictor), judge_file(data, predictor)
    create_results([of_file], predictor.bundle, made=MADE)
    assert of_file.prediction.score == of_bytes.prediction.score
    assert of_file.prediction.path == str(path)
    assert path.read_bytes() == data
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    gone = judge_file(tmp_path / "none.dcm", predictor)
    assert "there is no such file" in (gone.prediction.reason or "")
    assert judge_file(tmp_path, predictor).prediction.status == "unreadable"


def test_the_answer_is_that_of_colles_predict(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(encoded(radiograph(1, spot(96, 70))))
    (usual,) = predictor.predict_paths([path], overlays=tmp_path / "maps", boxes=True)
    image = judge_file(path, predictor)
    assert (image.prediction.score, image.prediction.boxes) == (usual.score, usual.boxes)
    from PIL import Image

    with Image.open(tmp_path / "maps" / "a.png") as drawn:
        assert image.picture is not None
        below = image.picture.height // 2  # the caption has one line more: that nobody verified it
        same = np.asarray(image.picture) == np.asarray(drawn.convert("RGB"))
        assert same[:below].all() and not same[below:].all()


def test_prediction_judged_the_captures_of_earlier_answers(judge: Judge, predictor: Predictor) -> None:
    _, capture = create_results([judge(radiograph(1))], predictor.bundle, made=MADE)
    answer = predictor.predict(encoded(capture))
    assert (answer.status, answer.score) == ("refused", None)
    assert answer.reason == "is a result of colles, with the answer drawn on it"


@pytest.fixture(scope="module")
def of_studies(
    tmp_path_factory: pytest.TempPathFactory, make_drawn: Callable[..., Path], predictor: Predictor
) -> Bundle:
    """The same bundle with thresholds of studies, by the highest score of an image."""
    points = predictor.bundle.metadata.operating_points
    study = {"unit": "study", "aggregation": "max", "operating_points": points}
    model = predictor.bundle.metadata.model
    folder = tmp_path_factory.mktemp("studies") / "drawn"
    return load_bundle(make_drawn(folder, model=model, operating_points=points, study=study))


def test_a_study_has_a_group_of_its_own(of_studies: Bundle, tmp_path: Path) -> None:
    predictor = Predictor(of_studies, threads=1, gate=False)
    data = [
        encoded(radiograph(1)),
        encoded(radiograph(2, spot(at=(0, 0, 0, 0)))),
        encoded(radiograph(3, Modality="CT", SOPClassUID=CT)),
    ]
    document = radiograph(4, Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67")
    for keyword in ("Rows", "Columns", "PixelData"):
        del document[keyword]
    images = [judge_file(each, predictor) for each in (*data, encoded(document))]
    whole = judge_study(arrange(images), of_studies)
    assert whole is not None
    assert (whole.decision, whole.images, whole.judged) == ("fracture", 3, 2)
    assert whole.score == images[0].prediction.score
    report, *_ = create_results(images, of_studies, made=MADE)
    report.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    groups = srread(tmp_path / "sr.dcm").content.get_image_measurement_groups()
    (study,) = (group for group in groups if group.tracking_identifier == "colles study")
    assert len(study.source_images) == 2
    assert any("Study: fracture" in text and "2 of 3 images" in text for text in texts(report))


def test_a_study_is_not_without_a_fracture_while_an_image_was_not_judged(of_studies: Bundle) -> None:
    predictor = Predictor(of_studies, threads=1, gate=False)
    clear = judge_file(encoded(radiograph(1, spot(at=(0, 0, 0, 0)))), predictor)
    cut = judge_file(encoded(radiograph(2))[:1500], predictor)
    whole = judge_study(arrange([clear]), of_studies)
    assert whole is not None and whole.decision == "no_fracture"
    partial = judge_study(arrange([clear, cut]), of_studies)
    assert partial is not None and (partial.decision, partial.probability) == ("uncertain", whole.probability)
    report, _ = create_results([clear, cut], of_studies, made=MADE)
    assert any(text.startswith("Study: undetermined; prob") and "1 of 2 images" in text for text in texts(report))
    groups = report.ContentSequence[-2].ContentSequence
    said = [item.ConceptCodeSequence[0].CodeValue for item in groups[-1].ContentSequence if item.ValueType == "CODE"]
    assert said == ["373068000", "111223"]  # undetermined, partially succeeded
    found = judge_study(arrange([judge_file(encoded(radiograph(3)), predictor), cut]), of_studies)
    assert found is not None and found.decision == "fracture"


def test_an_image_that_the_report_does_not_judge_counts_for_no_study(of_studies: Bundle) -> None:
    predictor = Predictor(of_studies, threads=1, gate=False)
    files = [radiograph(1), radiograph(1, spot(at=(0, 0, 0, 0)))]  # one UID
    whole = judge_study(arrange([judge_file(encoded(each), predictor) for each in files]), of_studies)
    assert whole is not None and (whole.status, whole.judged, whole.images) == ("refused", 0, 1)
    cut = judge_study(arrange([judge_file(encoded(files[0])[:-100], predictor)]), of_studies)
    assert cut is not None and (cut.status, cut.score) == ("unreadable", None)


def test_thresholds_of_patients_judge_no_study(of_studies: Bundle) -> None:
    predictor = Predictor(of_studies, threads=1, gate=False)
    subjects = arrange([judge_file(encoded(radiograph(1)), predictor)])
    settings = of_studies.metadata.study
    assert settings is not None and judge_study(subjects, of_studies) is not None
    patients = of_studies.metadata.model_copy(update={"study": settings.model_copy(update={"unit": "patient"})})
    assert judge_study(subjects, replace(of_studies, metadata=patients)) is None


def test_without_thresholds_of_studies_none_is_judged(judge: Judge, locating_bundle: Bundle) -> None:
    images = [judge(radiograph(1))]
    assert judge_study(arrange(images), locating_bundle) is None
    report, *_ = create_results(images, locating_bundle, made=MADE)
    assert any("no answer on the study as a whole" in text for text in texts(report))
