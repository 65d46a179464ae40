"""Which of the studies that an earlier run left are judged, and when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from node_tools import LONG, Heard

from colles.serving.bundle import load_bundle
from colles.serving.dicom.judging import Judging
from colles.serving.dicom.spool import Spool
from colles.serving.dicom.study_state import digest_of
from colles.serving.dicom.timetable import Timetable
from colles.serving.predictor import Predictor


@contextmanager
def judging(spool: Spool, quiet: Timetable, heard: Heard, bundle: Path, wait: float) -> Iterator[None]:
    """Judge studies until the block ends; those of an earlier run after `wait` seconds."""
    worker = Judging(spool, quiet, Predictor(load_bundle(bundle), threads=1), heard, lambda study: None)
    worker.start(wait)
    try:
        yield
    finally:
        worker.stop()
        worker.join(LONG)


@pytest.mark.slow
def test_a_study_that_two_crashes_interrupted_is_judged_and_one_that_three_did_once_it_has_another_object(
    drawn_bundle: Path, tmp_path: Path
) -> None:
    spool, heard, quiet = Spool(tmp_path), Heard(), Timetable()
    twice, thrice, more = (spool.store(f"1.2.{number}", "1.2.3", [b"x"]).study for number in range(3))
    for study, begun in ((twice, 2), (thrice, 3), (more, 3)):
        spool.update(study, begun=begun, begun_on=digest_of(spool.objects(study)))
    spool.store("1.2.2", "1.2.4", [b"y"])
    with judging(spool, quiet, heard, drawn_bundle, wait=0.0):
        assert {each["study"] for each in heard.wait("judged", 2)} == {twice, more}
        assert [(each["study"], each["reason"]) for each in heard.wait("failed")] == [(thrice, "ProcessDied")]


@pytest.mark.slow
def test_what_an_earlier_run_left_waits_for_quiet_as_more_of_it_may_come(drawn_bundle: Path, tmp_path: Path) -> None:
    spool, heard, quiet = Spool(tmp_path), Heard(), Timetable()
    spool.store("1.2.3", "1.2.3.4", [b"x"])
    with judging(spool, quiet, heard, drawn_bundle, wait=LONG):
        other = spool.store("1.2.5", "1.2.3.4", [b"x"]).study
        quiet.put(other)
        assert [each["study"] for each in heard.wait("judged")] == [other]
