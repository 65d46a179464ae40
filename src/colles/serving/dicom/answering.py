"""From the objects of one study in a spool to its results there, image by image: hundreds fit as well as two."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from colles.serving.dicom.head import read_head
from colles.serving.dicom.spool import Spool
from colles.serving.predictor import Predictor

if TYPE_CHECKING:
    from colles.serving.dicom.answers import Judged

_IN_MEMORY = 8  # pictures of 50 MB at most; those of further images wait on the disk


class Stopped(Exception):
    """The node stops; the study is judged from its beginning at the next start."""


class Answering:
    """Judge studies by one bundle."""

    def __init__(
        self, spool: Spool, predictor: Predictor, *, capture: bool, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """`capture` false makes reports alone."""
        self._spool, self._predictor, self._capture, self._stopped = spool, predictor, capture, stopped

    def answer(self, study: str, objects: Sequence[str]) -> dict[str, int]:
        """Write the results of a study with these objects; return how many objects have which status.

        Raise `Stopped` where the node stops, `UsageError` as `arrange` and `stream_results`, `OSError` for a full disk.
        """
        with TemporaryDirectory(dir=self._spool.root / "incoming", ignore_cleanup_errors=True) as scratch:
            judged = [self._judge(study, name, number, Path(scratch)) for number, name in enumerate(objects)]
            self._spool.save_results(study, objects, self._results(judged))
        return dict(Counter(str(each.prediction.status) for each in judged))

    def _judge(self, study: str, name: str, number: int, scratch: Path) -> Judged:
        from colles.serving.dicom.answers import judge_file, put_aside

        if self._stopped():
            raise Stopped
        path = self._spool.object_path(study, name)
        answer = judge_file(path, self._predictor)
        if not answer.header:  # of an object whose whole header is too large or damaged
            answer = replace(answer, header=read_head(path.read_bytes()))
        if not self._capture:
            return replace(answer, picture=None)
        return answer if number < _IN_MEMORY else put_aside(answer, scratch / f"{number}.npy")

    def _results(self, judged: Sequence[Judged]) -> Iterator[tuple[str, bytes]]:
        from colles.datasets.sources.dicom_words import other_modality
        from colles.serving.dicom.answers import judge_study
        from colles.serving.dicom.arrangement import arrange
        from colles.serving.dicom.radiographs import is_picture
        from colles.serving.dicom.results import stream_results

        # A report can refer to nothing but pictures, and says nothing to anybody in a study of a CT.
        if not any(is_picture(each.header) and not other_modality(each.header) for each in judged):
            return
        subjects, bundle = arrange(judged), self._predictor.bundle
        for ds in stream_results(subjects, bundle, judge_study(subjects, bundle)):
            if self._stopped():
                raise Stopped
            yield str(ds.SOPInstanceUID), _encoded(ds)


def _encoded(ds: Any) -> bytes:
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
