"""The report with the model card beside its tables: both from the run's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from colles.core.files import write_text
from colles.reporting.artefacts import load_artefacts
from colles.reporting.report import write_report
from colles.serving.bundle import CARD
from colles.serving.card import model_card
from colles.serving.metadata import BundleMetadata


def write_report_and_card(runs: Sequence[Path], out: Path, *, checklists: Sequence[str] = ()) -> Path:
    """Write the report of `runs` to `out`; for one run with a bundle, its card to results/ too.

    Raise as `write_report` does.
    """
    written = write_report(runs, out, checklists=checklists)
    bundle = load_artefacts(runs[0]).bundle if len(runs) == 1 else None
    if bundle is not None:
        try:
            metadata = BundleMetadata.model_validate(bundle)
        except ValidationError:
            return written  # a bundle of another version keeps the card that it came with
        write_text(out.parent / "results" / CARD, model_card(metadata))
    return written
