"""The values that pass between the stages: a radiograph's row, boxes, estimates, issues, operating points.

All are frozen. Units and meanings stand under each field.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Subset = Literal["train", "val", "test", "external"]
SUBSETS: tuple[Subset, ...] = ("train", "val", "test", "external")
Status = Literal["ok", "truncated", "unreadable", "empty", "too_large", "unsupported", "dropped"]
Severity = Literal["error", "warning", "info"]


class Record(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Box(Record):
    """A rectangle in pixels of the image after EXIF rotation, origin at the top left."""

    x1: float
    y1: float
    x2: float
    y2: float
    name: str | None = None
    """The annotator's class name. It exists on positives only, so it is never a column of the image."""

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return max(0.0, self.x2 - self.x1) * max(0.0, self.y2 - self.y1)

    def contains(self, x: float, y: float, margin: float = 0.0) -> bool:
        """Tell whether a point lies in the box widened by `margin` pixels on every side."""
        return self.x1 - margin <= x <= self.x2 + margin and self.y1 - margin <= y <= self.y2 + margin


class Radiograph(Record):
    """One row of the catalog."""

    image_id: str
    """`source/path inside the source`; unique, and the same on every machine."""
    source: str
    path: str
    """Absolute path of the file."""
    label: int | None = None
    """1 fracture, 0 no fracture, None unknown. Unknown is never 0."""
    boxes: tuple[Box, ...] = ()
    body_part: str | None = None
    view: str | None = None
    laterality: str | None = None
    hardware: bool | None = None
    age: float | None = None
    """Years."""
    sex: str | None = None
    manufacturer: str | None = None
    width: int | None = None
    """Pixels after EXIF rotation."""
    height: int | None = None
    channels: int | None = None
    bit_depth: int | None = None
    sha256: str | None = None
    """Of the file's bytes."""
    pixel_sha256: str | None = None
    """Of the decoded pixels after EXIF rotation, with their shape and type."""
    phash: str | None = None
    """64 hexadecimal digits: a 256-bit perceptual hash."""
    patient_id: str | None = None
    study_id: str | None = None
    id_scope: str | None = None
    """Where both ids hold: digest of the salt that made them; None for plain ids, which hold within the source."""
    base_name: str | None = None
    """Name shared by augmented copies of one radiograph."""
    given_split: str | None = None
    """The subset that the source itself assigns."""
    group_id: str | None = None
    """Patient, study or base name, with the source's name (or id_scope) in front; else the image_id."""
    status: Status = "ok"
    reason: str | None = None
    """Why the status is not ok, or what was odd about the label."""
    upper_limb: bool | None = None
    metadata_label: int | None = None
    """The label that the source's own table states, where it has one beside the one used."""
    file_bytes: int | None = None
    file_format: str | None = None
    """What the bytes are, whatever the name says: JPEG, PNG, TIFF, DICOM …"""
    colour_mode: str | None = None
    """The stored form: L, RGB, I;16, CMYK, P …; for DICOM its photometric interpretation."""
    frames: int | None = None
    """Pictures in the file; the first is the one read."""
    orientation: int | None = None
    """EXIF orientation (1–8) that was applied."""
    mean_grey: float | None = None
    """Of the 8-bit grey picture, 0–255, as are the next four."""
    sd_grey: float | None = None
    low_grey: float | None = None
    """1st percentile."""
    high_grey: float | None = None
    """99th percentile."""
    bright_share: float | None = None
    """Share of pixels above 170 among those above 8: high where air is bright, as in an inverted radiograph."""
    border_grey: float | None = None
    """Mean of the outermost ring, 2 % of the shorter side wide."""
    border_width: float | None = None
    """Lines of one grey at the edge, as a share of the axis (0–0.5), mean of the four sides."""
    colourfulness: float | None = None
    """0 for grey, about 15 slightly, above 45 quite colourful (Hasler and Süsstrunk 2003)."""
    jpeg_quality: int | None = None
    """libjpeg's setting (1–100) of equally coarse tables; None where the file is no JPEG."""
    jpeg_tables: str | None = None
    """Digest of the JPEG quantisation tables: files of one encoder and setting share it."""
    burned_in: bool | None = None
    """Whether the file says that its pixels hold text about the patient (DICOM's BurnedInAnnotation)."""
    correction: str | None = None
    """What a reader decided: 1, 0, unknown, or drop."""
    label_before: int | None = None
    """The label before it was corrected."""
    correction_reason: str | None = None
    corrected_by: str | None = None
    """The reader."""


class Issue(Record):
    """A problem of the data (a finding is a clinical matter)."""

    kind: str
    severity: Severity
    images: tuple[str, ...]
    """image_ids concerned."""
    detail: str
    """One plain sentence."""


class Estimate(Record):
    """A figure with its interval and what it rests on."""

    value: float | None
    """None where the figure is undefined (one class only, no positive call)."""
    low: float | None
    high: float | None
    level: float = 0.95
    method: str
    """How the interval was made: delong, wilson, bootstrap_groups, …"""
    n: int
    """Images that the figure rests on (its denominator for a proportion)."""
    n_groups: int | None = None
    """Independent groups (patients, duplicate clusters) among them."""

    def __str__(self) -> str:
        if self.value is None:
            # a likelihood ratio without a false alarm has no value but a lower bound
            return "undefined" if self.low is None else f"at least {self.low:z.3f}"
        if self.low is None or self.high is None:
            return f"{self.value:z.3f}"
        return f"{self.value:z.3f} ({self.low:z.3f}{until(self.low)}{self.high:z.3f})"


CHANCE = 0.5
"""AUROC of a score that knows nothing of the label."""


def doubt(auroc: Estimate | None) -> str | None:
    """Return a sentence where an AUROC does not certainly beat chance, or None where it does or is undefined."""
    if auroc is None or auroc.low is None or auroc.high is None or auroc.low > CHANCE:
        return None
    if auroc.high < CHANCE:
        return (
            "The AUROC is below chance (0.5): the labels may be turned round, or what was learned does not carry over."
        )
    return "The AUROC cannot be told from chance (0.5): this model is not shown to know anything of fractures."


def until(low: float) -> str:
    """Return what stands between the two ends of an interval: a dash beside a minus sign would read like a sum."""
    return " to " if low < 0 else "–"


class OperatingPoint(Record):
    """A threshold, the criterion that chose it, and the data that it was chosen on."""

    name: str
    """`f1`, `youden`, `rule_out`, `rule_in`, `cost`; `default` where no data chose it."""
    threshold: float
    """On the score (uncalibrated sigmoid output, 0–1); score ≥ threshold is positive."""
    criterion: str
    """In words, such as `sensitivity >= 0.95`."""
    chosen_on: str
    """Subset, `val` as a rule; `none` of `default`."""
    digest: str
    """sha256 of the labels and scores that chose it."""
    reached: bool = True
    """False where the data could not satisfy the criterion and the nearest threshold was taken."""
