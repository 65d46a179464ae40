"""The recipe's section of the data: sources of radiographs, real and simulated."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from colles.core.limits import MAX_BYTES, MAX_PIXELS
from colles.core.section import Section, Seed

SourceKind = Literal["fracatlas", "yolo", "folder", "csv", "dicom"]


class SourceRecipe(Section):
    """Where one set of radiographs lies and how to read it."""

    kind: SourceKind
    """What lies there: the tutorial goes through each."""
    path: str
    """Relative to `data.root`, else to the variable COLLES_DATA, else to the recipe's folder."""
    name: str | None = None
    """Shown in tables and put in front of every image_id; the kind where it is not given."""
    class_map: dict[str, int | None] | str | None = None
    """Class or folder name → 1, 0 or null (unknown); or a YAML, JSON or CSV file of the same, relative to the recipe's
    folder."""
    boxes_on: Literal["displayed", "stored"] = "displayed"
    """Whether boxes were drawn on the image as displayed, or on the stored one before its EXIF rotation."""
    about: str | None = None
    """Licence, and what else is to be known of the set: model cards repeat it."""


class PhantomRecipe(Section):
    """Simulated radiographs, made where the recipe has no real source."""

    images: int = Field(default=600, ge=20)
    """How many files to draw, copies and broken ones included."""
    size: int = Field(default=384, ge=64, le=2048)
    """Longer side in pixels."""
    seed: Seed = 0
    """Another seed draws other patients."""


class DataRecipe(Section):
    """Which radiographs take part."""

    root: str | None = None
    """Folder that relative paths of sources start from; None takes COLLES_DATA, else the recipe's folder."""
    sources: tuple[SourceRecipe, ...] = ()
    """One or several sets, which become one catalog."""
    phantom: PhantomRecipe | None = None
    """Simulated radiographs in place of sources."""
    region: Literal["all", "upper_limb"] = "all"
    """`upper_limb` keeps images of the upper limb alone."""
    max_pixels: int = Field(default=MAX_PIXELS, gt=0)
    """A larger image is refused before it is decoded."""
    max_bytes: int = Field(default=MAX_BYTES, gt=0)
    """A larger file is refused before it is read."""
    workers: int | None = Field(default=None, ge=1)
    """Reading threads; None takes one a core."""
    salt: str | None = None
    """File that names of DICOM patients and studies are made with, relative to the recipe's folder; None takes
    catalog.salt beside the catalog."""
    corrections: str | None = None
    """CSV of corrected labels and dropped images: image_id, label (1, 0, unknown or drop), reason, reader. Relative to
    the recipe's folder."""
