"""A folder of DICOM files, at any depth and with any ending.

Patient, study and image are kept as salted digests only, equal in all folders that are read with one salt; the path
is the one column that shows a file's own name.
Labels come from `labels.csv` in the folder (`SOPInstanceUID` or `file`, then `label` and perhaps `boxes`); an image
that is not in it has no label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from colles.core.errors import CollesError, MissingInputError, TableError, UsageError
from colles.core.extras import require
from colles.core.progress import say
from colles.core.records import Box, Radiograph
from colles.core.tables import read_table
from colles.datasets.pseudonyms import Pseudonyms
from colles.datasets.sources import dicom_words as words
from colles.datasets.sources.base import Source, place_boxes, read_boxes, stated_label
from colles.datasets.sources.files import files_below
from colles.datasets.sources.headers import is_named_dicom, salted_ids
from colles.imaging.read_dicom import read_header

LABELS = "labels.csv"
_KEYS = ("SOPInstanceUID", "file")
_SHORT = 4  # a shorter id occurs in any path by chance


class Dicom(Source):
    """Radiographs as they come from an archive."""

    kind = "dicom"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        require("pydicom", "dicom")
        if self.salt is None:
            raise UsageError("a dicom source needs a salt", repair="Give salt=FILE (it is made where there is none)")
        self._names = Pseudonyms.load(self.salt)
        self._others: dict[str, str] = {}
        self._found_labels: set[str] = set()
        self._pictureless = 0

    def radiographs(self) -> Iterator[Radiograph]:
        """Yield a row a file that holds a picture, in path order; only headers are read."""
        paths = files_below(self.root, lambda path: path.name != LABELS)
        labels = self._labels()
        seen: dict[str, int] = {}
        told = pictures = 0
        for path in paths:
            ds = self._header(path)
            if ds is None:
                continue
            pictures += 1
            told += self._shows_patient(path, ds)
            row = self._row(path, ds, labels)
            seen[row.image_id] = seen.get(row.image_id, 0) + 1
            if seen[row.image_id] > 1:  # one image stored in two files
                row = row.model_copy(update={"image_id": f"{row.image_id}-{seen[row.image_id]}"})
            reason = words.no_radiograph(ds)
            if reason is not None:
                self._others[row.image_id] = reason
            yield row
        if not pictures:
            raise MissingInputError("holds no DICOM pictures", path=self.root, repair="Check the path")
        self._report(len(labels) - len(self._found_labels), told)

    def finish(self, row: Radiograph) -> Radiograph:
        """Clip the boxes to the image, and set aside what is no radiograph."""
        row = place_boxes(row, shares=False)
        if row.status == "ok" and row.image_id in self._others:
            return row.model_copy(update={"status": "unsupported", "reason": self._others[row.image_id]})
        return row

    def _header(self, path: Path) -> Any:
        """Return what the header says; nothing of a damaged file, whose row gets its status when it is decoded.

        None for what is no DICOM file, or one without a picture.
        """
        named = is_named_dicom(path)
        try:
            ds = read_header(path)
        except (CollesError, OSError):
            return {}
        if ds is None:
            return {} if named else None
        if not words.first_text(ds, "Rows"):
            self._pictureless += 1
            return None
        return ds

    def _row(self, path: Path, ds: Any, labels: Mapping[str, tuple[int | None, tuple[Box, ...]]]) -> Radiograph:
        inside, uid = path.relative_to(self.root).as_posix(), words.first_text(ds, "SOPInstanceUID")
        image_id = f"{self.name}/{self._names.name('image', uid or inside)}"
        key = next((name for name in (uid, inside) if name in labels), None)
        label, boxes = labels[key] if key is not None else (None, ())
        self._found_labels |= {key} if key is not None else set()
        part = words.body_part(ds)
        # The salt's scope stands on every row: image ids are names under it too.
        ids: dict[str, Any] = {"id_scope": self._names.scope, "group_id": image_id, **salted_ids(ds, self._names)}
        return Radiograph(
            image_id=image_id,
            source=self.name,
            path=str(path),
            label=label,
            boxes=boxes,
            body_part=part,
            view=words.view(ds),
            laterality=words.laterality(ds),
            age=words.age(ds),
            sex=words.sex(ds),
            manufacturer=words.first_text(ds, "Manufacturer"),
            upper_limb=words.upper_limb(part),
            burned_in=words.burned_in(ds),
            **ids,
        )

    def _labels(self) -> dict[str, tuple[int | None, tuple[Box, ...]]]:
        path = self.root / LABELS
        if not path.is_file():
            others = sorted(other.name for other in self.root.glob("*.[cC][sS][vV]"))
            left = f"; {', '.join(others)} is not read" if others else f" ({' or '.join(_KEYS)}, label)"
            say(f"{self.root} has no {LABELS}{left}, and no label is known")
            return {}
        table = read_table(path, ("label",), as_text=True)
        key = next((name for name in _KEYS if name in table.columns), None)
        if key is None:
            raise TableError(f"lacks the column {' or '.join(_KEYS)}", path=path, repair="Add one that names the image")
        found: dict[str, tuple[int | None, tuple[Box, ...]]] = {}
        for number, row in enumerate(table.iter_rows(named=True), start=2):
            name, field = str(row[key] or "").strip().replace("\\", "/").removeprefix("./"), f"line {number}"
            if not name or name in found:
                text = "names an image twice" if name else f"has no {key}"
                raise TableError(text, path=path, field=field, repair="Write one line an image")
            boxes = read_boxes(row.get("boxes"), path=path, field=field)
            found[name] = (stated_label(row["label"], self.class_map, path=path, field=field), boxes)
        return found

    def _shows_patient(self, path: Path, ds: Any) -> bool:
        patient = words.first_text(ds, "PatientID") or ""
        return len(patient) >= _SHORT and patient in str(path)

    def _report(self, lost: int, told: int) -> None:
        if self._pictureless:
            say(f"{self._pictureless} DICOM files hold no picture (reports and the like); left out")
        if lost:
            say(f"{lost} lines of {self.root / LABELS} name no image of the folder")
        if told:
            say(f"{told} paths hold a patient's id, as does the catalog's column path: keep it with the images")
