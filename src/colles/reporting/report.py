"""The report: run folders → one self-contained HTML file, with tables and figures in results/ beside it.

Everything comes from the artefacts; no model is ever called, and nothing is fetched when the page is read.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from colles.core.errors import MissingInputError
from colles.core.files import write_bytes, write_text
from colles.core.tables import write_table
from colles.reporting.artefacts import REPAIR, Artefacts, load_artefacts
from colles.reporting.blocks import Block, Missing, drawings
from colles.reporting.checklists.answer import Answer, answer, checklist_blocks, checklist_markdown, checklist_table
from colles.reporting.checklists.checklist import Checklist, load_checklists
from colles.reporting.comparison import comparison_blocks, comparison_table
from colles.reporting.sections import SECTIONS
from colles.reporting.tables import result_tables

RESULTS = re.compile(
    r"(calibration|comparison|confusion|counts|explanation_scores|failures|figures|forest|learning_curves|net_benefit"
    r"|operating_points|pointing|pr|predictive_values|robustness|roc|scores|subgroups)\.(csv|svg|png)"
    r"|checklist_[a-z_]+\.(csv|md)|MODEL_CARD\.md"
)
"""Names of the files in results/."""


@dataclass(frozen=True)
class SectionPage:
    """A section as it stands in the page."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class RunPage:
    """One run's part of the page."""

    name: str
    anchor: str
    """Put in front of every id of this run; empty where there is one run."""
    run: Artefacts
    sections: tuple[SectionPage, ...]
    absent: tuple[SectionPage, ...] = ()
    """Sections that the run has no files for, named at the end with the command that makes them."""
    checklists: tuple[tuple[Checklist, tuple[Answer, ...]], ...] = ()

    @property
    def foreign(self) -> bool:
        """Whether there are figures alone: of a table that another program may have made."""
        run = self.run
        return run.evaluation is not None and all(part is None for part in (run.recipe, run.metrics, run.provenance))


def write_report(runs: Sequence[Path], out: Path, *, checklists: Sequence[str] = ()) -> Path:
    """Write the report of one or several runs to `out` and tables and figures to results/ beside it.

    `checklists` are names of `CHECKLISTS`, answered at the end of each run's part. What an earlier report left in
    results/ goes; other files there are left alone. Raise `MissingInputError` for a folder that holds nothing to
    report, `TableError` for a damaged artefact, `UsageError` for an unknown checklist.
    """
    if not runs:
        raise MissingInputError("no run was named", repair=REPAIR)
    out, lists = Path(out), load_checklists(checklists)
    found = [load_artefacts(folder) for folder in runs]
    names = _names(found)
    pages = [
        _page(run, name, index, len(found), out, lists)
        for index, (run, name) in enumerate(zip(found, names, strict=True))
    ]
    _write_results(pages, out.parent / "results")
    return write_text(out, render(pages))


def render(pages: Sequence[RunPage]) -> str:
    """Return the page as HTML."""
    script = _asset("report.js")
    comparison = (
        comparison_blocks([page.name for page in pages], [page.run for page in pages]) if len(pages) > 1 else []
    )
    environment = Environment(
        loader=PackageLoader("colles.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    # The page states which script it runs, so that a hostile file name cannot smuggle in another.
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return template.render(
        pages=pages,
        comparison=comparison,
        style=Markup(_asset("report.css")),
        script=Markup(script),
        script_digest=digest,
    )


def _asset(name: str) -> str:
    return files("colles.reporting").joinpath("templates", name).read_text("utf-8")


def _page(run: Artefacts, name: str, index: int, of: int, out: Path, lists: Sequence[Checklist] = ()) -> RunPage:
    sections = [SectionPage(s.name, s.title, tuple(s.blocks(run, out))) for s in SECTIONS]
    absent = [page for page in sections if all(isinstance(block, Missing) for block in page.blocks)]
    present = tuple(page for page in sections if page not in absent)
    filled = tuple((checklist, tuple(answer(checklist, run))) for checklist in lists)
    asked = tuple(
        SectionPage(c.name, f"Checklist: {c.short}", tuple(checklist_blocks(c, answers))) for c, answers in filled
    )
    return RunPage(name, f"run{index + 1}-" if of > 1 else "", run, (*present, *asked), tuple(absent), filled)


def _names(runs: Sequence[Artefacts]) -> list[str]:
    repeated = Counter(run.name for run in runs)
    names = [run.name if repeated[run.name] == 1 else f"{run.name} ({run.folder.name})" for run in runs]
    again = Counter(names)
    return [name if again[name] == 1 else f"{name} #{index + 1}" for index, name in enumerate(names)]


def _write_results(pages: Sequence[RunPage], folder: Path) -> None:
    """Write each run's tables (CSV) and figures (SVG, PNG); several runs get a folder each."""
    written: set[Path] = set()
    for index, page in enumerate(pages):
        place = folder if len(pages) == 1 else folder / f"{index + 1}-{_slug(page.name)}"
        written.update(_write_page(page, place))
    if len(pages) > 1:
        frame = comparison_table([page.name for page in pages], [page.run for page in pages])
        written.add(write_table(frame, folder / "comparison.csv"))
    _remove_earlier(folder, written)


def _write_page(page: RunPage, place: Path) -> Iterator[Path]:
    for name, frame in result_tables(page.run).items():
        yield write_table(frame, place / f"{name}.csv")
    for checklist, answers in page.checklists:
        stem = f"checklist_{checklist.name.replace('-', '_')}"
        yield write_table(checklist_table(answers), place / f"{stem}.csv")
        yield write_text(place / f"{stem}.md", checklist_markdown(checklist, answers, page.name))
    for section in page.sections:
        for drawing in drawings(section.blocks):
            yield write_text(place / f"{drawing.name}.svg", drawing.svg)
            yield write_bytes(place / f"{drawing.name}.png", drawing.png)


def _remove_earlier(folder: Path, written: Set[Path]) -> None:
    """Remove the files of an earlier report that this one did not write, and nothing that no report writes."""
    # Folders of runs are 1-NAME to 99-NAME; one of a date, 2026-01-31, is a person's.
    for file in chain.from_iterable(folder.glob(each) for each in ("*", "[1-9]-*/*", "[1-9][0-9]-*/*")):
        if file.is_file() and file not in written and RESULTS.fullmatch(file.name):
            file.unlink()
            if file.parent != folder and not any(file.parent.iterdir()):
                file.parent.rmdir()


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:40] or "run"
