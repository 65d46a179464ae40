"""Decide which files a set of phantoms holds, before any is drawn: patients, views, copies, planted faults."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import cycle

import numpy as np

from colles.core.recipe import PhantomRecipe
from colles.datasets.phantom.anatomy import PARTS, VIEWS
from colles.datasets.phantom.patient import Patient

PREVALENCE = 0.34
FIRST_COPY_NUMBER = 5000  # planted copies are far away in file number, as in the real set
_SUBSETS, _SUBSET_SHARES = ("train", "val", "test"), (0.7, 0.15, 0.15)


@dataclass(frozen=True)
class FilePlan:
    """One file: where it goes, which view it shows, and what was done to it."""

    folder: str
    """`FracAtlas` or `bonefractureyolo`."""
    name: str
    """File name without a folder."""
    subset: str
    """Of the YOLO export; empty for FracAtlas."""
    patient: Patient
    view: str
    view_index: int
    planted: str = ""
    """'', augmented, exact, near, rotated, truncated, zero_byte."""
    change: int = 0
    """Which variant of the change, or its seed."""
    copy_of: str = ""
    flipped_label: bool = False
    """Filed under the wrong label, beside an identical copy under the right one."""
    contradicted: bool = False
    """dataset.csv states the other label."""
    labelled: bool = True
    """False: the YOLO label file is missing."""

    @property
    def label(self) -> int:
        """1 where the file is filed as fractured."""
        return int(self.patient.fractured != self.flipped_label)

    @property
    def path(self) -> str:
        """Path of the image inside the set of phantoms."""
        if self.folder == "FracAtlas":
            return f"FracAtlas/images/{'Fractured' if self.label else 'Non_fractured'}/{self.name}"
        return f"bonefractureyolo/{self.subset}/images/{self.name}"


@dataclass
class _Planner:
    recipe: PhantomRecipe
    files: list[FilePlan] = field(default_factory=list)
    patients: int = 0
    number: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.recipe.seed, 7])

    def patient(self) -> Patient:
        rng = self.rng
        self.patients += 1
        fractured = bool(rng.uniform() < PREVALENCE)
        part = str(rng.choice(PARTS, p=(0.32, 0.3, 0.18, 0.2)))
        return Patient(
            number=self.patients,
            part=part,
            side=str(rng.choice(["L", "R"])),
            fractured=fractured,
            hardware=bool(rng.uniform() < (0.14 if fractured else 0.05)),
            cast=bool(rng.uniform() < (0.12 if fractured else 0.06)) and part != "shoulder",
            marker=bool(rng.uniform() < 0.7),
            seed=int(rng.integers(0, 2**31)),
        )

    def subset(self) -> str:
        return str(self.rng.choice(_SUBSETS, p=_SUBSET_SHARES))

    def fracatlas(self, quota: int) -> None:
        made = 0
        while made < quota:
            patient = self.patient()
            views = min(int(self.rng.choice([1, 2, 3], p=(0.35, 0.45, 0.2))), quota - made)
            if self.number % 10 + views > 10:
                self.number += 10 - self.number % 10  # a patient's views stay within one block of ten
            for index, view in enumerate(VIEWS[:views]):
                name = f"IMG{self.number:07d}.jpg"
                self.files.append(FilePlan("FracAtlas", name, "", patient, view, index))
                self.number += 1
            made += views

    def yolo(self, quota: int) -> None:
        made = 0
        while made < quota:
            patient, copies = self.patient(), min(int(self.rng.choice([1, 2, 3])), quota - made)
            view = str(self.rng.choice(VIEWS[:2]))
            base = f"image{patient.number}_0_png"
            for copy in range(copies):
                # single files of every other patient have a name that FracAtlas has too
                clash = copies == 1 and patient.number % 2 == 0
                name = (
                    f"IMG{patient.number % max(1, self.number):07d}.jpg" if clash else f"{base}.rf.{self.hexes()}.jpg"
                )
                planted = "augmented" if copy else ""
                first = "" if copy == 0 else self.files[-copy].path
                plan = FilePlan("bonefractureyolo", name, self.subset(), patient, view, 0, planted, copy, first)
                self.files.append(plan)
            made += copies

    def hexes(self) -> str:
        return self.rng.bytes(16).hex()

    def plant(self, kind: str, count: int, originals: list[FilePlan]) -> None:
        targets = cycle(["bonefractureyolo", "FracAtlas"])
        for index, (target, which) in enumerate(zip(targets, self.rng.permutation(len(originals)), strict=False)):
            if index == count:
                break
            original = originals[int(which)]
            number = FIRST_COPY_NUMBER + 17 * (len(self.files) + 1)
            name = f"IMG{number:07d}.jpg" if target == "FracAtlas" else f"copy{number}_jpg.rf.{self.hexes()}.jpg"
            subset = self.subset() if target != "FracAtlas" else ""
            flipped = kind == "exact" and index == 1
            self.files.append(
                FilePlan(
                    target, name, subset, original.patient, original.view, original.view_index, kind, index,
                    original.path, flipped_label=flipped,
                )
            )  # fmt: skip


def plan_files(recipe: PhantomRecipe) -> list[FilePlan]:
    """Plan exactly `recipe.images` files, about half of them in each set."""
    n = recipe.images
    planner = _Planner(recipe)
    each = max(2, n // 60)
    broken = max(2, n // 100)
    planted = {"exact": each, "near": each, "rotated": each}
    originals = n - sum(planted.values())
    planner.fracatlas(originals // 2)
    planner.yolo(originals - originals // 2)
    sources = [plan for plan in planner.files if plan.planted == ""]
    spoilt = _spoil(planner.files, broken, planner.rng)
    whole = [plan for plan in sources if plan.path not in spoilt]
    for kind, count in planted.items():
        planner.plant(kind, count, whole)
    return _finish([spoilt.get(plan.path, plan) for plan in planner.files], planner.rng, max(2, n // 100))


def _spoil(files: list[FilePlan], count: int, rng: np.random.Generator) -> dict[str, FilePlan]:
    # as in the real set, every broken file is filed as non-fractured
    candidates = [plan for plan in files if plan.folder == "FracAtlas" and not plan.label]
    chosen = [candidates[int(i)] for i in rng.permutation(len(candidates))[: count + 1]]
    kinds = ["truncated"] * (len(chosen) - 1) + ["zero_byte"]
    return {plan.path: replace(plan, planted=kind) for plan, kind in zip(chosen, kinds, strict=True)}


def _finish(files: list[FilePlan], rng: np.random.Generator, unlabelled: int) -> list[FilePlan]:
    fractured = [i for i, f in enumerate(files) if f.folder == "FracAtlas" and f.label and not f.planted]
    if fractured:
        files[fractured[0]] = replace(files[fractured[0]], contradicted=True)
    single = [i for i, f in enumerate(files) if f.folder != "FracAtlas" and not f.planted]
    for index in rng.permutation(single)[:unlabelled].tolist():
        files[index] = replace(files[index], labelled=False)
    return files
