"""Which of the studies that an earlier run left are judged, and when."""

from __future__ import annotations

from pathlib import Path

import pytest
from node_tools import LONG, Heard

from colles.serving.bundle import load_bundle
from colles.serving.dicom.judging import Judging
from colles.serving.dicom.spool import Spool
from colles.serving.dicom.study_state import digest_of
from colles.serving.dicom.timetable import Timetable
from colles.serving.predictor import Predictor


@pytest.mark.slow
def test_a_study_that_two_crashes_interrupted_is_judged_and_one_that_three_did_once_it_has_another_object(
    drawn_bundle: Path, tmp_path: Path
) -> None:
    spool, heard, quiet = Spool(tmp_path), Heard(), Timetable()
    twice, thrice, more = (spool.store(f"1.2.{number}", "1.2.3", [b"x"]).study for number in range(3))
    for study, begun in ((twice, 2), (thrice, 3), (more, 3)):
        spool.update(study, begun=begun, begun_on=digest_of(spool.objects(study)))
    spool.store("1.2.2", "1.2.4", [b"y"])
    judging = Judging(spool, quiet, Predictor(load_bundle(drawn_bundle), threads=1), heard, lambda study: None)
    judging.start(0.0)
    try:
        assert {each["study"] for each in heard.wait("judged", 2)} == {twice, more}
        assert [(each["study"], each["reason"]) for each in heard.wait("failed")] == [(thrice, "ProcessDied")]
    finally:
        judging.stop()
        judging.join(LONG)


@pytest.mark.slow
def test_what_an_earlier_run_left_waits_for_quiet_as_more_of_it_may_come(drawn_bundle: Path, tmp_path: Path) -> None:
    spool, heard, quiet = Spool(tmp_path), Heard(), Timetable()
    spool.store("1.2.3", "1.2.3.4", [b"x"])
    judging = Judging(spool, quiet, Predictor(load_bundle(drawn_bundle), threads=1), heard, lambda study: None)
    judging.start(LONG)
    other = spool.store("1.2.5", "1.2.3.4", [b"x"]).study
    quiet.put(other)
    try:
        assert [each["study"] for each in heard.wait("judged")] == [other]
    finally:
        judging.stop()
        judging.join(LONG)
