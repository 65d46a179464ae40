"""A damaged header gives results or one error of colles, and nothing that quotes it."""

from __future__ import annotations

import random
import warnings

import pytest
from pydicom import Dataset

from colles.core.errors import CollesError
from colles.serving.dicom.answers import judge_file
from colles.serving.predictor import Predictor
from drawn_dicom import MADE, create_results, encoded, radiograph

_ODD = (b"\\", b"^", b"=", b"\xff\xff", b"\0", b"\x1b$B", b"\x7f", b"\n")


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Change, insert or delete a few bytes before the pixels."""
    found, end = bytearray(data), data.index(b"\xe0\x7f\x10\x00")
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(132, end)
        kind = rng.randrange(4)
        if kind == 0:
            found[place] = rng.randrange(256)
        elif kind == 1:
            found[place : place + rng.randrange(1, 4)] = rng.choice(_ODD)
        elif kind == 2:
            del found[place : place + rng.randrange(1, 6)]
        else:
            found[place:place] = rng.randbytes(rng.randrange(1, 6))
    return bytes(found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_damaged_headers_end_in_results_or_in_one_error(predictor: Predictor, seed: int) -> None:
    ds = radiograph(1, PatientAge="076Y", PatientWeight="60", BodyPartExamined="HAND", PatientOrientation=["L", "F"])
    inside = Dataset()
    inside.PatientID, inside.TypeOfPatientID = "x", "TEXT"
    ds.OtherPatientIDsSequence = [inside]
    source, rng = encoded(ds), random.Random(seed)
    made = 0
    for _ in range(40):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images = [judge_file(damaged(source, rng), predictor)]
            try:
                results = create_results(images, predictor.bundle, made=MADE)
            except CollesError as error:
                assert "Meier" not in str(error)
                continue
            assert all(len(encoded(result)) > 1000 for result in results)
            made += 1
    assert made >= 3
